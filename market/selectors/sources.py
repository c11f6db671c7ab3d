"""How each source does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Max

from gpuadvisor.core import clock
from market.models import SourceRun
from market.sources import SOURCES

from .now import STALE_AFTER


@dataclass(frozen=True, slots=True)
class SourceState:
    """How one source does: its last good answer, and since when and why it fails."""

    name: str
    title: str
    platform: str
    last_good_at: datetime | None
    failing_since: datetime | None
    error: str
    refused: int
    is_stale: bool


def source_states(names: Iterable[str]) -> list[SourceState]:
    """The state of each source, in two queries."""
    wanted = [name for name in names if name in SOURCES]
    good = dict(
        SourceRun.objects.filter(source__in=wanted, status__in=("ok", "unchanged"))
        .values("source")
        .annotate(at=Max("started_at"))
        .values_list("source", "at")
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "select wanted.name, last.status, last.error, last.rows_refused, failed.since, statement_timestamp()"
            " from unnest(%s::text[]) as wanted(name)"
            " cross join lateral (select r.status, r.error, r.rows_refused from source_runs r"
            "   where r.source = wanted.name and r.status <> 'running' order by r.started_at desc limit 1) last"
            " cross join lateral (select max(g.started_at) as at from source_runs g"
            "   where g.source = wanted.name and g.status in ('ok', 'unchanged')) good"
            " cross join lateral (select min(r.started_at) as since from source_runs r where r.source = wanted.name"
            "   and r.status = 'failed' and r.started_at > coalesce(good.at, '-infinity')) failed",
            [wanted],
        )
        last = {row[0]: row[1:] for row in cursor.fetchall()}
    now = clock.now()
    states = []
    for name in wanted:
        status, error, refused, since, _at = last.get(name, ("", "", 0, None, now))
        at = good.get(name)
        states.append(
            SourceState(
                name=name,
                title=SOURCES[name].title,
                platform=SOURCES[name].platform,
                last_good_at=at,
                failing_since=since if status == "failed" else None,
                error=error if status == "failed" else "",
                refused=refused,
                is_stale=at is None or now - at > STALE_AFTER,
            )
        )
    return states


def source_title(name: str) -> str:
    """A source's name as a reader knows it."""
    return SOURCES[name].title if name in SOURCES else name
