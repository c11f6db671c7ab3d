"""The keeper: owns servers for as long as some command uses them, then stops them.

Each command holds `users.lock` shared. Under `gate.lock` a command looks whether the servers answer, else starts a
keeper; under the same gate a keeper that got `users.lock` for itself stops them. `<server>.lock` is held by the owner
of that server's process: a keeper, or the supervisor of `make run`.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from gpuadvisor.servers import postgres, processes, valkey
from gpuadvisor.servers.errors import Refused
from gpuadvisor.servers.locks import Lock
from gpuadvisor.servers.places import Places, settle

SERVERS = ("postgres", "broker", "cache")
STOP_SECONDS = 30
OTHER_OWNER_SECONDS = 60  # a large database is a while recovering
ENDS_BY = {"postgres": signal.SIGINT, "broker": signal.SIGTERM, "cache": signal.SIGTERM}  # INT: clean and at once


def answers(places: Places, name: str) -> bool:
    return postgres.answers(places) if name == "postgres" else valkey.answers(places, name)


def prepare(places: Places, name: str) -> None:
    if name == "postgres":
        postgres.prepare(places)
    else:
        valkey.prepare(places, name)


def command(places: Places, name: str) -> list[str]:
    """The server's command, tied to the process that starts it."""
    bare = postgres.command(places) if name == "postgres" else valkey.command(places, name)
    return processes.tied(bare, dies_by=ENDS_BY[name].name.removeprefix("SIG"), account=places.account)


def owner_lock(places: Places, name: str) -> Lock:
    return Lock(places.data / f"{name}.lock")


class Keeper:
    def __init__(self, places: Places) -> None:
        self.places = places
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.locks: list[Lock] = []

    def start(self, names: Sequence[str]) -> None:
        """Start those of `names` that nobody else runs, and wait until all answer.

        Raises: Refused where a server ends at its start, with its last words.
        """
        for name in names:
            if self._take_over(name):
                prepare(self.places, name)
                log = self._log(name)
                with log.open("ab") as output:
                    self.children[name] = subprocess.Popen(
                        command(self.places, name),
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        cwd="/",
                        env=processes.BARE_ENVIRONMENT,
                    )
        for name, child in self.children.items():
            came = processes.wait_until(
                lambda name=name, child=child: child.poll() is not None or answers(self.places, name),  # type: ignore[misc]
                OTHER_OWNER_SECONDS,
            )
            if child.poll() is not None or not came:
                raise Refused(f"{name} does not start: {_last_words(self._log(name))} (see {self._log(name)})")
        if "postgres" in self.children:
            postgres.make_roles(self.places)

    def stop(self) -> None:
        """Stop what we started, PostgreSQL last."""
        for name, child in reversed(self.children.items()):
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(ENDS_BY[name])
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for lock in self.locks:
            lock.close()

    def _take_over(self, name: str) -> bool:
        """Whether the server is ours to start; False where it runs already under another owner."""
        lock = owner_lock(self.places, name)
        for _ in range(OTHER_OWNER_SECONDS * 10):
            if lock.try_to_take(0.1):
                self.locks.append(lock)
                return True
            if answers(self.places, name):
                return False
        raise Refused(f"Another process holds {lock.path}, but {name} does not answer: end that process first.")

    def _log(self, name: str) -> Path:
        return self.places.logs / f"{name}.log"


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines[-8:] if "FATAL" in line or "could not" in line or "rror" in line]
    return (telling or lines or ["it said nothing"])[-1]


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def keep(data: Path, names: Sequence[str], *, by_hand: bool, is_temporary: bool) -> None:
    """Start the servers, report on stdout ("ready" or a sentence), and stay until nobody uses them."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    keeper = None
    try:
        try:
            keeper = Keeper(settle(data, by_hand=by_hand, is_temporary=is_temporary))
            keeper.start(names)
            report = "ready"
        except Refused as refusal:
            report = f"refused {refusal}"
        except OSError as error:
            report = f"refused The servers could not be started: {error}."
        with contextlib.suppress(OSError):  # who asked may be gone already
            os.write(1, report.encode() + b"\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if report == "ready" and keeper is not None and keeper.children:
            _wait_for_the_last_user(data)
    finally:
        if keeper is not None:
            keeper.stop()
            if is_temporary:
                shutil.rmtree(keeper.places.sockets, ignore_errors=True)
        if is_temporary:
            shutil.rmtree(data, ignore_errors=True)


def _wait_for_the_last_user(data: Path) -> None:
    """Returns with gate and users held: whoever comes now waits until the servers are down, then starts anew."""
    users, gate = Lock(data / "users.lock"), Lock(data / "gate.lock")
    while True:
        users.take()
        users.free()
        gate.take()
        if users.try_to_take():
            return
        gate.free()


def start_keeper(places: Places, names: Sequence[str], *, by_hand: bool) -> None:
    """Start a keeper in a session of its own and wait until its servers answer.

    Raises: Refused with the keeper's sentence.
    """
    options = ["--by-hand"] * by_hand + ["--temporary"] * places.is_temporary
    own = Path(__file__).resolve().parents[2]
    with (places.logs / "keeper.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "gpuadvisor.servers", "keep", *options, str(places.data), *names],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=own,
            start_new_session=True,
        )
    with child.stdout or contextlib.nullcontext() as output:
        report = output.readline().decode(errors="replace").strip() if output else ""
    child.returncode = 0  # it outlives us on purpose: no warning about that at our end
    if report != "ready":
        raise Refused(
            report.removeprefix("refused ") or f"The servers could not be started: see {places.logs}/keeper.log."
        )
