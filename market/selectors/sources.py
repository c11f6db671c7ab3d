"""How each source does: its state in short for figures, and in full for the page on the state of the data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db import connection
from django.db.models import Count

from gpuadvisor.core import clock
from market.models import Quarantine
from market.sources import SOURCES

from .now import freshness_of


@dataclass(frozen=True, slots=True)
class SourceState:
    """How one source does: its last good answer, of when its figures are, and since when and why it fails."""

    name: str
    title: str
    platform: str
    last_good_at: datetime | None
    told_at: datetime | None
    failing_since: datetime | None
    error: str
    refused: int
    is_stale: bool


def source_states(names: Iterable[str]) -> list[SourceState]:
    """The state of each source, in one query."""
    wanted = [name for name in names if name in SOURCES]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            select wanted.name, coalesce(last.status, ''), coalesce(last.error, ''), coalesce(last.rows_refused, 0),
                failed.since, good.at, dated.at
            from unnest(%s::text[]) with ordinality as wanted(name, place)
            left join lateral (select r.status, r.error, r.rows_refused from source_runs r
                where r.source = wanted.name and r.status <> 'running' order by r.started_at desc limit 1) last on true
            {_GOOD}
            order by wanted.place
            """,  # noqa: S608 - nothing but our own words
            [wanted],
        )
        rows = cursor.fetchall()
    now = clock.now()
    states = []
    for name, status, error, refused, since, at, dated in rows:
        told_at = _told_at(name, at, dated)
        states.append(
            SourceState(
                name=name,
                title=SOURCES[name].title,
                platform=SOURCES[name].platform,
                last_good_at=at,
                told_at=told_at,
                failing_since=since if status == "failed" else None,
                error=error if status == "failed" else "",
                refused=refused,
                is_stale=told_at is None or now - told_at > freshness_of(name).stale,
            )
        )
    return states


# Of each source: its last good run, its first failure after that, and of when the newest of its last documents was.
_GOOD = """
    left join lateral (select g.started_at as at from source_runs g
        where g.source = wanted.name and g.status in ('ok', 'unchanged')
        order by g.started_at desc limit 1) good on true
    left join lateral (select min(f.started_at) as since from source_runs f
        where f.source = wanted.name and f.status = 'failed'
          and f.started_at > coalesce(good.at, '-infinity')) failed on true
    left join lateral (select max(d.at) as at from (
        select coalesce(o.observed_at, o.started_at) as at from source_runs o
        where o.source = wanted.name and o.status = 'ok'
        order by o.started_at desc limit 8) d) dated on true
"""


def _told_at(name: str, good_at: datetime | None, dated: datetime | None) -> datetime | None:
    """Of when a source's figures are: a document that tells when it was made gets no younger by being told again."""
    if good_at is None or dated is None or not SOURCES[name].own_clock:
        return good_at
    return min(good_at, dated)


def source_title(name: str) -> str:
    """A source's name as a reader knows it."""
    return SOURCES[name].title if name in SOURCES else name


HOURS = 24
REASONS = 3
State = Literal["answers", "late", "failing", "held", "waiting", "off", "no_key"]


@dataclass(frozen=True, slots=True)
class Hour:
    """How the runs of one hour ended."""

    good: int = 0
    failed: int = 0
    held: int = 0

    @property
    def worst(self) -> str:
        return "failed" if self.failed else "held" if self.held else "good" if self.good else ""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """All that is public of how one source does. No offer and no fragment of a document stands in it.

    `told_at` is of when its figures are: of a source with a clock of its own, the time of its newest document, however
    often that is told again; else `last_good_at`. Age, `is_stale` and `is_hidden` go by it.
    `since`: of a failing or held source, its first run without success. `hours`: the last 24, the oldest first. Row
    counts are those of the last stored document, None before the first; `reasons` of up to 50 refused rows.
    `quarantine`: rule and open rows.
    """

    name: str
    state: State
    last_good_at: datetime | None
    told_at: datetime | None
    since: datetime | None
    hours: Sequence[Hour]
    rows_seen: int | None
    offers_used: int | None
    rows_stored: int | None
    rows_refused: int | None
    reasons: Sequence[tuple[str, int]]
    quarantine: Sequence[tuple[str, int]]
    held_by: Sequence[str]
    is_stale: bool
    is_hidden: bool

    @property
    def repeats(self) -> bool:
        """Whether it answers, with figures that are too old."""
        return self.state == "late" and self.last_good_at != self.told_at

    @property
    def good(self) -> int:
        return sum(hour.good for hour in self.hours)

    @property
    def failed(self) -> int:
        return sum(hour.failed for hour in self.hours)

    @property
    def held(self) -> int:
        return sum(hour.held for hour in self.hours)


