"""A restored data folder brought to life where nobody but we can reach it: a private socket, no archive, no mail."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from gpuadvisor.servers import processes
from gpuadvisor.servers.account import Account

from .configuration import BackupError, Configuration
from .drivers import Recovery
from .programs import Programs, programs

RECOVERY_SECONDS = 6 * 3600
STOP_SECONDS = 120
TOO_LATE = "recovery ended before configured recovery target was reached"


class Scratch:
    """One restored server. Units: `seconds` from its start until it took writes."""

    def __init__(self, recovery: Recovery, tools: Programs, sockets: Path, log: Path) -> None:
        self.recovery, self.tools = recovery, tools
        self.sockets, self._log = sockets, log
        self._process: subprocess.Popen[bytes] | None = None
        self.seconds = 0.0

    def url(self, user: str, database: str) -> str:
        return f"postgres://{user}@/{database}?host={self.sockets}&port=5432"

    def start(self) -> None:
        """Recover to the moment, and open for us alone.

        Raises: BackupError where it ends instead; `pg_ctl` would have said that all is well.
        """
        begun = time.monotonic()
        settings = {
            "config_file": str(self.sockets / "scratch.conf"),
            "hba_file": str(self.sockets / "scratch_hba.conf"),
            "ident_file": str(self.sockets / "scratch_ident.conf"),
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "port": "5432",
            "archive_mode": "off",
            "hot_standby": "off",
            "shared_preload_libraries": "",
            **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),  # not file by file
            "shared_buffers": "128MB",
            "max_wal_size": "4GB",
            "autovacuum": "off",
            "log_min_messages": "log",
            "logging_collector": "off",
            "log_destination": "stderr",
            "ssl": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self.recovery.options,
        }
        command = [self.tools.path("postgres"), "-D", str(self.recovery.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        for name, text in (
            ("scratch.conf", ""),
            ("scratch_hba.conf", "local all all trust\n"),
            ("scratch_ident.conf", ""),
        ):
            (self.sockets / name).write_text(text)
            self.tools.account.own(self.sockets / name, 0o600)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                processes.tied(command, dies_by="INT", account=self.tools.account),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=processes.BARE_ENVIRONMENT,
            )
        end = begun + RECOVERY_SECONDS
        while not self._is_open():
            if self._process.poll() is not None:
                raise BackupError(self._why())
            if time.monotonic() > end:
                raise BackupError(f"It has not recovered within {RECOVERY_SECONDS // 3600} hours: see {self._log}.")
            time.sleep(0.05)
        self.seconds = time.monotonic() - begun

    def _is_open(self) -> bool:
        if not (self.sockets / ".s.PGSQL.5432").exists():
            return False
        found = self.tools.run("pg_isready", "-q", "-h", str(self.sockets), "-p", "5432", "-t", "5")
        return found.returncode == 0

    def _why(self) -> str:
        text = self._log.read_text(errors="replace")
        if TOO_LATE in text:
            last = re.findall(r"last completed transaction was at log time ([^\n]+)", text)
            until = f" The last change in the archive is of {last[-1].strip()}." if last else ""
            return f"The archive ends before that moment.{until}"
        if "requested recovery stop point is before consistent recovery point" in text:
            return "That moment lies before the backup was whole: name a later one."
        telling = [line for line in text.splitlines() if re.search(r"FATAL|PANIC|could not|ERROR", line)]
        return f"The restored server does not start: {(telling or ['it said nothing'])[-1].strip()[-300:]}"

    def last_change(self) -> str | None:
        """When the newest recovered transaction committed, as the server's log says."""
        found = re.findall(
            r"last completed transaction was at log time ([^\n]+)", self._log.read_text(errors="replace")
        )
        return found[-1].strip() if found else None

    def stop(self) -> None:
        """Cleanly, so that its sums can be checked."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(2)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def names(self, url: str) -> tuple[str, str]:
        """User and database of the server that was backed up."""
        named = conninfo_to_dict(url)
        user = str(named.get("user") or "postgres")
        return user, str(named.get("dbname") or user)

    def connect(self, user: str, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.url(user, database), autocommit=True)


@contextlib.contextmanager
def opened(config: Configuration, recovery: Recovery) -> Iterator[Scratch]:
    """The restored server, running; stopped at the end of the block. The folder stays."""
    tools = programs(config, recovery.major)
    with private_folder(tools.account) as sockets:
        scratch = Scratch(recovery, tools, sockets, recovery.data.parent / "server.log")
        try:
            scratch.start()
            yield scratch
        finally:
            scratch.stop()


@contextlib.contextmanager
def private_folder(account: Account) -> Iterator[Path]:
    """A folder for a socket: its path is short, and nobody else may enter."""
    root = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108 (its name is random, its mode 0700)
    folder = Path(tempfile.mkdtemp(prefix="gpa-s-", dir=root))
    try:
        account.own(folder, 0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
