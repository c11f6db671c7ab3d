"""`check_figures`: how many wrong figures the checker of answers finds, and how many right ones it takes for wrong."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.checking.measuring import CAUGHT, FALSE_ALARMS, KINDS, PARTS, Report, measure


class Command(BaseCommand):
    help = "Check the answers of the corpus, with planted errors and without; nothing is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object instead of tables")

    def handle(self, *, as_json: bool, verbosity: int = 1, **options: Any) -> None:
        report = measure()
        if as_json:
            self.stdout.write(json.dumps(as_dict(report)))
        else:
            for part in PARTS:
                self._table(part.replace("_", "-"), measure(part))
            self._table("all", report)
            if verbosity > 1:
                for line in report.misses:
                    self.stdout.write(f"  {line}")
        if not report.ok:
            raise CommandError(
                f"The checker misses its aim: {CAUGHT:.0%} of the errors caught, {FALSE_ALARMS:.0%} of right figures"
                " flagged at most."
            )

    def _table(self, title: str, report: Report) -> None:
        write = self.stdout.write
        write(f"{title}: {report.answers} answers")
        write(f"{'planted':<10} {'':<42} {'errors':>6} {'caught':>6} {'share':>7}")
        for kind, share in report.planted.items():
            write(f"{kind:<10} {KINDS[kind]:<42} {share.all:>6} {share.flagged:>6} {share.share:>7.1%}")
        caught = sum(share.flagged for share in report.planted.values())
        write(f"{'all':<10} {'':<42} {report.errors:>6} {caught:>6} {report.caught:>7.1%}")
        right, words = report.right, "figures that were flagged all the same"
        write(f"{'right':<10} {words:<42} {right.all:>6} {right.flagged:>6} {right.share:>7.1%}\n")


def as_dict(report: Report) -> dict[str, Any]:
    """The report as JSON has it. Units: every share is 0 to 1."""
    return {
        "ok": report.ok,
        "answers": report.answers,
        "caught": round(report.caught, 4),
        "false_alarms": round(report.false_alarms, 4),
        "rows": [
            {"kind": kind, "errors": share.all, "caught": round(share.share, 4)}
            for kind, share in report.planted.items()
        ],
    }
