"""Backups by pgBackRest: in parallel, over many machines. Its own settings say where they lie, and how sealed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from gpuadvisor.servers import processes

from .configuration import BackupError
from .drivers import FULL_EVERY_DAYS, Driver, Kept, NoBackupError, Recovery
from .programs import account_of, programs

ARRIVE_SECONDS = 120
KNOWS_SINCE = {15: (2, 41), 16: (2, 48), 17: (2, 54), 18: (2, 57)}  # PostgreSQL's version -> pgBackRest's


class PgBackRest(Driver):
    name = "pgbackrest"

    def run(self, *words: str) -> str:
        """Run pgBackRest under the account that owns its repository.

        Raises: BackupError with its last complaint.
        """
        command = ["pgbackrest", f"--stanza={self.config.stanza}"]
        if self.config.pgbackrest_config:
            command.append(f"--config={self.config.pgbackrest_config}")
        command += words
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                cwd="/",
                env=processes.BARE_ENVIRONMENT | {"PATH": os.environ.get("PATH", os.defpath)},
                check=False,
                **account_of(self.config).popen_options,
            )
        except FileNotFoundError:
            raise BackupError("pgBackRest is not installed: install it, or unset BACKUP_STANZA.") from None
        if done.returncode:
            lines = (done.stdout + done.stderr).splitlines()
            telling = [line.partition("ERROR: ")[2] for line in lines if "ERROR: " in line]
            words_of_it = (telling or lines or ["it said nothing"])[0].strip()
            raise BackupError(f"pgBackRest failed ({done.returncode}): {words_of_it[:300]}")
        return str(done.stdout)

    def take(self, *, full: bool | None) -> Kept:
        system = self.primary.system()
        self.check_version(system)
        self._check_version(system.major)
        self.run("check")
        kind = "full" if full or (full is None and self._is_full_due()) else "incr"
        self.say(f"pgBackRest makes a backup ({kind}) ...")
        self.run(f"--type={kind}", "backup")
        time.sleep(1.1)  # it reckons in whole seconds: in that of its end no moment can be restored
        self.mark()
        return self.kept()[-1]

    def _check_version(self, major: int) -> None:
        """Raises: BackupError where pgBackRest is older than the server."""
        said = self.run("version") if self.config.stanza else ""
        found = re.search(r"(\d+)\.(\d+)", said)
        wanted = KNOWS_SINCE.get(major)
        if found and wanted and (int(found[1]), int(found[2])) < wanted:
            raise BackupError(
                f"pgBackRest {found[0]} does not know PostgreSQL {major}: {wanted[0]}.{wanted[1]} does."
                " Unset BACKUP_STANZA to use pg_basebackup."
            )

    def _is_full_due(self) -> bool:
        fulls = [kept for kept in self.kept() if kept.is_full]
        return not fulls or (datetime.now(UTC) - fulls[-1].started_at).total_seconds() > FULL_EVERY_DAYS * 86_400 - 3600

    def _info(self) -> dict[str, Any]:
        stanzas = json.loads(self.run("--output=json", "info"))
        return cast("dict[str, Any]", stanzas[0]) if stanzas else {}

    def kept(self) -> list[Kept]:
        made = []
        for entry in self._info().get("backup", []):
            if entry.get("error"):
                continue
            made.append(
                Kept(
                    label=entry["label"],
                    is_full=entry["type"] == "full",
                    started_at=datetime.fromtimestamp(entry["timestamp"]["start"], UTC),
                    finished_at=datetime.fromtimestamp(entry["timestamp"]["stop"] + 1, UTC),
                    bytes=entry["info"]["repository"]["delta"],
                    timeline=int(entry["archive"]["stop"][:8], 16),
                )
            )
        return sorted(made, key=lambda kept: kept.started_at)

    def expire(self, now: datetime) -> list[str]:
        """Its own settings say what is kept (repo1-retention-full-type=time, repo1-retention-full=30)."""
        before = {kept.label for kept in self.kept()}
        self.run("expire")
        repository = self.repository()
        kept = self.kept()
        for name in repository.names("marks"):
            if kept and repository.header(name).at < kept[0].finished_at:
                repository.delete(name)
        return sorted(before - {entry.label for entry in kept})

    def newest_archived(self) -> datetime | None:
        found = self.primary.archived()
        return found[1] if found else None

    def catch_up(self, segment: str) -> None:
        end = time.monotonic() + ARRIVE_SECONDS
        while True:
            found = self.primary.archived()
            if found and found[0][8:24] >= segment[8:]:
                return
            if time.monotonic() > end:
                raise BackupError(
                    f"WAL file {segment} was not archived within {ARRIVE_SECONDS} s: see the server's log."
                )
            time.sleep(0.2)

    def unpack(self, moment: datetime | None, into: Path) -> Recovery:
        kept = self.kept()
        usable = [entry for entry in kept if moment is None or entry.finished_at <= moment]
        if not kept:
            raise NoBackupError(f"pgBackRest has no backup of {self.config.stanza}.")
        if not usable:
            raise BackupError(f"The oldest moment that can be restored is {kept[0].finished_at:%Y-%m-%d %H:%M:%S} UTC.")
        major = int(self._info()["db"][-1]["version"].split(".")[0])
        account = account_of(self.config)
        programs(self.config, major)  # says at once where they are missing
        data = into / "pg"
        account.own(into, 0o700)
        target = ["--type=default"]
        if moment is not None:
            text = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
            target = ["--type=time", f"--target={text}", "--target-action=promote"]
        self.say("pgBackRest restores ...")
        self.run(f"--pg1-path={data}", "--archive-mode=off", *target, "restore")
        return Recovery(data, {}, major, moment, usable[-1].label)

    def push(self) -> None:
        """Its archive-push brings WAL into the repository by itself."""
