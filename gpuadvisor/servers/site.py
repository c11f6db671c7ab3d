"""`make run`: check, prepare, hand over to the supervisor; and the address at the end."""

import contextlib
import errno
import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

from gpuadvisor.servers import attach, keeper, processes, rehearsal
from gpuadvisor.servers.errors import Refused
from gpuadvisor.servers.locks import Lock
from gpuadvisor.servers.places import CHECKOUT, Places, check_free_space, settle

WEB_OPTIONS = shlex.split(
    "--host 127.0.0.1 --lifespan off --no-proxy-headers --timeout-graceful-shutdown 5 --no-access-log"
    " --log-level warning"
)
WORKER_OPTIONS = shlex.split(
    "-Q alerts,ingest,bulk,celery --concurrency 2 --without-gossip --without-mingle --without-heartbeat"
)
# Answers wait rather than compute: many at once, on threads of one process.
CHAT_OPTIONS = shlex.split(
    "-P threads -Q chat --concurrency 8 --hostname chat@%h --without-gossip --without-mingle --without-heartbeat"
)
READY_SECONDS = 180
KEEPER_SECONDS = 20
STOP_WAIT = {"worker": 45, "chat": 45, "postgres": 30}  # a worker finishes its tasks first
PRIORITY = {  # stops backwards
    "postgres": 1,
    "broker": 2,
    "cache": 2,
    "stripe": 5,
    "worker": 10,
    "beat": 20,
    "web": 30,
    "chat": 35,
    "ready": 40,
}


def run() -> None:
    """Start the site; does not return.

    Raises: Refused with one sentence where it cannot be started.
    """
    started = time.time()
    attach.read_dot_env()
    port = _port()
    data, by_hand = attach.data_folder()
    places = settle(data, by_hand=by_hand)
    check_free_space(places)
    own = Lock(data / "run.lock")
    if not own.try_to_take():
        raise Refused(
            f"This site runs already (its data is in {data}): end it first, or set DATA_DIR and PORT for a second."
        )
    _check_port(port)
    if rehearsal.is_on():
        _check_port(rehearsal.port(port), site_port=port)
    if places.home != data:
        print(
            f"This checkout is closed to '{places.account.name}': the servers' files stand in {places.home}.",
            flush=True,
        )

    os.environ["PORT"] = str(port)
    if not os.environ.get("SITE_URL"):
        os.environ["SITE_URL"] = f"http://localhost:{port}"
    os.environ["GPA_STARTED"] = str(started)
    os.environ["PYTHONUNBUFFERED"] = "1"
    names = attach.missing_servers()
    attach.prepare_environment()
    manage = [sys.executable, str(CHECKOUT / "manage.py"), "prepare"]
    if subprocess.run(processes.tied(manage, dies_by="TERM"), cwd=CHECKOUT, check=False).returncode:
        raise Refused("The site was not started: the reason stands above.")
    attach.release()

    held = [own]
    for name in names:
        lock = keeper.owner_lock(places, name)
        if not lock.try_to_take(KEEPER_SECONDS):
            raise Refused("A manage.py command still uses the servers (a shell?): end it, then start again.")
        keeper.prepare(places, name)
        held.append(lock)
    config = data / "supervisord.conf"
    config.write_text(supervisor_config(places, names, port))
    for lock in held:
        lock.keep_over_exec()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "gpuadvisor.servers.supervise", str(config)])  # noqa: S606


def supervisor_config(places: Places, names: list[str], port: int) -> str:
    """The supervisor's file: servers first, ours after them; stopped the other way round."""
    python, log_level, schedule = sys.executable, "WARNING", str(places.data / "celerybeat-schedule")
    quiet = "ignore:You're running the worker with superuser privileges"  # root runs it where root typed `make run`
    celery = [python, "-W", quiet, "-m", "celery", "--quiet", "-A", "gpuadvisor"]
    ours = {
        "web": [python, "-m", "uvicorn", "gpuadvisor.asgi:application", "--port", str(port), *WEB_OPTIONS],
        "worker": [*celery, "worker", "--loglevel", log_level, *WORKER_OPTIONS],
        "chat": [*celery, "worker", "--loglevel", log_level, *CHAT_OPTIONS],
        "beat": [*celery, "beat", "--loglevel", log_level, "--schedule", schedule, "--pidfile", ""],
    }
    sections = [
        _section(
            "supervisord",
            nodaemon="true",
            silent="true",
            loglevel="info",
            minfds="256",
            logfile=str(places.logs / "supervisord.log"),
            pidfile=str(places.data / "supervisord.pid"),
            **({"user": "root"} if os.geteuid() == 0 else {}),
        )
    ]
    for name in names:
        signal = keeper.ENDS_BY[name].name.removeprefix("SIG")
        sections.append(
            _program(places, name, keeper.command(places, name), "/", stopsignal=signal, environment='LC_ALL="C"')
        )
    if rehearsal.is_on():
        tied = processes.tied(rehearsal.command(places, port), dies_by="TERM")
        sections.append(_program(places, "stripe", tied, str(CHECKOUT)))
    for name, command in ours.items():
        role = "web" if name == "web" else "worker"
        tied = processes.tied(command, dies_by="KILL")
        sections.append(_program(places, name, tied, str(CHECKOUT), environment=f'DATABASE_ROLE="{role}"'))
    ready = processes.tied([python, "-m", "gpuadvisor.servers", "announce", str(port)], dies_by="KILL")
    sections.append(_program(places, "ready", ready, str(CHECKOUT), autorestart="false", startsecs="0"))
    return "\n".join(sections)


