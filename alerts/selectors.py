"""What pages show of alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Prefetch, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from billing import limits
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, formats
from gpuadvisor.core.charts import Line, Mark, Series
from market.models import GPUModel
from portfolios.models import GPUConfiguration, OptimizationSuggestion, Portfolio
from portfolios.paging import page_by_key

from .conditions import (
    ConditionError,
    Conditions,
    Fired,
    OptimizationOpportunity,
    PricingChange,
    UtilizationDrop,
    dump,
    parse,
)
from .models import Alert, AlertDelivery, AlertLog, Channel, DeliveryAttempt, Episode
from .models.rules import Severity
from .preview import Line as Thing
from .preview import Preview
from .sparks import Spark, sparks
from .wording import sentence

PAGE_SIZE = 25
MOST_OPEN = 50
MOST_DATES = 6
MOST_NAMED_MARKS = 3
PANEL_ROWS = 3
EFFECT_DAYS = 90
LEVELS = {"info": "", "warning": "warn", "critical": "bad"}


@dataclass(frozen=True)
class Badge:
    text: Any
    level: str = ""


# Rules


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


def scope_names(user: User, wanted: Sequence[Conditions]) -> dict[UUID, str]:
    """What the scopes of these conditions are called."""
    keys = {
        one.scope_id for one in wanted if isinstance(one, UtilizationDrop | OptimizationOpportunity) and one.scope_id
    }
    if not keys:
        return {}
    portfolios = Portfolio.objects.visible_to(user).filter(pk__in=keys)
    gpus = GPUConfiguration.objects.visible_to(user).filter(pk__in=keys).select_related("gpu_model")
    return {one.pk: one.name for one in portfolios} | {one.pk: str(one) for one in gpus}


def words_of(conditions: Conditions | None, names: Mapping[UUID, str]) -> str:
    """What an alert waits for, in words."""
    if conditions is None:
        return _("Its conditions are no longer understood: change them.")
    scope = ""
    if isinstance(conditions, UtilizationDrop | OptimizationOpportunity) and conditions.scope_id:
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
            state=_state_of(one, effects.get(one.pk, Effect()), now),
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


def _state_of(alert: Alert, effect: Effect, now: datetime) -> Badge:
    if not alert.is_active:
        return Badge(_("Off"), "bad") if alert.off_reason else Badge(_("Paused"))
    if alert.snoozed_until and alert.snoozed_until > now:
        return Badge(_("Snoozed"))
    return Badge(_("Open"), "warn") if effect.open else Badge(_("Watching"), "ok")


def severity_badge(severity: str) -> Badge:
    return Badge(dict(Severity.choices).get(severity, severity), LEVELS.get(severity, ""))


def recommended(user: User) -> list[dict[str, Any]]:
    """The alerts that every host should have, as `services.create_recommended` takes them."""
    wanted: list[tuple[str, str, dict[str, Any]]] = [
        (
            _("GPUs stand idle"),
            "utilization_drop",
            {"against": "limit", "threshold": 60, "for_minutes": 120, "severity": "warning"},
        )
    ]
    model = (
        GPUConfiguration.objects.visible_to(user)
        .filter(is_active=True, portfolio__is_active=True)
        .values_list("gpu_model__name")
        .annotate(units=Count("pk"))
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
    return [sentence(one["conditions"]) for one in left[:room]]


# Preview


@dataclass(frozen=True)
class Shown:
    """A preview as its panel shows it: the thing that fired most, drawn; all dates, newest first."""

    preview: Preview
    dates: list[tuple[str, Fired]]
    more: int
    series: Series | None
    unit: str
    title: str


def shown(preview: Preview, conditions: Conditions) -> Shown:
    dates = sorted(
        ((line.title, fired) for line in preview.lines for fired in line.fired),
        key=lambda pair: pair[1].told_at,
        reverse=True,
    )
    drawn = max((line for line in preview.lines if len(line.readings) > 1), key=_weight, default=None)
    unit = "%"
    if isinstance(conditions, PricingChange) and conditions.against == "limit":
        unit = formats.RATE_UNIT
    return Shown(
        preview,
        dates[:MOST_DATES],
        max(len(dates) - MOST_DATES, 0),
        _series(drawn, _value_label(conditions)) if drawn else None,
        unit,
        drawn.title.replace(":", " · ") if drawn else "",
    )


def _weight(line: Thing) -> tuple[int, int]:
    return len(line.fired), sum(one.value is not None for one in line.readings)


def _value_label(conditions: Conditions) -> str:
    if isinstance(conditions, UtilizationDrop):
        return _("Rented")
    if not isinstance(conditions, PricingChange) or conditions.against == "limit":
        return _("Price")
    return {"up": _("Rise"), "down": _("Drop"), "both": _("Change")}[conditions.direction]


def _series(line: Thing, label: str) -> Series:
    text = _("fires") if len(line.fired) <= MOST_NAMED_MARKS else ""  # more of them would cover each other
    return Series(
        times=[one.at for one in line.readings],
        lines=[
            Line(label, [one.value for one in line.readings], "mine"),
            Line(_("Threshold"), [one.limit for one in line.readings], "median"),
        ],
        marks=[Mark(fired.told_at, text) for fired in line.fired],
    )


# Episodes


@dataclass(frozen=True)
class Matter:
    """An episode as lists show it."""

    episode: Episode
    severity: Badge
    is_snoozed: bool


def open_episodes(user: User, limit: int = MOST_OPEN) -> tuple[list[Matter], int]:
    """Those that go on, by money at risk; and how many more there are."""
    rows = Episode.objects.visible_to(user).filter(state=Episode.State.OPEN).select_related("alert")
    page = list(rows.order_by(F("money_per_day").desc(nulls_last=True), "-opened_at", "-pk")[: limit + 1])
    more = rows.count() - limit if len(page) > limit else 0
    return _matters(page[:limit]), more


def resolved_episodes(user: User, after: str) -> tuple[list[Matter], str]:
    """Those that are over, newest first."""
    rows = Episode.objects.visible_to(user).filter(state=Episode.State.RESOLVED).select_related("alert")
    page, next_key = page_by_key(rows, after, PAGE_SIZE)
    return _matters(page), next_key


def _matters(rows: Sequence[Episode]) -> list[Matter]:
    now = clock.now()
    return [
        Matter(one, severity_badge(one.severity), bool(one.snoozed_until and one.snoozed_until > now)) for one in rows
    ]


@dataclass(frozen=True)
class Detail:
    """All that is known of an episode."""

    matter: Matter
    things: list[tuple[str, str, str, str, datetime | None]]
    more: int
    split: list[tuple[str, str]]
    logs: list[AlertLog]
    words: str


def episode_detail(user: User, episode: Episode) -> Detail:
    facts = episode.facts if isinstance(episode.facts, dict) else {}
    conditions = conditions_of(episode.alert)
    logs = (
        AlertLog.objects.filter(episode=episode)
        .prefetch_related(
            Prefetch("deliveries", AlertDelivery.objects.select_related("channel").order_by("created_at", "pk"))
        )
        .order_by("-triggered_at", "-pk")
    )
    return Detail(
        matter=_matters([episode])[0],
        things=_things(user, facts, conditions),
        more=facts.get("more") or 0,
        split=_split(episode.split),
        logs=list(logs[:PAGE_SIZE]),
        words=words_of(conditions, scope_names(user, [conditions] if conditions else [])),
    )


def _things(
    user: User, facts: Mapping[str, Any], conditions: Conditions | None
) -> list[tuple[str, str, str, str, datetime | None]]:
    """What it is about: title, page, value, threshold, since when."""
    told = [one for one in facts.get("things") or [] if isinstance(one, dict)]
    keys = [key for one in told if (key := _uuid(one.get("subject")))]
    gpus = set(GPUConfiguration.objects.visible_to(user).filter(pk__in=keys).values_list("pk", flat=True))
    suggestions = set(
        OptimizationSuggestion.objects.filter(portfolio__user=user, pk__in=keys).values_list("pk", flat=True)
    )
    names = {str(one.get("subject")).partition(":")[0] for one in told}
    slugs = dict(GPUModel.objects.filter(name__in=names).values_list("name", "slug"))
    found = []
    for one in told:
        key = _uuid(one.get("subject"))
        model = str(one.get("subject")).partition(":")[0]
        url = ""
        if key in gpus:
            url = reverse("portfolios:gpu", kwargs={"pk": key})
        elif key in suggestions:
            url = reverse("portfolios:suggestion", kwargs={"pk": key})
        elif model in slugs:
            url = reverse("market:gpu", args=[slugs[model]])
        value, limit = (_in_unit(one.get(name), conditions) for name in ("value", "limit"))
        found.append((str(one.get("title", "")), url, value, limit, _moment(one.get("since"))))
    return found


def _in_unit(value: object, conditions: Conditions | None) -> str:
    if isinstance(conditions, OptimizationOpportunity):
        return formats.money(value)
    if isinstance(conditions, PricingChange) and conditions.against == "limit":
        return formats.rate(value)
    return formats.percent(value)


def _split(split: object) -> list[tuple[str, str]]:
    """Whether it is the host's own or the market's, as stored when it began."""
    if not isinstance(split, dict):
        return []
    words = {"me": _("Mine"), "own": _("Mine"), "market": _("The market's"), "total": _("In all")}
    return [
        (str(words.get(name, name)), formats.number(number, 1))
        for name, value in split.items()
        if (number := formats.to_number(value)) is not None
    ]


def _uuid(text: object) -> UUID | None:
    with suppress(ValueError):
        return UUID(str(text))
    return None


def _moment(text: object) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(str(text))
    return None


# Channels and the log


def channels(user: User) -> QuerySet[Channel]:
    """The host's channels with the number of alerts that use each."""
    rows = Channel.objects.visible_to(user).defer("address", "secret", "old_secret")
    return rows.annotate(used=Count("alerts")).order_by("-created_at", "-pk")


