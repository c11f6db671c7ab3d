"""The daily benchmark of list prices: gpurentalprices.com (R-034, R-017)."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from market.catalog.files import read_catalog
from market.sources import LIVE_PLATFORMS, SOURCES
from market.sources.base import Observation, Rejection, SourceError
from market.sources.gpurentalprices import GpuRentalPrices
from tests.market.documents import document, recorded

D = Decimal
BENCHMARK = SOURCES["gpurentalprices"]
MADE = datetime(2026, 8, 22, 6, 21, 55, tzinfo=UTC)


def offer(provider="coreweave", gpu="h100-sxm", **changes):
    seen = "2026-08-22T06:21:49.391Z"
    return (
        {"provider": provider, "gpu": gpu, "vram_gb": 80, "usd_hr": 6.155, "kind": "on-demand"}
        | {
            "source_url": "https://www.example.com/pricing",
            "fetched_at": seen,
        }
        | changes
    )


def body_of(*rows, day="2026-08-22", made="2026-08-22T06:21:55.020Z"):
    return {"date": day, "generated_at": made, "offers": list(rows), "providers": {}, "meta": {}}


def parse(*rows, source=BENCHMARK, **envelope):
    parsed = list(source.parse(document(body_of(*rows, **envelope))))
    return [r for r in parsed if isinstance(r, Observation)], [r for r in parsed if isinstance(r, Rejection)]


def test_a_price_in_full():
    (row,), refused = parse(offer(min_gpus=8))
    assert refused == []
    assert row == Observation(
        source="gpurentalprices",
        platform="coreweave",
        observed_at=MADE,
        gpu_raw="h100-sxm",
        vram_gb=D("80.00"),
        price_per_gpu_hour=D("6.1550"),
        pricing="on_demand",
        price_basis="list",
        external_id="coreweave:h100-sxm:80.00:on-demand:8",
        region_raw="global",
        details={"min_gpus": 8},
    )


def test_its_license_wants_its_name_beside_its_figures():
    assert BENCHMARK.attribution == "GPU rental price data by gpurentalprices.com, CC BY 4.0"


def test_every_recorded_day_comes_to_what_its_rows_say():
    """Faults 5 and 11 of the real data: 39 keys stand twice, 91 rows were carried forward."""
    rows = list(csv.DictReader(gzip.decompress(recorded("series/gpurentalprices_daily.csv.gz")).decode().splitlines()))
    catalog, source = read_catalog(), GpuRentalPrices()
    days: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        days.setdefault(row["snapshot_date"], []).append(row)
    assert len(days) == 49
    refused = Counter()
    for day, told in days.items():
        expected = {}
        for row in told:
            known = catalog.platform_slug(row["platform"]) and row["kind"] != "serverless"
            if known and row["fetched_at"][:10] == day:
                key = (catalog.platform_slug(row["platform"]), row["gpu_model"], row["vram_gb"], row["kind"])
                expected.setdefault((*key, row["min_gpus"] or "1"), D(row["price_per_gpu_hour_usd"]))
        offers = [
            offer(
                row["platform"],
                row["gpu_model"],
                vram_gb=int(row["vram_gb"]),
                usd_hr=float(row["price_per_gpu_hour_usd"]),
                kind=row["kind"],
                fetched_at=row["fetched_at"],
            )
            | ({"min_gpus": int(row["min_gpus"])} if row["min_gpus"] else {})
            for row in told
        ]
        good, bad = parse(*offers, source=source, day=day, made=f"{day}T23:59:00Z")
        refused.update(row.rule or row.reason for row in bad)
        kinds = {"on_demand": "on-demand"}
        found = {
            (
                row.platform,
                row.gpu_raw,
                str(int(row.vram_gb)),
                kinds.get(row.pricing, row.pricing),
                str(row.details.get("min_gpus", 1)),
            ): row.price_per_gpu_hour
            for row in good
        }
        assert found.keys() == expected.keys()
        assert all(abs(found[key] - price) <= D("0.00005") for key, price in expected.items())
    assert not [why for why in refused if "not in the catalog" in why], refused
    assert 0 < refused["stale_carry_forward"] <= 91
    assert refused["duplicate_offer"] >= 39


def test_a_platform_with_a_source_of_its_own_is_left_out():
    """R-017: one source leads per platform."""
    rows, refused = parse(*(offer(slug) for slug in LIVE_PLATFORMS), offer("gcp"))
    assert ([row.platform for row in rows], refused) == (["gcp"], [])


@pytest.mark.parametrize(
    ("told", "slug"),
    [("massedcompute", "massed-compute"), ("datacrunch", "verda"), ("thundercompute", "thunder"), ("GCP", "gcp")],
)
def test_platforms_are_told_by_our_names(told, slug):
    (row,), _refused = parse(offer(told))
    assert row.platform == slug


@pytest.mark.parametrize(
    ("changes", "reason", "rule"),
    [
        ({"usd_hr": 0}, "price is 0, a placeholder", "placeholder_price"),
        ({"usd_hr": -0.5}, "price is negative", "negative_price"),
        ({"usd_hr": "$2.2.44"}, "price is not a number", "not_a_number"),
        ({"usd_hr": None}, "price is not a number", "not_a_number"),
        (
            {"fetched_at": "2026-08-21T23:59:59Z"},
            "seen on 2026-08-21, told again on 2026-08-22",
            "stale_carry_forward",
        ),
        ({"fetched_at": "yesterday"}, "the row does not tell when it was seen", ""),
        ({"fetched_at": None}, "the row does not tell when it was seen", ""),
        ({"provider": "nobody"}, "platform “nobody” is not in the catalog", ""),
        ({"provider": ""}, "no provider", ""),
        ({"gpu": None}, "no GPU name", ""),
        ({"kind": "serverless"}, "paid by the second of work: no price of a GPU-hour rented", ""),
        ({"kind": "barter"}, "kind of price “barter” is not known", ""),
    ],
)
def test_a_bad_price_is_refused_alone_by_its_rule(changes, reason, rule):
    """R-037."""
    rows, refused = parse(offer("gcp"), offer(**changes))
    assert [row.platform for row in rows] == ["gcp"]
    assert [(row.reason, row.rule) for row in refused] == [(reason, rule)]


def test_a_price_that_stands_twice_counts_once_and_other_sizes_are_others():
    rows, refused = parse(offer(), offer(usd_hr=9.9), offer(min_gpus=8, usd_hr=5.5), offer(kind="spot", usd_hr=3.0))
    assert [row.price_per_gpu_hour for row in rows] == [D("6.1550"), D("5.5000"), D("3.0000")]
    assert [row.rule for row in refused] == ["duplicate_offer"]


def test_a_document_without_a_day_has_that_of_its_clock():
    rows, refused = parse(offer(), offer("gcp", fetched_at="2026-08-21T06:00:00Z"), day=None)
    assert (len(rows), [row.rule for row in refused]) == (1, ["stale_carry_forward"])


@pytest.mark.parametrize("row", [None, 7, "text", [], [[]]])
def test_a_row_that_is_no_object_is_refused(row):
    rows, refused = parse(offer(), row)
    assert (len(rows), len(refused)) == (1, 1)


@pytest.mark.parametrize("body", [{}, {"offers": []}, {"generated_at": "today", "offers": []}, [], b"", b"<html>"])
def test_what_is_no_benchmark_is_an_error_of_the_source(body):
    """Fault e24."""
    with pytest.raises(SourceError):
        list(BENCHMARK.parse(document(body)))


def test_its_day_begins_after_it_is_made():
    """The document is made about 06:20 UTC; asked at midnight it would be a day old."""
    assert BENCHMARK.every == timedelta(days=1)
    assert timedelta(hours=7) <= timedelta(seconds=BENCHMARK.delay_seconds) <= timedelta(hours=12)
