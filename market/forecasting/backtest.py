"""How good each method is on the real series, without looking ahead. No Django.

What the files cannot show is left out and said: Vast.ai's rows before 2026-05-08 are an aggregator's single prices, its
rows from 2026-06-06 on were cut off at 500 or 64 offers; rows of getdeploying.com divide by the wrong number of GPUs
until the poll of 2026-02-19 21:00, when 142 series fell at once (the next day is the first whole one); prices carried
forward are no observation.
There is no public series of rented shares: the offers that Prime Intellect calls scarce are the nearest thing.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from statistics import fmean, median
from typing import Any

from market import stats

from . import HORIZONS, chosen
from .methods import METHODS, NAIVE, Values, scaled
from .past import LEVEL, MIN_DAYS, WARM_UP_DAYS, Key, Said, Series, walk

REGIONAL = "daily_prices_by_region.csv.gz"
LISTED = "gpurentalprices_daily.csv.gz"
STOCK = "prime_intellect_market.csv.gz"
VAST_FROM, VAST_UNTIL = date(2026, 5, 8), date(2026, 6, 5)
UNITS_FROM = date(2026, 2, 20)
DAILY_HORIZONS = (1, 7, 30)
HOURLY_HORIZONS = (1, 3, 7)
HOURLY_AFTER, HOURLY_WARM_UP = 7, 3  # days: the same hour of last week must be known
JUDGED_HORIZONS = 2  # coverage of fewer horizons in a row is chance
COVERAGE = (70, 90)


@dataclass(frozen=True, slots=True)
class Group:
    """Series of one kind and file, in the unit of their measure."""

    name: str
    measure: str
    per_day: int
    panel: Mapping[Key, Series]
    flat: int  # series that never changed: no method errs there, so they are not counted


# -- The files -------------------------------------------------------------------------------------------------------


def read_groups(folder: Path) -> list[Group]:
    """All groups of series in `folder`. Raises: FileNotFoundError, KeyError or ValueError where a file is not right."""
    return [*_regional(folder), _listed(folder), *_stock(folder)]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _daily(cells: Mapping[Key, Mapping[date, list[float]]]) -> tuple[dict[Key, Series], int]:
    """A day's value is the median over its moments; a day without one stays a gap. Series, and how many never moved."""
    panel, flat = {}, 0
    for key, days in cells.items():
        first, last = min(days).toordinal(), max(days).toordinal()
        values: list[float | None] = [None] * (last - first + 1)
        for day, found in days.items():
            values[day.toordinal() - first] = median(found)
        if len({value for value in values if value is not None}) > 1:
            panel[key] = Series(first, values)
        else:
            flat += 1
    return panel, flat


