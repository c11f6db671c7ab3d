"""Vast.ai's own past into the gaps of ours: dated rows of a stand-in, which the leading source overwrites.

Rows carry the rented share and its counts, and no median: Vast.ai tells that of rented and that of free GPUs, of which
none is the median of all. Both stand in the demand indicators.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import TypeVar

from django.db import transaction

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import add_months, ensure_months

from . import rollups, stats, storage
from .cache import forget_market
from .catalog.services import name_index
from .cells import BUCKET, bucket
from .models import MarketData, UtilizationTrend
from .names import Match
from .places import GLOBAL
from .rescore import rescore
from .sources.base import Rejection, SourceError
from .sources.vast_metrics import Point, VastMetrics, fetch_history, fetch_names, parse_history
from .sources.vast_rows import board_gb

WINDOW_POINTS = 240  # of one question: ten days by the hour, so that the platform keeps the step
NAMES_AT_ONCE = 5
PAUSE_SECONDS = 0.5  # three questions a second are allowed
PAUSES_AFTER_429 = (5.0, 20.0, 60.0)  # it names no time to wait
EARLIEST_MONTHS = 25  # older market data is not kept
LEAST_STEP, LONGEST_STEP = 900, 86_400
DONE_SHARE = 0.95  # of a window's steps that have a row: it need not be asked for again

T = TypeVar("T")
Key = tuple[str, str, str, datetime]


@dataclass(slots=True)
class HistoryReport:
    """What a run came to: questions asked and spared, moments read, rows written, refusals by reason."""

    windows: int = 0
    spared: int = 0
    points: int = 0
    changed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    days: set[date] = field(default_factory=set)
    longest_step: int = 0  # seconds between two points where the platform chose more than was asked


@dataclass(frozen=True, slots=True)
class Window:
    """One question: some names over some time."""

    names: tuple[str, ...]
    since: datetime
    until: datetime


class VastHistory:
    """A backfill that may be stopped at any window and started again."""

    def __init__(self, *, url: str | None = None, pause: Callable[[float], None] = time.sleep) -> None:
        self._url, self._pause = url or VastMetrics.url, pause
        self._names = name_index()
        self._asked = False

    def windows(self, names: Sequence[str], *, since: datetime, until: datetime, step: int) -> list[Window]:
        """Every question, the newest first. Without `names`, of every model that Vast.ai has figures for.

        Raises: SourceError where the names cannot be asked for.
        """
        now = clock.now()
        if not names:
            names = self._patiently(lambda: fetch_names(now=now, url=self._url))
        midnight = datetime(now.year, now.month, 1, tzinfo=UTC).date()
        earliest = datetime.combine(add_months(midnight, -EARLIEST_MONTHS), datetime.min.time(), UTC)
        since, until = max(since, earliest), min(until, now)
        length, found = timedelta(seconds=step * WINDOW_POINTS), []
        end = until
        while end > since:
            start = max(since, end - length)
            for i in range(0, len(names), NAMES_AT_ONCE):
                found.append(Window(tuple(names[i : i + NAMES_AT_ONCE]), start, end))
            end = start
        return found

    def run(self, windows: Iterable[Window], *, step: int) -> HistoryReport:
        """Ask for every window that is not there yet and store it, each by itself.

        Raises: SourceError where Vast.ai does not answer; what was stored before stays.
        """
        report = HistoryReport()
        try:
            for window in windows:
                self._take(window, step, report)
        finally:
            if report.days:
                self._settle(min(report.days), max(report.days))
        return report

    def _settle(self, first: date, last: date) -> None:
        """Score what came backwards, and roll its days up."""
        start, end = (datetime.combine(day, datetime.min.time(), UTC) for day in (first, last + timedelta(days=1)))
        rescore(VastMetrics.name, start, end, platform=VastMetrics.platform, region=GLOBAL)
        rollups.roll_up(first, last)

    def _take(self, window: Window, step: int, report: HistoryReport) -> None:
        report.windows += 1
        wanted = tuple(name for name in window.names if not self._is_there(name, window, step))
        if not wanted:
            report.spared += 1
            return
        span = {"since": window.since, "until": window.until, "now": clock.now()}
        data = self._patiently(partial(fetch_history, wanted, step=step, url=self._url, **span))
        self._store(data, window, step, report)

    def _store(self, data: object, window: Window, step: int, report: HistoryReport) -> None:
        rows: dict[Key, storage.MarketRow] = {}
        times: dict[str, list[datetime]] = {}
        for parsed in parse_history(data):
            if isinstance(parsed, Rejection):
                report.refused[parsed.reason] += 1
                continue
            if not window.since - BUCKET <= parsed.at <= window.until:
                report.refused["the moment lies outside what was asked"] += 1
                continue
            gpu = self._gpu(parsed.gpu_raw)
            if gpu is None:
                report.refused[f"GPU name: {parsed.gpu_raw}"] += 1
                continue
            report.points += 1
            times.setdefault(gpu, []).append(parsed.at)
            row = _row(gpu, parsed)
            rows[row.gpu_model, row.platform, row.region, row.moment] = row  # the last of a quarter hour
        for found in times.values():
            found.sort()
            gaps = sorted((b - a).total_seconds() for a, b in pairwise(found))
            if gaps and gaps[len(gaps) // 2] > 1.5 * step:
                report.longest_step = max(report.longest_step, int(gaps[len(gaps) // 2]))
        self._leave_imported(rows)
        if not rows:
            return
        last: dict[tuple[str, object], Key] = {}
        for key in sorted(rows, key=lambda key: key[3]):
            last[key[0], key[3].date()] = key
        days = [key[3].date() for key in rows]
        for model in (MarketData, UtilizationTrend):
            ensure_months(model, min(days), max(days))
        with transaction.atomic():
            report.changed += storage.upsert_market(list(rows.values()))
            storage.upsert_trends(list(last.values()))
            transaction.on_commit(forget_market)
        report.days |= set(days)

    def _leave_imported(self, rows: dict[Key, storage.MarketRow]) -> None:
        """Drop the moments of imported prices: a live row would replace them, and these have no price."""
        if rows:
            moments = [key[3] for key in rows]
            held = MarketData.objects.filter(
                platform=VastMetrics.platform,
                region="global",
                origin="imported",
                data_timestamp__range=(min(moments), max(moments)),
            ).values_list("gpu_model", "platform", "region", "data_timestamp")
            for key in held:
                rows.pop(key, None)

    def _gpu(self, spelling: str) -> str | None:
        answer = self._names.resolve(VastMetrics.spells_like, spelling, board_gb(spelling))
        return answer.gpu if isinstance(answer, Match) else None

    def _is_there(self, name: str, window: Window, step: int) -> bool:
        """Whether nearly every step of the window has a live row already, whoever told it."""
        gpu = self._gpu(name)
        if gpu is None:
            return False
        found = MarketData.objects.filter(
            gpu_model=gpu,
            platform=VastMetrics.platform,
            region="global",
            origin="live",
            data_timestamp__gte=window.since,
            data_timestamp__lt=window.until,
        ).values_list("data_timestamp", flat=True)
        steps = {int(moment.timestamp()) // step for moment in found}
        return len(steps) >= DONE_SHARE * ((window.until - window.since).total_seconds() / step)

    def _patiently(self, ask: Callable[[], T]) -> T:
        """The answer, after a pause between two questions and longer ones where Vast.ai is too busy."""
        if self._asked:
            self._pause(PAUSE_SECONDS)
        self._asked = True
        for pause in PAUSES_AFTER_429:
            try:
                return ask()
            except SourceError as error:
                if error.status not in (429, 502, 503, 504):
                    raise
                self._pause(pause)
        return ask()


def _row(gpu: str, point: Point) -> storage.MarketRow:
    figures = stats.Figures(
        average=None,
        minimum=None,
        maximum=None,
        median=None,
        p10=None,
        p90=None,
        rented_percentage=stats.percentage(point.gpus_rented, point.gpus_total),
        gpus_rented=point.gpus_rented,
        gpu_count=point.gpus_total,
        offer_count=None,
    )
    score = stats.demand_score(
        rented_percentage=figures.rented_percentage, rented_before=None, price=None, price_before=None
    )
    moment = bucket(point.at)
    indicators = {
        "source": VastMetrics.name,
        "observed_at": point.at.isoformat(),
        "stands_in_for": VastMetrics.stands_in_for,
        "price_basis": "ask",
        "demand_score": score,
        **point.split,
    }
    return storage.MarketRow(gpu, VastMetrics.platform, "global", moment, "live", figures, indicators)
