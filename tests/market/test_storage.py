"""Who may overwrite whom, and what an upsert leaves alone: R-017, R-056."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from gpuadvisor.core import clock
from market import ingest, stats, storage
from market.models import MarketData, PricingSnapshot

D = Decimal
pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return ingest.bucket(clock.now())


def row(now, price="0.5", *, source="500farm_machines", origin="live", minutes=0, stands_in_for="", **told):
    at = (now + timedelta(minutes=minutes)).isoformat()
    indicators = {"source": source, "observed_at": at} | told
    if stands_in_for:
        indicators["stands_in_for"] = stands_in_for
    figures = stats.Figures(None, None, None, D(price), None, None, None, None, None, None)
    return storage.MarketRow("RTX 4090", "vast", "global", now, origin, figures, indicators)


STAND_IN = {"source": "500farm_gpu_stats", "stands_in_for": "500farm_machines"}


@pytest.mark.parametrize(
    ("first", "second", "wins"),
    [
        ({}, {"minutes": 3}, True),
        ({"minutes": 3}, {}, False),
        ({}, {"origin": "simulated", "source": "simulated", "minutes": 9}, False),
        ({"origin": "simulated", "source": "simulated", "minutes": 9}, {}, True),
        ({"origin": "imported", "source": "file"}, {}, True),
        ({"origin": "imported", "source": "file"}, {"origin": "simulated", "source": "simulated"}, False),
        ({}, STAND_IN | {"minutes": 9}, False),
        (STAND_IN | {"minutes": 9}, {}, True),
        ({}, {"source": "gpurentalprices", "minutes": 9}, False),
    ],
    ids=["later", "earlier", "invented", "live", "live-over-file", "file-stays", "stand-in", "leader", "other"],
)
def test_who_may_overwrite_whom(now, first, second, wins):
    assert storage.upsert_market([row(now, "0.5", **first)]) == 1
    assert storage.upsert_market([row(now, "0.7", **second)]) == int(wins)
    assert MarketData.objects.get().median_price == D("0.7" if wins else "0.5")
    assert storage.upsert_market([row(now, "0.7", **second)]) == 0


def offer(now, name, **changes):
    given = {
        "gpu_model": "RTX 4090",
        "platform": "vast",
        "region": "global",
        "moment": now,
        "source": "500farm_machines",
    }
    given |= {"external_id": name, "price": D("0.6"), "at": now, "instance_type": "2x RTX 4090", "zone": "US"}
    return storage.SnapshotRow(**(given | changes))


def test_an_offer_hangs_on_the_last_row_of_its_model(now):
    storage.upsert_market([row(now - timedelta(hours=1))])
    assert storage.upsert_snapshots([offer(now, "1"), offer(now, "2", gpu_model="RTX 3090")]) == 1
    assert PricingSnapshot.objects.get().market_data_id == MarketData.objects.get().pk


def test_what_an_offer_says_of_itself_comes_through_copy_as_it_is(now):
    storage.upsert_market([row(now)])
    odd = {"cpu": 'AMD "EPYC" \\N 96\tcores\n', "place": "Zürich – 東京", "nothing": None, "n": 1.5, "list": [1, "\\."]}
    names = ["back\\slash", "\\.", "\\N", "quote'\"", "tab\tbed", "naïve"]
    written = storage.upsert_snapshots([offer(now, name, features=odd) for name in names])
    assert written == len(names)
    kept = PricingSnapshot.objects.order_by("pk")
    assert {row.external_id for row in kept} == {"back\\slash", "\\.", "\\N", "quote'\"", "tabbed", "naïve"}
    assert all(row.additional_features == odd for row in kept)
    assert storage.upsert_snapshots([offer(now, name, features=odd) for name in names]) == 0
