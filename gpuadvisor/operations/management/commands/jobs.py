"""Tell how every scheduled job fares; exit code 1 where one is red."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gpuadvisor.core import clock
from gpuadvisor.operations import running


class Command(BaseCommand):
    help = "Scheduled jobs: last run, rows, seconds, next run, errors. Ends with 1 where one is red."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="as JSON: {ok, rows: [{job, state, level, ...}]}")

    def handle(self, *, json: bool, **options: Any) -> None:
        now = clock.now()
        rows = running.standings(now)
        is_ok = all(row.level != "red" for row in rows)
        if json:
            self.stdout.write(_json(rows, is_ok))
        else:
            self.stdout.write(f"{'job':34} {'state':12} {'last run':>12} {'seconds':>8} {'rows':>8}  {'next':>10}")
            for row in rows:
                last = f"{running.age((now - row.last_at).total_seconds())} ago" if row.last_at else "-"
                left = (row.next_at - now).total_seconds()
                seconds = "-" if row.seconds is None else f"{row.seconds:.2f}"
                number = "-" if row.rows is None else str(row.rows)
                next_in = "due" if left < 0 else f"in {running.age(left)}"
                state = "running" if row.running_since else row.word
                line = f"{row.job.name:34} {state:12} {last:>12} {seconds:>8} {number:>8}  {next_in:>10}"
                error = f"  {row.fails} failed, the last: {row.error[:120]}" if row.fails else ""
                style = {"red": self.style.ERROR, "amber": self.style.WARNING}.get(row.level, str)
                self.stdout.write(style(line + error))
        if not is_ok:
            sys.exit(1)


def _json(rows: list[running.Standing], is_ok: bool) -> str:
    def iso(moment: Any) -> str | None:
        return moment.isoformat() if moment else None

    listed = [
        {
            "job": row.job.name,
            "what": str(row.job.what),
            "state": row.state,
            "level": row.level,
            "last_at": iso(row.last_at),
            "ok_at": iso(row.ok_at),
            "seconds": row.seconds,
            "rows": row.rows,
            "next_at": iso(row.next_at),
            "every_s": row.job.every.total_seconds(),
            "slot_s": row.job.slot.total_seconds() if row.job.slot else None,
            "queue": row.job.queue,
            "fails": row.fails,
            "error": row.error,
            "running_since": iso(row.running_since),
        }
        for row in rows
    ]
    return json.dumps({"ok": is_ok, "rows": listed}, indent=2)
