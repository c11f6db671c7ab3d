"""From the spool into the repository: finished WAL lies plain for a minute at most, then only sealed."""

from __future__ import annotations

import contextlib
import filecmp
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gpuadvisor.servers.locks import Lock

from . import wal
from .configuration import BackupError, Configuration
from .crypt import SMALL
from .repository import Repository

log = logging.getLogger(__name__)
PIECE = 1 << 20
WAIT_SECONDS = 60


@dataclass
class Pushed:
    """`newest_at`: until when everything committed lies in the repository, as far as this run brought it."""

    number: int = 0
    newest_at: datetime | None = None
    names: list[str] = field(default_factory=list)
    copy_trouble: str = ""


def arm(spool: Path, system: str) -> None:
    """From here on finished WAL of the cluster `system` is kept (servers/archive.py).

    Raises: BackupError where the spool is missing.
    """
    if not spool.is_dir():
        raise BackupError(f"The spool {spool} is missing: the server's archive_command lays its WAL there.")
    file = spool / "armed"
    if not file.exists() or file.read_text().strip() != system:
        half = file.with_name("armed.new")
        half.write_text(system + "\n")
        half.chmod(0o644)
        half.replace(file)


def push(config: Configuration, *, wait: bool = False) -> Pushed | None:
    """Seal every finished file of the spool into the repository, oldest first, and take it out of the spool.

    Returns: None where another process is at it (unless `wait`).
    Raises: BackupError at the first file that cannot be brought in: it and the later ones stay in the spool.
    """
    with _alone(config, WAIT_SECONDS if wait else 0) as is_ours:
        return _push(config) if is_ours else None


@contextlib.contextmanager
def _alone(config: Configuration, seconds: float) -> Iterator[bool]:
    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(config.folder / "push.lock")
    try:
        yield lock.try_to_take(seconds)
    finally:
        lock.close()


def _push(config: Configuration) -> Pushed:
    done = Pushed()
    spool = config.spool
    if spool is None or not (spool / "armed").exists():
        return done
    armed = (spool / "armed").read_text().strip()
    waiting = [file for file in spool.iterdir() if wal.SEGMENT.match(file.name) or wal.HISTORY.fullmatch(file.name)]
    by_system: dict[str, list[str]] = {}
    for file in sorted(waiting, key=lambda file: (file.stat().st_mtime, file.name)):
        if ".part." in file.name:  # the archiver is writing it
            continue
        if file.name.endswith(".backup"):  # the label of a backup, which our own notes have
            file.unlink()
            continue
        system = _system_of(file) or armed
        at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        repository = Repository(config, system)
        name = wal.object_name(file.name)
        if repository.has(name):
            _check_same(repository, name, file)  # a run was killed between the two
        else:
            with repository.put(name, at=at, level=SMALL) as sealer, file.open("rb") as read:
                shutil.copyfileobj(read, sealer, PIECE)
        file.unlink()
        by_system.setdefault(system, []).append(name)
        done.number += 1
        done.names.append(file.name)
        if system == armed and wal.SEGMENT.fullmatch(file.name):
            done.newest_at = at
    if config.copy is not None:
        try:
            for system, names in by_system.items():
                Repository(config, system).copy_missing(names)
        except BackupError as error:  # the daily run brings the copy up to date
            done.copy_trouble = str(error)
    return done


def _system_of(file: Path) -> str | None:
    """Whose WAL it is; None of a history, which does not say."""
    if not wal.SEGMENT.match(file.name):
        return None
    with file.open("rb") as read:
        try:
            return wal.first_page(read.read(40)).system
        except ValueError:
            raise BackupError(f"{file} is no WAL file of PostgreSQL: move it away.") from None


def _check_same(repository: Repository, name: str, file: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix="same.") as kept, repository.open(name) as opened:
        shutil.copyfileobj(opened, kept, PIECE)
        kept.flush()
        if not filecmp.cmp(kept.name, file, shallow=False):
            raise BackupError(
                f"{file.name} is in the repository already, with other bytes: two servers archive into one place, or"
                " this one was set back without a restore. Take a full backup into an empty BACKUP_DIR."
            )


def newest(repository: Repository) -> tuple[str, datetime] | None:
    """The newest WAL file of the repository and the moment it was archived."""
    root = repository.folder / "wal"
    found: tuple[str, datetime] | None = None
    for timeline in sorted((entry for entry in root.glob("*") if entry.is_dir()), reverse=True):
        logs = sorted((entry for entry in timeline.iterdir() if entry.is_dir()), reverse=True)
        names = sorted(file.name.split(".")[0] for log in logs[:1] for file in log.iterdir())
        if names:
            at = repository.header(wal.object_name(names[-1])).at
            if found is None or at > found[1]:
                found = (names[-1], at)
    return found


def lay(spool: Path, source: Path, *, like: Path) -> None:
    """Put a finished file of a restored server into the spool, as its archiver would have."""
    target = spool / source.name
    half = target.with_name(f"{target.name}.part.{os.getpid()}")
    shutil.copyfile(source, half)
    owner = like.stat()
    if os.geteuid() == 0:
        os.chown(half, owner.st_uid, owner.st_gid)
    half.replace(target)
