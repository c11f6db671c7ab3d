"""Steps of single things become episodes: one per alert and cause, told of at its beginning and its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import clock, formats
from gpuadvisor.core.ids import uuid7
from market.models import Platform
from portfolios.models import GPUConfiguration

from ..copying import store
from ..models import Episode, EpisodeEvent, Watch
from ..triggers import Trigger, record_triggers
from . import causes
from .following import Change

Watches = Mapping[tuple[UUID, str], Watch]
MOST_NAMED = 5
PORTFOLIOS = """
with held as materialized (
  select episode_id, subject::uuid as subject from alert_watches
   where episode_id = any(%s) and subject ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
)
select h.episode_id, g.portfolio_id from held h join gpu_configurations g on g.id = h.subject
union select h.episode_id, s.portfolio_id from held h join optimization_suggestions s on s.id = h.subject
"""
RECOUNT = """
update alert_episodes e
   set last_seen_at = %(now)s,
       money_per_day = (select sum(w.money_per_day) from alert_watches w where w.episode_id = e.id)
 where e.id = any(%(episodes)s) and e.state = 'open'
"""


def apply(changes: Sequence[Change], watches: Watches, now: datetime) -> list[Trigger]:
    """Write what these changes mean into watches, episodes and their events; what there is to tell.

    Call inside a transaction, with all the changes of an alert together.
    """
    held = _hold(changes, watches)
    news = _open([one for one in changes if one.step == "opened"], held, now)
    recount({watch.episode_id for watch in held.values() if watch.episode_id}, now)
    cleared = [one for one in changes if one.step in ("resolved", "dropped")]
    return [*news, *_clear(cleared, watches, held, now)]


def _hold(changes: Iterable[Change], watches: Watches) -> dict[tuple[UUID, str], Watch]:
    """The watches of what holds, as it stands at last."""
    held: dict[tuple[UUID, str], Watch] = {}
    for one in changes:
        key = (one.alert.pk, one.subject)
        if one.standing.true_since is None:
            held.pop(key, None)
            continue
        row = held.get(key) or watches.get(key) or Watch(alert=one.alert, subject=one.subject)
        row.true_since = one.standing.true_since
        row.held_minutes = int(one.standing.held.total_seconds() // 60)
        row.value, row.limit, row.seen_at = one.reading.value, one.reading.limit, one.reading.at
        row.money_per_day = one.money_per_day
        held[key] = row
    Watch.objects.bulk_create(
        held.values(),
        update_conflicts=True,
        unique_fields=["alert", "subject"],
        update_fields=["true_since", "held_minutes", "value", "limit", "money_per_day", "seen_at"],
    )
    return held


def _open(opened: Sequence[Change], held: Watches, now: datetime) -> list[Trigger]:
    """New episodes, and those that go on with one thing more."""
    groups: dict[tuple[UUID, str, str], list[Change]] = defaultdict(list)
    for one in opened:
        if (one.alert.pk, one.subject) in held:
            groups[one.alert.pk, one.cause, one.cause_key].append(one)
    if not groups:
        return []
    running = {
        (row.alert_id, row.cause, row.cause_key): row
        for row in Episode.objects.filter(alert__in={pk for pk, _cause, _key in groups}, state="open")
    }
    made, events, news, joined = list[Episode](), list[EpisodeEvent](), list[Trigger](), list[Watch]()
    for key, group in groups.items():
        alert = group[0].alert
        episode = running.get(key)
        with translation.override(alert.user.language):
            if episode is None:
                episode = Episode(
                    id=uuid7(),
                    alert=alert,
                    user_id=alert.user_id,
                    severity=alert.conditions.get("severity", "warning"),
                    cause=key[1],
                    cause_key=key[2],
                    title=title_of(group),
                    facts=facts_of(group),
                    split=causes.together(one.split for one in group),
                    money_per_day=_sum(one.money_per_day for one in group),
                    opened_at=now,
                    last_seen_at=now,
                )
                made.append(episode)
                news.append(
                    _trigger(
                        episode, "opened", episode.title, frozenset(one.portfolio for one in group if one.portfolio)
                    )
                )
                events.append(_event(episode, "opened", episode.title, now))
            else:
                events += [_event(episode, "joined", one.title, now) for one in group]
        for one in group:
            watch = held[one.alert.pk, one.subject]
            watch.episode = episode
            joined.append(watch)
    store(made)
    Watch.objects.bulk_update(joined, ["episode"])
    store(events)
    return news


def _clear(cleared: Sequence[Change], watches: Watches, held: Watches, now: datetime) -> list[Trigger]:
    """Let go of what has cleared; an episode ends with its last thing."""
    gone = {
        (one.alert.pk, one.subject): watch
        for one in cleared
        if (watch := watches.get((one.alert.pk, one.subject))) and (one.alert.pk, one.subject) not in held
    }
    Watch.objects.filter(pk__in=[watch.pk for watch in gone.values()]).delete()
    touched: dict[UUID, set[UUID]] = {watch.episode_id: set() for watch in gone.values() if watch.episode_id}
    titles = {(one.alert.pk, one.subject): one.title for one in cleared}
    for one in cleared:
        watch = gone.get((one.alert.pk, one.subject))
        if watch and watch.episode_id and one.portfolio:
            touched[watch.episode_id].add(one.portfolio)
    EpisodeEvent.objects.bulk_create(
        EpisodeEvent(
            episode_id=watch.episode_id, kind="cleared", text=titles[key][:300], data={"subject": key[1]}, at=now
        )
        for key, watch in gone.items()
        if watch.episode_id
    )
    return end(touched, now)


def end(episodes: Mapping[UUID, Iterable[UUID]], now: datetime) -> list[Trigger]:
    """Resolve those of `episodes`, each with the portfolios of what cleared, that hold nothing any more.

    The others are recounted. Whose alert does not want to hear of ends is told nothing.
    """
    keys = set(episodes)
    over = list(
        Episode.objects.filter(pk__in=keys, state="open")
        .annotate(things=Count("watches"))
        .filter(things=0)
        .select_related("alert__user")
    )
    news, events = list[Trigger](), list[EpisodeEvent]()
    for episode in over:
        episode.state, episode.resolved_at = Episode.State.RESOLVED, now
        with translation.override(episode.alert.user.language):
            reason = _("Over: %(title)s") % {"title": episode.title}
        if episode.alert.notification_settings.get("tell_resolved", True):
            news.append(_trigger(episode, "resolved", reason, frozenset(episodes[episode.pk])))
        events.append(_event(episode, "resolved", reason, now))
    Episode.objects.bulk_update(over, ["state", "resolved_at"])
    store(events)
    recount(keys - {episode.pk for episode in over}, now)
    return news


@transaction.atomic
def remind(now: datetime | None = None) -> int:
    """Tell again of episodes that still hold, as often as their alerts want it; their number.

    What its host said to have done something about is not told again before its end; nor is what was not measured
    since it was told last, for nobody knows that it still is so.
    """
    now = now or clock.now()
    rows = Episode.objects.filter(
        state="open",
        alert__is_active=True,
        alert__closed_by_plan_at=None,
        alert__user__is_active=True,
        alert__notification_settings__remind_hours__isnull=False,
    ).exclude(acted_how="noted")
    measured = Watch.objects.filter(
        episode=OuterRef("pk"), seen_at__gt=Coalesce(OuterRef("reminded_at"), OuterRef("opened_at"))
    )
    rows = rows.filter(Q(alert__alert_type="optimization_opportunity") | Exists(measured))
    keys = [row.pk for row in rows.select_related("alert") if _is_due(row, now)]
    held = Episode.objects.filter(pk__in=keys, state="open").select_for_update(of=("self",), skip_locked=True)
    due = [row for row in held.select_related("alert__user").order_by("pk") if _is_due(row, now)]
    triggers, events = list[Trigger](), list[EpisodeEvent]()
    splits, portfolios = _splits(due), _portfolios(due)
    for row in due:
        row.reminded_at = now
        row.split = splits.get(row.pk) or row.split
        with translation.override(row.alert.user.language):
            reason = _("Still: %(title)s") % {"title": row.title}
        triggers.append(_trigger(row, "reminder", reason, frozenset(portfolios[row.pk])))
        events.append(_event(row, "reminded", reason, now))
    Episode.objects.bulk_update(due, ["reminded_at", "split"], batch_size=2_000)
    store(events)
    record_triggers(triggers, now=now)
    return len(due)


def _portfolios(rows: Sequence[Episode]) -> dict[UUID, set[UUID]]:
    """Of what episodes hold, where it is a host's own."""
    found: dict[UUID, set[UUID]] = defaultdict(set)
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(PORTFOLIOS, [[row.pk for row in rows]])
            for episode, portfolio in cursor:
                found[episode].add(portfolio)
    return found


