"""`manage.py backup`: a backup of the whole database, now; or what lies in the spool brought into the repository."""

from __future__ import annotations

import json
import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gpuadvisor.operations.backups import rows, watching
from gpuadvisor.operations.backups.configuration import BackupError, configuration
from gpuadvisor.operations.backups.crypt import mark_of
from gpuadvisor.operations.backups.drivers import driver, human


class Command(BaseCommand):
    help = "Back the whole database up: an increment to the last full backup, or a full one where one is due."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--full", action="store_true", help="a full backup, even where an increment would do")
        parser.add_argument("--push", action="store_true", help="only bring finished WAL into the repository")
        parser.add_argument("--list", action="store_true", help="only tell which backups there are")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument("--watched", action="store_true", help="end when the database is gone (for our own jobs)")

    def handle(self, *args: Any, **options: Any) -> None:
        say = (lambda line: None) if options["json"] else self.stdout.write
        if options["watched"]:
            os.nice(10)
            watching.end_with_the_database()
        try:
            config = configuration()
            maker = driver(config, say)
            if options["push"]:
                pushed = maker.push()
                number = pushed.number if pushed else 0
                self._print(
                    options, {"ok": True, "pushed": number}, f"{number} WAL files brought into {config.folder}."
                )
                return
            if options["list"]:
                self._list(options, maker)
                return
            kept = rows.take(maker, full=True if options["full"] else None)
        except BackupError as error:
            if options["watched"]:
                rows.tell_staff("The backup failed", f"{error}", once_a_day_as="backups.tell-failed")
            if options["json"]:
                self.stdout.write(json.dumps({"ok": False, "error": str(error)}))
                raise SystemExit(1) from error
            raise CommandError(str(error)) from error
        report = {
            "ok": True,
            "label": kept.label,
            "kind": "full" if kept.is_full else "incremental",
            "driver": maker.name,
            "bytes": kept.bytes,
            "seconds": round((kept.finished_at - kept.started_at).total_seconds(), 1),
        }
        text = f"{kept.label}: {report['kind']}, {human(kept.bytes)}, {report['seconds']} s, in {config.folder}."
        if maker.name == "basebackup":
            text += f"\nIts key is BACKUP_KEY with the mark {mark_of(config.keys[0])}"
            text += f", in {config.data / 'backup_key'}" if (config.data / "backup_key").exists() else ""
            text += ": keep a copy of it elsewhere, without it no backup opens."
        self._print(options, report, text)

    def _list(self, options: dict[str, Any], maker: Any) -> None:
        kept = maker.kept()
        lines = []
        for one in kept:
            kind = "full" if one.is_full else "incremental"
            lines.append(f"{one.label}  {kind:11}  {human(one.bytes):>8}  {one.finished_at:%Y-%m-%d %H:%M:%S} UTC")
        newest = maker.newest_archived()
        lines.append(f"WAL until {newest:%Y-%m-%d %H:%M:%S} UTC." if newest else "No WAL is kept yet.")
        found = [
            {"label": one.label, "bytes": one.bytes, "finished_at": one.finished_at.isoformat(), "full": one.is_full}
            for one in kept
        ]
        report = {"ok": True, "backups": found, "wal_until": newest.isoformat() if newest else None}
        self._print(options, report, "\n".join(lines))

    def _print(self, options: dict[str, Any], report: dict[str, Any], text: str) -> None:
        self.stdout.write(json.dumps(report) if options["json"] else text)
