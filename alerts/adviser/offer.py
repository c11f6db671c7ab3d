"""A new rule, that the advisor may offer: the host sees every condition in words, and confirms."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, WithJsonSchema

from billing import limits
from gpuadvisor.accounts.models import User
from gpuadvisor.core.advising import Arguments, Card, Offered
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.validators import visible_text
from market.models import Platform
from market.places import CONTINENTS, COUNTRIES
from market.sources import LIVE_PLATFORMS
from portfolios.adviser.common import clean, find_gpu, find_portfolio, title
from portfolios.forms.host import find_model

from .. import selectors, services
from ..conditions import ConditionError, Conditions, dump, parse
from ..models import Alert, Channel
from ..models.rules import Severity, Type
from ..wording import HOUR, duration

REMIND_HOURS = 24
LONGEST_NAME = 100
_NUMBER = WithJsonSchema({"type": "number"})


class RuleAsked(Arguments):
    type: Literal["utilization_drop", "pricing_change", "optimization_opportunity"]
    threshold: Annotated[
        Decimal,
        Field(
            description="utilization_drop: percent rented, or points where against is usual or comps;"
            " pricing_change: percent, or USD/GPU-h where against is limit; optimization_opportunity: USD a month."
        ),
        _NUMBER,
    ]
    against: Annotated[
        Literal["", "limit", "usual", "comps", "before"],
        Field(description="utilization_drop: limit (default), usual, comps; pricing_change: before (default), limit."),
    ] = ""
    direction: Annotated[Literal["", "up", "down", "both"], Field(description="Of a price.")] = ""
    for_minutes: Annotated[int | None, Field(description="How long it must last; null: as is usual.")] = None
    gpu: Annotated[str, Field(description="One of the host's GPUs, id or name; empty: all. Not for a price.")] = ""
    portfolio: Annotated[str, Field(description="Id or name; empty: all. Not for a price.")] = ""
    gpu_model: Annotated[str, Field(description="For a price: the catalog's name.")] = ""
    platform: Annotated[str, Field(description="For a price; empty: Vast.ai.")] = ""
    region: Annotated[str, Field(description="For a price: country code or continent; empty: anywhere.")] = ""
    over_hours: Annotated[int | None, Field(description="For a price: against how many hours ago; null: 24.")] = None
    severity: Literal["info", "warning", "critical"] = "warning"
    name: Annotated[str, Field(description="Empty: named by what it does.")] = ""


OF_PRICE = ("direction", "gpu_model", "platform", "region", "over_hours")
OF_FLEET = ("gpu", "portfolio")
FOREIGN = {
    "utilization_drop": OF_PRICE,
    "pricing_change": OF_FLEET,
    "optimization_opportunity": (*OF_PRICE, "against", "for_minutes"),
}


def _conditions(user: User, asked: RuleAsked) -> Conditions:
    """What is wished for, checked. Raises: DomainError where it is no rule, or names nothing of this host."""
    for name in FOREIGN[asked.type]:
        if getattr(asked, name) not in ("", None):
            words = {"name": name, "type": str(Type(asked.type).label)}
            raise DomainError(_("A rule of the kind “%(type)s” takes no “%(name)s”.") % words, "arguments")
    wished: dict[str, Any] = {"threshold": asked.threshold, "severity": asked.severity}
    for name in ("against", "direction", "for_minutes", "over_hours"):
        if (value := getattr(asked, name)) not in ("", None):
            wished[name] = value
    wished |= _market(asked) if asked.type == "pricing_change" else _scope(user, asked)
    try:
        return parse(asked.type, wished)
    except ConditionError as error:
        raise DomainError(" ".join(f"{name}: {text}" for name, text in error.errors.items()), "conditions") from None


def _scope(user: User, asked: RuleAsked) -> dict[str, Any]:
    if asked.gpu and asked.portfolio:
        raise DomainError(_("Say a GPU or a portfolio, not both."), "scope")
    if (gpu := find_gpu(user, asked.gpu)) is not None:
        if not gpu.is_active:
            raise DomainError(_("“%s” was removed.") % title(gpu), "removed")
        return {"scope": "gpu", "scope_id": gpu.pk}
    if (portfolio := find_portfolio(user, asked.portfolio)) is not None:
        return {"scope": "portfolio", "scope_id": portfolio.pk}
    return {}


def _market(asked: RuleAsked) -> dict[str, Any]:
    if not asked.gpu_model.strip():
        raise DomainError(_("Say of which GPU model."), "gpu_model")
    try:
        wished: dict[str, Any] = {"gpu_model": find_model(clean(asked.gpu_model)).name}
    except ValidationError as error:
        raise DomainError(" ".join(error.messages), "gpu_model") from None
    if words := clean(asked.platform).casefold():
        live = list(Platform.objects.filter(slug__in=LIVE_PLATFORMS).order_by("name"))
        found = [one.slug for one in live if words in (one.slug, one.name.casefold())]
        if not found:
            names = ", ".join(one.name for one in live)
            raise DomainError(_("Prices are known of these platforms: %(names)s.") % {"names": names}, "platform")
        wished["platform"] = found[0]
    if words := clean(asked.region):
        region = words.upper() if words.upper() in COUNTRIES else words.lower().replace(" ", "-")
        if region not in (*COUNTRIES, *CONTINENTS, "global"):
            raise DomainError(_("Say a country by its two letters, or a continent."), "region")
        wished["region"] = region
    return wished


def _wished(user: User, asked: RuleAsked) -> tuple[str, Conditions, str, list[Channel]]:
    """Name, conditions, what they say, and where it is told. Raises: DomainError where it cannot be made."""
    conditions = _conditions(user, asked)
    mine = Alert.objects.visible_to(user).filter(alert_type=asked.type)
    same = mine.filter(conditions=dump(conditions)).values_list("name", flat=True).first()
    if same is not None:
        raise DomainError(_("There is such a rule already: “%s”.") % title(same), "same")
    said = selectors.words_of(conditions, selectors.scope_names(user, [conditions]))
    name = " ".join(clean(asked.name).split()) or str(Type(asked.type).label)
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME - 1] + "…"
    try:
        visible_text(name)
    except ValidationError as error:
        raise DomainError(" ".join(error.messages), "name") from None
    channels = Channel.objects.visible_to(user).filter(state=Channel.State.ACTIVE).order_by("name", "pk")
    return name, conditions, said, list(channels)


def prepare(user: User, asked: RuleAsked) -> Card:
    name, conditions, said, channels = _wished(user, asked)
    usage = limits.usage(user, "alerts")
    if usage.is_full:
        words = {"limit": usage.limit}
        raise DomainError(
            _("The plan holds %(limit)d alert rules, and all are used: one must go first.") % words, "limit"
        )
    again = duration(REMIND_HOURS * HOUR)
    told = ", ".join(title(one.name) for one in channels)
    lines = [
        (_("Name"), title(name)),
        (_("Tells when"), said),
        (_("Severity"), str(Severity(conditions.severity).label)),
        (_("Told by"), told or _("nothing yet: it shows on the pages of alerts until a channel is added")),
        (
            _("Reminds"),
            _("every %(time)s while it lasts, and says when it is over") % {"time": again},
        ),
    ]
    if usage.limit is not None:
        lines.append(
            (_("Plan"), _("%(number)d of %(limit)d rules with it") % {"number": usage.used + 1, "limit": usage.limit})
        )
    return Card(_("Add this alert rule?"), tuple(lines))


def perform(user: User, asked: RuleAsked) -> str:
    name, conditions, _said, channels = _wished(user, asked)
    services.create_alert(
        user=user,
        name=name,
        alert_type=asked.type,
        conditions=conditions,
        notification_settings={"remind_hours": REMIND_HOURS, "tell_resolved": True},
        channels=channels,
    )
    return _("The rule “%s” is on.") % title(name)


OFFERS: tuple[Offered[Any], ...] = (
    Offered(
        "make_alert",
        gettext_lazy("Add an alert rule"),
        "a new alert rule, told by all of the host's channels. Give only the arguments of its type.",
        prepare,
        perform,
        RuleAsked,
    ),
)
