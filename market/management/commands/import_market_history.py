"""`import_market_history`: the observed prices of a file into the history charts."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gpuadvisor.core.errors import DomainError
from market.history import import_history


class Command(BaseCommand):
    help = "Import the observed prices (series/daily_prices_by_region.csv.gz of MARKET_DATA_DIR). Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", type=Path, help="another file of the same columns, plain or gzipped")

    def handle(self, *, file: Path | None, **options: Any) -> None:
        started = time.monotonic()
        try:
            report = import_history(file)
        except DomainError as error:
            raise CommandError(error.user_message) from None
        for line in (
            f"{report.rows} rows read in {time.monotonic() - started:.1f} s",
            f"market data: {report.market_rows} rows, {report.market_changed} new or different"
            f" (with {report.spot_only} that carry spot prices alone), {report.computed} summed up from countries",
            f"spot prices: {report.snapshots} rows, {report.snapshots_changed} new or different",
            f"of an earlier import, gone: {report.removed} rows, {report.snapshots_removed} spot prices",
            f"refused: {sum(report.refused.values())}",
        ):
            self.stdout.write(line)
        for reason, times in report.refused.most_common(20):
            self.stdout.write(f"  {times} × {reason}")
