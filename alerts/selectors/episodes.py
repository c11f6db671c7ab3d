"""Episodes: what is open by money at risk, what is over, all that is known of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, Max, Prefetch, Q, QuerySet, Sum
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, formats
from market.models import GPUModel
from portfolios.models import GPUConfiguration, OptimizationSuggestion
from portfolios.paging import as_uuid, page_by_key

from ..conditions import Conditions, OptimizationOpportunity, PricingChange
from ..models import Alert, AlertDelivery, AlertLog, Episode, EpisodeEvent, Watch
from .badges import Badge, severity_badge
from .rule_list import conditions_of, scope_names, words_of

PAGE_SIZE = 25
PANEL_ROWS = 3
MOST_EVENTS = 200


@dataclass(frozen=True)
class Matter:
    """An episode as lists show it."""

    episode: Episode
    severity: Badge
    is_snoozed: bool


def open_first(rows: QuerySet[Episode]) -> QuerySet[Episode]:
    """What goes on before what is over, the most money at risk first."""
    return rows.select_related("alert").order_by("state", F("money_per_day").desc(nulls_last=True), "-pk")


def _open(user: User) -> QuerySet[Episode]:
    return Episode.objects.visible_to(user).filter(state=Episode.State.OPEN)


def open_episodes(user: User, limit: int) -> tuple[list[Matter], int]:
    """The first of those that go on, by money at risk; and how many more there are."""
    page = list(open_first(_open(user))[: limit + 1])
    more = _open(user).count() - limit if len(page) > limit else 0
    return _matters(page[:limit]), more


def open_page(user: User, after: str) -> tuple[list[Matter], str]:
    """A page of those that go on, by money at risk, and the key after which the next begins."""
    rows = _open(user)
    key = as_uuid(after)
    last = Episode.objects.visible_to(user).filter(pk=key).first() if key else None
    if last is not None:
        later = Q(money_per_day=last.money_per_day, pk__lt=last.pk)
        if last.money_per_day is None:
            later = Q(money_per_day=None, pk__lt=last.pk)
        else:
            later |= Q(money_per_day=None) | Q(money_per_day__lt=last.money_per_day)
        rows = rows.filter(later)
    page = list(open_first(rows)[: PAGE_SIZE + 1])
    return _matters(page[:PAGE_SIZE]), str(page[PAGE_SIZE - 1].pk) if len(page) > PAGE_SIZE else ""


@dataclass(frozen=True)
class Stakes:
    """How many go on, and USD a day over them, at risk and to gain; None where nothing is known.

    What several rules hold counts once, with the most that one of them says.
    """

    number: int
    at_risk: Decimal | None
    to_gain: Decimal | None


def stakes(user: User) -> Stakes:
    own = _open(user)
    is_gain = Q(alert__alert_type=Alert.Type.OPTIMIZATION_OPPORTUNITY)
    return Stakes(own.count(), _sum_once(own.exclude(is_gain)), _sum_once(own.filter(is_gain)))


def _sum_once(rows: QuerySet[Episode]) -> Decimal | None:
    held = Watch.objects.filter(episode__in=rows).values("subject").annotate(money=Max("money_per_day"))
    known = [
        held.aggregate(all=Sum("money"))["all"],
        rows.filter(watches=None).aggregate(all=Sum("money_per_day"))["all"],
    ]
    found = [one for one in known if one is not None]
    return sum(found, Decimal(0)) if found else None


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
    acted: str

    @property
    def has_suggestion(self) -> bool:
        """Whether the page of what it tells of is still there."""
        return any(url for _title, url, *_rest in self.things)


def episode_detail(user: User, episode: Episode) -> Detail:
    facts = episode.facts if isinstance(episode.facts, dict) else {}
    conditions = conditions_of(episode.alert)
    sent = AlertDelivery.objects.select_related("channel").order_by("created_at", "pk")
    logs = (
        AlertLog.objects.filter(episode=episode)
        .prefetch_related(Prefetch("deliveries", sent), Prefetch("digests", sent))
        .order_by("-triggered_at", "-pk")
    )
    return Detail(
        matter=_matters([episode])[0],
        things=_things(user, facts, conditions),
        more=facts.get("more") or 0,
        split=[(label, _per_day(value)) for label, value in split_cells(episode.split).values()],
        logs=list(logs[:PAGE_SIZE]),
        words=words_of(conditions, scope_names(user, [conditions] if conditions else [])),
        acted=str(ACTED.get(episode.acted_how, ACTED["noted"])),
    )


def _per_day(amount: Decimal) -> str:
    return _("%(amount)s/day") % {"amount": formats.money(amount)}


ACTED = {
    "noted": gettext_lazy("You acted on it"),
    "price": gettext_lazy("You changed a rate"),
    "suggestion": gettext_lazy("You accepted a suggestion"),
}
EVENTS = {
    "opened": gettext_lazy("Begun"),
    "joined": gettext_lazy("Joined"),
    "told": gettext_lazy("Told by"),
    "cleared": gettext_lazy("Cleared"),
}


TOLD = {
    "delivered": gettext_lazy("Told by: %(names)s"),
    "pending": gettext_lazy("Queued for: %(names)s"),
    "dead": gettext_lazy("Could not be told by: %(names)s"),
    "cancelled": gettext_lazy("Not sent to: %(names)s"),
}


def events_of(episode: Episode) -> list[tuple[str, EpisodeEvent]]:
    """What happened, oldest first, each with a word for what it is where its text does not say so."""
    rows = list(episode.events.order_by("at", "pk")[:MOST_EVENTS])
    leads = {key for one in rows if one.kind == "told" and (key := _uuid(one.data.get("log")))}
    sent: dict[str, list[AlertDelivery]] = defaultdict(list)
    for delivery in AlertDelivery.objects.filter(log__in=leads).select_related("channel").order_by("channel__name"):
        sent[str(delivery.log_id)].append(delivery)
    found = []
    for one in rows:
        label = str(EVENTS.get(one.kind, ""))
        if one.kind == "told" and (told := _told(sent[str(one.data.get("log"))], one.text)):
            label, one.text = "", told
        elif one.kind == "snoozed" and (until := _moment(one.data.get("until"))):
            one.text = _("Snoozed until %(time)s") % {"time": formats.moment(until)}
        found.append((label, one))
    return found


def _told(sent: Sequence[AlertDelivery], names: str) -> str:
    """Which of the channels that it was queued for have it; `names` are theirs."""
    said = []
    for status, words in TOLD.items():
        if of := [one.channel.name for one in sent if one.status == status and one.channel.name in names]:
            said.append(str(words) % {"names": ", ".join(of)})
    return " · ".join(said)


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


SPLIT = {
    "me": gettext_lazy("Mine"),
    "market": gettext_lazy("The market’s"),
    "total": gettext_lazy("In all"),
}


def split_cells(split: object) -> dict[str, tuple[str, Decimal]]:
    """What the fall costs against the usual, and whose it is. Units: USD a day, below 0 where it is lost."""
    if not isinstance(split, dict):
        return {}
    found = {name: (str(label), formats.to_number(split.get(name))) for name, label in SPLIT.items()}
    return {name: (label, value) for name, (label, value) in found.items() if value is not None}


def _uuid(text: object) -> UUID | None:
    with suppress(ValueError):
        return UUID(str(text))
    return None


def _moment(text: object) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(str(text))
    return None
