"""P6: samples from a program's post to durable to merged into daily rows, against the same rows in SQL alone."""

from __future__ import annotations

import json
import os
import select
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from django.db import connection
from django.test import Client

from .data import database_url, use_database
from .measure import Row

DATABASE = "bench_ingest"
GPUS, QUARTERS = 100, 1_000  # 100,000 samples, each post one configuration's
ROUNDS = 5
WORTH_IT, LOOK_EVERY = 10, 0.05  # batches: the merger waits for so many while more arrive, as the nudge's delay does
TABLES = {
    "metric_samples": ("gpu_configuration_id", "platform", "sampled_at"),
    "performance_metrics": ("gpu_configuration_id", "platform", "metric_date"),
}


SUMS = """
select gpu_configuration_id, platform, (sampled_at at time zone 'UTC')::date as day,
    extract(hour from sampled_at at time zone 'UTC') as hour, count(*) as quarters, sum(listed_gpus) as listed,
    sum(rented_gpus) as rented, sum(hourly_rate * rented_gpus) as paid, sum(gpu_revenue) as earned, sum(watts) as watts
from incoming group by 1, 2, 3, 4
"""


def prepare() -> tuple[str, list[str]]:
    """A host with GPUs: the key of a token that may post, and the ids of the configurations."""
    from django.core.management import call_command

    from gpuadvisor.accounts import api_tokens
    from gpuadvisor.accounts.models import User
    from gpuadvisor.core.partitions import ensure_standing_months
    from market.models import GPUModel
    from portfolios.models import GPUConfiguration, Portfolio

    call_command("migrate", verbosity=0)
    call_command("createcachetable")
    call_command("load_gpu_catalog", verbosity=0)
    ensure_standing_months()
    User.objects.all().delete()
    user = User.objects.create_user("bench@example.com", "bench-password-1", name="Bench", email_verified=True)
    portfolio = Portfolio.objects.create(user=user, name="Rack", is_active=True, state="active")
    model = GPUModel.objects.get(name="RTX 4090")
    gpus = GPUConfiguration.objects.bulk_create(
        GPUConfiguration(portfolio=portfolio, gpu_model=model, power_consumption=450, quantity=4) for _n in range(GPUS)
    )
    _token, key = api_tokens.create_token(user=user, name="Bench", scopes=["ingest"])
    return key, [str(gpu.pk) for gpu in gpus]


