"""P9: a storm of alerts to a local receiver through one worker, against the HTTP client alone.

The receiver is a process of its own (`python -m gpuadvisor.bench.storm`), so that it takes no time from the worker.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from .measure import Row

if TYPE_CHECKING:
    from alerts.models import Alert

DATABASE = "bench_storm"
ALERTS = 10_000
ROUNDS = 2
SENDERS = 20


def ten_thousand() -> Row:
    """Deliveries a second, the best of three rounds of both, taken in turn."""
    from django.conf import settings
    from django.core.management import call_command

    from .data import use_database

    use_database(DATABASE)
    call_command("migrate", verbosity=0)
    call_command("createcachetable")
    receiver = subprocess.Popen(
        [sys.executable, "-m", "gpuadvisor.bench.storm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    if receiver.stdin is None or receiver.stdout is None:
        raise RuntimeError("the receiver has no pipes")
    host = f"127.0.0.1:{int(receiver.stdout.readline())}"
    settings.GUARD_ALLOWED_HOSTS = [host]
    ours, limit, recorded, lost, doubled = [], [], [], 0, 0
    try:
        for _round in range(ROUNDS):
            limit.append(_client_alone(f"http://{host}/hook"))
            took, wrote, ids = _storm(f"http://{host}/hook")
            ours.append(took)
            recorded.append(wrote)
            receiver.stdin.write("\n")
            receiver.stdin.flush()
            got = Counter(json.loads(receiver.stdout.readline()))
            got.pop("alone", None)
            lost += len(ids - got.keys())
            doubled += sum(number - 1 for number in got.values())
    finally:
        receiver.kill()
        receiver.wait()
    best, alone = ALERTS / min(ours), ALERTS / min(limit)
    ratio = best / alone
    note = (
        f"{ALERTS:,} triggers recorded in {min(recorded):.2f} s, delivered in {min(ours):.1f} s by one worker with"
        f" {SENDERS} senders; {lost} lost, {doubled} doubled over {ROUNDS} rounds"
    )
    ok = ratio >= 0.4 and not lost and not doubled
    return Row("P9", "delivery storm", best, alone, ratio, "deliveries/s", "≥ 0.4, none lost or doubled", ok, note)


def _client_alone(url: str) -> float:
    """Seconds for as many posts of the same size, by as many threads, without a database."""
    from gpuadvisor.core import guard

    body = json.dumps({"id": "alone", "facts": "x" * 700}).encode()
    headers = {"webhook-id": "alone", "content-type": "application/json"}

    def post(_number: int) -> int:
        return guard.request("POST", url, headers=headers, body=body).status

    began = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as pool:
        if set(pool.map(post, range(ALERTS))) != {200}:
            raise RuntimeError("the receiver refused a post")
    return time.perf_counter() - began


def _storm(url: str) -> tuple[float, float, set[str]]:
    """Seconds to deliver all, seconds to record all, and the ids of the deliveries."""
    from alerts import delivery, triggers
    from alerts.models import AlertDelivery
    from gpuadvisor.core import clock

    alerts = _alerts(url)
    began = time.perf_counter()
    now: datetime = clock.now()
    for start in range(0, ALERTS, 5_000):
        triggers.record_triggers([triggers.Trigger(a, "storm") for a in alerts[start : start + 5_000]], now=now)
    wrote = time.perf_counter() - began
    ids = {str(pk) for pk in AlertDelivery.objects.values_list("pk", flat=True)}
    began = time.perf_counter()
    while delivery.deliver_due():
        pass
    return time.perf_counter() - began, wrote, ids


def _alerts(url: str) -> list[Alert]:
    from django.db import connection

    from alerts.channels import webhook
    from alerts.models import Alert, Channel
    from gpuadvisor.accounts.models import User
    from gpuadvisor.core.crypto import seal

    with connection.cursor() as cursor:
        cursor.execute("truncate users cascade")
    users = User.objects.bulk_create(User(email=f"host{n}@example.com", password="!") for n in range(ALERTS))  # noqa: S106
    secret = seal(webhook.new_secret(), purpose="channel")
    channels = Channel.objects.bulk_create(
        Channel(
            user=user,
            kind="webhook",
            name="Storm",
            address=seal(url.encode(), purpose="channel"),
            digest_of_address=str(n),
            hint="storm",
            receiver="127.0.0.1",
            secret=secret,
        )
        for n, user in enumerate(users)
    )
    alerts = Alert.objects.bulk_create(
        Alert(user=user, name="Storm", alert_type=Alert.Type.UTILIZATION_DROP) for user in users
    )
    link = Alert.channels.through
    link.objects.bulk_create(
        link(alert_id=alert.pk, channel_id=channel.pk) for alert, channel in zip(alerts, channels, strict=True)
    )
    with connection.cursor() as cursor:
        cursor.execute("analyze")
    return list(alerts)


async def _receive() -> None:
    """Answer every post with 200; on a line from stdin tell the ids that came, and forget them."""
    ids: list[str] = []
    end = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
    named = re.compile(rb"webhook-id: (\S+)", re.IGNORECASE)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length, name = end.search(head), named.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            ids.append(name[1].decode() if name else "")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 (a program's output)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(ids), flush=True)  # noqa: T201
        ids.clear()


if __name__ == "__main__":
    asyncio.run(_receive())
