"""The chaos run of reliability d4: alerts are recorded and sent while everything around them is killed.

A process of its own (`python -m alerts.chaos`), on servers of its own that it starts, kills and throws away. What
counts is what the receiver saw.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gpuadvisor.servers import attach, processes
from gpuadvisor.servers.keeper import Keeper, answers, command
from gpuadvisor.servers.places import Places, settle

SERVERS = ("postgres", "broker", "cache")
FAILING, SLOW = 0.2, 0.4  # share of posts that are refused; seconds that the receiver takes
SETS, EVERY = 20, 1.5
KILLS, WIPES, RESTARTS = (4.0, 9.0, 15.0, 21.0, 27.0), (6.0, 17.0, 25.0), (19.0,)
PATIENCE = 240.0


@dataclass(frozen=True)
class Result:
    """`sent`: alerts that were recorded; `repeats`: copies past the first, under the same id; `lost`: never arrived."""

    ok: bool
    sent: int
    lost: int
    repeats: int
    most_copies: int
    other_ids: int
    refused: int
    kills: int
    wipes: int
    restarts: int
    seconds: float


class Receiver(ThreadingHTTPServer):
    """A webhook's other end: refuses one post in five, and keeps what it took."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.took: list[tuple[str, str]] = []
        self.refused = self.under_way = 0
        self.gate = threading.Lock()
        self.dice = random.Random(4)  # noqa: S311 (which posts are refused)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.gate:
            self.server.under_way += 1
        time.sleep(SLOW)
        with self.server.gate:
            self.server.under_way -= 1
        is_refused = self.server.dice.random() < FAILING
        if is_refused:
            self.server.refused += 1
        else:
            self.server.took.append((message["alert"]["id"], self.headers["webhook-id"]))
        with contextlib.suppress(OSError):  # the sender was killed
            self.send_response(500 if is_refused else 200)
            self.send_header("content-length", "0")
            self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