def _regional(folder: Path) -> list[Group]:
    asks: dict[Key, dict[date, dict[str, list[tuple[Decimal, int]]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    lists: dict[Key, dict[date, dict[str, list[tuple[Decimal, int]]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for row in _rows(folder / REGIONAL):
        day = date.fromisoformat(row["timestamp"][:10])
        if row["spot"] != "false":
            continue
        priced = Decimal(row["median_per_gpu"]), int(row["n_offers"]) * int(row["gpu_count"])
        if row["platform"] == "vast.ai":
            if row["source"] == "vast_api" and VAST_FROM <= day <= VAST_UNTIL:
                asks[row["gpu_model"]][day][row["timestamp"]].append(priced)
        elif day >= UNITS_FROM:
            key = row["platform"], row["region"], row["gpu_model"], row["source"]  # no series across sources
            lists[key][day][row["timestamp"]].append(priced)
    groups = []
    for name, found in (("Vast.ai asks", asks), ("list prices, 2026-02 to 06", lists)):
        panel, flat = _daily(
            {
                key: {
                    day: [float(stats.median(moment)) for moment in moments.values()] for day, moments in days.items()
                }
                for key, days in found.items()
            }
        )
        groups.append(Group(name, "price", 1, panel, flat))
    return groups


def _listed(folder: Path) -> Group:
    found: dict[Key, dict[date, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(folder / LISTED):
        if row["fetched_at"][:10] != row["snapshot_date"] or row["kind"] not in ("on-demand", "community", "secure"):
            continue
        key = row["platform"], row["gpu_model"], row["vram_gb"], row["kind"]
        found[key][date.fromisoformat(row["snapshot_date"])].append(float(row["price_per_gpu_hour_usd"]))
    panel, flat = _daily(found)
    return Group("list prices, 2026-07 to 08", "price", 1, panel, flat)


def _stock(folder: Path) -> list[Group]:
    prices: dict[Key, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    scarce: dict[Key, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(folder / STOCK):
        hour = int(datetime.fromisoformat(row["timestamp"]).astimezone(UTC).timestamp() // 3600)
        key = row["gpu_model"], row["gpu_variant"]
        prices[key][hour].append(float(row["median"]))
        total = int(row["offers_total"])
        if total:
            scarce[key][hour].append(100 - 100 * int(row["offers_available"]) / total)
    groups = []
    for name, measure, cells in (
        ("Prime Intellect asks, hourly", "price", prices),
        ("Prime Intellect scarce offers, hourly", "rented", scarce),
    ):
        panel: dict[Key, Series] = {}
        flat = 0
        for key, hours in cells.items():
            values: list[float | None] = [
                fmean(hours[hour]) if hour in hours else None for hour in range(min(hours), max(hours) + 1)
            ]
            if len({value for value in values if value is not None}) > 1:
                panel[key] = Series(min(hours), values)
            else:
                flat += 1
        groups.append(Group(name, measure, 24, panel, flat))
    return groups


# -- The scores ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Score:
    """Errors and coverage of one method over many tries. Units: percent of the price (of its logarithm), or points."""

    errors: list[float] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    halves: list[float] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)
    horizons: float = 0.0  # how many fit into the longest stretch of tries with an interval

    def add(self, said: list[Said], *, group: Group, ahead: int) -> None:
        unit = 100 if group.measure == "price" else 1
        self.errors += [one.error * unit for one in said]
        self.keys |= {(group.name, one.key) for one in said}
        tried = [one for one in said if one.half is not None]
        self.held += [one.held for one in tried]
        self.halves += [one.half * unit for one in tried if one.half is not None]
        if tried:
            self.horizons = max(self.horizons, (tried[-1].step - tried[0].step + 1) / ahead)

    @property
    def coverage(self) -> float | None:
        return 100 * fmean(self.held) if self.held else None


Place = tuple[str, str, int, bool]  # series, measure, horizon in days, whether they move
ALL = "all daily series"


def scores(groups: list[Group]) -> dict[Place, dict[str, Score]]:
    """Every method at every horizon, of each group and of all daily ones together."""
    found: dict[Place, dict[str, Score]] = defaultdict(lambda: defaultdict(Score))
    for group in groups:
        daily = group.per_day == 1
        panel = {key: Series(s.start, scaled(s.values, group.measure)) for key, s in group.panel.items()}
        for horizon in DAILY_HORIZONS if daily else HOURLY_HORIZONS:
            ahead = horizon * group.per_day
            for name, method in METHODS.items():
                said = [
                    one
                    for one in walk(
                        panel,
                        lambda _moving, method=method: method,  # type: ignore[misc]
                        ahead,
                        per_day=group.per_day,
                        after=MIN_DAYS if daily else HOURLY_AFTER,
                        warm_up=WARM_UP_DAYS if daily else HOURLY_WARM_UP,
                    )
                    if one.truth is not None
                ]
                for moving in (True, False):
                    part = [one for one in said if one.is_moving is moving]
                    if part:
                        for series in (group.name, ALL) if daily else (group.name,):
                            found[series, group.measure, horizon, moving][name].add(part, group=group, ahead=ahead)
    return found


def report(groups: list[Group]) -> dict[str, Any]:
    """What the command prints.

    `ok`: at 7 and 30 days every chosen method does at least as well as the better naive one over all daily series, and
    its interval held in 70 to 90 % wherever at least two horizons in a row could be tried.
    """
    rows, ok = [], True
    found = scores(groups)
    for (series, measure, horizon, moving), by_method in found.items():
        naive_error = min(fmean(by_method[name].errors) for name in NAIVE)
        for name, score in by_method.items():
            error, coverage = fmean(score.errors), score.coverage
            # of 7 and 30 days nothing can be measured for shares: there the shorter ones stand for them
            is_chosen = name == chosen(measure, moving) and (horizon in HORIZONS or measure == "rented")
            judged = coverage is not None and score.horizons >= JUDGED_HORIZONS
            if is_chosen and series == ALL:
                ok &= error <= naive_error + 1e-9
                ok &= not judged or COVERAGE[0] <= (coverage or 0) <= COVERAGE[1]
            rows.append(
                {
                    "series": series,
                    "kind": "moving" if moving else "sticky",
                    "measure": measure,
                    "method": name,
                    "horizon": horizon,
                    "error": round(error, 2),
                    "naive_error": round(naive_error, 2),
                    "coverage": None if coverage is None else round(coverage, 1),
                    "n": len(score.errors),
                    "of_series": len(score.keys),
                    "half_width": round(median(score.halves), 2) if score.halves else None,
                    "coverage_judged": judged,
                    "chosen": is_chosen,
                }
            )
    return {"ok": ok, "level": LEVEL, "rows": rows, "not_measurable": _missing(groups, found)}


def _missing(groups: list[Group], found: Mapping[Place, Any]) -> list[str]:
    """What the files are too short for, in words."""
    said = []
    for group in groups:
        longest = max((_days(series.values, group.per_day) for series in group.panel.values()), default=0)
        for horizon in DAILY_HORIZONS if group.per_day == 1 else HOURLY_HORIZONS:
            if not any((group.name, group.measure, horizon, moving) in found for moving in (True, False)):
                said.append(f"{group.name}, {horizon} days: the longest series has {longest} days")
        if group.flat:
            said.append(f"{group.name}: {group.flat} series never changed and are not counted")
    said.append("rented share, 7 and 30 days: no public series; the last value is used, its error that of each series")
    return said


def _days(values: Values, per_day: int) -> int:
    return math.floor(len(values) / per_day)
