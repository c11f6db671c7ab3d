"""The one class that hides who makes the backups."""

from __future__ import annotations

import abc
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from . import spool
from .configuration import BackupError, Configuration
from .primary import Mark, Primary, System
from .repository import Repository, systems


class NoBackupError(BackupError):
    """There is none yet."""


Say = Callable[[str], None]
FULL_EVERY_DAYS = 7  # a restore unpacks a full and one increment to it; the server keeps its summaries ten days


@dataclass(frozen=True)
class Kept:
    """One backup that can be restored. Units: `bytes` as they lie in the repository."""

    label: str
    is_full: bool
    started_at: datetime
    finished_at: datetime
    bytes: int
    timeline: int
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recovery:
    """A data folder that will be at `moment` once a server has recovered in it, and the settings that server needs."""

    data: Path
    options: dict[str, str]
    major: int
    moment: datetime | None
    backup: str


class Driver(abc.ABC):
    """Makes, keeps and unpacks backups of one database server."""

    name: str

    def __init__(self, config: Configuration, say: Say = lambda line: None) -> None:
        self.config, self.say = config, say
        self.primary = Primary(config.url)

    # -- what each does in its own way -------------------------------------------------------------------------------
    @abc.abstractmethod
    def take(self, *, full: bool | None) -> Kept:
        """Make a backup (None: full where one is due) and see that it can be read and its WAL is there.

        Raises: BackupError.
        """

    @abc.abstractmethod
    def kept(self) -> list[Kept]:
        """The backups that are whole, oldest first; of the newest cluster where the database does not answer."""

    @abc.abstractmethod
    def expire(self, now: datetime) -> list[str]:
        """Take away what no moment of the kept days needs; the labels gone."""

    @abc.abstractmethod
    def newest_archived(self) -> datetime | None:
        """Until when what was committed lies in the repository."""

    @abc.abstractmethod
    def catch_up(self, segment: str) -> None:
        """Return once `segment` lies in the repository.

        Raises: BackupError where it does not come.
        """

    @abc.abstractmethod
    def unpack(self, moment: datetime | None, into: Path) -> Recovery:
        """Lay a backup into `into`, every sum checked, with all it needs to recover to `moment` (None: the latest).

        Raises: BackupError where something is missing, was changed, or lies outside what is kept.
        """

    # -- what they share ---------------------------------------------------------------------------------------------
    def repository(self, system: str | None = None) -> Repository:
        """Of the given cluster, of the running one, else of the one backed up last."""
        if system is None:
            try:
                system = self.primary.system().identifier
            except BackupError:
                system = self._newest_system()
        return Repository(self.config, system)

    def _newest_system(self) -> str:
        found = systems(self.config)
        if not found:
            raise NoBackupError(f"There is no backup in {self.config.folder}.")

        def age(system: str) -> str:
            repository = Repository(self.config, system)
            return max((name.rsplit("/", 1)[-1] for name in repository.names("marks")), default="")

        return max(found, key=age)

    def mark(self) -> Mark:
        """Count the rows and keep the numbers with the backups."""
        mark = self.primary.mark()
        content = asdict(mark) | {
            "at": mark.at.isoformat(),
            "beat_at": mark.beat_at.isoformat() if mark.beat_at else None,
        }
        name = f"marks/{mark.at:%Y%m%dT%H%M%S.%f}"
        with self.repository().put(name, at=mark.at) as sealer:
            sealer.write(json.dumps(content).encode())
        return mark

    def marks(self) -> list[datetime]:
        """The moments whose row counts are kept, oldest first."""
        names = [name.rsplit("/", 1)[-1] for name in self.repository().names("marks")]
        return [datetime.strptime(name, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC) for name in sorted(names)]

    def read_mark(self, at: datetime) -> Mark:
        content = json.loads(self.repository().read(f"marks/{at:%Y%m%dT%H%M%S.%f}"))
        beat = content["beat_at"]
        return Mark(
            at=datetime.fromisoformat(content["at"]),
            counts=content["counts"],
            is_exact=content["is_exact"],
            beat_at=datetime.fromisoformat(beat) if beat else None,
            extra=content["extra"],
        )

    def push(self) -> spool.Pushed | None:
        return spool.push(self.config, wait=True)

    def check_version(self, system: System) -> None:
        """Raises: BackupError where the server archives nothing, without which no moment can be restored."""
        if not system.is_archiving:
            raise BackupError(
                "The server archives no WAL (archive_mode is off): set it as docs/operations.md says and restart it."
            )


def driver(config: Configuration, say: Say = lambda line: None) -> Driver:
    from .basebackup import BaseBackup
    from .pgbackrest import PgBackRest

    return (PgBackRest if config.driver == "pgbackrest" else BaseBackup)(config, say)


def human(number: int) -> str:
    """Bytes for people: 41 MB."""
    size = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def label_of(now: datetime, *, full: bool) -> str:
    return f"{now:%Y%m%d-%H%M%S}{'F' if full else 'I'}"