def _splits(rows: Sequence[Episode]) -> dict[UUID, dict[str, str]]:
    """The splits of episodes about shares as they are now, by what their things showed last."""
    watches = Watch.objects.filter(
        episode__in=[row.pk for row in rows if row.alert.alert_type == "utilization_drop"], value__isnull=False
    ).select_related("episode")
    of = {watch.subject: watch for watch in watches}
    items = GPUConfiguration.objects.filter(pk__in=list(of)).select_related("portfolio__user", "gpu_model", "comp_set")
    fallen = [
        causes.Fallen(
            item,
            of[str(item.pk)].value,
            of[str(item.pk)].episode.cause == Episode.Cause.PLATFORM,  # type: ignore[union-attr]  # filtered by it
            of[str(item.pk)].seen_at,
        )
        for item in items
    ]
    whys = causes.of_shares(fallen)
    groups: dict[UUID, list[causes.Split | None]] = defaultdict(list)
    for watch in watches:
        if why := whys.get(UUID(watch.subject)):
            groups[watch.episode_id].append(why.split)  # type: ignore[index]
    return {pk: causes.together(group) for pk, group in groups.items()}


def _is_due(row: Episode, now: datetime) -> bool:
    hours = row.alert.notification_settings.get("remind_hours")
    if not isinstance(hours, int) or hours <= 0:
        return False
    return now - (row.reminded_at or row.opened_at) >= timedelta(hours=hours)


