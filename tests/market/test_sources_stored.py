"""Documents of the sources beside Vast.ai and RunPod through the real refresh: what stands in the database after."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gpuadvisor.core import clock
from market import ingest, selectors
from market.models import MarketData, PricingSnapshot
from tests.market import (
    test_sources_akash,
    test_sources_benchmark,
    test_sources_clore,
    test_sources_lambda,
    test_sources_salad,
)
from tests.market.documents import document

D = Decimal
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("catalog", "only_live")]


def replay(name, data):
    report = ingest.refresh(name, document=document(data, now=clock.now()))
    assert report.status == "ok", report.error
    return report


def cell(gpu="RTX 4090", region="global", **kwargs):
    return MarketData.objects.get(gpu_model=gpu, region=region, **kwargs)


def test_salad_is_stored_as_what_the_host_gets():
    """R-017: average, least and most; no median, no counts; the share as it was told."""
    replay("salad", [test_sources_salad.gpu()])
    row = cell(platform="salad")
    assert (row.average_price, row.min_price, row.max_price) == (D("0.0930"), D("0.0600"), D("0.1800"))
    assert (row.median_price, row.p10_price, row.p90_price, row.gpu_count, row.offer_count) == (None,) * 5
    assert row.average_utilization == D(88)
    told = row.demand_indicators
    assert (told["source"], told["price_basis"], told["demand_tier"]) == ("salad", "host_net", "high")
    assert told["top25_price"] == "0.1410"
    now = selectors.market_now(["RTX 4090"], platform="salad")["RTX 4090"]
    assert (now.price, now.price_basis) == (D("0.0930"), "host_net")


def test_clore_is_stored_by_country_weighted_by_gpus_with_each_server():
    """R-036, and the history of single servers."""
    rows = [
        test_sources_clore.server(1, rented=True),
        test_sources_clore.server(
            2, "8x NVIDIA GeForce RTX 4090", 76.8, partial_gpu_rental={"total_gpus": 8, "available_gpus": 3}
        ),
        test_sources_clore.server(
            3, "1x NVIDIA GeForce RTX 4090", 14.4, price={"usd": {"on_demand_usd": 14.4, "spot": 7.2}}
        ),
    ]
    rows[2]["specs"]["net"]["cc"] = "DE"
    replay("clore", {"servers": rows, "code": 0})
    row = cell(platform="clore")
    assert (row.gpu_count, row.active_instances, row.offer_count) == (11, 7, 3)
    assert (row.min_price, row.median_price, row.max_price) == (D("0.4000"), D("0.4000"), D("0.6000"))
    assert row.average_utilization == D("63.64")
    assert row.demand_indicators["available_gpus"] == 4
    assert (cell(platform="clore", region="US").gpu_count, cell(platform="clore", region="DE").gpu_count) == (10, 1)
    assert cell(platform="clore", region="DE").median_price == D("0.6000")
    kept = PricingSnapshot.objects.filter(source="clore").order_by("external_id", "spot_instance")
    assert [(s.external_id, s.spot_instance, s.price_per_hour) for s in kept] == [
        ("1", False, D("0.5000")),
        ("2", False, D("0.4000")),
        ("3", False, D("0.6000")),
        ("3", True, D("0.3000")),
    ]


def test_akash_is_stored_with_its_share_and_without_what_nobody_bid():
    models = [test_sources_akash.model(), test_sources_akash.model("h100", ram="80Gi", interface="SXM5", price=None)]
    replay("akash", {"models": models})
    row, free = cell(platform="akash"), cell("H100 SXM", platform="akash")
    assert (row.median_price, row.min_price, row.max_price) == (D("0.3100"), D("0.2800"), D("0.3400"))
    assert (row.gpu_count, row.active_instances, row.average_utilization) == (4, 3, D("75.00"))
    assert (free.median_price, free.gpu_count, free.average_utilization) == (None, 4, D("75.00"))


def test_lambda_is_stored_as_a_price_list_over_its_sizes():
    """R-017: no number of GPUs, no share."""
    one = test_sources_lambda.instance("gpu_1x_h100_sxm5", 429, 1)
    replay("lambda", {"data": one | test_sources_lambda.instance()})
    row = cell("H100 SXM", platform="lambda")
    assert (row.min_price, row.max_price) == (D("3.9900"), D("4.2900"))
    assert (row.gpu_count, row.active_instances, row.average_utilization) == (None, None, None)
    assert row.demand_indicators["price_basis"] == "list"


def test_the_benchmark_is_stored_under_each_cloud_of_its_own():
    """R-017: Observation.platform decides; Lambda has a source of its own."""
    made = clock.now().isoformat()
    rows = [
        test_sources_benchmark.offer(name, fetched_at=made, usd_hr=usd)
        for name, usd in (("coreweave", 6.155), ("massedcompute", 2.35), ("lambda", 3.99))
    ]
    replay("gpurentalprices", test_sources_benchmark.body_of(*rows, day=made[:10], made=made))
    stored = {row.platform: row for row in MarketData.objects.all()}
    assert {slug: row.median_price for slug, row in stored.items()} == {
        "coreweave": D("6.1550"),
        "massed-compute": D("2.3500"),
    }
    assert {(row.gpu_model, row.gpu_count, row.average_utilization) for row in stored.values()} == {
        ("H100 SXM", None, None)
    }
    assert {row.demand_indicators["source"] for row in stored.values()} == {"gpurentalprices"}


@pytest.mark.parametrize("name", ["salad", "clore", "akash", "lambda"])
def test_the_same_document_again_changes_nothing(name):
    """R-056."""
    data = {
        "salad": [test_sources_salad.gpu()],
        "clore": {"servers": [test_sources_clore.server()]},
        "akash": {"models": [test_sources_akash.model()]},
        "lambda": {"data": test_sources_lambda.instance()},
    }[name]
    body = document(data, now=clock.now(), observed_at=clock.now())
    assert ingest.refresh(name, document=body).changed > 0
    assert ingest.refresh(name, document=body).changed == 0
