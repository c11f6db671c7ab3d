"""The account under which PostgreSQL and Redis run: ours, or as root an unprivileged one."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuadvisor.servers.errors import Refused


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int
    name: str

    @property
    def is_other(self) -> bool:
        """Whether a server must change its user at the start (only root can)."""
        return os.geteuid() == 0 and self.uid != 0

    @property
    def popen_options(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}

    @contextmanager
    def acting(self) -> Iterator[None]:
        """The rights on files are this account's for the length of the block."""
        if not self.is_other:
            yield
            return
        groups, gid = os.getgroups(), os.getegid()
        try:
            os.setgroups([])
            os.setegid(self.gid)
            os.seteuid(self.uid)
        except OSError as error:
            raise Refused(
                f"Root may not act as '{self.name}' here ({error.strerror}), and PostgreSQL refuses to run as root:"
                " start as an ordinary user."
            ) from None
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(gid)
            os.setgroups(groups)

    def first_closed(self, folder: Path) -> Path | None:
        """The first folder on the way to `folder`, itself included, that this account may not pass; None if none."""
        folder = folder.resolve()
        with self.acting():
            for step in (*reversed(folder.parents), folder):
                if not os.access(step, os.X_OK, effective_ids=True):
                    return step
        return None

    def own(self, path: Path, mode: int) -> None:
        """Give `path` to this account with exactly `mode`."""
        path.chmod(mode)
        if self.is_other:
            os.chown(path, self.uid, self.gid)


def server_account(owner_of: Path) -> Account:
    """The account for servers whose data is `owner_of`, which need not exist yet.

    Raises: Refused where this user has no name, or the data belongs to somebody else.
    """
    uid = os.geteuid()
    if uid == 0:
        kept = owner_of.stat().st_uid if owner_of.exists() else 0
        try:
            entry = pwd.getpwuid(kept) if kept else pwd.getpwnam("nobody")
        except KeyError:
            raise Refused(
                "There is no account 'nobody' for PostgreSQL to run under: start as an ordinary user."
            ) from None
        return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise Refused(f"User id {uid} has no line in /etc/passwd, which PostgreSQL needs: add one.") from None
    if owner_of.exists() and owner_of.stat().st_uid != uid:
        raise Refused(
            f"{owner_of} belongs to another user (it was made by root or by somebody else): start as that user,"
            " or set DATA_DIR to another folder."
        )
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
