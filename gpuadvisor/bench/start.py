"""P14: a fresh clone to its first page, and its test suite."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from .measure import Row

OURS = ("DATABASE_URL", "WEB_DATABASE_URL", "WORKER_DATABASE_URL", "REDIS_URL", "CACHE_URL", "DATA_DIR", "SECRET_KEY")


def _environment(home: Path, **extra: str) -> dict[str, str]:
    left_out = {*OURS, "DJANGO_SETTINGS_MODULE", "DATABASE_ROLE", "CACHE_KEY_PREFIX", "BENCH", "ONLY", "SCALE"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out and not name.startswith("MAKE")}
    return kept | {"HOME": str(home), **extra}


def fresh_clone(checkout: Path) -> list[Row]:
    """Seconds from `make run` to the first page, and of `make test`; wheels come from pip's cache or mirror."""
    with tempfile.TemporaryDirectory(prefix="gpa-bench-") as folder:
        home, clone = Path(folder) / "home", Path(folder) / "clone"
        home.mkdir()
        subprocess.run(["git", "clone", "-q", str(checkout), str(clone)], check=True)
        return [_run(clone, home), _test(clone, home)]


def _run(clone: Path, home: Path) -> Row:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.monotonic()
    log = (home / "run.log").open("w")
    environment = _environment(home, PORT=str(port))
    site = subprocess.Popen(["make", "run"], cwd=clone, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        while time.monotonic() - began < 300 and site.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2)
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
                    page.read()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        seconds = time.monotonic() - began
    finally:
        if site.poll() is None:
            os.killpg(site.pid, signal.SIGINT)
            site.wait(60)
    return Row("P14a", "make run, fresh clone", seconds, 90.0, seconds / 90, "s", "< 90 s", seconds < 90)


def _test(clone: Path, home: Path) -> Row:
    began = time.monotonic()
    result = subprocess.run(
        ["make", "test"], cwd=clone, env=_environment(home), capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - began
    said = [line for line in result.stdout.splitlines() if line.startswith("FAILED") or " passed" in line]
    note = "; ".join(said) or result.stderr.strip()[-200:]
    ok = result.returncode == 0 and seconds < 300
    return Row("P14b", "make test, the same clone", seconds, 300.0, seconds / 300, "s", "< 300 s", ok, note)