def _program(places: Places, name: str, command: list[str], directory: str, **more: str) -> str:
    options = {
        "command": shlex.join(command),
        "directory": directory,
        "priority": str(PRIORITY[name]),
        "stopwaitsecs": str(STOP_WAIT.get(name, 10)),
        "autorestart": "true",
        "startsecs": "2",  # one that ends sooner is tried again after a growing pause, without end
        "startretries": "1000000",
        "redirect_stderr": "true",
        "stdout_logfile": str(places.logs / f"{name}.log"),
        "stdout_logfile_maxbytes": "5MB",
        "stdout_logfile_backups": "2",
    }
    return _section(f"program:{name}", **(options | more))


def _section(title: str, **options: str) -> str:
    return f"[{title}]\n" + "".join(f"{name}={value.replace('%', '%%')}\n" for name, value in options.items())


def _port() -> int:
    named = os.environ.get("PORT") or "8000"
    if not named.isascii() or not named.isdigit() or not 1 <= int(named) <= 65535:
        raise Refused(f"PORT is '{named}': it must be a number from 1 to 65535.")
    return int(named)


def _check_port(port: int, *, site_port: int | None = None) -> None:
    """Raises: Refused where somebody else listens there, on either address that `localhost` means."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                other = (site_port or port) + 1
                whose = " (for the stand-in of Stripe)" if site_port else ""
                raise Refused(
                    f"Port {port}{whose} is taken by another program: end that, or choose another port, as in"
                    f" `make run PORT={other if other <= 65535 else 8001}`."
                ) from None
            if error.errno == errno.EACCES:
                raise Refused(
                    f"Port {port} is reserved for root: choose one above 1023, as in `make run PORT=8000`."
                ) from None


def announce(port: int) -> None:
    """Wait until the site answers and print where it is; what is wrong, if it does not."""
    answer = "no answer"
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.suppress(OSError, http.client.HTTPException):
            link.request("GET", "/health/ready", headers={"Host": f"localhost:{port}"})
            response = link.getresponse()
            answer = f"{response.status} {response.read(2000).decode(errors='replace')}".strip()
            if response.status == 200:
                break
        link.close()
        time.sleep(0.4)
    else:
        print(
            f"The site is not ready after {READY_SECONDS} s (/health/ready: {answer}). The logs have more.", flush=True
        )
        return
    why = rehearsal.sync_plans() if rehearsal.is_on() else ""
    seconds = time.time() - float(os.environ.get("GPA_STARTED", time.time()))
    data = Path(os.environ.get("DATA_DIR", CHECKOUT / "var"))
    print(f"\n  GPU Advisor is ready after {seconds:.0f} s:  http://localhost:{port}")
    with contextlib.suppress(OSError):
        print(f"  {(data / 'demo_login').read_text().strip()}")
    if rehearsal.is_on():
        print("  Payments are a rehearsal: no money moves. docs/billing.md tells how to move its clock.")
    elif not os.environ.get("STRIPE_KEY") and (data / rehearsal.STATE).exists():
        print("  Plans were bought in a rehearsal here: STRIPE=standin make run lets their owners change them.")
    if why:
        again = f"STRIPE=standin PORT={port} .venv/bin/python manage.py sync_plans"
        print(f"  The stand-in of Stripe sells nothing yet: {why} Run `{again}`.")
    print(f"  Logs: {data / 'logs'}. Ctrl-C ends everything.\n", flush=True)
