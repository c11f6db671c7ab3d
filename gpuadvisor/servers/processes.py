"""Children that end with their parent, and what the system knows about a process."""

import functools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gpuadvisor.servers.account import Account

# A server sees none of the caller's PG*, LC_* or HOME: initdb fails under a locale that the machine lacks.
BARE_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "HOME": "/"}


@functools.cache
def setpriv() -> str | None:
    """The program setpriv where it can tie a child to its parent (busybox's cannot)."""
    program = shutil.which("setpriv")
    if program is None:
        return None
    usage = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    return program if "--pdeathsig" in usage.stdout + usage.stderr else None


def tied(command: Sequence[str], *, dies_by: str, account: Account | None = None) -> list[str]:
    """`command` so that it gets the signal `dies_by` (INT, TERM, KILL) when its parent is gone, even by kill -9."""
    other = account if account is not None and account.is_other else None
    if program := setpriv():
        user = ["--reuid", str(other.uid), "--regid", str(other.gid), "--clear-groups"] if other else []
        return [program, *user, "--pdeathsig", dies_by, "--", *command]
    uid, gid = (other.uid, other.gid) if other else (-1, -1)
    tie = str(Path(__file__).with_name("tie.py"))
    return [sys.executable, "-IS", tie, dies_by, str(uid), str(gid), "--", *command]


def run_as(account: Account, command: Sequence[str], *, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool of the servers' package to its end as `account`, with both outputs in `stdout`."""
    return subprocess.run(
        command,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        env=BARE_ENVIRONMENT,
        check=False,
        **account.popen_options,
    )


def state_of(pid: int) -> str:
    """ "gone", "zombie", or "alive"."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return "alive"
    return "zombie" if after_name.split()[0] == "Z" else "alive"


def command_line(pid: int) -> str | None:
    """What a process was started with; None where the system does not tell."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None


def wait_until(condition: Callable[[], bool], seconds: float, step: float = 0.02) -> bool:
    """Whether `condition` came true within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True
