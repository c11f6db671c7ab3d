"""`manage.py import_metrics --user EMAIL --file F`: a host's file, for operators; all or nothing."""

from __future__ import annotations

import hashlib
import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gpuadvisor.accounts.models import User
from gpuadvisor.core.errors import DomainError
from portfolios.imports import files, jobs, service
from portfolios.imports.layout import Layout
from portfolios.models import MetricImport


class Command(BaseCommand):
    help = "Import a CSV of daily results for a host, its columns as they are recognized."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, help="e-mail address of the host")
        parser.add_argument("--file", required=True, type=Path)

    def handle(self, *args: Any, user: str, file: Path, **options: Any) -> None:
        try:
            host = User.objects.get(email__iexact=user)
            files.folder().mkdir(mode=0o700, parents=True, exist_ok=True)
            copy = files.folder() / f"{file.name}.part"
            shutil.copyfile(file, copy)
            with copy.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
                job = service.take(host, files.Arrived(opened, file.name, copy.stat().st_size, digest))
            self._finish(job)
        except (User.DoesNotExist, DomainError, OSError) as error:
            raise CommandError(str(error)) from error

    def _finish(self, job: MetricImport) -> None:
        service.read(job, Layout.from_json(job.settings))
        while jobs.advance(job.pk):
            pass
        job.refresh_from_db()
        service.say_yes(job, good_rows=False)
        while jobs.advance(job.pk):
            pass
        job.refresh_from_db()
        counts = f"{job.rows_new} new, {job.rows_changed} changed, {job.rows_unchanged} unchanged"
        self.stdout.write(f"{job.state}: {counts}, {job.rows_refused} refused {job.error}".strip())
