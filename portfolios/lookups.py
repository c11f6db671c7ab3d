"""What single KPIs need beyond the window: comparisons, purchase and idle spells, looked up once for all GPUs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from django.db import connection
from django.db.models import Min

from .comparing import Chosen, chosen, comparisons
from .economics import Window
from .kpis import Comparison, Lifetime, More, Spells
from .models import GPUConfiguration, PerformanceMetric
from .results import Fee, Unit, results

LATELY_DAYS = 90
SPELL_DAYS = 30
QUARTER = timedelta(minutes=15)
LONGEST_GAP = timedelta(hours=1)  # a longer silence hides what happened in it
# Moments at which the number of rented or offered GPUs changed, or before which nothing was told for too long.
CHANGES = """
select gpu, at, rented, idle, previous, newest from (
  select gpu, at, rented, idle, lag(at) over w as previous, lag(rented) over w as old_rented,
    lag(idle) over w as old_idle, max(at) over (partition by gpu) as newest
  from (
    select gpu_configuration_id as gpu, sampled_at as at, sum(rented_gpus) as rented,
      max(listed_gpus) - least(sum(rented_gpus), max(listed_gpus)) as idle
    from metric_samples
    where gpu_configuration_id = any(%(gpus)s) and sampled_at >= %(first)s and sampled_at < %(end)s
      and rented_gpus is not null and listed_gpus is not null and is_online is not false
    group by 1, 2
  ) s window w as (partition by gpu order by at)
) c
where previous is null or rented <> old_rented or idle <> old_idle or at - previous > %(gap)s::interval
order by gpu, at
"""


@dataclass(frozen=True)
class Purchase:
    """What all GPUs of a configuration cost in USD, and since when their net counts; None: all that is on record."""

    price: Decimal
    since: date | None = None


class Lookups(More):
    """Each question is asked of the database once, when the first KPI needs it, for all of `items`."""

    def __init__(
        self,
        items: Sequence[GPUConfiguration],
        units: Sequence[Unit],
        *,
        window: Window,
        now: datetime,
        names: Mapping[str, str],
        fees: Callable[[date], Sequence[Fee]],
        purchases: Mapping[UUID, Purchase],
    ) -> None:
        self._items, self._units, self._window, self._now, self._names = items, units, window, now, names
        self._fees, self._purchases = fees, purchases

    def comparison(self, pk: UUID | None) -> Comparison | None:
        return self._comparisons.get(pk) if pk else None

    def lifetime(self, pk: UUID | None) -> Lifetime | None:
        return self._lifetimes.get(pk) if pk else None

    def spells(self, pk: UUID | None) -> Spells | None:
        return self._spells.get(pk) if pk else None

    def chosen(self, pk: UUID) -> Chosen | None:
        """Whom it is compared with."""
        return self._chosen.get(pk)

    @cached_property
    def _chosen(self) -> dict[UUID, Chosen]:
        return chosen(self._items, names=self._names)

    @cached_property
    def _comparisons(self) -> dict[UUID, Comparison]:
        """Those of the window, with the list prices of now."""
        return comparisons(self._chosen, self._window, now=self._now)

    @cached_property
    def _lifetimes(self) -> dict[UUID, Lifetime]:
        """Net since the purchase, and that of the last 90 days, of those whose price is known."""
        units = [
            replace(unit, since=self._purchases[unit.pk].since) for unit in self._units if unit.pk in self._purchases
        ]
        if not units:
            return {}
        today = self._now.date()
        lately = Window(today - timedelta(days=LATELY_DAYS - 1), today)
        day_before = lately.first - timedelta(days=1)
        earlier = Window(min(day_before, _first_day(units) or day_before), day_before)
        found = results(units, now=lately, before=earlier, today=today, fees=self._fees(earlier.first))
        return {
            unit.pk: Lifetime(
                price=self._purchases[unit.pk].price,
                earned=found.now[unit.pk].net + found.before[unit.pk].net,
                lately=found.now[unit.pk].net,
            )
            for unit in units
        }

    @cached_property
    def _spells(self) -> dict[UUID, Spells]:
        """Idle spells of the window, of 30 days at least."""
        end = self._window.last + timedelta(days=1)
        first = min(self._window.first, end - timedelta(days=SPELL_DAYS))
        with connection.cursor() as cursor:
            cursor.execute(
                CHANGES,
                {
                    "gpus": [item.pk for item in self._items],
                    "first": datetime.combine(first, time(), UTC),
                    "end": datetime.combine(end, time(), UTC),
                    "gap": f"{LONGEST_GAP.total_seconds():.0f} seconds",
                },
            )
            rows: dict[UUID, list[Change]] = {}
            for gpu, *told in cursor.fetchall():
                rows.setdefault(gpu, []).append(Change(*told))
        return {gpu: tuple(spells_of(changes)) for gpu, changes in rows.items()}


def _first_day(units: Sequence[Unit]) -> date | None:
    """The earliest day on record that counts."""
    days = PerformanceMetric.objects.filter(gpu_configuration__in=[unit.pk for unit in units if unit.since is None])
    told = [day for day in (days.aggregate(day=Min("metric_date"))["day"], *(unit.since for unit in units)) if day]
    return min(told, default=None)


@dataclass(frozen=True)
class Change:
    """So many GPUs were rented, and so many offered and idle, from `at` on.

    `previous` is the moment told before it, None at first; `newest` the last of all.
    """

    at: datetime
    rented: int
    idle: int
    previous: datetime | None
    newest: datetime


def spells_of(changes: Iterable[Change]) -> list[tuple[Decimal, bool]]:
    """Idle spells in hours, and whether each ended with a rental.

    Whichever GPU was idle first is taken to be rented first. A spell whose begin was not seen is left out; one that a
    gap or the end of the samples cuts off, or whose GPU was taken from the offer, is known to have lasted that long.
    Source: docs/economics.md, "Time to rent".
    """
    spells: list[tuple[Decimal, bool]] = []
    waiting: deque[datetime | None] = deque()
    before: Change | None = None

    def end(at: datetime, *, is_over: bool) -> None:
        begun = waiting.popleft()
        if begun is not None and at > begun:
            spells.append((Decimal((at - begun) // QUARTER) / 4, is_over))

    for change in changes:
        if before is None or change.previous is None or change.at - change.previous > LONGEST_GAP:
            while waiting:
                end((change.previous or change.at) + QUARTER, is_over=False)
            waiting.extend([None] * change.idle)
        else:
            for number in range(len(waiting) - change.idle):
                end(change.at, is_over=number < change.rented - before.rented)
            waiting.extend([change.at] * (change.idle - len(waiting)))
        before = change
    if before is not None:
        while waiting:
            end(before.newest + QUARTER, is_over=False)
    return spells
