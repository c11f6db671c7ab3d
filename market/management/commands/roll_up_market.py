"""`roll_up_market`: the days of market history, computed again from the quarter hours."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gpuadvisor.core import clock
from market import rollups


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a day like 2026-05-31") from None


class Command(BaseCommand):
    help = (
        "Compute the market's days again from its quarter hours: today, yesterday and every day that is missing, or a"
        " span. Safe to repeat; days older than two years stay as they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=day, help="first day, UTC, like 2026-05-01")
        parser.add_argument("--until", type=day, help="last day, UTC; today if left out")

    def handle(self, *, since: date | None, until: date | None, **options: Any) -> None:
        started = time.monotonic()
        if since is None:
            if until is not None:
                raise CommandError("--until needs --since.")
            done = rollups.roll_up_recent()
        else:
            last = until or clock.today()
            if last < since:
                raise CommandError("--until lies before --since.")
            done = rollups.roll_up(since, last)
        self.stdout.write(
            f"{done.days} days computed in {time.monotonic() - started:.1f} s, {done.changed} rows new or different"
        )
