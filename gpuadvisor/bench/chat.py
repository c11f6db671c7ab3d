"""P10: what the site adds to a model's first word, and what 500 open streams cost."""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from .data import database_url, use_database
from .measure import Row
from .pages import serve

DATABASE = "bench_chat"
ROUNDS = 20
FIRST_DELAY = 0.4  # seconds that the upstream takes to its first word, as small models do
WORD = "Good"
QUESTION = "How are my GPUs doing this month?"
STREAMS, WORDS, EVERY = 500, 40, 0.4
ANSWER = "".join(f"word{n} " for n in range(WORDS))


def measure() -> list[Row]:
    """Both rows, on the real server with a real worker."""
    _prepare()
    with ExitStack() as running:
        upstream = running.enter_context(_upstream())
        environment = os.environ | {
            "DATABASE_URL": database_url(DATABASE),
            "DATABASE_ROLE": "owner",
            "OPENAI_BASE_URL": upstream,
            "OPENAI_API_KEY": "bench",
        }
        running.enter_context(_worker(environment))
        port, web = running.enter_context(serve(environment))
        return [_first_word(upstream, port), *asyncio.run(_many(port, web))]


def _prepare() -> None:
    from django.core.management import call_command

    from gpuadvisor.accounts.models import User
    from gpuadvisor.core.partitions import ensure_standing_months

    use_database(DATABASE)
    call_command("migrate", verbosity=0)
    call_command("createcachetable")
    call_command("load_gpu_catalog", verbosity=0)
    ensure_standing_months()
    User.objects.all().delete()
    User.objects.bulk_create(
        User(email=f"bench{n}@example.com", name="Bench", email_verified=True, subscription_tier="enterprise")
        for n in range(STREAMS)
    )


