"""`manage.py restore`: the database as it was at a moment, in a folder; with --switch in place of the present one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gpuadvisor.operations import after_restore
from gpuadvisor.operations.backups import restoring
from gpuadvisor.operations.backups.configuration import BackupError, configuration
from gpuadvisor.operations.backups.drivers import driver
from gpuadvisor.operations.backups.moments import moment_of


class Command(BaseCommand):
    help = "Bring the database back to a moment, into an empty folder; with --switch in the place of the present one."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--at", type=moment_of, help="as 2026-11-25T18:30:00 (UTC) or with +02:00; default: the latest"
        )
        parser.add_argument("--into", type=Path, help="an empty folder, or a new one")
        parser.add_argument("--switch", action="store_true", help="put it in the place of the site's own database")
        parser.add_argument("--open", type=Path, metavar="FOLDER", help="run a restored folder, to look at it")
        parser.add_argument("--after", action="store_true", help="only do what must happen after a restore")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["after"]:
                self._after(options["at"] or datetime.now(UTC))
            elif options["open"]:
                self._open(options["open"].resolve())
            elif options["into"]:
                self._restore(options["at"], options["into"].resolve(), switch=options["switch"])
            else:
                raise CommandError("Name an empty folder: --into FOLDER (or --open, --after).")
        except BackupError as error:
            raise CommandError(str(error)) from error

    def _restore(self, moment: datetime | None, into: Path, *, switch: bool) -> None:
        config = configuration()
        if switch:
            restoring.check_switch(config, into)
        recovery = restoring.restore(driver(config, self.stdout.write), moment=moment, into=into)
        if not switch:
            self.stdout.write(f"{recovery.data} is the database {_when(moment)}. The site's own was not touched.")
            self.stdout.write(f"To look at it: manage.py restore --open {into}")
            self.stdout.write(
                "To take its place: run this again with --switch and another folder."
                if config.embedded
                else f"To take its place: stop the site and your server, move {recovery.data} to where the server's"
                " data lay (with its owner, and your postgresql.conf and pg_hba.conf), start the server, then run"
                f" manage.py restore --after --at {(moment or datetime.now(UTC)).isoformat()} before the site."
            )
            return
        with restoring.switched(config, into) as old:
            self.stdout.write(f"The site's database is now the one {_when(moment)}; the one of before lies in {old}.")
            restoring.start_server(config)
            self._after(moment or datetime.now(UTC))
        self.stdout.write(f"Start the site. Once all is well: rm -r {old}")

    def _after(self, moment: datetime) -> None:
        self.stdout.write("After the restore:")
        done = after_restore.run(moment)
        for one in done:
            self.stdout.write(f"  {one.name}: {one.sentence}")
        if not all(one.is_ok for one in done):
            raise CommandError(
                "Not all of it was done: put right what is told above, then run manage.py restore --after."
            )

    def _open(self, folder: Path) -> None:
        config = configuration()
        with restoring.opened(config, folder) as server:
            user, name = server.names(config.url)
            self.stdout.write(f"It runs until Ctrl-C. In another terminal: DATABASE_URL='{server.url(user, name)}' ...")
            self.stdout.write(f"  {server.tools.path('psql')} -h {server.sockets} -p 5432 -U {user} {name}")
            self.stdout.flush()
            try:
                while server.is_running():
                    time.sleep(0.5)
            except KeyboardInterrupt:
                self.stdout.write("Ended.")


def _when(moment: datetime | None) -> str:
    return f"of {moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else "at its latest"
