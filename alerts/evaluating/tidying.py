"""What no evaluation will ever end: things that are not looked at any more, and what a rule that is off left open."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core import clock

from .. import closing, shrinking
from ..models import Episode, Watch
from .episodes import recount

OFF = _("The rule is off.")
GONE = _(
    "What it was about is not looked at any more: retired, deleted, or in a portfolio that is archived or read-only."
)
# Of rules about shares only: a suggestion that goes ends by itself, and a price is of no portfolio.
LEFT = """
select w.id, w.episode_id from alert_watches w
  join alerts a on a.id = w.alert_id and a.alert_type = 'utilization_drop'
 where not exists (
   select from gpu_configurations g join portfolios p on p.id = g.portfolio_id
    where g.id = case when w.subject ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then w.subject::uuid end
      and g.is_active and p.is_active and p.state = 'active' and p.closed_by_plan_at is null and p.user_id = a.user_id
      and case a.conditions->>'scope' when 'portfolio' then a.conditions->>'scope_id' = p.id::text
                                      when 'gpu' then a.conditions->>'scope_id' = g.id::text else true end)
"""


@transaction.atomic
def tidy(now: datetime | None = None) -> int:
    """End, without a message, what nothing else would; the number of episodes that ended."""
    moment = now or clock.now()
    off = Episode.objects.filter(state=Episode.State.OPEN, alert__is_active=False)
    ended = 0
    if rules := list(off.values_list("alert", flat=True).distinct()):
        ended += closing.close(rules, OFF, now=moment)
    beyond = Episode.objects.filter(state=Episode.State.OPEN, alert__closed_by_plan_at__isnull=False)
    if rules := list(beyond.values_list("alert", flat=True).distinct()):  # opened while the plan closed it
        ended += closing.close(rules, shrinking.BY_PLAN, now=moment)
    with connection.cursor() as cursor:
        cursor.execute(LEFT)
        left: dict[UUID | None, list[UUID]] = defaultdict(list)
        for watch, episode in cursor:
            left[episode].append(watch)
    if left:
        Watch.objects.filter(pk__in=[pk for group in left.values() for pk in group]).delete()
        keys = [key for key in left if key]
        recount(keys, moment)
        rows = Episode.objects.filter(pk__in=keys, state=Episode.State.OPEN)
        empty = rows.annotate(things=Count("watches")).filter(things=0)
        ended += closing.end(list(empty.values_list("pk", flat=True)), GONE, now=moment)
    return ended
