"""`recompute_market`: market rows and trends again, from the offers that were stored."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from gpuadvisor.core import clock
from market import repair
from market.models import GPUModel, Platform
from market.recompute import Span, can_recompute, left_alone, recompute
from market.sources import SOURCES


class Command(BaseCommand):
    help = (
        "Compute market rows and trends again from stored offers and the decisions of staff. On untouched data it "
        "changes nothing; it may be stopped and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", help="first moment, ISO 8601 (default: a day ago)")
        parser.add_argument("--until", help="where to stop, ISO 8601 (default: now)")
        parser.add_argument("--gpu", default="", help="only this GPU model, by its name")
        parser.add_argument("--platform", default="", help="only this platform, by its slug")
        parser.add_argument("--dry-run", action="store_true", help="only say what would change")

    def handle(
        self, *, since: str | None, until: str | None, gpu: str, platform: str, dry_run: bool, **options: Any
    ) -> None:
        now = clock.now()
        span = Span(
            since=_moment("--since", since) or now - timedelta(days=1),
            until=_moment("--until", until) or now + timedelta(minutes=15),
            gpu=gpu,
            platform=platform,
        )
        if span.since >= span.until:
            raise CommandError("--since must lie before --until.")
        if gpu and not GPUModel.objects.filter(name=gpu).exists():
            raise CommandError(f"There is no GPU model “{gpu}”.")
        if platform and not Platform.objects.filter(slug=platform).exists():
            raise CommandError(f"There is no platform “{platform}”.")
        if not dry_run:
            for source in SOURCES.values():
                if can_recompute(source):
                    repair.mark_decisions(source.name)
        with tqdm(total=1.0, disable=None, bar_format="{desc} {percentage:3.0f}% |{bar}|") as bar:

            def tell(source: str, at: datetime) -> None:
                bar.set_description(source)
                bar.n = min(1.0, (at - span.since) / (span.until - span.since))
                bar.refresh()

            outcomes = recompute(span, dry_run=dry_run, tell=tell)
        would = "would be " if dry_run else ""
        for done in outcomes:
            self.stdout.write(
                f"{done.source}: {done.documents} documents, {done.rows} rows, {done.changed} {would}new or different, "
                f"{done.removed} {would}removed"
            )
        for source_name, rows in left_alone(span):
            self.stdout.write(f"{source_name}: {rows} rows left alone, it tells no single offers to compute from")
        if not any(done.documents for done in outcomes):
            self.stdout.write(self.style.WARNING("No stored document with offers lies in that time."))


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{name} {text} is no time such as 2026-06-12T13:30:00+00:00.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
