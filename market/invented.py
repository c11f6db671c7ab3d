"""The simulated market into the database: now, and the weeks before that a fresh site lacks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from gpuadvisor.core import clock

from . import forecasts, rollups, runs, storage
from .cache import forget_market
from .catalog.services import name_index
from .cells import Earlier
from .digest import judge, read, teller_of
from .ingest import make_months, refresh
from .models import MarketData, Origin
from .places import GLOBAL
from .rescore import rescore
from .sources import SIMULATED, SOURCES
from .sources.base import Conditional, SourceError

HOUR = timedelta(hours=1)
BATCH = 24  # moments of a transaction
SEASON_DAYS = 38  # what 30 days ahead need, and today; four whole weeks wherever in the week they begin


def may_simulate(now: datetime) -> bool:
    """Whether the invented market runs: switched on, and nothing live in the last 24 hours."""
    if not settings.MARKET_SIMULATION:
        return False
    return not MarketData.objects.filter(origin="live", data_timestamp__gt=now - timedelta(hours=24)).exists()


def simulate(*, days: int = 0) -> int:
    """The simulated market now and, with `days`, of the days before; market rows written, 0 where it may not run.

    The days before are told twice a day, the last of them every hour; what is there stays.
    """
    now = clock.now()
    if not may_simulate(now):
        return 0
    changed = 0
    if days:
        changed = _write([at for at in _hours(now, days) if now - at <= timedelta(days=1) or at.hour % 12 == 0])
    report = refresh(SIMULATED, force=True)
    if changed:
        rescore(SIMULATED, now - timedelta(days=days), now)
        rollups.roll_up(now.date() - timedelta(days=days), now.date())
    return changed + report.changed


def fill_in(*, seconds: float) -> int:
    """Hours of the last 38 days that are missing, the newest first, for about `seconds`; market rows written.

    What seasons and forecasts of 30 days are computed from: both are made once the last hour is there. A fresh site has
    them after some refreshes, and its start waits for none.
    """
    now = clock.now()
    if not may_simulate(now):
        return 0
    end, changed = time.monotonic() + seconds, 0
    missing = _missing(_hours(now, SEASON_DAYS))[::-1]
    done = 0
    while done < len(missing):
        changed += _write(sorted(missing[done : done + BATCH]), only_global=True)
        done += BATCH
        if time.monotonic() > end:
            break
    if changed:
        first = now - timedelta(days=SEASON_DAYS)
        rollups.roll_up(first.date(), now.date())
        if done >= len(missing):
            rescore(SIMULATED, first, now, region=GLOBAL)
            forecasts.forecast_origin(Origin.SIMULATED)
    return changed


def _hours(now: datetime, days: int) -> Iterator[datetime]:
    hour = now.replace(minute=0, second=0, microsecond=0)
    return (hour - age * HOUR for age in range(days * 24, 0, -1))


def _missing(moments: Iterable[datetime]) -> list[datetime]:
    wanted = list(moments)
    if not wanted:
        return []
    told = set(
        MarketData.objects.filter(
            origin="simulated", region=GLOBAL, data_timestamp__range=(min(wanted), max(wanted))
        ).values_list("data_timestamp", flat=True)
    )
    return [moment for moment in wanted if moment not in told]


def _write(moments: Sequence[datetime], *, only_global: bool = False) -> int:
    """Earlier moments that are missing, a batch per transaction; no single offers, which only the present needs."""
    adapter, names, now = SOURCES[SIMULATED], name_index(), clock.now()
    teller, missing, changed = teller_of(adapter), _missing(moments), 0
    for start in range(0, len(missing), BATCH):
        rows: list[storage.MarketRow] = []
        for moment in missing[start : start + BATCH]:
            try:
                batch = judge(adapter, read(adapter, adapter.fetch(Conditional(moment)), names, now=now))
            except SourceError as error:  # no catalog yet: no name is known
                runs.log.warning("the simulated market could not be made: %s", error)
                return changed
            batch.complete(teller, Earlier())  # without the time before: it lies in the same batch
            rows += [row for row in batch.rows if row.region == GLOBAL or not only_global]
        make_months([row.moment for row in rows])
        last = {
            (row.gpu_model, row.platform, row.region, row.moment.date()): (
                row.gpu_model,
                row.platform,
                row.region,
                row.moment,
            )
            for row in rows
        }
        with transaction.atomic():
            changed += storage.upsert_market(rows)
            storage.upsert_trends(list(last.values()))
            transaction.on_commit(forget_market)
    return changed
