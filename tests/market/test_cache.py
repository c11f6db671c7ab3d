"""What is kept: fresh, then shown while one maker renews it, then nothing; no reader waits for a refresh (R-052)."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import caches
from django.db import connection, connections

from market import cache
from market.cache import forget_market, kept, warming

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def stale_is_served(settings):
    settings.MARKET_SERVE_STALE = True
    forget_market()


@pytest.fixture
def later(monkeypatch):
    """Let the clock of the cache run ahead."""
    ahead = [0.0]
    real = time.time
    monkeypatch.setattr(cache.time, "time", lambda: real() + ahead[0])

    def run(seconds):
        ahead[0] += seconds

    return run


class Maker:
    """Counts its calls; each value is its number. It may wait for a sign, or fail."""

    def __init__(self):
        self.calls = 0
        self.go = threading.Event()
        self.go.set()
        self.error = None

    def __call__(self):
        self.calls += 1
        mine = self.calls
        assert self.go.wait(10)
        if self.error:
            raise self.error
        return mine


def settle():
    """Wait for the makers in the background."""
    for thread in threading.enumerate():
        if thread.name.startswith("renew "):
            thread.join(10)


def test_a_fresh_value_is_made_once():
    maker = Maker()
    assert [kept("x", maker) for _ in range(5)] == [1] * 5
    assert maker.calls == 1


def test_none_is_a_value_too():
    calls = []
    assert [kept("x", lambda: calls.append(1)) for _ in range(3)] == [None] * 3
    assert len(calls) == 1


@pytest.mark.parametrize("outdated", ["by a refresh", "by its age"])
def test_no_reader_waits_for_a_refresh(outdated, later):
    """R-052: an outdated value is shown at once, while one maker works."""
    maker = Maker()
    assert kept("x", maker) == 1
    maker.go.clear()
    if outdated == "by a refresh":
        forget_market()
    else:
        later(cache.FRESH_SECONDS + 1)
    began = time.monotonic()
    assert [kept("x", maker) for _ in range(50)] == [1] * 50
    assert time.monotonic() - began < 1
    maker.go.set()
    settle()
    assert kept("x", maker) == 2
    assert maker.calls == 2


def test_what_nobody_renewed_for_long_is_nothing(later):
    """No reader sees last night's figures as the present ones."""
    maker = Maker()
    kept("x", maker)
    later(cache.FRESH_SECONDS + cache.STALE_SECONDS + 1)
    assert kept("x", maker) == 2


def test_a_refresh_during_the_making_outdates_the_result():
    maker = Maker()
    kept("x", maker)
    maker.go.clear()
    forget_market()
    kept("x", maker)
    while maker.calls < 2:
        time.sleep(0.01)
    forget_market()
    maker.go.set()
    settle()
    assert kept("x", maker) == 2
    settle()
    assert kept("x", maker) == 3


def test_two_hundred_cold_readers_make_it_once():
    maker = Maker()
    maker.go.clear()
    with ThreadPoolExecutor(200) as pool:
        answers = [pool.submit(read_and_close, maker) for _ in range(200)]
        time.sleep(0.3)
        maker.go.set()
        assert {answer.result(10) for answer in answers} == {1}
    assert maker.calls == 1


def read_and_close(maker):
    try:
        return kept("x", maker)
    finally:
        connections.close_all()


def test_a_cold_reader_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(cache, "WAIT_SECONDS", 0.2)
    first, second = Maker(), Maker()
    first.go.clear()
    thread = threading.Thread(target=read_and_close, args=(first,))
    thread.start()
    while not first.calls:
        time.sleep(0.01)
    assert kept("x", second) == 1
    assert second.calls == 1
    first.go.set()
    thread.join(10)


def test_a_fault_in_the_background_keeps_the_old_value_and_is_logged(caplog):
    maker = Maker()
    kept("x", maker)
    maker.error = RuntimeError("the source moved")
    forget_market()
    with caplog.at_level(logging.ERROR, logger="market.cache"):
        for _ in range(20):
            assert kept("x", maker) == 1
            settle()
    assert "what was there stays" in caplog.text
    assert "the source moved" in caplog.text
    assert maker.calls == 2, "the next try waits"


def test_a_fault_of_a_cold_reader_is_his_own():
    maker = Maker()
    maker.error = RuntimeError("no")
    with pytest.raises(RuntimeError):
        kept("x", maker)
    maker.error = None
    assert kept("x", maker) == 2


def test_the_background_leaves_no_connection_behind():
    def ask():
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from pg_stat_activity where datname = current_database()")
            return cursor.fetchone()[0]

    before = ask()
    for _ in range(5):
        kept("x", ask)
        forget_market()
        kept("x", ask)
        settle()
    for _ in range(100):
        if ask() == before:
            break
        time.sleep(0.02)
    assert ask() == before


def test_what_may_not_be_stale_is_made_by_the_reader():
    maker = Maker()
    kept("x", maker, stale=0)
    forget_market()
    assert kept("x", maker, stale=0) == 2


def test_warming_renews_what_soon_is_outdated(later):
    """R-052: the worker makes it, the next reader finds it fresh."""
    maker = Maker()
    kept("x", maker)
    with warming():
        assert kept("x", maker) == 1
        later(cache.FRESH_SECONDS / 2 + 1)
        assert kept("x", maker) == 2
        forget_market()
        assert kept("x", maker) == 3
    assert kept("x", maker) == 3


def test_a_lost_version_outdates_everything():
    maker = Maker()
    kept("x", maker)
    caches["pages"].delete(f"{cache._prefix()}:version")
    assert kept("x", maker) == 1
    settle()
    assert kept("x", maker) == 2


def test_without_redis_this_process_remembers(settings, monkeypatch):
    """reliability c: nothing breaks while the cache is away."""
    address = "unix:///nowhere/cache.sock"
    settings.CACHES = settings.CACHES | {"pages": settings.CACHES["pages"] | {"LOCATION": address}}
    maker = Maker()
    assert [kept("x", maker) for _ in range(3)] == [1, 1, 1]
    forget_market()
    kept("x", maker)
    settle()
    assert kept("x", maker) == 2


def test_tests_see_what_they_stored(settings):
    settings.MARKET_SERVE_STALE = False
    maker = Maker()
    kept("x", maker)
    forget_market()
    assert kept("x", maker) == 2
