"""Quarter hours behind the last days of the demo fleet: with hours missing, hours offline, a meter, and a conflict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from . import statements
from .ingest.days import Key, sampled_days
from .ingest.items import numbered
from .ingest.merging import store_lines
from .models import GPUConfiguration, MetricSample, PerformanceMetric
from .settling import Statement

if TYPE_CHECKING:
    from .demo import Rig

DAYS = 14  # that are over: today has a daily figure only
UNSEEN_HOURS = range(13, 16)
OFFLINE_HOURS = range(2, 5)
DISPUTED_EVERY = 7  # two of the last 14 days, of which an outage takes one at most
STORAGE_SHARE = Decimal("0.02")
IDLE_WATTS, LOAD_WATTS = 28, 510


def top_up(fleet: Sequence[tuple[GPUConfiguration, Rig]], today: date) -> int:
    """Give the last days the samples that they lack, and derive them from these; the number of samples added."""
    first, end = today - timedelta(days=DAYS), today
    midnights = [datetime.combine(day, time(), UTC) for day in (first, end)]
    gpus = {gpu.pk: (gpu, rig) for gpu, rig in fleet}
    there = {
        (pk, moment.date())
        for pk, moment in MetricSample.objects.filter(
            gpu_configuration__in=gpus, sampled_at__gte=midnights[0], sampled_at__lt=midnights[1]
        ).values_list("gpu_configuration_id", "sampled_at")
    }
    days = {
        (row.gpu_configuration_id, row.platform, row.metric_date): row
        for row in PerformanceMetric.objects.filter(
            gpu_configuration__in=gpus, metric_date__gte=first, metric_date__lt=end
        )
        if (row.gpu_configuration_id, row.metric_date) not in there
        and row.detailed_metrics.get("source") == "demo"
        and row.platform == gpus[row.gpu_configuration_id][1].platform
    }
    lines = [line for key, row in days.items() for line in _lines(row, *gpus[key[0]])]
    if not lines:
        return 0
    store_lines([numbered(lines)], list(gpus), source="demo")
    sampled = sampled_days(days)
    for key, row in days.items():
        gpu, rig = gpus[key[0]]
        columns = statements.settled(None, _statement(row, rig), sampled.get(key), gpu.quantity)
        for name, value in (columns or {}).items():
            setattr(row, name, value)
    PerformanceMetric.objects.bulk_update(days.values(), [*statements.ROW], batch_size=500)
    return len(lines)


def _statement(row: PerformanceMetric, rig: Rig) -> Statement | None:
    """What a file said of those days that are disputed: revenue that is an eighth too high."""
    key: Key = (row.gpu_configuration_id, row.platform, row.metric_date)
    if not rig.is_disputed or key[2].toordinal() % DISPUTED_EVERY or row.daily_revenue is None:
        return None
    return Statement("csv", {"daily_revenue": (row.daily_revenue * 9 / 8).quantize(Decimal("0.01"))})


def _lines(row: PerformanceMetric, gpu: GPUConfiguration, rig: Rig) -> Iterator[str]:
    """The day's quarter hours as lines of COPY: together as much is rented as the day's revenue says."""
    day, rate = row.metric_date, row.hourly_rate or Decimal(0)
    midnight = datetime.combine(day, time(), UTC)
    uptime = 24 if row.uptime_hours is None else row.uptime_hours
    online = [hour for hour in range(24) if uptime >= 24 or hour not in OFFLINE_HOURS]
    hours = round((row.daily_revenue or 0) / rate) if rate else 0  # GPU-hours rented
    rented = {
        hour: (place + 1) * hours // len(online) - place * hours // len(online) for place, hour in enumerate(online)
    }
    has_gap = (day.toordinal() + len(rig.name)) % 5 == 0
    for quarter in range(96):
        hour = quarter // 4
        if has_gap and hour in UNSEEN_HOURS:
            continue
        is_online = hour in rented
        gpus = min(gpu.quantity, rented.get(hour, 0))
        earned = rate * gpus / 4
        watts = Decimal(gpus * LOAD_WATTS + (gpu.quantity - gpus) * IDLE_WATTS) / gpu.quantity
        told = (
            *(gpu.pk, row.platform, midnight + timedelta(minutes=15 * quarter), is_online),
            gpu.quantity if is_online else 0,
            (gpus if is_online else 0) if rig.tells_utilization else None,
            *(rate if is_online else None, earned, earned * STORAGE_SHARE, None),
            watts.quantize(Decimal("0.1")) if rig.has_meter else None,
            *("on_demand", "USD", False),
        )
        yield "\t".join("\\N" if value is None else str(value) for value in told)
