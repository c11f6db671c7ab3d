"""The stream of one answer, as a browser's EventSource takes it (ui.md 6, R-038)."""

import asyncio
import re
import threading

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test import AsyncClient
from django.urls import reverse

from chat import live, streaming
from gpuadvisor.core.ids import uuid7
from tests.chat.made import an_answer, finish
from tests.factories import UserFactory
from tests.loops import run


def events(text):
    """The events of a stream: name and data."""
    found = []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        names = [line[7:] for line in lines if line.startswith("event: ")]
        if names:
            found.append((names[0], "\n".join(line[6:] for line in lines if line.startswith("data: "))))
    return found


def read(client, answer_pk, **headers):
    """The whole stream, and its response."""

    async def get():
        async with asyncio.timeout(10):
            response = await client.get(reverse("chat:stream", kwargs={"pk": answer_pk}), headers=headers)
            parts = [part async for part in response] if response.streaming else [response.content]
        await sync_to_async(connections.close_all)()  # of the thread that the client keeps
        return response, b"".join(parts).decode()

    return run(get())


@pytest.fixture
def watching(host):
    client = AsyncClient()
    client.force_login(host)
    return client


@pytest.mark.django_db(transaction=True)
class TestTheStream:
    def test_an_ended_answer_comes_at_once_and_whole(self, watching, host):
        answer = an_answer(host, "finished", "You **earned** $5.")
        response, text = read(watching, answer.pk)
        names = [name for name, _ in events(text)]
        assert names == ["final", "done"]
        assert "<strong>earned</strong>" in text
        assert f'id="answer-{answer.pk}"' in text
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-cache, no-transform"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]

    def test_an_answer_that_ends_before_the_row_is_read_comes_whole(self, watching, host):
        answer = an_answer(host)
        writer = live.Writer(answer.pk)
        writer.text("First.\n\nSecond **half")
        writer.end()  # as a worker whose commit the reader does not see yet
        committing = threading.Timer(0.2, _commit, [answer, "First.\n\nSecond **half**."])
        committing.start()
        _, text = read(watching, answer.pk)
        committing.join()
        assert [name for name, _ in events(text)] == ["final", "done"]
        assert "<strong>half</strong>" in text

    def test_a_stream_that_lasts_too_long_lets_the_browser_come_back(self, watching, host, monkeypatch):
        monkeypatch.setattr(streaming, "LONGEST", 0)
        answer = an_answer(host)
        live.Writer(answer.pk).text("First")
        _, text = read(watching, answer.pk)
        assert (events(text), text) == ([], "retry: 1500\n\n")

    def test_what_is_not_the_hosts_is_not_there(self, watching, stranger):
        """d5: as for an id that nobody has."""
        answer = an_answer(stranger, "finished")
        foreign, _ = read(watching, answer.pk)
        random, _ = read(watching, uuid7())
        assert (foreign.status_code, random.status_code) == (404, 404)
        assert re.sub(rb"[0-9a-f-]{32,36}", b"", foreign.content) == re.sub(rb"[0-9a-f-]{32,36}", b"", random.content)

    def test_without_a_session_one_event_offers_to_sign_in_and_ends(self, host):
        """An EventSource follows no redirect to a page: it would ask again without end."""
        answer = an_answer(host, "finished", "secret")
        page = f"http://testserver/chat/{answer.message.conversation_id}/"
        response, text = read(AsyncClient(), answer.pk, referer=page)
        assert response.status_code == 200
        assert [name for name, _ in events(text)] == ["final", "done"]
        assert f"/accounts/login/?next=/chat/{answer.message.conversation_id}/" in text
        assert "secret" not in text
        _, elsewhere = read(AsyncClient(), answer.pk, referer="https://foreign.example/chat/")
        assert "next=" not in elsewhere

    def test_only_reading_is_possible(self, watching, host):
        async def post():
            response = await watching.post(reverse("chat:stream", kwargs={"pk": uuid7()}))
            await sync_to_async(connections.close_all)()
            return response

        assert run(post()).status_code == 405


def _commit(answer, text):
    finish(answer, text)
    connection.close()


class Watched:
    """A stream's frames, from a user and an answer that need no database."""

    def __init__(self, text):
        watcher = streaming._Watcher(UserFactory.build(language="en-us"), uuid7(), True, "")
        self.drawn = streaming._Drawn(watcher)
        self.done = self.tail = ""
        for length in range(1, len(text) + 1):
            self.take(live.News(text[:length]))

    def take(self, news):
        [(_, html)] = events(self.drawn.frame(news))
        for how, place, inner in re.findall(r'<div hx-swap-oob="(\w+):#(\w+)-[^"]*">(.*?)</div>\n', html + "\n", re.S):
            if place == "done":
                self.done = self.done + inner if how == "beforeend" else inner
            elif place == "tail":
                self.tail = inner


def test_frames_add_up_to_the_text_without_showing_any_of_it_twice():
    watched = Watched("# You\n\nYou earned **$5**.\n\n- one\n- two\n\nThe *end*.")
    assert re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", watched.done + watched.tail)).strip() == (
        "You You earned $5. one two The end."
    )


def test_text_that_was_taken_back_is_replaced_in_the_browser():
    watched = Watched("You earned $7.\n\nAnd more.")
    watched.take(live.News("You earned $5.\n\nAnd"))
    assert "$7" not in watched.done + watched.tail
    assert "$5" in watched.done


def test_an_event_holds_whatever_counts_as_a_line():
    assert streaming.event("frame", "a\rb\r\nc\nevent: final") == (
        "event: frame\ndata: a\ndata: b\ndata: c\ndata: event: final\n\n"
    )