class Stage:
    """Our servers, one worker, and a beat."""

    def __init__(self, places: Places, log: Path) -> None:
        self.places, self._log = places, log
        self.keeper = Keeper(places)
        self._celery: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        self.keeper.start(SERVERS)

    def start_celery(self, name: str, *options: str) -> None:
        line = [sys.executable, "-W", "ignore", "-m", "celery", "--quiet", "-A", "gpuadvisor", name, *options]
        with self._log.open("ab") as output:
            self._celery[name] = subprocess.Popen(line, stdout=output, stderr=output, start_new_session=True)

    def start_worker(self) -> None:
        self.start_celery(
            "worker", "-Q", "alerts", "--concurrency", "2", "--loglevel", "WARNING", "--without-gossip",
            "--without-mingle", "--without-heartbeat",
        )  # fmt: skip

    def start_beat(self) -> None:
        schedule = str(self.places.data / "celerybeat-schedule")
        self.start_celery("beat", "--loglevel", "WARNING", "--schedule", schedule, "--pidfile", "")

    def kill(self, name: str) -> None:
        """kill -9 a worker with all of its processes."""
        child = self._celery.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def wipe_redis(self) -> None:
        import redis

        for name in ("broker", "cache"):
            redis.Redis(unix_socket_path=str(self.places.sockets / f"{name}.sock")).flushall()

    def restart_postgres(self) -> None:
        """An immediate shutdown, as after a power cut, and a start that recovers."""
        pid = int((self.places.pg / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        self.keeper.children["postgres"].wait(30)
        with (self.places.logs / "postgres.log").open("ab") as output:
            self.keeper.children["postgres"] = subprocess.Popen(
                command(self.places, "postgres"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=processes.BARE_ENVIRONMENT,
            )
        if not processes.wait_until(lambda: answers(self.places, "postgres"), 60):
            raise RuntimeError("PostgreSQL did not come back")

    def stop(self) -> None:
        for name in list(self._celery):
            self.kill(name)
        self.keeper.stop()


def run(number: int) -> Result:
    """The whole run with `number` alerts."""
    began = time.monotonic()
    data = Path(tempfile.mkdtemp(prefix="gpa-chaos-")).resolve()
    data.chmod(0o711)
    stage = Stage(settle(data, by_hand=True, is_temporary=True), data / "celery.log")
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    os.environ.update(attach.addresses(stage.places, list(SERVERS)))
    os.environ |= {
        "DATA_DIR": str(data),
        "SECRET_KEY": secrets.token_urlsafe(64),
        "GUARD_ALLOWED_HOSTS": receiver.host,
        "DJANGO_SETTINGS_MODULE": "gpuadvisor.settings.dev",
        "CACHE_KEY_PREFIX": "chaos",
        "DATABASE_ROLE": "owner",
    }
    try:
        stage.start()
        alerts = _set_up(number, receiver.host)
        stage.start_beat()
        stage.start_worker()
        recorder = threading.Thread(target=_record, args=(alerts,))
        recorder.start()
        _torment(stage, receiver)
        recorder.join()
        _drain()
    finally:
        stage.stop()
        receiver.shutdown()
        import shutil

        shutil.rmtree(stage.places.sockets, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
    return _result(receiver, alerts, time.monotonic() - began)


def _set_up(number: int, host: str) -> list[str]:
    """Accounts with a webhook and an alert of each of two types, so that no throttle holds one back; their keys."""
    import django

    django.setup()

    from django.core.management import call_command

    from gpuadvisor.accounts.models import User
    from gpuadvisor.core.crypto import seal

    from .channels import webhook
    from .models import Alert, Channel

    call_command("migrate", verbosity=0)
    call_command("createcachetable")
    types = [Alert.Type.UTILIZATION_DROP, Alert.Type.PRICING_CHANGE]
    users = User.objects.bulk_create(
        User(email=f"host{n}@example.com", password="!", email_verified=True)  # noqa: S106 (no password fits)
        for n in range(-(-number // len(types)))
    )
    channels = Channel.objects.bulk_create(
        Channel(
            user=user,
            kind="webhook",
            name="Chaos",
            address=seal(f"http://{host}/{n}".encode(), purpose="channel"),
            digest_of_address=str(n),
            hint=host,
            receiver="127.0.0.1",
            secret=seal(webhook.new_secret(), purpose="channel"),
        )
        for n, user in enumerate(users)
    )
    alerts = [
        (Alert(user=channel.user, name="Chaos", alert_type=kind), channel) for channel in channels for kind in types
    ][:number]
    Alert.objects.bulk_create(alert for alert, _ in alerts)
    link = Alert.channels.through
    link.objects.bulk_create(link(alert_id=alert.pk, channel_id=channel.pk) for alert, channel in alerts)
    return [str(alert.pk) for alert, _ in alerts]


def _record(keys: list[str]) -> None:
    """Record triggers in sets, as the evaluation does; a set that a restart broke is recorded again."""
    from django.db import DatabaseError, connection

    from gpuadvisor.core import clock

    from .models import Alert
    from .triggers import Trigger, record_triggers

    size = -(-len(keys) // SETS)
    for start in range(0, len(keys), size):
        for _attempt in range(60):
            try:
                alerts = Alert.objects.select_related("user").filter(pk__in=keys[start : start + size])
                record_triggers([Trigger(alert, "chaos") for alert in alerts], now=clock.now())
                break
            except DatabaseError:
                connection.close()
                time.sleep(1)
        time.sleep(EVERY)
    connection.close()


def _torment(stage: Stage, receiver: Receiver) -> None:
    def new_worker() -> None:
        """Not before it is in the middle of sending: a worker that idles is no prey."""
        processes.wait_until(lambda: receiver.under_way > 5, 60)
        time.sleep(SLOW / 2)
        stage.kill("worker")
        stage.start_worker()

    plan = [
        *((at, new_worker) for at in KILLS),
        *((at, stage.wipe_redis) for at in WIPES),
        *((at, stage.restart_postgres) for at in RESTARTS),
    ]
    began = time.monotonic()
    for at, deed in sorted(plan, key=lambda one: one[0]):
        time.sleep(max(0.0, began + at - time.monotonic()))
        deed()


def _drain() -> None:
    """Wait until nothing is under way; what waits for a later attempt is made due, for the schedule takes hours."""
    from django.db import connection

    from gpuadvisor.core import clock

    from .models import AlertDelivery

    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        connection.close_if_unusable_or_obsolete()
        waiting = AlertDelivery.objects.filter(status="pending")
        if not waiting.exists():
            return
        waiting.filter(lease=None).update(next_at=clock.now())
        time.sleep(5)


def _result(receiver: Receiver, alerts: list[str], seconds: float) -> Result:
    took = list(receiver.took)
    copies = Counter(took)
    ids = Counter(alert for alert, _id in copies)
    lost = len(set(alerts) - {alert for alert, _id in took})
    other_ids = sum(number - 1 for number in ids.values())
    return Result(
        ok=not lost and not other_ids,
        sent=len(alerts),
        lost=lost,
        repeats=sum(number - 1 for number in copies.values()),
        most_copies=max(copies.values(), default=0),
        other_ids=other_ids,
        refused=receiver.refused,
        kills=len(KILLS),
        wipes=len(WIPES),
        restarts=len(RESTARTS),
        seconds=round(seconds, 1),
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--alerts", type=int, default=1_000)
    result = run(parser.parse_args().alerts)
    print(json.dumps(asdict(result)))  # noqa: T201 (a program's output)
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
