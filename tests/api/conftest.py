"""What the tests of the API share."""

from datetime import timedelta
from decimal import Decimal

import pytest

from gpuadvisor.accounts import api_tokens
from gpuadvisor.core import clock
from market.cache import forget_market
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

BASE = "/api/v1"


@pytest.fixture
def key(host):
    """The key of a token of the host."""
    return api_tokens.create_token(user=host, name="Test")[1]


@pytest.fixture
def ask(client, db):
    """GET below /api/v1, signed with a key where one is given."""

    def get(path, query=None, key=None, **headers):
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return client.get(f"{BASE}{path}", query, headers=headers)

    return get


def ago(**kwargs):
    return clock.now() - timedelta(**kwargs)


@pytest.fixture
def small_market(db):
    """Two models on two platforms, five minutes old; a third model that nobody tells of."""
    for slug, name in (("vast", "Vast.ai"), ("runpod", "RunPod")):
        PlatformFactory(slug=slug, name=name)
    GPUModelFactory(market_price_estimate=Decimal("1999"), specifications={"price_as_of": "2026-11-20"})
    GPUModelFactory(name="H100 SXM", memory_gb=80, architecture="Hopper")
    GPUModelFactory(name="RX 7900 XTX", manufacturer="AMD")
    for gpu in ("RTX 4090", "H100 SXM"):
        MarketDataFactory(gpu_model=gpu, data_timestamp=ago(minutes=5))
        MarketDataFactory(gpu_model=gpu, data_timestamp=ago(minutes=5), region="SE")
    MarketDataFactory(
        platform="runpod",
        data_timestamp=ago(minutes=5),
        p10_price=None,
        p90_price=None,
        average_utilization=None,
        gpu_count=None,
        active_instances=None,
        demand_indicators={"source": "runpod", "price_basis": "list"},
    )
    forget_market()
