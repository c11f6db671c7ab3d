"""Whether the host acted on what was told: changed a rate or accepted a suggestion meanwhile (R-044)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import translation
from django.utils.translation import gettext as _

from gpuadvisor.core import clock

from ..copying import store
from ..models import Episode, EpisodeEvent

AFTER_HOURS = 24  # what a host does so long after its end still answers an episode
LATE = timedelta(hours=48)  # a change of a rate is seen in figures that come in later
# The GPUs of an episode: what it holds and held; of prices those of the model; of a suggestion the one that it names.
ACTS = """
with one as (
  select e.id, e.user_id, a.alert_type, e.opened_at,
         coalesce(e.resolved_at + make_interval(hours => %(after)s), %(now)s) as until
    from alert_episodes e join alerts a on a.id = e.alert_id
   where e.acted_at is null and (e.state = 'open' or e.resolved_at > %(oldest)s)
), subjects as (
  select one.id, w.subject from one join alert_watches w on w.episode_id = one.id
  union
  select one.id, v.data->>'subject' from one join alert_episode_events v on v.episode_id = one.id
   where v.kind = 'cleared' and v.data ? 'subject'
), keys as (
  select s.id, s.subject, case when one.alert_type <> 'pricing_change' then s.subject::uuid end as key,
         one.alert_type, one.user_id
    from subjects s join one using (id)
), gpus as (
  select k.id, k.key as gpu from keys k where k.alert_type = 'utilization_drop'
  union
  select k.id, g.id from keys k join portfolios p on p.user_id = k.user_id
    join gpu_configurations g on g.portfolio_id = p.id join gpu_models m on m.id = g.gpu_model_id
   where k.alert_type = 'pricing_change' and m.name = split_part(k.subject, ':', 1)
  union
  select k.id, s.gpu_configuration_id from keys k join optimization_suggestions s on s.id = k.key
   where k.alert_type = 'optimization_opportunity' and s.gpu_configuration_id is not null
), acts as (
  select one.id, c.changed_at as at, 'price' as how from one join gpus using (id)
    join price_changes c on c.gpu_configuration_id = gpus.gpu and c.changed_at between one.opened_at and one.until
  union all
  select one.id, s.decided_at, 'suggestion' from one join gpus using (id)
    join optimization_suggestions s on s.gpu_configuration_id = gpus.gpu and s.state = any(%(accepted)s)
         and s.decided_at between one.opened_at and one.until
  union all
  select one.id, s.decided_at, 'suggestion' from one join keys k using (id)
    join optimization_suggestions s on s.id = k.key and s.state = any(%(accepted)s)
         and s.decided_at between one.opened_at and one.until
   where one.alert_type = 'optimization_opportunity'
), firsts as (
  select distinct on (id) id, at, how from acts order by id, at, how
)
update alert_episodes e set acted_at = f.at, acted_how = f.how from firsts f
 where e.id = f.id and e.acted_at is null returning e.id, f.at, f.how
"""
ACCEPTED = ["accepted", "done"]


def note_acts(now: datetime | None = None) -> int:
    """Mark episodes whose hosts did something about them, while they were open or within a day; their number."""
    moment = now or clock.now()
    with transaction.atomic():
        with connection.cursor() as cursor:
            oldest = moment - timedelta(hours=AFTER_HOURS) - LATE
            cursor.execute(ACTS, {"now": moment, "after": AFTER_HOURS, "oldest": oldest, "accepted": ACCEPTED})
            found = {pk: (at, how) for pk, at, how in cursor}
        events = []
        for row in Episode.objects.filter(pk__in=list(found)).select_related("user"):
            at, how = found[row.pk]
            with translation.override(row.user.language):
                text = _("You changed a rate.") if how == "price" else _("You accepted a suggestion.")
            events.append(EpisodeEvent(episode=row, kind="acted", text=text, at=at))
        store(events)
    return len(found)