def bodies(gpus: list[str], turn: int) -> list[bytes]:
    """Posts of 1,000 samples; in each round other figures, so that nothing is known already."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    moments = [(end - timedelta(minutes=15 * n)).isoformat().replace("+00:00", "Z") for n in range(QUARTERS)]
    return [
        json.dumps(
            {
                "items": [
                    {
                        "gpu_configuration": gpu,
                        "platform": "vast",
                        "sampled_at": moment,
                        "is_online": True,
                        "listed_gpus": 4,
                        "rented_gpus": (n + turn) % 5,
                        "hourly_rate": f"0.{40 + turn}",
                        "gpu_revenue": f"0.{(n * 7 + turn) % 1000:03}",
                        "watts": 300 + (n + turn) % 90,
                    }
                    for n, moment in enumerate(moments)
                ]
            }
        ).encode()
        for gpu in gpus
    ]


def end_to_end() -> Row:
    """Rows per second through the real view and the real job, in this process, and in SQL alone."""
    import gpuadvisor.wsgi  # noqa: F401 (tunes the collector as in the web process)

    use_database(DATABASE)
    key, gpus = prepare()
    client = Client(HTTP_HOST="localhost")
    rows = GPUS * QUARTERS
    turns = []
    with psycopg.connect(database_url(DATABASE)) as raw:
        for turn in range(ROUNDS + 1):  # the first warms up
            posts = bodies(gpus, turn)
            _empty()
            accepted, merged = _ours(client, key, posts)
            copied = _copies(raw)
            _empty()
            limit = _limit(raw, copied)
            if turn:
                turns.append((rows / merged, rows / limit, rows / accepted))
    ours, limit, accepting = (statistics.median(column) for column in zip(*turns, strict=True))
    ratio = statistics.median(turn[0] / turn[1] for turn in turns)
    days = len(copied["performance_metrics"].splitlines())
    note = (
        f"{GPUS} posts of {QUARTERS:,} samples, {rows:,} rows and {days:,} days; accepted {accepting:,.0f} "
        f"rows/s while another process merges; ratio of each of {ROUNDS} rounds: "
        + ", ".join(f"{turn[0] / turn[1]:.2f}" for turn in turns)
    )
    return Row("P6", "posted samples to daily rows", ours, limit, ratio, "rows/s", "≥ 0.5", ratio >= 0.5, note)


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("truncate metric_samples, performance_metrics, ingest_batches")


def _ours(client: Client, key: str, posts: list[bytes]) -> tuple[float, float]:
    """Seconds until all posts are accepted, and until they are merged: by another process, as web and worker do it."""
    from portfolios.models import IngestBatch, MetricSample

    environment = os.environ | {"DATABASE_URL": database_url(DATABASE)}
    command = [sys.executable, "-m", "gpuadvisor.bench.ingest"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        if worker.stdin is None or worker.stdout is None or worker.stdout.readline() != "ready\n":
            raise RuntimeError("the merger did not start")
        began = time.perf_counter()
        for post in posts:
            _post(client, key, post)
        accepted = time.perf_counter()
        while IngestBatch.objects.filter(merged_at=None).exists():
            time.sleep(0.01)
        merged = time.perf_counter()
        worker.stdin.close()
    if MetricSample.objects.count() != GPUS * QUARTERS:
        raise RuntimeError("not all was merged")
    return accepted - began, merged - began


def _merge_until_told() -> None:
    """The worker's side: merge what waits until the other side hangs up."""
    import django

    django.setup()

    from portfolios.ingest import merging
    from portfolios.models import IngestBatch

    merging.merge_waiting()  # holds a connection and has read its months
    print("ready", flush=True)  # noqa: T201 - a program's output
    seen = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        waiting = IngestBatch.objects.filter(merged_at=None).count()
        if waiting >= WORTH_IT or 0 < waiting == seen:
            merging.merge_slice()
            waiting = 0
        else:
            time.sleep(LOOK_EVERY)
        seen = waiting


def _post(client: Client, key: str, post: bytes) -> None:
    response = client.post(
        "/api/v1/samples",
        post,
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
        secure=True,
    )
    if response.status_code != 202:
        raise RuntimeError(f"a post was answered {response.status_code}: {response.content[:300]!r}")


def _copies(raw: psycopg.Connection[Any]) -> dict[str, bytes]:
    """What ours has stored, as COPY gives it."""
    found = {}
    for table in TABLES:
        with raw.cursor().copy(f"copy (select * from {table}) to stdout") as out:  # noqa: S608
            found[table] = b"".join(bytes(block) for block in out)
    raw.rollback()
    return found


def _limit(raw: psycopg.Connection[Any], copied: dict[str, bytes]) -> float:
    """Seconds to copy the same samples and upsert them, to sum them by day, and to copy and upsert the same days."""
    began = time.perf_counter()
    for table, key in TABLES.items():
        raw.execute(f"create temp table incoming on commit drop as select * from {table} with no data")  # noqa: S608
        columns = [column.name for column in raw.execute("select * from incoming").description or ()]
        with raw.cursor().copy("copy incoming from stdin") as into:
            into.write(copied[table])
        raw.execute(
            f"insert into {table} select * from incoming on conflict ({', '.join(key)}) do update set "  # noqa: S608
            + ", ".join(f"{name} = excluded.{name}" for name in columns if name not in ("id", *key))
        )
        if table == "metric_samples":
            raw.execute(f"create temp table summed on commit drop as {SUMS}")
        raw.commit()
    return time.perf_counter() - began


if __name__ == "__main__":
    _merge_until_told()
