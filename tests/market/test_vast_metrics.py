"""Vast.ai's own metrics, which it tells hosts: figures per model, and where the GPUs stand."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from gpuadvisor.core import clock
from market import ingest
from market.models import MarketData
from market.sources import SOURCES
from market.sources.base import Conditional, RawDocument, SourceError
from tests.market.documents import NOON, recorded
from tests.market.json_far_side import json_far_side
from tests.market.vast_documents import gpu, metrics, parse, place

D = Decimal
METRICS = SOURCES["vast_metrics"]


def test_metrics_as_documented():
    rows, refused = parse(METRICS, recorded("composed/vast_metrics_gpu_current.json"))
    assert [row.reason for row in refused] == ["the places of GPUs were not told"]
    (row,) = rows
    assert (row.gpu_raw, row.vram_gb, row.gpus_total, row.gpus_rented) == ("RTX 4090", D(24), 4446, 3789 + 385)
    assert (row.median, row.p10, row.p90) == (D("0.3900"), D("0.2460"), D("0.5990"))
    assert row.split == {
        "verified_gpus": 3789 + 165,
        "available_gpus": 272,
        "usage_30d": "91.20",
        "p25_price": "0.3010",
        "p75_price": "0.5000",
        "mixed_boards": True,
    }


def test_countries_have_counts_and_no_price():
    rows, refused = parse(
        METRICS,
        metrics(
            gpu(),
            places=[
                place(),
                place(rented=False, num_gpus=2),
                place("de", gpu_name="H100_SXM"),
                place("FR", rented=None),
                place("ITA"),
                place(num_gpus=0),
            ],
        ),
    )
    assert [(r.gpu_raw, r.region_raw, r.gpus_total, r.gpus_rented, r.median, r.split) for r in rows[1:]] == [
        ("RTX 5090", "US", 6, 4, None, None),
        ("RTX 5090", "north-america", 6, 4, None, None),
        ("H100 SXM", "DE", 4, 4, None, None),
        ("H100 SXM", "europe", 4, 4, None, None),
        ("RTX 5090", "FR", 4, None, None, None),
        ("RTX 5090", "europe", 4, None, None, None),
    ]
    assert [row.reason for row in refused] == ["no country", "number of GPUs is not a count"]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (gpu(rented_verified=200), "impossible_share"),
        (gpu(price_median=float("nan")), "not_a_number"),
        (gpu(price_median=0), "placeholder_price"),
        (gpu(price_p10=0.7), "not_a_number"),
        (gpu(total=0), ""),
        (gpu(""), ""),
        (gpu("A100 SXM4"), "variant_mixing"),
        (None, ""),
    ],
)
def test_bad_metrics_are_refused_alone(row, rule):
    rows, refused = parse(METRICS, metrics(gpu(), row))
    assert [(each.gpu_raw, each.gpus_rented) for each in rows] == [("RTX 5090", 80)]
    assert [each.rule for each in refused] == [rule]


def test_metrics_that_do_not_tell_what_is_rented_leave_it_unknown():
    """R-017: unknown utilization is NULL, never 0."""
    row = gpu()
    del row["rented_unverified"]
    rows, _refused = parse(METRICS, metrics(row))
    assert (rows[0].gpus_total, rows[0].gpus_rented) == (100, None)


def test_countries_without_a_price_become_rows_while_the_leader_is_off(catalog, settings):
    """R-017: they are no division of another's row, they have a rented share of their own."""
    settings.MARKET_SOURCES = [METRICS.name]
    data = metrics(gpu(), places=[place(), place(rented=False)])
    ingest.refresh(METRICS.name, document=RawDocument(json.dumps(data).encode(), 200, clock.now()))
    rows = {row.region: row for row in MarketData.objects.filter(gpu_model="RTX 5090")}
    assert set(rows) == {"global", "US", "north-america"}
    assert (rows["US"].median_price, rows["US"].gpu_count, str(rows["US"].average_utilization)) == (None, 8, "50.00")
    assert rows["global"].demand_indicators["usage_30d"] == "91.23"


@pytest.fixture
def host_key(settings):
    settings.VAST_API_KEY = "vast_test"


def test_metrics_are_asked_for_with_the_key_and_without_filters(host_key, monkeypatch):
    """Left out, the filter on verification would tell of verified machines alone."""

    def answer(asked):
        return metrics(gpu())["current"] if "/current/" in asked["path"] else metrics(places=[place()])["locations"]

    with json_far_side(answer) as (address, asked):
        monkeypatch.setattr(METRICS, "url", address)
        answered = METRICS.fetch(Conditional(NOON))
    assert asked[0]["path"] == "/current/?verified=all&hosting_type=all&num_gpus=all"
    assert {question["headers"]["authorization"] for question in asked} == {"Bearer vast_test"}
    assert [row.region_raw for row in METRICS.parse(answered)] == ["global", "US", "north-america"]


def test_metrics_do_without_places(host_key, monkeypatch):
    with json_far_side(lambda asked: gpus if "/current/" in asked["path"] else (503, b"", {})) as (address, _asked):
        gpus = metrics(gpu())["current"]
        monkeypatch.setattr(METRICS, "url", address)
        answered = METRICS.fetch(Conditional(NOON))
    rows, refused = parse(METRICS, answered.body)
    assert (len(rows), [row.reason for row in refused]) == (1, ["the places of GPUs were not told"])


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((401, {"success": False, "error": "auth_error"}, {}), "refused the key"),
        ((403, b"", {}), "refused the key"),
        ({"success": True, "gpus": [], "needs_machine": True}, "has no machine"),
        ({"success": False, "error": "oops", "msg": "Something broke"}, "refused the question: Something broke"),
        ((429, b"API requests too frequent", {}), "429"),
    ],
)
def test_a_key_that_does_not_do_is_one_plain_sentence(host_key, monkeypatch, answer, sentence):
    with json_far_side(lambda asked: answer) as (address, _asked):
        monkeypatch.setattr(METRICS, "url", address)
        with pytest.raises(SourceError, match=sentence):
            METRICS.fetch(Conditional(NOON))


def test_an_answer_that_quotes_the_key_does_not_carry_it_into_the_run(host_key, monkeypatch):
    told = {"success": False, "msg": "No such key: vast_test"}
    with json_far_side(lambda asked: told) as (address, _asked):
        monkeypatch.setattr(METRICS, "url", address)
        with pytest.raises(SourceError, match=r"refused the question: No such key: …$"):
            METRICS.fetch(Conditional(NOON))


def test_without_a_key_nothing_is_asked(settings):
    settings.VAST_API_KEY = ""
    with pytest.raises(SourceError, match="VAST_API_KEY is not set"):
        METRICS.fetch(Conditional(NOON))
