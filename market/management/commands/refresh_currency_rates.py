"""`refresh_currency_rates`: the newest reference rates of the European Central Bank, or those of a file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from market import currencies, reference_rates
from market.sources.base import SourceError


class Command(BaseCommand):
    help = (
        "Store the newest reference rates of the European Central Bank, or those of its XML in a file: of one day, or"
        " of its last 90. Rates that are stored already stay. Safe to repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from-file", type=Path, help="the bank's XML, fetched by other means")

    def handle(self, *, from_file: Path | None, **options: Any) -> None:
        try:
            if from_file is not None:
                new = currencies.store_rates(reference_rates.parse(from_file.read_bytes()))
            elif settings.CURRENCY_RATES:
                new = currencies.refresh()
            else:
                raise CommandError("CURRENCY_RATES is off: set it to ecb, or give --from-file.")
        except (SourceError, reference_rates.BadDocument, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{new} new rates")