def recount(episodes: Iterable[UUID], now: datetime) -> None:
    """The money at risk of what still holds."""
    if keys := list(episodes):
        with connection.cursor() as cursor:
            cursor.execute(RECOUNT, {"now": now, "episodes": keys})


def title_of(group: Sequence[Change]) -> str:
    """One sentence of what is the matter, in the words of the active language."""
    first = group[0]
    value, limit = first.reading.value, first.reading.limit
    if first.cause == "platform":
        words = ngettext(
            "%(platform)s seems to be down: %(count)d of your machines is offline",
            "%(platform)s seems to be down: %(count)d of your machines are offline",
            len(group),
        )
        name = Platform.objects.filter(slug=first.cause_key).values_list("name", flat=True).first()
        return (words % {"platform": name or first.cause_key, "count": len(group)})[:200]
    if first.alert.alert_type == "utilization_drop" and value is not None and limit is not None:
        if len(group) == 1:
            words = _("%(name)s: %(value)s rented, below %(limit)s")
        else:
            words = ngettext(
                "%(name)s and %(count)d more: %(value)s rented at worst, below %(limit)s",
                "%(name)s and %(count)d more: %(value)s rented at worst, below %(limit)s",
                len(group) - 1,
            )
            first = min(group, key=lambda one: one.reading.value or Decimal(0))
            value = first.reading.value or Decimal(0)
        told = {"value": formats.percent(value), "limit": formats.percent(limit)}
        return (words % {"name": first.title, "count": len(group) - 1, **told})[:200]
    return first.title[:200]


def facts_of(group: Sequence[Change]) -> dict[str, Any]:
    """What the episode began with, for messages and its page: figures as text, in the units of `Reading`."""
    return {
        "things": [
            {
                "subject": one.subject,
                "title": one.title,
                "value": _text(one.reading.value),
                "limit": _text(one.reading.limit),
                "since": one.standing.true_since.isoformat() if one.standing.true_since else None,
            }
            for one in group[:MOST_NAMED]
        ],
        "more": max(len(group) - MOST_NAMED, 0),
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None


def _trigger(episode: Episode, kind: str, reason: str, portfolios: frozenset[UUID] = frozenset()) -> Trigger:
    return Trigger(
        episode.alert,
        reason[:500],
        episode.facts,
        kind=kind,
        severity=episode.severity,
        episode=episode,
        portfolios=portfolios,
    )


def _event(episode: Episode, kind: str, text: str, now: datetime) -> EpisodeEvent:
    return EpisodeEvent(episode=episode, kind=kind, text=text[:300], at=now)
