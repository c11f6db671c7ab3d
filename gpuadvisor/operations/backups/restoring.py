"""The database brought back to a moment: into a folder, and where it is our own server, in the place of the old one."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gpuadvisor.servers import attach, keeper
from gpuadvisor.servers.errors import Refused
from gpuadvisor.servers.locks import Lock
from gpuadvisor.servers.places import Places, settle

from . import scratch, spool, wal
from .configuration import BackupError, Configuration
from .drivers import Driver, Recovery
from .programs import Programs, account_of, empty_folder, programs

FREE_SECONDS = 30


def restore(driver: Driver, *, moment: datetime | None, into: Path) -> Recovery:
    """Lay the database as it was at `moment` into `into`/pg, recovered and stopped cleanly.

    Raises: BackupError; what is in `into` then is of no use.
    """
    if moment is not None and moment > datetime.now(UTC):
        raise BackupError("That moment is yet to come.")
    _bring_newest(driver, moment)
    empty_folder(into)
    account = account_of(driver.config)
    closed = account.first_closed(into)
    if closed is not None:
        raise BackupError(
            f"{closed} is closed to the user '{account.name}', under which PostgreSQL runs: name another folder, or"
            f" chmod o+x {closed}."
        )
    recovery = driver.unpack(moment, into)
    with scratch.opened(driver.config, recovery) as server:
        driver.say(
            f"Recovered in {server.seconds:.1f} s; the last change is of {server.last_change() or 'the backup'}."
        )
    shutil.rmtree(into / "wal", ignore_errors=True)
    return recovery


def _bring_newest(driver: Driver, moment: datetime | None) -> None:
    """What was committed last lies in no finished WAL file yet: have it finished, where the server runs."""
    try:
        newest = driver.newest_archived()
        if moment is None or newest is None or moment > newest:
            driver.catch_up(driver.primary.switch_wal())
    except BackupError as error:
        driver.push()
        why = "The database does not run" if "does not answer" in str(error) else f"Nothing newer is archived ({error})"
        driver.say(f"{why}: what is archived counts.")


@contextlib.contextmanager
def opened(config: Configuration, folder: Path) -> Iterator[scratch.Scratch]:
    """A server on a restored folder, for looking at it.

    Raises: BackupError where there is none.
    """
    data = folder / "pg"
    if not (data / "PG_VERSION").exists():
        raise BackupError(f"{folder} holds no restored database.")
    major = int((data / "PG_VERSION").read_text().split(".")[0])
    with scratch.opened(config, Recovery(data, {}, major, None, "")) as server:
        yield server


# -- in the place of the old one ---------------------------------------------------------------------------------------
def check_switch(config: Configuration, into: Path) -> None:
    """What can be known before the long part.

    Raises: BackupError.
    """
    if config.embedded is None:
        raise BackupError("--switch is for the database that comes with the site: of a server of your own, see below.")
    if config.embedded.stat().st_dev != _existing(into).stat().st_dev:
        raise BackupError(f"{into} is on another disk than the database: name a folder in {config.embedded}.")
    with _site_is_off(config):
        pass


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


@contextlib.contextmanager
def _site_is_off(config: Configuration) -> Iterator[None]:
    own = Lock(config.data / "run.lock")
    try:
        if not own.try_to_take():
            raise BackupError("The site is running: end it first (Ctrl-C where `make run` runs).")
        yield
    finally:
        own.close()


@contextlib.contextmanager
def switched(config: Configuration, into: Path) -> Iterator[Path]:
    """Put the restored folder in the old one's place, with the site held off until the end of the block.

    Yields: where the old one lies now. Raises: BackupError, with everything as it was.
    """
    with _site_is_off(config):
        places = settle(config.data, by_hand=True)
        server = keeper.owner_lock(places, "postgres")
        try:
            if not server.try_to_take(FREE_SECONDS):
                raise BackupError("Another manage.py command uses the database (a shell?): end it first.")
            spool.push(config, wait=True)
            tools = programs(config, int((into / "pg" / "PG_VERSION").read_text()))
            _lay_new_line(config, tools, into / "pg")
            old = places.pg.with_name(f"pg.before-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
            places.pg.rename(old)
            try:
                (into / "pg").rename(places.pg)
            except OSError as error:
                old.rename(places.pg)
                raise BackupError(f"The restored folder cannot be moved: {error.strerror}.") from error
            shutil.rmtree(into, ignore_errors=True)
        finally:
            server.close()
        yield old


def _lay_new_line(config: Configuration, tools: Programs, data: Path) -> None:
    """A restored server began a new line of history, unarchived: what is finished of it goes into the spool by hand."""
    said = tools.run("pg_controldata", "-D", str(data)).stdout
    current = re.search(r"REDO WAL file:\s+([0-9A-F]{24})", said)
    if current is None:
        raise BackupError("The restored folder is not a stopped PostgreSQL server's.")
    if config.spool is None or not config.spool.is_dir():
        return
    for file in sorted((data / "pg_wal").iterdir()):
        is_finished = wal.SEGMENT.fullmatch(file.name) and file.name[:8] == current[1][:8] and file.name < current[1]
        if is_finished or file.name == f"{current[1][:8]}.history":
            spool.lay(config.spool, file, like=config.spool)


def start_server(config: Configuration) -> Places:
    """Have the embedded servers run for the rest of this process.

    Raises: BackupError.
    """
    try:
        places = settle(config.data, by_hand=True)
        attach.hold(places, attach.embedded_servers(places), by_hand=True)
    except Refused as refusal:
        raise BackupError(str(refusal)) from refusal
    return places
