"""`import_vast_history`: Vast.ai's own past of rented shares into the gaps of the history."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from gpuadvisor.core import clock
from market.sources.base import SourceError
from market.vast_history import LEAST_STEP, LONGEST_STEP, VastHistory, Window

DEFAULT_SPAN = timedelta(days=90)


def moment(text: str) -> datetime:
    """A day or a time in ISO 8601, in UTC where it names no zone."""
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text} is no day such as 2026-05-01") from None


class Command(BaseCommand):
    help = (
        "Fill gaps of the Vast.ai history with the platform's own figures (VAST_API_KEY of a host). "
        "Never overwrites the leading source; may be stopped and repeated."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--gpu", action="append", default=[], help="a GPU as Vast.ai spells it; may be given several times"
        )
        parser.add_argument("--since", type=moment, help="first moment, ISO 8601; default 90 days ago")
        parser.add_argument("--until", type=moment, help="last moment; default now")
        parser.add_argument("--step", type=int, default=3600, help="seconds between two points; default 3600")

    def handle(
        self, *, gpu: list[str], since: datetime | None, until: datetime | None, step: int, **options: Any
    ) -> None:
        if not LEAST_STEP <= step <= LONGEST_STEP:
            raise CommandError(f"--step is between {LEAST_STEP} and {LONGEST_STEP} seconds.")
        now = clock.now()
        until = min(until or now, now)
        since = since or until - DEFAULT_SPAN
        if since >= until:
            raise CommandError("--since must lie before --until, and not in the future.")
        try:
            history = VastHistory()
            windows = history.windows(gpu, since=since, until=until, step=step)
            report = history.run(self._shown(windows), step=step)
        except SourceError as error:
            raise CommandError(f"{error} What was stored before stays: run it again to go on.") from None
        self.stdout.write(
            self.style.SUCCESS(
                f"{report.points} moments read, {report.changed} rows new or different; "
                f"{report.spared} of {report.windows} questions were answered already."
            )
        )
        if report.longest_step:
            self.stdout.write(f"Vast.ai gave one point per {report.longest_step} s instead of {step} s.")
        for reason, times in report.refused.most_common(20):
            self.stdout.write(f"  {times} × {reason}")

    def _shown(self, windows: list[Window]) -> Iterator[Window]:
        yield from tqdm(windows, unit="question", disable=None)  # None: a bar only where stderr is a terminal
