"""A million lines of daily results: read, stored and taken back by a worker, in a process of its own.

Beside the seconds stand those of reading ten thousand lines: memory must not grow with the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .measure import Row

DATABASE = "bench_import"
DAYS = 730
LARGE, SMALL = 1_000_000, 10_000
EMAIL = "import@example.com"


def a_million_lines() -> list[Row]:
    """Seconds for each step, and the most memory that a worker held."""
    from django.core.management import call_command
    from django.db import connection

    from gpuadvisor.core.partitions import ensure_standing_months

    from .data import database_url, use_database

    use_database(DATABASE)
    call_command("migrate", verbosity=0)
    call_command("createcachetable")
    call_command("load_gpu_catalog", verbosity=0)
    ensure_standing_months()
    with connection.cursor() as cursor:
        cursor.execute("truncate users, performance_metrics, metric_imports, metric_import_rows cascade")
    names = _fleet(LARGE // DAYS + 1)
    said = {}
    with TemporaryDirectory(prefix="gpa-bench-") as folder:
        environment = os.environ | {"DATABASE_URL": database_url(DATABASE), "DATA_DIR": folder}
        for number in (SMALL, LARGE):
            path = Path(folder) / f"{number}.csv"
            _write(path, names, number)
            command = [sys.executable, "-m", "gpuadvisor.bench.imports", str(path)]
            told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
            said[number] = json.loads(told.splitlines()[-1]) | {"mb": path.stat().st_size / 1e6}
    few, many = said[SMALL], said[LARGE]
    note = (
        f"{many['mb']:.0f} MB, {many['new']:,} rows: looked at in {many['look']:.1f} s, read and compared in"
        f" {many['read']:.1f} s, stored in one transaction in {many['store']:.1f} s, the same file again read in"
        f" {many['again']:.1f} s ({many['unchanged']:,} unchanged), undone in {many['undo']:.1f} s ({many['left']} rows"
        f" left); peak {many['peak_mb']:.0f} MB, with {SMALL:,} lines {few['peak_mb']:.0f} MB"
    )
    seconds = many["look"] + many["read"] + many["store"]
    ok = many["peak_mb"] < few["peak_mb"] + 100 and many["new"] == many["unchanged"] == LARGE and not many["left"]
    return [Row("import", "CSV of a million lines", seconds, None, None, "s", "memory flat", ok, note)]


def _fleet(number: int) -> list[str]:
    """A host with this many GPU configurations; their names."""
    from gpuadvisor.accounts.models import User
    from market.models import GPUModel
    from portfolios.models import GPUConfiguration, Portfolio

    host = User.objects.create(email=EMAIL)
    portfolio = Portfolio.objects.create(user=host, name="Hall", state="active", is_active=True)
    model = GPUModel.objects.get(name="RTX 4090")
    names = [f"Rack {n}" for n in range(number)]
    GPUConfiguration.objects.bulk_create(
        GPUConfiguration(portfolio=portfolio, gpu_model=model, custom_name=name, quantity=4, power_consumption=350)
        for name in names
    )
    return names


def _write(path: Path, names: list[str], number: int) -> None:
    from gpuadvisor.core import clock

    today = clock.today()
    with path.open("w") as file:
        file.write("date,gpu,platform,utilization,hourly_rate,daily_revenue,uptime_hours\n")
        written = 0
        for name in names:
            for day in range(DAYS):
                if written == number:
                    return
                share = 40 + (written * 7919 % 6000) / 100
                revenue = f"{share * 0.96 * 0.42:.2f}"
                file.write(f"{today - timedelta(days=day)},{name},vast,{share:.2f},0.42,{revenue},24\n")
                written += 1


def _worker(path: Path) -> dict[str, Any]:
    """One import from upload to undo, in this process."""
    import django

    django.setup()

    from gpuadvisor.accounts.models import User
    from portfolios.imports import files, jobs, service
    from portfolios.imports.layout import Layout
    from portfolios.models import MetricImport, PerformanceMetric

    service.AT_ONCE_BYTES = 0
    host = User.objects.get(email=EMAIL)
    said: dict[str, Any] = {}

    def step(name: str, before: Any) -> MetricImport:
        before()
        began = time.perf_counter()
        while jobs.advance(job.pk, seconds=1_000):
            pass
        said[name] = time.perf_counter() - began
        return MetricImport.objects.get(pk=job.pk)

    def take() -> MetricImport:
        copy = files.folder() / "a.part"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        with copy.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
            return service.take(host, files.Arrived(opened, path.name, copy.stat().st_size, digest))

    began = time.perf_counter()
    job = take()
    said["look"] = time.perf_counter() - began
    job = step("read", lambda: service.read(job, Layout.from_json(job.settings)))
    job = first = step("store", lambda: service.say_yes(job, good_rows=False))
    said["new"] = job.rows_new
    job = take()
    job = step("again", lambda: service.read(job, Layout.from_json(job.settings)))
    said["unchanged"] = job.rows_unchanged
    job = first
    step("undo", lambda: service.take_back(job))
    said["left"] = PerformanceMetric.objects.count()
    told = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return said | {"peak_mb": int(told.partition("VmHWM:")[2].split()[0]) / 1024}


if __name__ == "__main__":
    print(json.dumps(_worker(Path(sys.argv[1]))))  # noqa: T201 - a program's output
