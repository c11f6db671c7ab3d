"""P7: one refresh of a full market, against reading its JSON and copying the same rows.

Each in a process of its own (`python -m gpuadvisor.bench.refresh`), so that the peak of memory is theirs alone.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from .measure import Row

ROUNDS = 7
DATABASE = "bench_refresh"


def full_market() -> Row:
    """P7 over seven quarter hours, in each of which every machine has another price."""
    from django.core.management import call_command
    from django.db import connection

    from gpuadvisor.core import clock

    from . import machines
    from .data import database_url, use_database

    use_database(DATABASE)
    call_command("migrate", verbosity=0)
    call_command("createcachetable")
    call_command("load_gpu_catalog", verbosity=0)

    start = clock.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    with connection.cursor() as cursor:
        cursor.execute("truncate market_data, pricing_snapshots, utilization_trends, source_runs, quarantined_rows")
    results = []
    environment = os.environ | {"DATABASE_URL": database_url(DATABASE)}
    with TemporaryDirectory(prefix="gpa-bench-") as folder:
        for turn in range(ROUNDS):
            path = Path(folder) / f"{turn}.json"
            path.write_bytes(machines.body(start + turn * timedelta(minutes=15), turn))
            result: dict[str, float] = {}
            for which in ("ours", "limit"):
                command = [sys.executable, "-m", "gpuadvisor.bench.refresh", which, str(path)]
                said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
                result |= json.loads(said.splitlines()[-1])
            results.append(result)
            size = path.stat().st_size / 1e6
            path.unlink()
    ours = statistics.median(result["ours"] for result in results)
    limit = statistics.median(result["limit"] for result in results)
    ratios = [result["ours"] / result["limit"] for result in results]
    ratio, peak, last = statistics.median(ratios), max(result["peak_mb"] for result in results), results[-1]
    note = (
        f"{machines.MACHINES} machines, {size:.0f} MB; {last['snapshots']} offers and {last['rows']} cells written "
        f"each time; peak {peak:.0f} MB; ratio of each of {ROUNDS} rounds: {', '.join(f'{one:.2f}' for one in ratios)}"
    )
    ok = ratio <= 3 and peak < 500
    return Row("P7", "market refresh", ours, limit, ratio, "s", "≤ 3, peak < 500 MB", ok, note)


def _ours(path: Path) -> dict[str, float]:
    """Seconds and memory of one refresh in this process."""
    import django

    django.setup()

    from gpuadvisor.core import clock
    from market import ingest
    from market.catalog.services import name_index
    from market.sources.base import RawDocument

    name_index()  # a worker has read its catalog and holds a connection
    body, now = path.read_bytes(), clock.now()
    began = time.perf_counter()
    report = ingest.refresh("500farm_machines", document=RawDocument(body, 200, now))
    ours = time.perf_counter() - began
    peak = _peak_mb()  # before anything else is held
    if report.status != "ok":
        raise RuntimeError(f"the refresh came to nothing: {report.error}")
    return {"ours": ours, "peak_mb": peak, "rows": report.rows}


def _peak_mb() -> float:
    """The most memory that this program has held; getrusage would count what its parent held when it was started."""
    try:
        told = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(told.partition("VmHWM:")[2].split()[0]) / 1024


def _limit(path: Path) -> dict[str, float]:
    """Seconds to read the JSON, and to copy the rows that came of it into tables of the same columns and indexes."""
    import psycopg

    body = path.read_bytes()
    times = {"market_data": "data_timestamp", "pricing_snapshots": "snapshot_time"}
    with psycopg.connect(os.environ["DATABASE_URL"]) as raw:
        copied: dict[str, list[bytes]] = {}
        for table, column in times.items():
            raw.execute(f"create temp table copied_{table} (like {table} including all)")
            last = f"select * from {table} where {column} >= (select max(data_timestamp) from market_data)"  # noqa: S608
            with raw.cursor().copy(f"copy ({last}) to stdout") as out:
                copied[table] = [bytes(block) for block in out]
        began = time.perf_counter()
        json.loads(body)
        for table, blocks in copied.items():
            with raw.cursor().copy(f"copy copied_{table} from stdin") as into:
                for block in blocks:
                    into.write(block)
        raw.commit()
        return {"limit": time.perf_counter() - began, "snapshots": len(copied["pricing_snapshots"])}


if __name__ == "__main__":
    print(json.dumps({"ours": _ours, "limit": _limit}[sys.argv[1]](Path(sys.argv[2]))))  # noqa: T201 - a program's output
