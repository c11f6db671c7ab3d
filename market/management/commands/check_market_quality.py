"""`check_market_quality`: how many faults of each kind the rules find, and what they keep out of the real series."""

from __future__ import annotations

import json
import zlib
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from market.quality import RULES
from market.quality.measure import FILES, Report, measure


class Command(BaseCommand):
    help = "Put faults of each kind into the recorded series and count what the rules find; nothing is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object instead of tables")

    def handle(self, *, as_json: bool, **options: Any) -> None:
        folder = Path(settings.MARKET_DATA_DIR)
        if missing := [str(name) for name in FILES if not (folder / name).is_file()]:
            raise CommandError(
                f"There are no recorded series to measure with: {folder} has no {', '.join(missing)}."
                " Set MARKET_DATA_DIR to the folder that holds them."
            )
        try:
            report = measure(folder)
        except (OSError, EOFError, zlib.error) as error:  # a file cut short while it was copied
            raise CommandError(f"The recorded series in {folder} cannot be read: {error}") from None
        if as_json:
            self.stdout.write(json.dumps(as_dict(report)))
        else:
            self._tables(report)
        if not report.ok:
            raise CommandError("The rules miss their aim: recall of 0.95 everywhere, under 0.5 % of clean rows held.")

    def _tables(self, report: Report) -> None:
        write = self.stdout.write
        write("Faults put in at known places")
        write(f"{'rule':<22} {'fault':>5}  {'action':<6} {'put in':>7} {'recall':>7} {'precision':>9}")
        for trial in report.trials:
            rule = RULES[trial.rule]
            write(
                f"{rule.name:<22} {rule.fault:>5}  {rule.action:<6} {trial.injected:>7} {trial.recall:>7.3f}"
                f" {trial.precision:>9.3f}"
            )
        write("\nThe series as they are")
        write(f"{'rule':<22} {'action':<6} {'places':>7} {'found':>7} {'share':>8} {'agreed':>7} {'clean':>6}")
        for trial in report.trials:
            write(
                f"{trial.rule:<22} {RULES[trial.rule].action:<6} {trial.places:>7} {trial.real + trial.wrong:>7}"
                f" {trial.held:>8.4%} {trial.real:>7} {trial.wrong:>6}"
            )
        rows, batches = report.untouched, report.batches
        refused = rows.refused_known + rows.refused_clean
        write(f"\nRows: {rows.rows}, refused {refused} ({refused / rows.rows:.3%}): {_counts(rows.reasons)}")
        why = Counter(f"{name} {finding.rule}" for name, _at, finding, _known in batches.held)
        write(
            f"Batches: {batches.batches}, held {len(batches.held)} ({len(batches.held) / batches.batches:.3%}):"
            f" {_counts(why)}"
        )
        for name, at, finding, known in batches.held:
            if not known:
                write(f"  not on the agreed list: {name} {at:%Y-%m-%d %H:%M}, {finding.reason}")
        write(
            f"Clean rows kept out all the same: {report.clean_rows_held} of {report.clean_rows}"
            f" ({report.false_holds:.3%}): {rows.refused_clean} refused one by one, {batches.rows_of_clean} in batches"
        )
        if report.ok:
            write(self.style.SUCCESS("The rules reach their aim."))


def as_dict(report: Report) -> dict[str, Any]:
    """The report as JSON has it. Units: every share is 0 to 1; `held` is that of the series as they are."""
    return {
        "ok": report.ok,
        "rows": [
            {
                "rule": trial.rule,
                "recall": round(trial.recall, 4),
                "precision": round(trial.precision, 4),
                "held": round(trial.held, 6),
            }
            for trial in report.trials
        ],
        "clean_rows_held": round(report.false_holds, 6),
    }


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {times}" for name, times in sorted(found.items(), key=lambda item: -item[1])) or "none"