def source_reports(switched_on: Iterable[str], without_key: Iterable[str]) -> list[SourceReport]:
    """How every source does that we know, in four queries; those that are off too."""
    names, on, keyless = list(SOURCES), set(switched_on), set(without_key)
    now = clock.now()
    hours = _hours(now)
    waiting: dict[str, list[tuple[str, str, int]]] = {}
    open_rows = Quarantine.objects.open().values_list("source", "rule", "scope").annotate(rows=Count("id"))
    for source, rule, scope, rows in open_rows.order_by("source", "-rows", "rule"):
        waiting.setdefault(source, []).append((rule, scope, rows))
    reports = []
    for name, status, is_held, good_at, dated, since, seen, used, stored, refused, refusals in _last_runs(names):
        told_at = _told_at(name, good_at, dated)
        age = None if told_at is None else now - told_at
        limits = freshness_of(name)
        state: State
        if name in keyless:
            state = "no_key"
        elif name not in on:
            state = "off"
        elif status == "failed":
            state = "held" if is_held else "failing"
        elif age is None:
            state = "waiting"
        else:
            state = "late" if age > limits.stale else "answers"
        reasons = Counter(str(row.get("reason", "")) for row in refusals if isinstance(row, dict))
        rules = waiting.get(name, [])
        reports.append(
            SourceReport(
                name=name,
                state=state,
                last_good_at=good_at,
                told_at=told_at,
                since=since if status == "failed" else None,
                hours=hours.get(name, [Hour()] * HOURS),
                rows_seen=seen,
                offers_used=used,
                rows_stored=stored,
                rows_refused=refused,
                reasons=reasons.most_common(REASONS),
                quarantine=[(rule, rows) for rule, scope, rows in rules if scope == Quarantine.Scope.ROW],
                held_by=[rule for rule, scope, _rows in rules if scope == Quarantine.Scope.BATCH],
                is_stale=age is None or age > limits.stale,
                is_hidden=age is None or age > limits.hidden,
            )
        )
    return reports


def _last_runs(names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Of each source: its last finished run, last good one, first failure after that, and last stored document."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            select wanted.name, coalesce(last.status, ''), coalesce(last.is_held, false),
                good.at, dated.at, failed.since,
                stored.rows_seen, stored.offers_used, stored.rows_stored, stored.rows_refused,
                coalesce(stored.refusals, '[]'::jsonb)
            from unnest(%s::text[]) with ordinality as wanted(name, place)
            left join lateral (select r.status, r.is_held from source_runs r
                where r.source = wanted.name and r.status <> 'running' order by r.started_at desc limit 1) last on true
            {_GOOD}
            left join lateral (select s.rows_seen, s.offers_used, s.rows_stored, s.rows_refused, s.refusals
                from source_runs s where s.source = wanted.name and s.status = 'ok'
                order by s.started_at desc limit 1) stored on true
            order by wanted.place
            """,  # noqa: S608 - nothing but our own words
            [list(names)],
        )
        rows = cursor.fetchall()
    return [(*row[:-1], json.loads(row[-1]) if isinstance(row[-1], str) else row[-1]) for row in rows]


def _hours(now: datetime) -> dict[str, list[Hour]]:
    """How the runs of each source ended in each of the last 24 hours, the oldest first."""
    counts: dict[str, list[list[int]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select source, floor(extract(epoch from %(now)s::timestamptz - started_at) / 3600)::int as hours_ago,
                count(*) filter (where status in ('ok', 'unchanged')),
                count(*) filter (where status = 'failed' and not is_held),
                count(*) filter (where status = 'failed' and is_held)
            from source_runs
            where source = any(%(names)s) and started_at > %(since)s and started_at <= %(now)s
            group by source, hours_ago
            """,
            {"now": now, "since": now - timedelta(hours=HOURS), "names": list(SOURCES)},
        )
        for source, hours_ago, good, failed, held in cursor.fetchall():
            line = counts.setdefault(source, [[0, 0, 0] for _hour in range(HOURS)])
            line[HOURS - 1 - min(hours_ago, HOURS - 1)] = [good, failed, held]
    return {source: [Hour(*hour) for hour in line] for source, line in counts.items()}
