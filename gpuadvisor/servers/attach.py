"""What a command calls first: the servers stand, and their addresses are in the environment."""

import os
import re
import secrets
from pathlib import Path

from gpuadvisor.servers import keeper, postgres, rehearsal, valkey
from gpuadvisor.servers.locks import Lock
from gpuadvisor.servers.places import CHECKOUT, Places, settle

NAMES = {"postgres": "DATABASE_URL", "broker": "REDIS_URL", "cache": "CACHE_URL"}
# Commands that ask no database. All others find the servers running.
WITHOUT_SERVERS = {
    "chaos_alerts",  # it starts its own
    "check",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "findstatic",
    "help",
    "makemessages",
    "restore",  # it must work where they do not
    "version",
}


def data_folder() -> tuple[Path, bool]:
    """DATA_DIR, by default `var` in the checkout, and whether somebody named it by hand."""
    named = os.environ.get("DATA_DIR", "")
    usual = (CHECKOUT / "var").resolve()
    folder = (CHECKOUT / named).resolve() if named else usual
    return folder, folder != usual


def read_dot_env(file: Path = CHECKOUT / ".env") -> None:
    """Put the names of `.env` into the environment where they are not set; the settings read the same file later."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        if found := re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", line):
            name, value = found.group(1), found.group(2).strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            elif value.startswith("#"):
                value = ""
            else:
                value = re.split(r"\s#", value)[0].strip()
            os.environ.setdefault(name, value)


def missing_servers() -> list[str]:
    """Those of the three servers whose address the environment does not name: ours to run."""
    return [server for server, name in NAMES.items() if not _is_named(name)]


def _is_named(name: str) -> bool:
    """Whether the environment holds it, or names a file that does (settings/base.py reads it)."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def secret_key(data: Path, name: str = "secret_key") -> str:
    """The key kept in DATA_DIR/`name`, made once."""
    file = data / name
    if not file.exists():
        half = file.with_name(f"{file.name}.{os.getpid()}")
        half.touch(0o600)
        half.write_text(secrets.token_urlsafe(64) + "\n")
        try:
            os.link(half, file)
        except FileExistsError:  # another command was quicker: its key counts
            pass
        finally:
            half.unlink()
    return file.read_text().strip()


def addresses(places: Places, names: list[str]) -> dict[str, str]:
    """The environment by which a process finds the servers `names`."""
    found: dict[str, str] = {}
    if "postgres" in names:
        found["DATABASE_URL"] = postgres.url(places)
        for role in ("web", "worker"):
            found[f"{role.upper()}_DATABASE_URL"] = postgres.url(places, role)
        if not places.is_temporary:
            found["EMBEDDED_POSTGRES"] = str(places.home)  # whose WAL we archive, and whose backups we make
    if "broker" in names:
        found["REDIS_URL"] = valkey.url(places, "broker")
    if "cache" in names:
        found["CACHE_URL"] = valkey.url(places, "cache")
    return found


class Attached:
    """Servers that run at least until `release`, or the end of this process."""

    def __init__(self, places: Places, names: list[str], *, by_hand: bool) -> None:
        self.places = places
        self._users = Lock(places.data / "users.lock")
        self._users.share()
        gate = Lock(places.data / "gate.lock")
        gate.take()
        try:
            silent = [name for name in names if not keeper.answers(places, name)]
            if silent:
                keeper.start_keeper(places, silent, by_hand=by_hand)
        finally:
            gate.close()

    def release(self) -> None:
        self._users.close()


_attached: list[Attached] = []  # held to the end of the process


def prepare_environment(*, start: bool = True) -> Places | None:
    """Set what the environment leaves open: addresses of our own servers (started if asked), key and settings.

    Returns: the places of our servers; None where the environment names all three.
    Raises: Refused with one sentence.
    """
    read_dot_env()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gpuadvisor.settings.dev")
    rehearsal.prepare_environment()
    data, by_hand = data_folder()
    names = missing_servers()
    if not names and _is_named("SECRET_KEY"):
        return None
    places = settle(data, by_hand=by_hand)
    os.environ["DATA_DIR"] = str(data)
    if not _is_named("SECRET_KEY"):
        os.environ["SECRET_KEY"] = secret_key(data)
    if not names:
        return None
    for name, value in addresses(places, names).items():
        os.environ[name] = value
    if "postgres" in names and not os.environ.get("BACKUP_KEY"):
        os.environ["BACKUP_KEY"] = secret_key(data, "backup_key")
    if start:
        hold(places, names, by_hand=by_hand)
    return places


def hold(places: Places, names: list[str], *, by_hand: bool) -> None:
    """Have the servers `names` running until `release`, or the end of this process."""
    _attached.append(Attached(places, names, by_hand=by_hand))


def embedded_servers(places: Places) -> list[str]:
    """Those of the servers that the environment finds at the addresses of ours."""
    ours = addresses(places, list(NAMES))
    return [server for server, name in NAMES.items() if os.environ.get(name) == ours[name]]


def needs_servers(arguments: list[str]) -> bool:
    """Whether `manage.py` with these arguments asks a database or Redis."""
    if len(arguments) < 2 or {"-h", "--help", "--version"} & set(arguments[1:]):
        return False
    return arguments[1] not in WITHOUT_SERVERS or "--database" in arguments


def release() -> None:
    """Let go of the servers before the end of this process: the keeper stops them if nobody else uses them."""
    while _attached:
        _attached.pop().release()