def channel_state(channel: Channel) -> Badge:
    levels = {"active": "ok", "paused": "", "failed": "bad"}
    level = "warn" if channel.state == "active" and channel.failures_in_row else levels[channel.state]
    return Badge(channel.get_state_display(), level)


def log(user: User, after: str, *, alert: UUID | None = None, status: str = "") -> tuple[list[AlertLog], str]:
    """A page of what was told or held back, with deliveries and their attempts."""
    rows = AlertLog.objects.visible_to(user)
    if alert:
        rows = rows.filter(alert=alert)
    if status in AlertLog.Status.values:
        rows = rows.filter(delivery_status=status)
    return page_by_key(_with_deliveries(rows), after, PAGE_SIZE)


def log_entries(user: User) -> QuerySet[AlertLog]:
    return _with_deliveries(AlertLog.objects.visible_to(user))


def _with_deliveries(rows: QuerySet[AlertLog]) -> QuerySet[AlertLog]:
    tries = Prefetch("tries", DeliveryAttempt.objects.order_by("number", "pk"))
    sent = AlertDelivery.objects.select_related("channel").prefetch_related(tries).order_by("created_at", "pk")
    return rows.select_related("alert", "episode", "folded_into").prefetch_related(Prefetch("deliveries", sent))


def at_risk(matters: Sequence[Matter]) -> Decimal | None:
    """USD a day over episodes; None where nothing is known."""
    known = [one.episode.money_per_day for one in matters if one.episode.money_per_day is not None]
    return sum(known, Decimal(0)) if known else None
