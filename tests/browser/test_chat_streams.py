"""Streams of the real server: what closed tabs leave behind, a restart, a browser that joins late (R-038, d5)."""

import socket
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.db import connection

from chat.live import Writer
from tests.chat.made import an_answer, finish
from tests.factories import UserFactory

TABS = 20


@pytest.fixture
def host(server, transactional_db, sign_in, settings):
    settings.CACHE_KEY_PREFIX = "browser"  # as the server's
    user = UserFactory(password="Sunny-meadow-7")
    sign_in(user.email, "Sunny-meadow-7")
    return user


@pytest.fixture
def cookie(host, page):
    page.wait_for_load_state("networkidle")
    page.goto("about:blank")  # else the dashboard goes on asking for its parts
    return "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())


def process_of(server):
    """The server's process, by the port it was told."""
    port = f"--port\0{urlsplit(server).port}\0".encode()
    return next(int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if port in path.read_bytes())


def held(pid):
    """What the server holds: threads, sockets, connections to PostgreSQL and to Redis."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and backend_type = 'client backend'"
        )
        [databases] = cursor.fetchone()
    with redis.Redis.from_url(django_settings.CACHE_URL) as client:
        caches = len(client.client_list())
    files = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    sockets = sum(name.startswith("socket:") for name in files)
    return {
        "threads": len(list(Path(f"/proc/{pid}/task").iterdir())),
        "sockets": sockets,
        "databases": databases,
        "caches": caches,
    }


@contextmanager
def tabs(server, answer, cookie):
    """Streams of which the first frame has come."""
    address = ("127.0.0.1", urlsplit(server).port)
    request = f"GET /chat/stream/{answer.pk}/ HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
    with ExitStack() as opened:
        for tab in [opened.enter_context(socket.create_connection(address, timeout=10)) for _ in range(TABS)]:
            tab.sendall(request.encode())
            got = b""
            while b"event: frame" not in got:
                got += tab.recv(4096)
        yield


def test_twenty_closed_tabs_leave_nothing_behind(server, host, cookie):
    """Done when: no thread, no connection, no subscription; and while they are open, no database connection each."""
    answer, pid = an_answer(host), process_of(server)
    Writer(answer.pk).text("You earned")
    with tabs(server, answer, cookie):
        pass
    time.sleep(1)  # what the first ones load and keep is no leak
    before = held(pid)
    with tabs(server, answer, cookie):
        assert held(pid)["sockets"] >= TABS  # not beside those of before: of earlier tests some may just be closing
        settles(pid, before, "databases", "caches", more=1)
    settles(pid, before, *before)


def settles(pid, before, *names, more=0):
    """What ends, ends within ten seconds."""
    for _ in range(50):
        now = held(pid)
        if all(now[name] <= before[name] + more for name in names):
            return
        time.sleep(0.2)
    raise AssertionError((before, now))


def test_a_reload_and_a_second_tab_join_where_the_answer_is(server, host, page, context):
    """R-038."""
    answer = an_answer(host)
    url = f"{server}/chat/{answer.message.conversation_id}/"
    writer = Writer(answer.pk)
    writer.tool("Looked up your GPUs")
    page.goto(url)
    article = page.locator(f"#answer-{answer.pk}")
    article.locator(".chip", has_text="Looked up your GPUs").wait_for()
    writer.text("You earned **$5**.\n\nThat is ")
    article.locator("strong", has_text="$5").wait_for()
    second = context.new_page()
    second.goto(url)
    second.locator("strong", has_text="$5").wait_for()
    page.reload()
    article.locator("strong", has_text="$5").wait_for()
    writer.text("*all*.")
    for tab in (page, second):
        tab.locator("em", has_text="all").wait_for()
        assert tab.locator(f"#answer-{answer.pk}").inner_text().count("You earned") == 1
    finish(answer, "You earned **$5**.\n\nThat is *all*.")
    writer.end()
    for tab in (page, second):
        tab.wait_for_selector(f"#answer-{answer.pk}:not([aria-busy])")
        assert tab.locator(f"#answer-{answer.pk}").inner_text().count("You earned") == 1


def test_a_session_that_ended_is_said_in_place_of_the_answer(server, host, page):
    """d5: and the browser does not ask again without end."""
    answer = an_answer(host)
    Writer(answer.pk).text("You earned")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/chat/stream/" in request.url else None)
    page.goto(f"{server}/chat/{answer.message.conversation_id}/")
    page.locator(f"#tail-{answer.pk}", has_text="You earned").wait_for()
    Session.objects.all().delete()
    redis.Redis.from_url(django_settings.CACHE_URL).flushdb()
    page.evaluate(
        """id => { const part = document.getElementById(id); const copy = part.cloneNode(true);
        part.replaceWith(copy); htmx.process(copy); }""",
        f"answer-{answer.pk}",
    )
    page.locator(".note", has_text="You are signed out").wait_for()
    link = page.locator(".note a", has_text="Sign in").get_attribute("href")
    assert link == f"/accounts/login/?next=/chat/{answer.message.conversation_id}/"
    count = len(asked)
    page.wait_for_timeout(2500)
    assert len(asked) == count
    assert page.url.endswith(f"/chat/{answer.message.conversation_id}/")  # and is not sent away from the words


def test_without_javascript_a_reload_shows_the_answer(server, host, cookie, without_javascript):
    """R-038: the link in the place of the answer leads to it."""
    answer = an_answer(host)
    name, _, value = next(part for part in cookie.split("; ") if "session" in part).partition("=")
    without_javascript.context.add_cookies([{"name": name, "value": value, "url": server.replace("http:", "https:")}])
    without_javascript.context.set_extra_http_headers({"Cookie": cookie})
    without_javascript.goto(f"{server}/chat/{answer.message.conversation_id}/")
    assert without_javascript.locator(".show-answer").is_visible()
    finish(answer, "You earned **$5**.")
    without_javascript.click(".show-answer")
    without_javascript.reload()
    assert without_javascript.locator("strong", has_text="$5").is_visible()
