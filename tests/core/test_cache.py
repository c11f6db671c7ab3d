"""Redis away costs a moment and loses nothing that matters (R-058, promise 15)."""

import pickle
import time

import pytest
from django.core.cache import caches
from redis.exceptions import RedisError

from gpuadvisor.core.cache import BreakerRedis, FailSoftRedis

DEAD = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _closed_breaker():
    yield
    BreakerRedis._breakers.pop((DEAD,), None)


def test_pages_answers_from_redis():
    caches["pages"].set("figure", {"usd": 3}, 30)
    assert caches["pages"].get("figure") == {"usd": 3}
    assert pickle.loads(pickle.dumps(caches["pages"].get("figure"))) == {"usd": 3}


def test_fail_soft_answers_from_memory_without_redis():
    cache = FailSoftRedis(DEAD, {})
    cache.set("figure", 1, 30)
    assert cache.get("figure") == 1
    assert cache.add("figure", 2) is False
    assert cache.get_many(["figure", "none"]) == {"figure": 1}
    assert cache.delete("figure") is True


def test_breaker_raises_and_asks_no_second_time():
    cache = BreakerRedis(DEAD, {})
    with pytest.raises(RedisError):
        cache.get("session")
    began = time.perf_counter()
    for _ in range(50):
        with pytest.raises(RedisError):
            BreakerRedis(DEAD, {}).get("session")
    assert cache.breaker.is_open
    assert time.perf_counter() - began < 1, "an open breaker still tried to connect"


def test_every_cache_object_of_a_server_shares_client_and_breaker():
    first, second = (BreakerRedis(DEAD, {}) for _ in range(2))
    assert first._cache is second._cache
    assert first.breaker is second.breaker


@pytest.fixture
def away(settings, monkeypatch):
    """Redis as it is, and a switch that makes every call to it fail as a dead one does."""
    cache = FailSoftRedis(settings.CACHES["pages"]["LOCATION"], {})
    client = type(cache._cache)

    def switch(is_away):
        if is_away:
            dead = FailSoftRedis(DEAD, {})._cache
            monkeypatch.setattr(client, "get_client", lambda self, *a, **k: super(client, dead).get_client(*a, **k))
        else:
            monkeypatch.undo()
            cache.breaker.reset()

    yield cache, switch
    switch(False)
    cache.missed.take()


@pytest.mark.parametrize(
    "write",
    [
        lambda cache: cache.set("version", "new", None),
        lambda cache: cache.set_many({"version": "new"}, None),
        lambda cache: cache.delete("version"),
        lambda cache: cache.delete_many(["version"]),
    ],
)
def test_what_was_written_while_redis_was_away_is_not_read_old_once_it_is_back(away, write):
    cache, switch = away
    cache.set_many({"version": "old", "other": "kept"})
    switch(True)
    write(cache)
    assert cache.breaker.is_open
    assert cache.get("version") != "old"
    switch(False)
    another = FailSoftRedis(cache._servers[0], {})
    assert another.get("version") is None
    assert not cache.missed
    assert another.get("other") == "kept"
    cache.set("version", "newer")
    assert another.get("version") == "newer"


def test_what_was_missed_is_kept_until_redis_is_back_not_longer(away):
    cache, switch = away
    cache.set("version", "old")
    switch(True)
    for name in ("version", "b", "c"):
        cache.set(name, 1)
        cache.breaker.reset()  # it asks again, and Redis is still away
    assert cache.get("version") == 1
    switch(False)
    assert cache.get("version") is None
    assert not cache.missed
