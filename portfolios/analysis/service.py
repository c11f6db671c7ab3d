"""Analyses kept for each host: made by a job, or by the page that finds none; served for an hour (R-053).

One maker at a time for each host: another finds the work done.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.cache import caches
from django.db import connection, transaction
from django.utils import translation

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, reading
from gpuadvisor.core.nudge import nudge as core_nudge
from market.comps import sources_word
from market.selectors import current_origin

from ..caching import dashboard_version
from ..fleet import read_fleet
from ..models import Analytics, InsightRuleSetting
from .figures import analyse

log = logging.getLogger(__name__)
FRESH = timedelta(hours=1)
SHAPE = 1  # raise it when what is kept changes its form: older rows are made anew
NUDGE_SECONDS = 60


@dataclass(frozen=True)
class Book:
    """A host's newest analysis of each metric type; `is_fresh` where none is outdated."""

    rows: Mapping[str, Analytics]
    is_fresh: bool

    @property
    def generated_at(self) -> datetime | None:
        return max((row.generated_at for row in self.rows.values()), default=None)


def inputs_of(user: User) -> str:
    """A word that changes with what an analysis rests on: the fleet and its figures, the rules' settings, the market.

    The market counts by its origin and by who is silent: its quarter hours are caught up with when an hour is over.
    """
    settings = InsightRuleSetting.objects.filter(user=user).order_by("rule").values_list("rule", "is_on", "threshold")
    origin = current_origin()
    parts = [SHAPE, dashboard_version(user.pk), origin, sources_word(origin), clock.today(), *settings]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:64]


def book_of(user: User) -> Book:
    """What is kept; made here where nothing is, asked for where it is outdated."""
    book = kept(user)
    if reading.is_only():
        return book
    if not book.rows:
        make(user)
        return kept(user)
    if not book.is_fresh:
        nudge(user.pk)
    return book


def kept(user: User) -> Book:
    """The rows of the host's newest day."""
    rows = list(
        Analytics.objects.filter(user=user, metric_type__in=Analytics.Type.values)
        .order_by("metric_type", "-analysis_date")
        .distinct("metric_type")
    )
    if len(rows) < len(Analytics.Type):
        return Book({}, False)
    now, inputs = clock.now(), inputs_of(user)
    is_fresh = all(row.expires_at > now and row.inputs == inputs for row in rows)
    return Book({row.metric_type: row for row in rows}, is_fresh)


def nudge(user_id: UUID) -> None:
    """Ask a worker for a new analysis, once a minute at most; without a broker the hourly job brings it."""
    if not caches["pages"].add(f"analysis-nudge:{user_id}", 1, NUDGE_SECONDS):
        return
    core_nudge("portfolios.tasks.analyse_host", str(user_id))


def make(user: User) -> bool:
    """Analyse and look for insights anew, in the host's language; False where another is at it."""
    from ..insights.service import look

    with translation.override(user.language), transaction.atomic():
        if not _claimed(user.pk):
            return False
        now, inputs = clock.now(), inputs_of(user)  # before the rows are read: what changes meanwhile is seen later
        fleet = read_fleet(user)
        made = analyse(user, fleet=fleet)
        found = look(user, fleet)
        rows = {
            kind: Analytics(
                user=user,
                metric_type=kind,
                calculated_data=analysis.calculated | {"checks": found.checks(kind)},
                trend_analysis=analysis.trend,
                confidence_score=analysis.confidence.score,
                analysis_date=now.date(),
                expires_at=now + FRESH,
                inputs=inputs,
            )
            for kind, analysis in made.items()
        }
        Analytics.objects.bulk_create(
            rows.values(),
            update_conflicts=True,
            unique_fields=["user", "metric_type", "analysis_date"],
            update_fields=[
                *("calculated_data", "trend_analysis", "confidence_score"),
                *("generated_at", "expires_at", "inputs"),
            ],
        )
        stored = {row.metric_type: row for row in Analytics.objects.filter(user=user, analysis_date=now.date())}
        found.store(user, stored, now)
    return True


def _claimed(user_id: UUID) -> bool:
    """Whether this transaction is the only maker of this host's analyses; it waits for nobody."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"analysis:{user_id}"])
        row: tuple[Any, ...] = cursor.fetchone()
    return bool(row[0])


# -- The hourly job ----------------------------------------------------------------------------------------------------
SLICE = 20  # hosts of one message
DUE_SQL = """
select u.id from users u
where u.is_active and u.id > %(after)s and exists (
    select 1 from portfolios p where p.user_id = u.id and p.is_active
) and (
    u.last_login > %(since)s
    or exists (select 1 from usersessions_usersession s where s.user_id = u.id and s.last_seen_at > %(since)s)
    or exists (
        select 1 from portfolios p join gpu_configurations g on g.portfolio_id = p.id
        join performance_metrics m on m.gpu_configuration_id = g.id
        where p.user_id = u.id and p.is_active and m.metric_date > %(today)s - 3 and m.updated_at > %(hour)s
    )
) and not exists (
    select 1 from analytics a where a.user_id = u.id and a.analysis_date = %(today)s and a.expires_at > %(soon)s
)
order by u.id limit %(limit)s
"""


def due(after: UUID | None, limit: int = SLICE) -> list[UUID]:
    """The next hosts who looked in, or whose figures came in, and whose analysis runs out or is missing."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            DUE_SQL,
            {
                "after": after or UUID(int=0),
                "since": now - timedelta(days=7),
                "hour": now - timedelta(hours=2),
                "soon": now + timedelta(minutes=5),
                "today": now.date(),
                "limit": limit,
            },
        )
        return [row[0] for row in cursor.fetchall()]


def make_slice(after: UUID | None) -> tuple[int, UUID | None]:
    """Analyse the next slice of hosts; how many were, and after whom the next slice begins, None at the end."""
    pks = due(after)
    users = User.objects.in_bulk(pks)
    done = 0
    for pk in pks:
        try:
            done += make(users[pk])
        except Exception:  # one host's rows must not hold up the others
            log.exception("analysis of one host failed")
    return done, pks[-1] if len(pks) == SLICE else None
