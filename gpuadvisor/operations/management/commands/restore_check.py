"""`manage.py restore_check`: the backups restored into scratch and compared. A miss ends it with 1 and mails staff."""

from __future__ import annotations

import json
import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gpuadvisor.operations.backups import checking, rows, watching
from gpuadvisor.operations.backups.configuration import BackupError, configuration
from gpuadvisor.operations.backups.drivers import driver
from gpuadvisor.operations.backups.moments import moment_of


class Command(BaseCommand):
    help = "Restore the latest state and a random moment of the kept days into scratch, and compare with the database."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--at", type=moment_of, help="only this moment, as 2026-11-25T18:30 (UTC) or with +02:00")
        parser.add_argument("--json", action="store_true", help="print {ok, rpo_s, rto_s, rows}")
        parser.add_argument("--watched", action="store_true", help="end when the database is gone (for our own jobs)")

    def handle(self, *args: Any, **options: Any) -> None:
        say = (lambda line: None) if options["json"] else self.stdout.write
        if options["watched"]:
            os.nice(10)
            watching.end_with_the_database()
        try:
            maker = driver(configuration(), say)
        except BackupError as error:
            if options["json"]:
                self.stdout.write(
                    json.dumps({"ok": False, "rpo_s": None, "rto_s": None, "rows": [], "error": str(error)})
                )
                raise SystemExit(1) from error
            raise CommandError(str(error)) from error
        with watching.alone(maker.config, "check"):
            result = checking.check(maker, at=options["at"])
        lines = checking.told(maker, result)
        if options["json"]:
            self.stdout.write(json.dumps(result.as_json()))
        else:
            self.stdout.write("\n".join(lines))
            self.stdout.write("The backups are good." if result.is_ok else "The backups are NOT good.")
        if not result.is_ok:
            rows.tell_staff("The backups could not be restored", "\n".join(lines))
            raise SystemExit(1)
