"""P11: dropping a month of a million and of ten million rows, and pages while rows go in batches."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from calendar import monthrange
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import psycopg
from django.conf import settings
from django.db import connection

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import add_months, drop_month, ensure_months
from gpuadvisor.operations.retention import months
from gpuadvisor.operations.retention.policies import BY_NAME
from portfolios.models import PerformanceMetric

from . import data, pages
from .measure import Row, milliseconds, p95, summary

DATABASE = "bench_retention"
GPUS = 10_000
ROUNDS = 3
SIZES = {"small": 1_000_000, "large": 10_000_000}
REQUESTS = 200
TABLE = PerformanceMetric._meta.db_table

# Without its indexes and keys: `attach` builds them at once, which takes a third of the time.
FILL = f"""
create table "{{name}}" (like {TABLE} including defaults including constraints);
insert into "{{name}}" (id, gpu_configuration_id, platform, utilization_percentage, hourly_rate, daily_revenue,
                        uptime_hours, detailed_metrics, metric_date, recorded_at, updated_at)
select uuidv7(), c.id, 'platform-' || p, 71.5, 0.4, 9.6, 24, '{{{{}}}}', %(day)s::date + d, now(), now()
from generate_series(0, %(days)s - 1) d cross join generate_series(1, %(platforms)s) p cross join gpu_configurations c;
"""  # noqa: S608 - our own names


def dropping() -> Row:
    """P11: medians of three drops each, large and small in turn, until the month is gone and all locks are free.

    Only then does PostgreSQL give its files back to the disk, which takes as long as they are large; nobody waits for
    that but the purge itself. The note tells both.
    """
    data.use_database(DATABASE)
    data.fill(GPUS * data.DAYS, clock.today())
    policy = BY_NAME["metrics"]
    times: dict[str, list[float]] = {size: [] for size in SIZES}
    until_free: dict[str, list[float]] = {size: [] for size in SIZES}
    month = date(2001, 1, 1)
    for _round in range(ROUNDS):
        for size, rows in SIZES.items():
            _fill(month, monthrange(month.year, month.month)[1], rows)
            standing = months.Month(month, f"{TABLE}_{month:%Y%m}")
            _settle()
            with ThreadPoolExecutor(1) as pool:
                began = time.perf_counter()
                gone = pool.submit(_gone_at, standing.table)
                until_free[size].append(milliseconds(lambda one=standing: months.drop(policy, one)))  # type: ignore[misc]
                times[size].append((gone.result() - began) * 1000)
            month = add_months(month, 1)
    small, large = (statistics.median(times[size]) for size in SIZES)
    alone, during = _pages()
    note = f"{_told(times)}; until the disk has the files back: {_told(until_free)}; dashboard alone: {summary(alone)}"
    if during:
        note += f"; while rows go in batches: {summary(during)}, p95 {(p95(during) / p95(alone) - 1) * 100:+.0f} %"
    what = "retention: dropping a month, 10 and 1 million rows"
    return Row("P11", what, large, small, large / small, "ms", "≤ 1.5", large / small <= 1.5, note)


def _told(times: dict[str, list[float]]) -> str:
    return ", ".join(f"{size} {', '.join(f'{one:.0f}' for one in found)} ms" for size, found in times.items())


def _gone_at(table: str) -> float:
    """When the table was gone for others, and what it referred to could be read."""
    with psycopg.connect(data.database_url(DATABASE), autocommit=True) as other:
        while other.execute("select to_regclass(%s)", [table]).fetchone() != (None,):
            time.sleep(0.001)
        other.execute(f"select from {TABLE} limit 1")
        other.execute("select from gpu_configurations limit 1")
    return time.perf_counter()


def _fill(month: date, days: int, rows: int) -> None:
    name = f"{TABLE}_{month:%Y%m}"
    with connection.cursor() as cursor:
        drop_month(PerformanceMetric, month)
        values: dict[str, date | int] = {"day": month, "days": days, "platforms": max(1, round(rows / GPUS / days))}
        for statement in FILL.format(name=name).split(";\n")[:2]:
            cursor.execute(statement, values)
    ensure_months(PerformanceMetric, month, month)


def _settle() -> None:
    """What the filling left to write is written first: it is no part of the drop."""
    with connection.cursor() as cursor:
        cursor.execute("checkpoint")


def _pages() -> tuple[list[float], list[float]]:
    """The dashboard, cold: alone, and while `purge` deletes a million rows of the oldest month in another process."""
    clients = pages._clients(DATABASE)
    for turn in range(pages.USERS):  # warms up
        pages._cold(clients, turn)
    alone = [pages._cold(clients, turn) for turn in range(REQUESTS)]
    limit = BY_NAME["metrics"].limit(clock.today())
    first = limit.replace(day=1)
    past = (limit - first).days
    if past == 0:  # on the first of a month nothing goes by the day
        return alone, []
    _fill(first, past + 1, 1_000_000 + GPUS)
    months.index(months.Month(first, f"{TABLE}_{first:%Y%m}"), "metric_date")
    env = os.environ | {"DATABASE_URL": data.database_url(DATABASE), "DATABASE_ROLE": "owner"}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "purge", "--only", "metrics"]
    during: list[float] = []
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as purge:
        while purge.poll() is None:
            if _has_begun():
                during.append(pages._cold(clients, len(during)))
    if purge.returncode:
        raise RuntimeError("purge failed")
    return alone, during


def _has_begun() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select rows > 0 from job_runs where job = 'purge:metrics' order by slot desc limit 1")
        row = cursor.fetchone()
    return bool(row and row[0])
