"""What stands between started servers and a served page, in one process: `make run` calls it."""

from __future__ import annotations

import hashlib
import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from gpuadvisor.core.partitions import analyze, ensure_standing_months


class Command(BaseCommand):
    help = (
        "Migrate, make the table of limits, collect static files, load the catalog and, the first time, the demo host."
    )
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        static = ThreadPoolExecutor(1).submit(self._collect_static)  # compressing lets other threads run
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self._do("Database tables", "migrate", interactive=False)
        else:
            ensure_standing_months()
        self._do("Table of limits", "createcachetable")
        self._do("GPU catalog", "load_gpu_catalog")
        if not get_user_model()._default_manager.filter(is_demo=True).exists():
            self._do("Demo host", "load_demo")
            analyze()
        static.result()

    def _do(self, title: str, command: str, **options: Any) -> None:
        if command not in get_commands():
            return
        begun = time.monotonic()
        call_command(command, verbosity=0, stdout=io.StringIO(), **options)
        if (seconds := time.monotonic() - begun) > 0.3:
            self.stdout.write(f"  {title}: {seconds:.1f} s")

    def _collect_static(self) -> None:
        """Collect where a file came, went or changed; compressing them all takes seconds."""
        stamp = Path(settings.STATIC_ROOT) / ".collected"
        mark = _static_mark()
        if not stamp.exists() or stamp.read_text() != mark:
            self._do("Static files", "collectstatic", interactive=False, clear=stamp.exists())
            stamp.write_text(mark)


def _static_mark() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
