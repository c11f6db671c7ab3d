"""Where the servers' files and sockets stand: in DATA_DIR, or where another account must reach them, elsewhere."""

import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gpuadvisor.servers import binaries
from gpuadvisor.servers.account import Account, server_account
from gpuadvisor.servers.errors import Refused

CHECKOUT = Path(__file__).resolve().parents[2]
STATE_FOLDER = Path("/var/lib")
SOCKET_PATH_BYTES = 107  # the system's limit for the path of a socket
LONGEST_SOCKET = "/.s.PGSQL.5432.lock"
FREE_BYTES = 500_000_000


@dataclass(frozen=True)
class Places:
    """Shape: `data` is ours (locks, logs, secret); `home` holds pg/ and redis/; `sockets` is the account's alone."""

    data: Path
    home: Path
    sockets: Path
    account: Account
    is_temporary: bool = False  # of a test run: quick instead of durable, and removed at the end

    @property
    def pg(self) -> Path:
        return self.home / "pg"

    @property
    def spool(self) -> Path:
        """Finished WAL on its way into the backups (archive.py)."""
        return self.home / "spool"

    @property
    def redis(self) -> Path:
        return self.home / "redis"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    def postgres_folder(self) -> Path:
        """PostgreSQL's bin/, lib/ and share/ where its account can reach them: copied out of a closed .venv."""
        folder = binaries.postgres_folder()
        if self.account.first_closed(folder / "bin") is None:
            return folder
        package = folder.parent
        libraries = package.with_name(f"{package.name}.libs")  # the programs look for them beside their package
        copy = self._copied([package, libraries], f"postgres-{binaries.postgres_version()}")
        return copy / package.name / folder.name

    def redis_server(self) -> Path:
        """The program of the Redis server where its account can reach it."""
        program = binaries.redis_server()
        if self.account.first_closed(program.parent) is None:
            return program
        status = program.stat()
        return self._copied([program], f"redis-{status.st_size}-{int(status.st_mtime)}") / program.name

    def _copied(self, sources: list[Path], name: str) -> Path:
        """A folder open to all with copies of `sources`, made once."""
        target = self.home / "programs" / name
        if target.exists():
            return target
        target.parent.mkdir(exist_ok=True)
        half = target.with_name(f"{name}.{os.getpid()}")
        half.mkdir()
        for source in sources:
            if source.is_dir():
                unused = shutil.ignore_patterns("pginstall", "include", "*.py", "*.pyi", "__pycache__")
                shutil.copytree(source, half / source.name, symlinks=True, ignore=unused)
            elif source.exists():
                shutil.copy(source, half / source.name)
        for path in (target.parent, half, *half.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            half.rename(target)
        except OSError:  # another process was quicker
            shutil.rmtree(half, ignore_errors=True)
        return target


def settle(data: Path, *, by_hand: bool, is_temporary: bool = False) -> Places:
    """The places for `data`, made where they are missing; what was chosen once stays (DATA_DIR/places.json).

    Raises: Refused where the folder cannot be written, or the servers' account cannot reach it.
    """
    try:
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
        if os.geteuid() == 0 and not data.stat().st_mode & 0o001 and data.stat().st_uid == 0:
            data.chmod(0o711)
        (data / "logs").mkdir(exist_ok=True)
    except OSError as error:
        raise Refused(f"The folder {data} cannot be written ({error.strerror}): set DATA_DIR to another one.") from None
    memo = data / "places.json"
    known = _read(memo)
    home = Path(known.get("home", data))
    account = server_account(home / "pg")
    closed = account.first_closed(home)
    if closed is not None:
        if by_hand or home != data:
            raise Refused(
                f"{closed} is closed to the user '{account.name}', under which PostgreSQL runs:"
                f" chmod o+x {closed}, or set DATA_DIR to another folder."
            )
        home = _folder_outside(account)
    sockets = _socket_folder(data, home, account, known.get("sockets"))
    places = Places(data, home, sockets, account, is_temporary)
    if known != (new := {"home": str(home), "sockets": str(sockets)}):
        half = memo.with_name(f"{memo.name}.{os.getpid()}")
        half.write_text(json.dumps(new, indent=1) + "\n")
        half.replace(memo)
    return places


def check_free_space(places: Places) -> None:
    """Raises: Refused where the disk is nearly full: a server that runs out of space stops."""
    for folder in {places.home, places.data}:
        free = shutil.disk_usage(folder).free
        if free < FREE_BYTES:
            raise Refused(
                f"The disk is nearly full: {folder} has {free // 1_000_000} MB free, and the servers want"
                f" {FREE_BYTES // 1_000_000} MB: free some, or set DATA_DIR to another folder."
            )


def _read(memo: Path) -> dict[str, str]:
    try:
        known = json.loads(memo.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _folder_outside(account: Account) -> Path:
    """A new folder of this checkout's own that the account can reach."""
    folder = STATE_FOLDER / f"gpuadvisor-{CHECKOUT.name}-{secrets.token_hex(4)}"
    try:
        folder.mkdir()
        folder.chmod(0o711)
    except OSError as error:
        raise Refused(
            f"{CHECKOUT} is closed to the user '{account.name}', under which PostgreSQL runs, and {folder} cannot be"
            f" made ({error.strerror}): set DATA_DIR to a folder open to all."
        ) from None
    closed = account.first_closed(folder)
    if closed is not None:
        raise Refused(f"{closed} is closed to the user '{account.name}': set DATA_DIR to a folder open to all.")
    return folder


def _socket_folder(data: Path, home: Path, account: Account, known: str | None) -> Path:
    name = f"gpa-{account.uid}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    candidates = [Path(known)] if known else []
    candidates += [Path(tempfile.gettempdir()) / name, Path("/tmp") / name, home / "s"]  # noqa: S108 - made private, or not used
    for folder in candidates:
        if len(os.fsencode(folder)) + len(LONGEST_SOCKET) <= SOCKET_PATH_BYTES and _made_private(folder, account):
            return folder
    raise Refused(f"No folder for sockets can be made in {tempfile.gettempdir()}: set TMPDIR to a writable folder.")


def _made_private(folder: Path, account: Account) -> bool:
    try:
        if account.first_closed(folder.parent) is not None:
            return False
        try:
            folder.mkdir(mode=0o700)
            account.own(folder, 0o700)
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {account.uid, os.geteuid()}:
                return False  # somebody else's: a name in /tmp can be guessed
            account.own(folder, 0o700)
    except OSError:
        return False
    return True
