"""Reported events onto the timelines of the open episodes that they may explain."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID, uuid5

from django.db import connection, transaction
from django.utils import translation
from django.utils.translation import gettext as _

from gpuadvisor.core import clock

from ..models import Episode, EpisodeEvent, HostEvent
from . import vast

MOST, ROUNDS = 2_000, 10  # pairs at once, and how often in a run: what is left waits for the next sweep
NAMESPACE = UUID("6a5c0f6e-4b1f-4b36-9b0c-5d0b1e9a7c11")
# Of utilization episodes only: their watches name GPU configurations. An event may come before the episode, for a
# condition has to last. A GPU that is rented out there, by its numbers or by its
# figures, and whose machine number nobody told may be the one, unless another has that number.
# Materialized, so that each step is done once over the set, however stale the planner's statistics are.
PAIRS = """
with pairs as materialized (
    select e.id, ep.id as episode, e.user_id, e.platform, e.machine, e.data -> 'machines' as machines, e.happened_at
    from alert_host_events e
    join alert_episodes ep on ep.user_id = e.user_id and ep.state = 'open'
        and e.happened_at >= ep.opened_at - interval '6 hours'
    join alerts a on a.id = ep.alert_id and a.alert_type = 'utilization_drop'
    where e.happened_at between statement_timestamp() - interval '3 days' and statement_timestamp()
    and (e.machine <> '' or e.kind ~ '^(machine|maintenance)_') {whose}
), placed as materialized (
    select x.episode_id, x.data ->> 'host_event' as event from alert_episode_events x
    where x.kind = 'event' and x.episode_id in (select episode from pairs)
), fresh as materialized (
    select pairs.* from pairs left join placed on placed.episode_id = pairs.episode and placed.event = pairs.id::text
    where placed.event is null
), gpus as materialized (
    select w.episode_id as episode, g.id as gpu, g.platform_mappings as told from alert_watches w
    join gpu_configurations g on g.id = case when w.subject ~ '^[0-9a-f-]{36}$' then w.subject::uuid end
    where w.episode_id in (select episode from fresh)
), numbers as materialized (
    select p.user_id, o.platform_mappings as told from gpu_configurations o join portfolios p on p.id = o.portfolio_id
    where p.user_id in (select user_id from fresh)
)
select f.id, f.episode from fresh f
where exists (
    select from gpus g
    where g.episode = f.episode
    and (
        g.told ? f.platform
        or exists (select from performance_metrics m where m.gpu_configuration_id = g.gpu and m.platform = f.platform)
    )
    and (
        f.machine = ''
        or f.machines ? (g.told #>> array[f.platform, 'machine_id'])
        or (
            coalesce(g.told #>> array[f.platform, 'machine_id'], '') = ''
            and not exists (
                select from numbers n
                where n.user_id = f.user_id and f.machines ? (n.told #>> array[f.platform, 'machine_id'])
            )
        )
    )
)
order by f.happened_at
limit %(most)s
"""


# That all of an episode was reported offline before it began is why, where the evaluation knew nothing.
# Only by numbers that were told, and where the rule has no such episode open already, for a rule has one for a cause.
EXPLAINED = """
update alert_episodes e set cause = 'machine', cause_key = 'offline'
 where e.id = any(%(episodes)s) and e.state = 'open' and e.cause = 'unknown'
   and not exists (select from alert_episodes o where o.alert_id = e.alert_id and o.state = 'open'
                   and o.cause = 'machine' and o.cause_key = 'offline')
   and exists (select from alert_watches w where w.episode_id = e.id)
   and not exists (
     select from alert_watches w where w.episode_id = e.id and not exists (
       select from gpu_configurations g, alert_episode_events x, alert_host_events h
        where g.id::text = w.subject and x.episode_id = e.id and x.kind = 'event'
          and h.id::text = x.data->>'host_event' and h.kind = 'machine_offline'
          and h.happened_at <= e.opened_at + interval '15 minutes'
          and h.data -> 'machines' ? (g.platform_mappings #>> array[h.platform, 'machine_id'])))
returning e.id
"""


def match(user: UUID | None = None) -> int:
    """Put what was reported onto the open episodes of `user`, or of everybody; the number put there."""
    put = 0
    for _round in range(ROUNDS):
        found = _round_of(user)
        put += found
        if found < MOST:
            break
    return put


def _round_of(user: UUID | None) -> int:
    whose = "and e.user_id = %(user)s" if user else ""
    with connection.cursor() as cursor:
        cursor.execute(PAIRS.replace("{whose}", whose), {"user": user, "most": MOST})
        pairs: list[tuple[UUID, UUID]] = cursor.fetchall()
    if not pairs:
        return 0
    events = HostEvent.objects.select_related("user").in_bulk({event for event, _episode in pairs})
    rows = [_row(events[event], episode) for event, episode in pairs if event in events]
    standing = set(Episode.objects.filter(pk__in={row.episode_id for row in rows}).values_list("pk", flat=True))
    # The key is made of both, so that of two that match at once one wins.
    EpisodeEvent.objects.bulk_create((row for row in rows if row.episode_id in standing), ignore_conflicts=True)
    _explain(standing)
    return len(rows)


def _explain(episodes: Collection[UUID]) -> None:
    """Name the machine as the cause where all of an episode was reported offline, and say so on its timeline."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(EXPLAINED, {"episodes": sorted(episodes)})
        known = [pk for (pk,) in cursor.fetchall()]
        events = []
        for row in Episode.objects.filter(pk__in=known).select_related("user"):
            with translation.override(row.user.language):
                text = _("The cause is your machine: %(platform)s reported it offline.") % {"platform": vast.NAME}
            events.append(EpisodeEvent(episode=row, kind="event", text=text, at=clock.now()))
        EpisodeEvent.objects.bulk_create(events)


def _row(event: HostEvent, episode: UUID) -> EpisodeEvent:
    with translation.override(event.user.language):
        text = f"{vast.NAME}: {title_of(event)}"
    return EpisodeEvent(
        pk=uuid5(NAMESPACE, f"{event.pk}:{episode}"),
        episode_id=episode,
        kind="event",
        text=text[:300],
        data={"host_event": str(event.pk), "kind": event.kind},
        at=event.happened_at,
    )


def title_of(event: HostEvent) -> str:
    """The event in a few words, with its machine."""
    words = words_of(event.kind) or str(event.data.get("subject") or event.kind)
    machines = event.data.get("machines") or []
    if len(machines) > 1:
        return _("%(words)s (machines %(numbers)s)") % {"words": words, "numbers": ", ".join(machines[:5])}
    return _("%(words)s (machine %(number)s)") % {"words": words, "number": event.machine} if event.machine else words


def words_of(kind: str) -> str:
    """The kinds that Vast.ai's documents name; of others its own subject line is shown."""
    return {
        "machine_offline": _("machine is offline"),
        "machine_error": _("issue detected on the machine"),
        "maintenance_scheduled": _("maintenance is scheduled"),
        "webhook_test": _("test"),
    }.get(kind, "")


def placed(events: Iterable[HostEvent]) -> dict[str, Episode]:
    """The episode on whose timeline each of these stands, by the event's key."""
    rows = list(events)
    if not rows:
        return {}
    found = EpisodeEvent.objects.filter(
        episode__user=rows[0].user_id, kind="event", data__host_event__in=[str(one.pk) for one in rows]
    ).select_related("episode")
    return {str(one.data["host_event"]): one.episode for one in found.order_by("episode__opened_at")}
