"""The folder in which encrypted backups lie, and its copy elsewhere.

One folder for each cluster, by the identifier that PostgreSQL gave it: names of WAL files come again in a new one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from .configuration import BackupError, Configuration
from .crypt import QUICK, DamagedError, Header, Opener, Sealer, read_header

END = ".gpa"
HALF = ".part"
FREE_BYTES = 300_000_000  # a disk that is full stops the database: we stop before


class Repository:
    """Objects by name ("wal/00000001/…", "backups/…", "marks/…"); a name stands once its file is whole."""

    def __init__(self, config: Configuration, system: str) -> None:
        self.system = system
        self.folder = config.folder / system
        self._copy = config.copy / system if config.copy else None
        self._keys = config.keys

    @contextlib.contextmanager
    def put(self, name: str, *, at: datetime, level: int = QUICK) -> Iterator[Sealer]:
        """Write an object; it is there after the block, whole and on the disk, or not at all.

        Raises: BackupError where the disk is nearly full.
        """
        path = self._path(name)
        half = path.with_name(f"{path.name}{HALF}")
        path.parent.mkdir(parents=True, exist_ok=True)
        check_space(path.parent, FREE_BYTES)
        try:
            with half.open("wb") as file:
                half.chmod(0o600)
                sealer = Sealer(file, name=name, at=at, key=self._keys[0], level=level)
                yield sealer
                sealer.finish()
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
            _sync(path.parent)
        except OSError as error:
            raise BackupError(f"{path} cannot be written: {error.strerror}.") from error
        finally:
            half.unlink(missing_ok=True)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Opener]:
        """Read an object; from the copy where it is missing here.

        Raises: DamagedError, WrongKeyError.
        """
        path = self._found(name)
        with path.open("rb") as file:
            yield Opener(file, name=name, keys=self._keys, path=str(path))

    def read(self, name: str) -> bytes:
        with self.open(name) as opened:
            return opened.read()

    def header(self, name: str) -> Header:
        path = self._found(name)
        with path.open("rb") as file:
            return read_header(file, str(path))

    def has(self, name: str) -> bool:
        return self._path(name).exists() or bool(self._copy and self._path(name, self._copy).exists())

    def size(self, name: str) -> int:
        return self._found(name).stat().st_size

    def names(self, below: str) -> list[str]:
        """The objects below a folder of the repository or of its copy, in order."""
        found: set[str] = set()
        for root in (self.folder, self._copy):
            if root is not None:
                found |= {
                    path.relative_to(root).as_posix().removesuffix(END) for path in (root / below).rglob(f"*{END}")
                }
        return sorted(found)

    def delete(self, name: str) -> None:
        for root in (self.folder, self._copy):
            if root is not None:
                path = self._path(name, root)
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    path.parent.rmdir()

    def copy_missing(self, names: Iterable[str] | None = None) -> int:
        """Bring the copy of `names`, or of everything, up to date; the number of files copied.

        Raises: BackupError where the second place cannot be written: the first one has all.
        """
        if self._copy is None:
            return 0
        if not self._copy.parent.is_dir():  # a store that is not mounted must not be made anew below its mount point
            raise BackupError(f"BACKUP_COPY_DIR {self._copy.parent} is not there.")
        copied = 0
        try:
            paths = self.folder.rglob(f"*{END}") if names is None else map(self._path, names)
            for path in sorted(paths):
                target = self._copy / path.relative_to(self.folder)
                if target.exists() and target.stat().st_size == path.stat().st_size:
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                half = target.with_name(f"{target.name}{HALF}")
                shutil.copyfile(path, half)
                with half.open("rb") as file:
                    os.fsync(file.fileno())
                half.replace(target)
                copied += 1
        except OSError as error:
            raise BackupError(f"BACKUP_COPY_DIR cannot be written: {error.strerror}.") from error
        return copied

    def _path(self, name: str, root: Path | None = None) -> Path:
        return (root or self.folder) / f"{name}{END}"

    def _found(self, name: str) -> Path:
        path = self._path(name)
        if not path.exists() and self._copy is not None:
            path = self._path(name, self._copy)
        if not path.exists():
            raise DamagedError(f"{self._path(name)} is missing.")
        return path


def systems(config: Configuration) -> list[str]:
    """The clusters of which there is something, by their identifiers."""
    roots = [root for root in (config.folder, config.copy) if root is not None and root.is_dir()]
    return sorted({entry.name for root in roots for entry in root.iterdir() if entry.is_dir() and entry.name.isdigit()})


def check_space(folder: Path, wanted: int) -> None:
    """Raises: BackupError where less than `wanted` bytes are free."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise BackupError(
            f"The disk of {folder} has {free // 1_000_000} MB free, and {wanted // 1_000_000} MB are wanted: free some."
        )


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
