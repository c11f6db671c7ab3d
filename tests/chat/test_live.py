"""An answer's words from the worker to those who watch, and what happens while Redis is away (promise 23, c)."""

import asyncio
import socket
import time
from contextlib import aclosing
from itertools import pairwise

import pytest
import redis

from chat import hub as hubs
from chat import live
from gpuadvisor.core.cache import Breaker
from gpuadvisor.core.ids import uuid7
from tests.chat.made import an_answer, finish
from tests.loops import run


@pytest.fixture(autouse=True)
def _closed_breaker(monkeypatch):
    monkeypatch.setattr(live, "_breaker", Breaker())


@pytest.fixture
def cache(settings):
    client = redis.Redis.from_url(settings.CACHE_URL)
    yield client
    client.close()


@pytest.fixture
def hung(settings):
    """Redis takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.CACHE_URL = f"redis://127.0.0.1:{server.getsockname()[1]}"
        yield


def followed(pk, until=lambda news: news.is_ended, seconds=10):
    """All the news of `pk` until one suits, and what is left of the hub then."""

    async def watch():
        told = []
        async with asyncio.timeout(seconds), aclosing(live.follow(pk)) as all_news:
            async for news in all_news:
                told.append(news)
                if news is not None and until(news):
                    break
        await asyncio.sleep(0.15)
        hub = hubs.hub()
        return told, hub.size, hub._task.done()

    return run(watch())


def test_who_comes_late_gets_everything_so_far():
    """R-038: a reload or a second tab joins where the answer is."""
    pk = uuid7()
    writer = live.Writer(pk)
    writer.tool("Looked up your portfolios")
    for words in ("You ", "earned ", "$5."):
        writer.text(words)
    told, size, is_closed = followed(pk, until=lambda _: True)
    assert told == [live.News("You earned $5.", ("Looked up your portfolios",))]
    assert (size, is_closed) == (0, True)


def test_what_was_taken_back_is_not_told_again_and_the_end_ends():
    pk = uuid7()
    writer = live.Writer(pk)
    writer.text("You earned $7.")
    writer.reset()
    writer.text("You earned $5.")
    writer.end()
    told, *_ = followed(pk)
    assert told == [live.News("You earned $5.", (), True)]


def test_news_come_at_most_every_80_ms_and_lose_nothing():
    pk = uuid7()
    words = [f"{n} " for n in range(60)]

    async def write():
        writer = live.Writer(pk)
        for word in words:
            writer.text(word)
            await asyncio.sleep(0.005)
        writer.end()

    async def watch():
        writing = asyncio.create_task(write())
        async with aclosing(live.follow(pk)) as all_news:
            told = [(time.monotonic(), news) async for news in all_news]
        await writing
        return told

    told = run(watch())
    assert told[-1][1].text == "".join(words)
    assert all(after - before >= 0.079 for (before, _), (after, _) in pairwise(told))
    assert all(after.text.startswith(before.text) for (_, before), (_, after) in pairwise(told))


@pytest.mark.parametrize("loss", ["delete", "trim"])
def test_a_stream_that_lost_entries_is_made_whole(cache, loss):
    """Redis restarted or was short of memory: nobody sees a text with a hole in it."""
    pk = uuid7()
    writer = live.Writer(pk)
    writer.tool("Looked up your GPUs")
    writer.text("one ")
    writer.text("two ")
    cache.delete(live.key_of(pk)) if loss == "delete" else cache.xtrim(live.key_of(pk), maxlen=1, approximate=False)
    writer.text("three ")
    writer.text("four")
    told, *_ = followed(pk, until=lambda news: news.text.endswith("four"))
    assert told[-1] == live.News("one two three four", ("Looked up your GPUs",))


def test_words_written_while_redis_was_away_come_with_the_next(monkeypatch):
    pk = uuid7()
    writer = live.Writer(pk)
    writer.text("one ")
    live._breaker.trip()
    writer.text("two ")
    monkeypatch.setattr(live, "_breaker", Breaker())
    writer.text("three")
    told, *_ = followed(pk, until=lambda _: True)
    assert told == [live.News("one two three")]


def test_a_second_worker_begins_anew():
    """A lease ran out: what the first worker had written is replaced, not gone on with."""
    pk = uuid7()
    live.Writer(pk).text("You earn")
    live.Writer(pk).text("Your GPUs")
    told, *_ = followed(pk, until=lambda _: True)
    assert told == [live.News("Your GPUs")]


def test_a_long_answer_leaves_few_entries_that_end_by_themselves(cache, monkeypatch):
    monkeypatch.setattr(live, "MOST_ENTRIES", 10)
    pk = uuid7()
    writer = live.Writer(pk)
    for n in range(25):
        writer.text(f"{n} ")
    assert cache.xlen(live.key_of(pk)) <= 10
    assert 0 < cache.ttl(live.key_of(pk)) <= live.KEPT_SECONDS
    told, *_ = followed(pk, until=lambda _: True)
    assert told[0].text == "".join(f"{n} " for n in range(25))


def test_a_hung_redis_costs_the_worker_one_short_wait(hung):
    """c: a hung Redis holds up no answer."""
    writer = live.Writer(uuid7())
    began = time.monotonic()
    for _ in range(50):
        writer.text("word ")
    writer.end()
    assert time.monotonic() - began < 0.7


def test_a_dead_redis_raises_nothing(settings):
    settings.CACHE_URL = "unix:///nowhere/redis.sock"
    writer = live.Writer(uuid7())
    writer.tool("Looked up")
    writer.text("word")
    writer.reset()
    writer.end()


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_row_is_followed(hung, host, monkeypatch):
    """e17: the answer still arrives, in steps."""
    monkeypatch.setattr(hubs, "WAIT", 0.2)
    monkeypatch.setattr(hubs, "LOOK", 0.1)
    answer = an_answer(host, text="You earned")

    async def watch():
        told = []
        async with asyncio.timeout(10), aclosing(live.follow(answer.pk)) as all_news:
            async for news in all_news:
                told.append(news)
                if not news.is_ended:
                    await asyncio.to_thread(_in_own_connection, finish, answer, "You earned $5.")
        return told

    assert run(watch()) == [live.News("You earned"), live.News("You earned $5.", (), True)]


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_redis_is_silent_about_is_asked_for_in_the_database(host, monkeypatch):
    """A worker died, or its last word was lost: the stream ends all the same."""
    monkeypatch.setattr(hubs, "SILENT", 0.2)
    monkeypatch.setattr(hubs, "LOOK", 0.1)
    answer = an_answer(host, text="You earned", state="failed", error="interrupted")
    live.Writer(answer.pk).text("You earned")
    told, *_ = followed(answer.pk)
    assert told[0] == live.News("You earned")
    assert told[-1].is_ended


@pytest.mark.django_db(transaction=True)
def test_an_answer_whose_conversation_was_deleted_ends(monkeypatch):
    monkeypatch.setattr(hubs, "SILENT", 0.2)
    monkeypatch.setattr(hubs, "LOOK", 0.1)
    told, *_ = followed(uuid7())
    assert told == [live.News("", (), True)]


def _in_own_connection(work, *args):
    from django.db import connection

    try:
        work(*args)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("You", "You earned"), ("You earned $5", "You earned $5"), ("Your", "You earned")],
    ids=["the row lags", "the row is ahead", "the row was of before"],
)
def test_the_row_and_redis_agree_on_what_is_shown(stored, shown):
    row = hubs._Followed(uuid7())
    row.hear([("1-0", {"kind": "text", "data": "You earned"})])
    row.read(stored, False, knows_better=False)
    assert row.news.text == shown


def test_after_an_outage_redis_is_believed_again():
    row = hubs._Followed(uuid7())
    row.hear([("1-0", {"kind": "text", "data": "You earned $7"})])
    row.read("Anew", False, knows_better=True)
    assert row.news.text == "Anew"
    row.hear([("2-0", {"kind": "reset", "data": ""}), ("3-0", {"kind": "text", "data": "Anew, you"})])
    assert row.news.text == "Anew, you"


def test_no_more_than_some_watch_one_answer(monkeypatch):
    monkeypatch.setattr(hubs, "MOST_WATCHERS", 1)
    pk = uuid7()
    live.Writer(pk).text("word")

    async def watch():
        async with aclosing(live.follow(pk)) as first, aclosing(live.follow(pk)) as second:
            await anext(first)
            return [news async for news in second]

    assert run(watch()) == []
