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
