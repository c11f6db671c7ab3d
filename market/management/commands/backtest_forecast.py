"""`backtest_forecast`: how good each forecast method is on the real series."""

from __future__ import annotations

import json
import zlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from market.forecasting.backtest import ALL, read_groups, report
from market.forecasting.methods import NAIVE

LINE = "{mark} {method:<22} {error:>7} {naive_error:>7} {coverage:>9} {half_width:>8} {n:>6} {of_series:>6}"


class Command(BaseCommand):
    help = (
        "Try every forecast method on the recorded series (MARKET_DATA_DIR), as if each day were today, and print its"
        " mean error beside the better naive one's and how often its interval of 80 % held; exits 1 unless ok."
    )

    requires_system_checks = ()  # it reads files, nothing else

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print {ok, rows, …} as JSON")
        parser.add_argument("--data", type=Path, help="another folder with the recorded series")

    def handle(self, *, json: bool, data: Path | None, **options: Any) -> None:
        folder = data or Path(settings.MARKET_DATA_DIR)
        if (folder / "series").is_dir():
            folder /= "series"
        try:
            found = report(read_groups(folder))
        except FileNotFoundError as error:
            raise CommandError(
                f"There is no {error.filename}. Set MARKET_DATA_DIR or name the folder with --data."
            ) from None
        except (OSError, EOFError, zlib.error, KeyError, ValueError, ArithmeticError) as error:
            raise CommandError(f"The series in {folder} cannot be read: {error!r}.") from None
        self.stdout.write(_as_json(found) if json else as_table(found))
        if not found["ok"]:
            raise CommandError("A chosen method is worse than a naive one, or its interval does not hold.")


def _as_json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1)


def as_table(found: dict[str, Any]) -> str:
    """All daily series in full, each group with its chosen and its naive methods."""
    lines = ["Mean absolute error: percent of the price, or points. * is used."]
    last = None
    for row in sorted(found["rows"], key=_order):
        place = row["measure"], row["horizon"], row["kind"], row["series"]
        if row["series"] != ALL and not row["chosen"] and row["method"] not in NAIVE and row["horizon"] != 3:
            continue
        if place != last:
            lines += ["", f"{row['measure']}, {row['horizon']} days ahead, {row['series']}, {row['kind']}"]
            lines.append("  method                   error   naive  coverage    ± half      n series")
            last = place
        held = "–" if row["coverage"] is None else f"{row['coverage']:.1f}"
        held += "" if row["coverage_judged"] else "?"
        half = "–" if row["half_width"] is None else row["half_width"]
        lines.append(
            LINE.format(**(row | {"mark": "*" if row["chosen"] else " ", "coverage": held, "half_width": half}))
        )
    lines += ["", "? fewer than two horizons in a row: not judged.", "", *found["not_measurable"]]
    return "\n".join([*lines, "", f"ok: {found['ok']}"])


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["measure"], row["horizon"], row["kind"], row["series"] != ALL, row["series"], row["error"]
