"""Backups by pg_basebackup and archived WAL: nothing but PostgreSQL's own programs and Python is needed.

The server's stream is sealed as it comes, so a backup never lies plain on the disk. Then it is read back whole against
the sums that the server gave with it: a backup that was never read proves nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

from gpuadvisor.servers.locks import Lock

from . import spool, wal
from .configuration import BackupError
from .drivers import FULL_EVERY_DAYS, Driver, Kept, NoBackupError, Recovery, label_of
from .primary import System
from .programs import Programs, own_tree, programs
from .repository import Repository, check_space
from .sums import MANIFEST, check_manifest, unpack_tar

STALL_SECONDS = 300
ARRIVE_SECONDS = 120
PIECE = 1 << 20


@dataclass(frozen=True)
class Note:
    """What we write down of a backup, beside it. Without this note it does not count."""

    label: str
    parent: str | None
    started_at: str
    finished_at: str
    start_segment: str
    end_segment: str
    timeline: int
    segment_bytes: int
    version: int
    bytes: int


class BaseBackup(Driver):
    name = "basebackup"

    # -- making ------------------------------------------------------------------------------------------------------
    def take(self, *, full: bool | None) -> Kept:
        with self._alone():
            system = self.primary.system()
            self.check_version(system)
            tools = programs(self.config, system.major)
            repository = Repository(self.config, system.identifier)
            self._tidy(repository)
            parent = None if full else self._parent(repository, system, tools)
            note = self._take(repository, system, tools, parent)
            repository.copy_missing()
        self.mark()
        return _kept(note)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self.config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = Lock(self.config.folder / "backup.lock")
        try:
            if not lock.try_to_take():
                raise BackupError("Another backup is being made: wait for it.")
            yield
        finally:
            lock.close()

    def _tidy(self, repository: Repository) -> None:
        """Take away what a backup left that was killed."""
        whole = {note.label for note in self._notes(repository)}
        for name in repository.names("backups"):
            if name.split("/")[1] not in whole:
                repository.delete(name)
        for half in [*(repository.folder / "backups").rglob("*.part")]:
            half.unlink()
            with contextlib.suppress(OSError):  # its folder holds more
                half.parent.rmdir()

    def _parent(self, repository: Repository, system: System, tools: Programs) -> Note | None:
        """The full backup to which an increment can be made; None where a full one is due."""
        if system.version < 170_000 or not tools.has("pg_combinebackup"):
            return None
        fulls = [note for note in self._notes(repository) if note.parent is None]
        newest = fulls[-1] if fulls else None
        if newest is None or newest.timeline != system.timeline:
            return None
        if datetime.now(UTC) - datetime.fromisoformat(newest.started_at) >= timedelta(days=FULL_EVERY_DAYS, hours=-1):
            return None
        if self._chain(repository, newest).missing:
            self.say("WAL since the last full backup is missing: a full one is made.")
            return None
        return newest

    def _take(self, repository: Repository, system: System, tools: Programs, parent: Note | None) -> Note:
        if self.config.spool is None:
            raise BackupError("BACKUP_SPOOL must be set: the server's archive_command lays its WAL there.")
        spool.arm(self.config.spool, system.identifier)
        wanted = self.primary.bytes() if parent is None else 0
        check_space(self.config.folder, max(500_000_000, wanted // 2))
        started = datetime.now(UTC)
        label = label_of(started, full=parent is None)
        self.say(f"{'Full' if parent is None else 'Incremental'} backup {label} ...")
        try:
            with tempfile.TemporaryDirectory(prefix="gpa-backup-") as scratch:
                command = [tools.path("pg_basebackup"), "-D", "-", "-F", "tar", "-X", "none", "-c", "fast", "-w"]
                command += ["--manifest-checksums=SHA256", "-l", label]
                if parent is not None:
                    manifest = Path(scratch) / MANIFEST
                    manifest.write_bytes(repository.read(f"backups/{parent.label}/manifest"))
                    command.append(f"--incremental={manifest}")
                with repository.put(f"backups/{label}/base", at=started) as sealer:
                    self._stream(command, sealer, Path(scratch) / "said")
        except BackupError as error:
            if parent is not None and ("incremental" in str(error) or "summar" in str(error)):
                self.say(f"No increment can be made ({error}): a full backup instead.")
                return self._take(repository, system, tools, None)
            raise
        self.say("Reading it back against the server's sums ...")
        with repository.open(f"backups/{label}/base") as opened:
            manifest_text = unpack_tar(opened, None)
        with repository.put(f"backups/{label}/manifest", at=started) as sealer:
            sealer.write(manifest_text)
        ranges = json.loads(manifest_text)["WAL-Ranges"]
        first, last = ranges[0], ranges[-1]
        size = system.segment_bytes
        end = wal.number_of(last["End-LSN"], size)
        if int(last["End-LSN"].split("/")[1], 16) % size == 0:
            end -= 1
        note = Note(
            label=label,
            parent=parent.label if parent else None,
            started_at=started.isoformat(),
            finished_at=self._server_time().isoformat(),
            start_segment=wal.name_of(first["Timeline"], wal.number_of(first["Start-LSN"], size), size),
            end_segment=wal.name_of(last["Timeline"], end, size),
            timeline=last["Timeline"],
            segment_bytes=size,
            version=system.version,
            bytes=repository.size(f"backups/{label}/base") + repository.size(f"backups/{label}/manifest"),
        )
        self.catch_up(note.end_segment)
        if note.end_segment not in self._chain(repository, note).names:
            raise BackupError(f"WAL between {note.start_segment} and {note.end_segment} did not reach the repository.")
        with repository.put(f"backups/{label}/note", at=started) as sealer:
            sealer.write(json.dumps(asdict(note)).encode())
        return note

    def _stream(self, command: list[str], sealer: Any, said: Path) -> None:
        """Seal what pg_basebackup writes.

        Raises: BackupError with its last words, or where nothing comes for five minutes (it waits for the archive).
        """
        with said.open("wb") as complaints:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=self.primary.environment(),
                cwd="/",
            )
        output = cast("BinaryIO", process.stdout)
        try:
            with selectors.DefaultSelector() as ready:
                ready.register(output, selectors.EVENT_READ)
                while True:
                    if not ready.select(STALL_SECONDS):
                        raise BackupError(
                            f"pg_basebackup has said nothing for {STALL_SECONDS} s: its WAL is not archived, it seems."
                        )
                    piece = os.read(output.fileno(), PIECE)
                    if not piece:
                        break
                    sealer.write(piece)
            rc = process.wait(60)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            output.close()
        if rc:
            words = " ".join(said.read_text(errors="replace").split())[-300:]
            raise BackupError(f"pg_basebackup failed: {words or f'it ended with {rc}'}")

    def _server_time(self) -> datetime:
        with self.primary.connect() as link:
            row = link.execute("select clock_timestamp()").fetchone()
        return cast("tuple[datetime]", row)[0]

    # -- keeping -----------------------------------------------------------------------------------------------------
    def kept(self) -> list[Kept]:
        try:
            return [_kept(note) for note in self._notes(self.repository())]
        except NoBackupError:
            return []

    def _notes(self, repository: Repository) -> list[Note]:
        names = [name for name in repository.names("backups") if name.endswith("/note")]
        notes = [Note(**json.loads(repository.read(name))) for name in names]
        return sorted(notes, key=lambda note: note.started_at)

    def expire(self, now: datetime) -> list[str]:
        repository = self.repository()
        notes = self._notes(repository)
        limit = (now - timedelta(days=self.config.days)).isoformat()
        fulls = [note for note in notes if note.parent is None]
        before = [note for note in fulls if note.finished_at <= limit]
        first = before[-1] if before else (fulls[0] if fulls else None)
        if first is None:
            return []
        gone = []
        for note in notes:
            base = next((full for full in fulls if full.label == (note.parent or note.label)), None)
            if base is None or base.started_at < first.started_at:
                for part in ("note", "base", "manifest"):  # the note first: half a backup must not count
                    repository.delete(f"backups/{note.label}/{part}")
                gone.append(note.label)
        self._expire_wal(repository, first)
        for name in repository.names("marks"):
            if repository.header(name).at.isoformat() < max(limit, first.finished_at):
                repository.delete(name)
        return gone

    def _expire_wal(self, repository: Repository, first: Note) -> None:
        oldest = wal.parse(first.start_segment, first.segment_bytes)[1]
        for name in repository.names("wal"):
            segment = name.rsplit("/", 1)[-1]
            if wal.SEGMENT.fullmatch(segment) and wal.parse(segment, first.segment_bytes)[1] < oldest:
                repository.delete(name)

    def newest_archived(self) -> datetime | None:
        found = spool.newest(self.repository())
        return found[1] if found else None

    def catch_up(self, segment: str) -> None:
        repository = self.repository()
        end = time.monotonic() + ARRIVE_SECONDS
        while not repository.has(wal.object_name(segment)):
            self.push()
            if repository.has(wal.object_name(segment)):
                return
            if time.monotonic() > end:
                raise BackupError(
                    f"WAL file {segment} has not come into {self.config.spool} within {ARRIVE_SECONDS} s: the server's"
                    " archive_command fails (its log says why), or leads elsewhere."
                )
            time.sleep(0.2)

    def _chain(self, repository: Repository, note: Note, moment: datetime | None = None) -> wal.Chain:
        timeline, ends = self._line(repository, moment, at_least=note.timeline)
        there = {name.rsplit("/", 1)[-1] for name in repository.names("wal")}
        size = note.segment_bytes
        return wal.chain(there, start=note.start_segment, timeline=timeline, ends=ends, segment_bytes=size)

    def _line(self, repository: Repository, moment: datetime | None, *, at_least: int) -> tuple[int, dict[int, int]]:
        """The timeline that was the real one at `moment`, and where its ancestors end: a restore begins one."""
        found, history = at_least, ""
        size = next((note.segment_bytes for note in self._notes(repository)), 1 << 24)
        for name in repository.names("wal"):
            file = name.rsplit("/", 1)[-1]
            if not wal.HISTORY.fullmatch(file) or int(file[:8], 16) < found:
                continue
            if moment is None or repository.header(name).at <= moment:
                found, history = int(file[:8], 16), repository.read(name).decode()
        return found, wal.ends_of(history, size)

    # -- bringing back -----------------------------------------------------------------------------------------------
    def unpack(self, moment: datetime | None, into: Path) -> Recovery:
        repository = self.repository()
        note = self._chosen(repository, moment)
        tools = programs(self.config, note.version // 10_000)
        check_space(into, 500_000_000)
        tools.account.own(into, 0o700)
        parts = [note.parent, note.label] if note.parent else [note.label]
        folders = [into / f"part{number}" for number in range(len(parts))]
        data = into / "pg"
        for label, folder in zip(parts, folders, strict=True):
            self.say(f"Unpacking {label} ...")
            folder.mkdir(mode=0o700)
            with repository.open(f"backups/{label}/base") as opened:
                unpack_tar(opened, folder)
            own_tree(tools.account, folder)
        if note.parent:
            done = tools.run(
                "pg_combinebackup", *map(str, folders), "-o", str(data), "--manifest-checksums=SHA256", "-N"
            )
            if done.returncode:
                raise BackupError(f"pg_combinebackup failed: {' '.join(done.stdout.split())[-300:]}")
            check_manifest(data)
            for folder in folders:
                shutil.rmtree(folder)
        else:
            folders[0].rename(data)
        self._lay_wal(repository, note, moment, into / "wal")
        own_tree(tools.account, into / "wal")
        timeline, _ = self._line(repository, moment, at_least=note.timeline)
        options = {
            "restore_command": 'cp "' + str(into / "wal").replace("%", "%%") + '/%f" "%p"',
            "recovery_target_timeline": str(timeline),
            "recovery_target_action": "promote",
        }
        if moment is not None:
            options["recovery_target_time"] = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
        signal = data / "recovery.signal"
        signal.touch()
        tools.account.own(signal, 0o600)
        return Recovery(data, options, note.version // 10_000, moment, note.label)

    def _chosen(self, repository: Repository, moment: datetime | None) -> Note:
        """The newest backup that was finished at the moment, and lies on the line of history that leads to it."""
        notes = self._notes(repository)
        if not notes:
            raise NoBackupError(f"There is no backup in {repository.folder}.")
        done = [note for note in notes if moment is None or datetime.fromisoformat(note.finished_at) <= moment]
        if not done:
            oldest = datetime.fromisoformat(notes[0].finished_at)
            raise BackupError(f"The oldest moment that can be restored is {oldest:%Y-%m-%d %H:%M:%S} UTC.")
        timeline, ends = self._line(repository, moment, at_least=1)
        on_it = [
            note
            for note in done
            if note.timeline >= timeline
            or wal.parse(note.end_segment, note.segment_bytes)[1] < ends.get(note.timeline, 0)
        ]
        if not on_it:
            raise BackupError("No backup lies on the line of history that leads to that moment: name another one.")
        return on_it[-1]

    def _lay_wal(self, repository: Repository, note: Note, moment: datetime | None, into: Path) -> None:
        """Open the WAL from the backup to a little past the moment; PostgreSQL fetches it from there."""
        into.mkdir(mode=0o700)
        chain = self._chain(repository, note, moment)
        if note.end_segment not in chain.names:
            raise BackupError(f"WAL file {chain.missing or note.end_segment} is missing: {note.label} is of no use.")
        past = 0
        for name in chain.names:
            self._open_to(repository, wal.object_name(name), into / name)
            if moment is not None and repository.header(wal.object_name(name)).at > moment and name > note.end_segment:
                past += 1  # one may end just before a commit that the recovery must see to know it is past the moment
                if past == 3:
                    break
        if chain.missing and past < 3:
            last = repository.header(wal.object_name(chain.names[-1])).at
            if moment is None or moment > last:
                raise BackupError(
                    f"WAL file {chain.missing} is missing though later ones are there: what came after"
                    f" {last:%Y-%m-%d %H:%M:%S} UTC cannot be restored. Name an earlier moment, and take a full backup."
                )
        for name in repository.names("wal"):
            if wal.HISTORY.fullmatch(name.rsplit("/", 1)[-1]):
                self._open_to(repository, name, into / name.rsplit("/", 1)[-1])

    def _open_to(self, repository: Repository, name: str, target: Path) -> None:
        with repository.open(name) as opened, target.open("wb") as file:
            shutil.copyfileobj(opened, file, PIECE)


def _kept(note: Note) -> Kept:
    started, finished = datetime.fromisoformat(note.started_at), datetime.fromisoformat(note.finished_at)
    return Kept(note.label, note.parent is None, started, finished, note.bytes, note.timeline)
