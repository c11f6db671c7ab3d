"""`refresh_market`: ask the sources now, or replay a recorded document."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gpuadvisor.core import clock
from market import ingest, invented, schedule
from market.sources import SIMULATED, SOURCES
from market.sources.base import RawDocument


class Command(BaseCommand):
    help = "Refresh market figures from the sources, one line each; exits 1 if all of them failed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--source", action="append", choices=sorted(SOURCES), help="only this one; may be given several times"
        )
        parser.add_argument("--from-file", type=Path, help="replay this document instead of asking the (one) source")
        parser.add_argument(
            "--no-hold", action="store_true", help="store a document although it breaks with the one before it"
        )
        parser.add_argument("--at", help="with --from-file: when the document counts as observed, ISO 8601")

    def handle(
        self, *, source: list[str] | None, from_file: Path | None, at: str | None, no_hold: bool, **options: Any
    ) -> None:
        names = source or [name for name in dict.fromkeys(settings.MARKET_SOURCES) if name in SOURCES]
        document = None
        if from_file is not None:
            if len(names) != 1:
                raise CommandError("--from-file needs one --source, which says how to read it.")
            document = self._document(from_file, at)
        elif at is not None:
            raise CommandError("--at needs --from-file.")
        if unknown := sorted(set(settings.MARKET_SOURCES) - set(SOURCES)):
            self.stderr.write(self.style.WARNING(f"MARKET_SOURCES names unknown sources: {', '.join(unknown)}"))
        reports = []
        for name in names:
            if name == SIMULATED and document is None and not invented.may_simulate(clock.now()):
                self.stdout.write(f"{name}: skipped, MARKET_SIMULATION is off or a live figure is younger than a day")
                continue
            if document is None and (key := schedule.missing_key(name)):
                self.stdout.write(f"{name}: off, needs {key}")
                continue
            report = ingest.refresh(name, document=document, force=True, hold=not no_hold)
            reports.append(report)
            line = (
                f"{name}: {report.status}, {report.rows} rows ({report.changed} new or different), "
                f"{report.refused} refused, {report.seconds:.1f} s"
            )
            self.stdout.write(f"{line}, {report.error}" if report.error else line)
            for reason, times in report.reasons:
                self.stdout.write(f"  {times} × {reason}")
        if reports and all(report.status == "failed" for report in reports):
            raise SystemExit(1)

    def _document(self, path: Path, at: str | None) -> RawDocument:
        try:
            body = path.read_bytes()
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
        observed_at = None
        if at is not None:
            try:
                observed_at = datetime.fromisoformat(at)
            except ValueError:
                raise CommandError(f"--at {at} is no time such as 2026-06-12T13:30:00+00:00.") from None
            observed_at = (observed_at if observed_at.tzinfo else observed_at.replace(tzinfo=UTC)).astimezone(UTC)
        return RawDocument(body, 200, clock.now(), observed_at=observed_at)