@contextmanager
def _upstream() -> Iterator[str]:
    """The stand-in for the API; its address."""
    command = [sys.executable, "-m", "gpuadvisor.standins.openai", "--port", "0", "--first-delay", str(FIRST_DELAY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("the stand-in has no output")
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def _worker(environment: dict[str, str]) -> Iterator[None]:
    """The worker of answers, as gpuadvisor/servers/site.py starts it."""
    options = [
        "-P",
        "threads",
        "-Q",
        "chat",
        "--concurrency",
        "8",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
    quiet = "ignore:You're running the worker with superuser privileges"
    command = [
        sys.executable,
        "-W",
        quiet,
        "-m",
        "celery",
        "--quiet",
        "-A",
        "gpuadvisor",
        "worker",
        "--loglevel",
        "ERROR",
        *options,
    ]
    process = subprocess.Popen(command, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


# -- The first word --------------------------------------------------------------------------------------------------
def _first_word(upstream: str, port: int) -> Row:
    """From the question's POST to the first word in the browser's stream, and in the same upstream's."""
    from gpuadvisor.accounts.models import User

    host = User.objects.get(email="bench0@example.com")
    cookie = _cookie(host)
    ours, limit = [], []
    for turn in range(ROUNDS + 2):  # the first two load what a process loads once
        took = (_through_us(upstream, port, host, cookie), _direct(upstream))
        if turn >= 2:
            ours.append(took[0])
            limit.append(took[1])
    mine, theirs = statistics.median(ours), statistics.median(limit)
    added = mine - theirs
    note = (
        f"{added:.0f} ms more, medians of {ROUNDS}; the upstream takes {FIRST_DELAY * 1000:.0f} ms to its first word; "
        f"ours from the POST to the frame: {min(ours):.0f} to {max(ours):.0f} ms"
    )
    return Row("P10a", "first word of an answer", mine, theirs, mine / theirs, "ms", "≤ 50 ms more", added <= 50, note)


def _script(upstream: str) -> None:
    body = {"steps": [{"text": f"{WORD} to see you. Nothing stands out."}]}
    _post(upstream.removesuffix("/v1") + "/_script", body).read()


def _post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    return urllib.request.urlopen(request, timeout=60)  # noqa: S310


def _direct(upstream: str) -> float:
    _script(upstream)
    body = {"model": settings.OPENAI_MODEL, "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
    began = time.perf_counter()
    took = 0.0
    with _post(f"{upstream}/chat/completions", body) as answer:
        for line in answer:
            if not took and WORD.encode() in line:
                took = (time.perf_counter() - began) * 1000
    return took


def _through_us(upstream: str, port: int, user: Any, cookie: str) -> float:
    """Milliseconds, by the requests that a browser makes."""
    from chat.models import Answer, Conversation

    _script(upstream)
    talk = Conversation.objects.create(user=user, title="Bench")
    token = "b" * 32
    headers = {
        "Cookie": f"{cookie}; {settings.CSRF_COOKIE_NAME}={token}",
        "X-CSRFToken": token,
        "HX-Request": "true",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.perf_counter()
    connection.request("POST", reverse("chat:ask-in", kwargs={"pk": talk.pk}), urlencode({"text": QUESTION}), headers)
    response = connection.getresponse()
    page = response.read().decode()
    stream = re.search(r'sse-connect="([^"]+)"', page)
    if response.status != 200 or stream is None:
        raise RuntimeError(f"the question was answered {response.status}: {page[:300]}")
    connection.request("GET", stream[1], headers={"Cookie": cookie, "Accept": "text/event-stream"})
    took = 0.0
    for line in connection.getresponse():
        if not took and WORD.encode() in line:
            took = (time.perf_counter() - began) * 1000
        if line.startswith(b"event: done"):
            break
    connection.close()
    answer = Answer.objects.latest("asked_at")
    if not took or answer.state != Answer.State.FINISHED:
        raise RuntimeError(f"no answer came: {answer.state} {answer.error}")
    return took


def _cookie(user: Any) -> str:
    """A session of this user, signed in."""
    from importlib import import_module

    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


# -- 500 streams -----------------------------------------------------------------------------------------------------
async def _many(port: int, web: int) -> list[Row]:
    """Memory of the web process while 500 hosts read 500 answers that one writer writes, and who got less than all."""
    watched = await asyncio.to_thread(_answers)
    few = [asyncio.create_task(_read(port, *one)) for one in watched[:20]]  # what the first stream loads is no stream's
    writing = threading.Thread(target=_write, args=[[pk for pk, _ in watched[:20]], 3])
    writing.start()
    await asyncio.gather(*few)
    before, watched = _memory(web), watched[20:] + await asyncio.to_thread(_answers, 20)
    reading = [asyncio.create_task(_read(port, *one)) for one in watched]
    await _all_open(web, len(watched))
    writing = threading.Thread(target=_write, args=[[pk for pk, _ in watched], WORDS])
    writing.start()
    peak = 0
    while not all(task.done() for task in reading):
        peak = max(peak, _memory(web))
        await asyncio.sleep(0.25)
    whole = sum(task.result() for task in reading)
    each, dropped = (peak - before) / len(watched), len(watched) - whole
    note = f"from {before / 1024:.0f} to {peak / 1024:.0f} MB; one writer, {WORDS} words for each"
    return [
        Row("P10b", f"each of {len(watched)} open streams", each, 200.0, each / 200, "kB", "< 200", each < 200, note),
        Row("P10c", "streams that broke off", float(dropped), 0.0, None, "streams", "0", dropped == 0),
    ]


def _answers(count: int = STREAMS) -> list[tuple[UUID, str]]:
    """Answers that are being worked on, of as many hosts, each with its host's cookie."""
    from chat.models import Answer, Conversation, Message
    from gpuadvisor.accounts.models import User
    from gpuadvisor.core import clock

    now, users = clock.now(), list(User.objects.order_by("pk")[:count])
    Answer.objects.filter(user__in=users).delete()
    talks = Conversation.objects.bulk_create(Conversation(user=user, title="Bench") for user in users)
    asked = Message.objects.bulk_create(Message(conversation=talk, role="user", content=QUESTION) for talk in talks)
    said = Message.objects.bulk_create(Message(conversation=talk, role="assistant") for talk in talks)
    answers = Answer.objects.bulk_create(
        Answer(user=user, message=message, question=question, state="working", advisor="model", asked_at=now)
        for user, message, question in zip(users, said, asked, strict=True)
    )
    return [(answer.pk, _cookie(answer.user)) for answer in answers]


def _write(pks: list[UUID], words: int) -> None:
    """Words to all of them in turn, then the end, as their workers would."""
    from django.db import connection

    from chat.live import Writer
    from chat.models import Answer, Message

    use_database(DATABASE)
    writers = [Writer(pk) for pk in pks]
    for word in ANSWER.split()[:words]:
        began = time.perf_counter()
        for writer in writers:
            writer.text(f"{word} ")
        time.sleep(max(0.0, EVERY - (time.perf_counter() - began)))
    Message.objects.filter(answer__in=pks).update(content=ANSWER)
    Answer.objects.filter(pk__in=pks).update(state="finished")
    for writer in writers:
        writer.end()
    connection.close()


async def _read(port: int, pk: UUID, cookie: str) -> bool:
    """Whether the stream came to its end, with a frame before it and the whole answer in it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    writer.write(f"GET /chat/stream/{pk}/ HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode())
    got = b""
    while b"event: done" not in got and (part := await reader.read(65536)):
        got += part
    writer.close()
    return b"event: done" in got and b"event: frame" in got and f"word{WORDS - 1}".encode() in got


async def _all_open(pid: int, count: int) -> None:
    """Until the server holds as many sockets, and a while longer until it has answered on all of them."""
    while len(list(Path(f"/proc/{pid}/fd").iterdir())) < count + 10:
        await asyncio.sleep(0.05)
    await asyncio.sleep(5)


def _memory(pid: int) -> int:
    """Resident memory, kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]
