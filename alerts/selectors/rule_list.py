"""Rules: the list with what became of each, in words, and the recommended ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Prefetch, Q, Sum
from django.utils.translation import gettext as _

from billing import limits
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from market.models import Platform
from portfolios.models import GPUConfiguration, Portfolio
from portfolios.paging import page_by_key

from ..conditions import ConditionError, Conditions, PricingChange, dump, parse
from ..models import Alert, Channel, Episode
from ..sparks import Spark, sparks
from ..wording import sentence
from .badges import Badge, severity_badge

PAGE_SIZE = 25
EFFECT_DAYS = 90


@dataclass(frozen=True)
class Effect:
    """What became of an alert's episodes of 90 days (R-044)."""

    episodes: int = 0
    acted: int = 0
    ignored: int = 0
    open: int = 0


@dataclass(frozen=True)
class Rule:
    """A line of the list."""

    alert: Alert
    state: Badge
    severity: Badge
    words: str
    spark: Spark | None
    effect: Effect
    channels: list[Channel]


def conditions_of(alert: Alert) -> Conditions | None:
    """What it waits for; None where what is stored is no longer understood."""
    try:
        return parse(alert.alert_type, alert.conditions)
    except ConditionError:
        return None


Names = Mapping[UUID | str, str]


def scope_names(user: User, wanted: Sequence[Conditions]) -> Names:
    """What the scopes of these conditions are called: portfolios and GPUs by their ids, platforms by their slugs."""
    keys = {one.scope_id for one in wanted if not isinstance(one, PricingChange) and one.scope_id}
    slugs = {one.platform for one in wanted if isinstance(one, PricingChange)}
    names: dict[UUID | str, str] = {}
    if slugs:
        names |= Platform.objects.filter(slug__in=slugs).values_list("slug", "name")
    if keys:
        names |= {one.pk: one.name for one in Portfolio.objects.visible_to(user).filter(pk__in=keys)}
        gpus = GPUConfiguration.objects.visible_to(user).filter(pk__in=keys).select_related("gpu_model")
        names |= {one.pk: str(one) for one in gpus}
    return names


def words_of(conditions: Conditions | None, names: Names) -> str:
    """What an alert waits for, in words."""
    if conditions is None:
        return _("Its conditions are no longer understood: change them.")
    if isinstance(conditions, PricingChange):
        return sentence(conditions, names.get(conditions.platform, ""))
    scope = ""
    if conditions.scope_id:
        scope = names.get(conditions.scope_id) or _("What it was about is gone")
    return sentence(conditions, scope)


def rules(user: User, after: str) -> tuple[list[Rule], str]:
    """A page of the host's alerts, newest first, and the key after which the next begins."""
    rows = Alert.objects.visible_to(user).prefetch_related(
        Prefetch("channels", Channel.objects.defer("address", "secret", "old_secret").order_by("name", "pk"))
    )
    page, next_key = page_by_key(rows, after, PAGE_SIZE)
    known = {one.pk: found for one in page if (found := conditions_of(one))}
    names = scope_names(user, list(known.values()))
    lines = sparks(user, known)
    effects = effects_of(page)
    now = clock.now()
    return [
        Rule(
            alert=one,
            state=state_of(one, effects.get(one.pk, Effect()), now),
            severity=severity_badge(one.conditions.get("severity", "warning")),
            words=words_of(known.get(one.pk), names),
            spark=lines.get(one.pk),
            effect=effects.get(one.pk, Effect()),
            channels=list(one.channels.all()),
        )
        for one in page
    ], next_key


def effects_of(alerts: Sequence[Alert]) -> dict[UUID, Effect]:
    """Triggered, acted on, ignored: of the episodes of 90 days, in one query."""
    since = clock.now() - timedelta(days=EFFECT_DAYS)
    is_open = Q(state=Episode.State.OPEN)
    rows = (
        Episode.objects.filter(Q(opened_at__gte=since) | is_open, alert__in=[one.pk for one in alerts])
        .values("alert_id")
        .annotate(
            episodes=Count("pk"),
            acted=Count("pk", filter=Q(acted_at__isnull=False)),
            ignored=Count("pk", filter=Q(acted_at=None) & ~is_open),
            open_now=Count("pk", filter=is_open),
        )
    )
    return {row["alert_id"]: Effect(row["episodes"], row["acted"], row["ignored"], row["open_now"]) for row in rows}


def state_of(alert: Alert, effect: Effect, now: datetime) -> Badge:
    if alert.closed_by_plan_at:
        return Badge(_("Paused by the plan"), "warn")
    if not alert.is_active:
        return Badge(_("Off"), "bad") if alert.off_reason else Badge(_("Paused"))
    if alert.snoozed_until and alert.snoozed_until > now:
        return Badge(_("Snoozed"))
    return Badge(_("Open"), "warn") if effect.open else Badge(_("Watching"), "ok")


def recommended(user: User) -> list[dict[str, Any]]:
    """The alerts that every host should have, as `services.create_recommended` takes them."""
    wanted: list[tuple[str, str, dict[str, Any]]] = [
        (
            _("GPUs stand idle"),
            "utilization_drop",
            {"against": "limit", "threshold": 60, "for_minutes": 720, "margin": 10, "severity": "warning"},
        )
    ]
    model = (
        GPUConfiguration.objects.visible_to(user)
        .filter(is_active=True, portfolio__is_active=True)
        .values_list("gpu_model__name")
        .annotate(units=Sum("quantity"))
        .order_by("-units", "gpu_model__name")
        .first()
    )
    if model:
        change = {"gpu_model": model[0], "against": "before", "direction": "down", "threshold": 10, "over_hours": 24}
        wanted.append((_("%(model)s gets cheaper") % {"model": model[0]}, "pricing_change", change))
    opportunity = {"threshold": 20, "severity": "info"}
    wanted.append((_("A suggestion is worth it"), "optimization_opportunity", opportunity))
    return [
        {
            "name": name[:100],
            "alert_type": kind,
            "conditions": parse(kind, conditions),
            "notification_settings": {"remind_hours": 24, "tell_resolved": True},
        }
        for name, kind, conditions in wanted
    ]


def recommended_left(user: User) -> list[str]:
    """What of them is not there yet and fits into the plan, in words."""
    own = list(Alert.objects.visible_to(user).values_list("alert_type", "conditions"))
    usage = limits.usage(user, "alerts")
    room = None if usage.limit is None else max(usage.limit - usage.used, 0)
    left = [one for one in recommended(user) if (one["alert_type"], dump(one["conditions"])) not in own]
    names = scope_names(user, [one["conditions"] for one in left])
    return [words_of(one["conditions"], names) for one in left[:room]]
