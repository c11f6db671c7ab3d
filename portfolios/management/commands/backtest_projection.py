"""`backtest_projection`: how far projections of the next 30 days were off, and how often their interval held."""

from __future__ import annotations

import json
import zlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from market.forecasting.backtest import read_groups
from portfolios.projection_backtest import invented_rows, real_row

LINE = (
    "{kind:<12} {error:>7} {most_error:>5} {coverage:>9} {between:>9} {half_width:>8} {n:>5}"
    " {part_error:>9} {part_coverage:>9}"
)


class Command(BaseCommand):
    help = (
        "Project the next 30 days of invented fleets and of fleets that follow the recorded prices (MARKET_DATA_DIR) as"
        " if each day were today; print mean error and how often the interval of 80 % held. Exits 1 unless ok."
    )

    requires_system_checks = ()  # it reads files, nothing else

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print {ok, rows, skipped} as JSON")
        parser.add_argument("--data", type=Path, help="another folder with the recorded series")

    def handle(self, *, json: bool, data: Path | None, **options: Any) -> None:
        rows, skipped = invented_rows(), ""
        folder = data or Path(settings.MARKET_DATA_DIR)
        if (folder / "series").is_dir():
            folder /= "series"
        try:
            real = real_row(read_groups(folder))
        except FileNotFoundError as error:
            real = None
            skipped = f"Fleets on real prices are skipped: there is no {error.filename}."
        except (OSError, EOFError, zlib.error, KeyError, ValueError, ArithmeticError) as error:
            raise CommandError(f"The series in {folder} cannot be read: {error!r}.") from None
        if real is not None:
            rows.append(real)
        found = {"ok": all(row["ok"] for row in rows), "rows": rows, "skipped": skipped}
        self.stdout.write(_as_json(found) if json else as_table(found))
        if not found["ok"]:
            raise CommandError("A projection errs more, or its interval holds more or less often, than allowed.")


def _as_json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1)


def as_table(found: dict[str, Any]) -> str:
    """One line a kind of fleet; limits beside what came out."""
    lines = ["30 days of revenue: mean error in percent, how often 80 % intervals held; of fleets, and of their parts."]
    heads = {"kind": "fleets", "error": "error", "most_error": "most", "coverage": "held", "between": "between"}
    heads |= {"half_width": "± half", "n": "n", "part_error": "of parts", "part_coverage": "held"}
    lines.append(LINE.format(**heads))
    for row in found["rows"]:
        low, high = row["coverage_between"]
        lines.append(LINE.format(**(row | {"between": f"{low}-{high}"})) + ("" if row["ok"] else "  not ok"))
    lines += ["", found["skipped"]] if found["skipped"] else []
    return "\n".join([*lines, "", f"ok: {found['ok']}"])
