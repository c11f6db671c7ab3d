"""PostgreSQL's programs of one version, and the account under which a scratch server runs."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gpuadvisor.servers import binaries, processes
from gpuadvisor.servers.account import Account, server_account
from gpuadvisor.servers.errors import Refused
from gpuadvisor.servers.places import settle

from .configuration import BackupError, Configuration

MEMBER = Path("/usr/lib/postgresql")  # where Debian and its kin put each version


@dataclass(frozen=True)
class Programs:
    folder: Path
    account: Account

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program as the servers' account, both outputs in `stdout`."""
        return processes.run_as(self.account, [self.path(command[0]), *command[1:]])


def programs(config: Configuration, major: int) -> Programs:
    """Raises: BackupError where this machine has none of that version."""
    try:
        if config.embedded is not None:
            places = settle(config.data, by_hand=True)
            return Programs(places.postgres_folder() / "bin", places.account)
        account = account_of(config)
        folder = config.programs or MEMBER / str(major) / "bin"
        if not (folder / "postgres").exists() and major == 18:
            folder = binaries.postgres_folder() / "bin"
            if account.first_closed(folder) is not None:
                folder = settle(config.data, by_hand=True).postgres_folder() / "bin"
    except Refused as refusal:
        raise BackupError(str(refusal)) from refusal
    if not (folder / "postgres").exists():
        raise BackupError(
            f"The programs of PostgreSQL {major} are not on this machine: install them, or set BACKUP_PG_BIN to their"
            " folder."
        )
    return Programs(folder, account)


def own_tree(account: Account, root: Path) -> None:
    """Give everything below `root` to the servers' account, closed to others."""
    for folder, _, files in os.walk(root):
        account.own(Path(folder), 0o700)
        for name in files:
            account.own(Path(folder) / name, 0o600)


def empty_folder(folder: Path) -> None:
    """Raises: BackupError where it holds something: a restore overwrites nothing."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{folder} is not an empty folder: name a new one.")
    folder.mkdir(parents=True, exist_ok=True)


def account_of(config: Configuration) -> Account:
    """Root lets pgBackRest's account run the servers whose files that account unpacked."""
    if config.driver == "pgbackrest" and os.geteuid() == 0:
        try:
            entry = pwd.getpwnam(config.user)
        except KeyError:
            raise BackupError(f"There is no account {config.user}: set BACKUP_USER.") from None
        return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    return server_account(Path("/nonexistent"))
