"""`purge`: what is past its time goes, or is counted."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gpuadvisor.operations.retention import purging
from gpuadvisor.operations.retention.policies import BY_NAME, OURS, POLICIES
from gpuadvisor.operations.retention.purging import Going


class Command(BaseCommand):
    help = (
        "Delete rows that are kept no longer (docs/operations.md, How long it is kept), table by table: small batches"
        " and whole months. May be stopped anywhere and run again. The nightly job does the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count what would go, and delete nothing")
        parser.add_argument("--only", metavar="NAME", action="append", default=[], help="a table by its name here")
        parser.add_argument("--json", action="store_true", help="as JSON")
        parser.add_argument("--rules", action="store_true", help="print how long each table is kept, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rules"]:
            self._print_rules(as_json=options["json"])
            return
        for name in options["only"]:
            if name not in BY_NAME:
                raise CommandError(f"There is no {name}. Choose of: {', '.join(one.name for one in OURS)}")
            if not BY_NAME[name].is_ours:
                raise CommandError(f"{name} is not deleted by this command: {BY_NAME[name].rule}")
        chosen = [policy for policy in OURS if not options["only"] or policy.name in options["only"]]
        work = purging.look(chosen) if options["dry_run"] else purging.purge(chosen)
        gone = []
        for going in work:
            gone.append(going)
            if not options["json"]:
                self._tell(going, is_dry=options["dry_run"])
        is_ok = not any(going.trouble for going in gone)
        if options["json"]:
            told = {"ok": is_ok, "dry_run": options["dry_run"], "rows": [going.told() for going in gone]}
            self.stdout.write(json.dumps(told, indent=1))
        elif options["dry_run"]:
            self.stdout.write("Nothing was deleted.")
        if not is_ok:
            raise CommandError("Not all that is past its time has gone: see above.")

    def _tell(self, going: Going, *, is_dry: bool) -> None:
        verb = "would go" if is_dry else "went"
        span = f", {_moment(going.first)} to {_moment(going.last)}" if going.first else ""
        self.stdout.write(f"{going.policy.name}: {going.policy.table}, {going.policy.rule}, from {going.limit} on")
        self.stdout.write(f"  {going.rows:,} rows {verb}{span}")
        if going.months:
            self.stdout.write(f"  months dropped whole: {', '.join(going.months)}")
        if going.trouble:
            self.stdout.write(self.style.ERROR(f"  {going.trouble}"))

    def _print_rules(self, *, as_json: bool) -> None:
        if as_json:
            told = [{"name": one.name, "table": one.table, "rule": one.rule, "note": str(one.note)} for one in POLICIES]
            self.stdout.write(json.dumps(told, indent=1))
            return
        for one in POLICIES:
            self.stdout.write(f"{one.name}: {one.table}, {one.rule}{'. ' if one.note else ''}{one.note}")


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "hour") else f"{value:%Y-%m-%d}"
