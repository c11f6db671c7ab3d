"""SIGTERM: what is under way ends well, and the browser is told to come back (part 8, e36)."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.urls import reverse

from tests.factories import AnswerFactory

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
GRACE = 2


@pytest.fixture
def web(tmp_path):
    """A web process on the test's database; its address."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    url = f"{base.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}"
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "gpuadvisor.asgi:application", "--host", "127.0.0.1", "--port"),
            *(str(port), "--lifespan", "off", "--timeout-graceful-shutdown", str(GRACE), "--log-level", "warning"),
        ],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "gpuadvisor.settings.test"},
        stderr=(tmp_path / "web.log").open("wb"),
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            assert httpx.get(f"{address}/health/live", trust_env=False).status_code == 200
            break
        except httpx.TransportError:
            time.sleep(0.2)
    yield child, address
    child.kill()
    child.wait()


def test_a_stream_ends_with_a_retry_note_and_a_page_that_was_begun_is_whole(web, host, client):
    """Uploads are pages too: one whose body is half sent when SIGTERM comes gets its answer."""
    child, address = web
    client.force_login(host)
    answer = AnswerFactory(question__conversation__user=host, state="working", ended_at=None)
    cookie = {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookie.items())}
    begun, got = threading.Event(), {}

    def watch():
        parts = []
        try:
            with httpx.stream(
                "GET", address + reverse("chat:stream", args=[answer.pk]), headers=headers, trust_env=False
            ) as told:
                for part in told.iter_text():
                    parts.append(part)
                    begun.set()
        except httpx.TransportError as cut:
            got["cut"] = cut
        got["stream"], got["at"] = "".join(parts), time.monotonic()
        begun.set()

    def send():
        def body():
            yield b"login=nobody%40example.com"
            begun.wait(20)
            time.sleep(0.8)  # SIGTERM comes in between
            yield b"&password=wrong"

        got["page"] = httpx.post(
            f"{address}{reverse('account_login')}",
            content=body(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            trust_env=False,
            timeout=20,
        ).status_code

    threads = [threading.Thread(target=watch), threading.Thread(target=send)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    time.sleep(0.3)
    asked = time.monotonic()
    child.send_signal(signal.SIGTERM)
    child.wait(20)
    for thread in threads:
        thread.join(20)
    assert got["stream"].startswith("retry: 1500\n\n")  # the browser comes back by itself, to whoever serves then
    assert got["page"] == 403  # no token of a form: the answer of a page, not a cut connection
    assert got["at"] - asked < GRACE + 3
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{address}/health/live", trust_env=False)
