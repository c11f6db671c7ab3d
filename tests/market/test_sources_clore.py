"""Clore.ai's marketplace: servers priced by the day (R-034)."""

from __future__ import annotations

import csv
import json
from decimal import Decimal

import pytest

from market.catalog.files import read_catalog
from market.names import Match, NameIndex
from market.sources import SOURCES
from market.sources.base import Observation, Rejection, SourceError
from tests.market.documents import NOON, document, recorded

D = Decimal
CLORE = SOURCES["clore"]


def server(number=1, label="2x NVIDIA GeForce RTX 4090", usd=24.0, **changes):
    gpus = int(label.split("x")[0]) if label[:1].isdigit() else 1
    return {
        "id": number,
        "rented": False,
        "reliability": 0.99,
        "specs": {"gpu": label, "gpuram": 24, "net": {"cc": "US"}},
        "gpu_array": ["NVIDIA GeForce RTX 4090"] * gpus,
        "price": {"usd": {"on_demand_usd": usd}},
    } | changes


def parse(*rows, **envelope):
    parsed = list(CLORE.parse(document({"servers": list(rows), "code": 0} | envelope)))
    return [r for r in parsed if isinstance(r, Observation)], [r for r in parsed if isinstance(r, Rejection)]


def test_the_marketplace_as_recorded():
    rows = list(CLORE.parse(document(recorded("composed/clore_marketplace.json"))))
    assert rows[0] == Observation(
        source="clore",
        platform="clore",
        observed_at=NOON,
        gpu_raw="NVIDIA GeForce RTX 4090",
        vram_gb=None,
        price_per_gpu_hour=D("0.4167"),  # 10 USD a day
        pricing="on_demand",
        external_id="12345",
        region_raw="US",
        gpu_count=1,
        gpus_rented=1,
        reliability=D("0.9971"),
    )
    assert [(row.reason, row.subject) for row in rows[1:]] == [("several kinds of GPU under one price", "12346")]


def test_the_recorded_price_bands_come_to_usd_per_gpu_hour():
    """Fault 4 of the real data: USD per server and day; every label but the mixed ones is a known card."""
    bands = list(csv.DictReader(recorded("snapshots/clore_price_bands_2026-09-12.csv").decode().splitlines()))
    servers = [
        {
            "id": n,
            "rented": band["rent_status"] == "rented",
            "specs": {"gpu": band["gpu_label_as_spelled"]}
            | ({"gpuram": 16} if "5060" in band["gpu_label_as_spelled"] else {}),
            "price": {"usd": {"on_demand_usd": float(band["median_usd_per_server_as_returned"])}},
        }
        for n, band in enumerate(bands, 1)
    ]
    rows, refused = parse(*servers)
    mixed = [band for band in bands if "Mixed" in band["gpu_label_as_spelled"]]
    assert len(refused) == len(mixed)
    assert len(rows) == len(bands) - len(mixed)
    catalog = read_catalog()
    names, unknown = NameIndex(catalog.aliases, catalog.refusals), set()
    for row in rows:
        band = bands[int(row.external_id) - 1]
        gpus = int(band["gpu_label_as_spelled"].split("x")[0])
        usd = D(band["median_usd_per_server_as_returned"]) / 24 / gpus
        assert abs(row.price_per_gpu_hour - usd) <= D("0.00005")
        assert row.gpus_rented == (gpus if band["rent_status"] == "rented" else 0)
        if not isinstance(names.resolve(CLORE.spells_like, row.gpu_raw, row.vram_gb), Match):
            unknown.add(row.gpu_raw)
    assert unknown <= {"NVIDIA GeForce RTX 3070 Laptop GPU"}, "no card of the catalog"


@pytest.mark.parametrize(
    ("changes", "rented"),
    [
        ({"rented": True}, 8),
        ({"rented": False}, 0),
        ({"rented": None}, None),
        ({"rented": "yes"}, None),
        ({"partial_gpu_rental": {"total_gpus": 8, "available_gpus": 3}}, 5),
        ({"rented": True, "partial_gpu_rental": {"total_gpus": 8, "available_gpus": 8}}, 0),
        ({"rented": True, "partial_gpu_rental": True}, 8),
        ({"rented": True, "partial_gpu_rental": {"total_gpus": 8}}, 8),
    ],
)
def test_how_many_gpus_of_a_server_are_rented(changes, rented):
    """Whole servers by their flag, those let in parts by their numbers; else unknown, never 0."""
    (row,), refused = parse(server(label="8x NVIDIA GeForce RTX 4090", **changes))
    assert (row.gpu_count, row.gpus_rented, refused) == (8, rented, [])


def test_a_spot_price_is_an_offer_of_its_own():
    rows, refused = parse(server(price={"usd": {"on_demand_usd": 24.0, "spot": 9.6}}))
    assert refused == []
    assert [(r.external_id, r.pricing, r.price_per_gpu_hour) for r in rows] == [
        ("1", "on_demand", D("0.5000")),
        ("1", "spot", D("0.2000")),
    ]


@pytest.mark.parametrize(
    ("usd", "original", "price"),
    [
        ({"on_demand_usd": 24}, {}, "0.5000"),
        ({"on_demand_usd": None, "on_demand_clore": 23.04}, {}, "0.4800"),
        ({"on_demand_btc": 28.8}, {}, "0.6000"),
        ({"on_demand_usd": 24, "on_demand_clore": 20}, {}, "0.5000"),
        ({"on_demand_usd": 24}, {"CLORE": {"spot": 9.6}, "BTC": {"spot": 12}}, "0.5000 0.2000"),
        ({"on_demand_usd": 24, "spot": 0}, {"BTC": {"spot": 12}}, "0.5000"),
    ],
)
def test_which_of_its_prices_a_server_is_told_with(usd, original, price):
    rows, _refused = parse(server(price={"usd": usd, "original_usd": original}))
    assert " ".join(str(row.price_per_gpu_hour) for row in rows) == price


@pytest.mark.parametrize(
    ("changes", "reason", "rule"),
    [
        ({"usd": 0}, "price is 0, a placeholder", "placeholder_price"),
        ({"usd": -1}, "price is negative", "negative_price"),
        ({"usd": "24"}, "price is not a number", "not_a_number"),
        ({"usd": float("nan")}, "price is not a number", "not_a_number"),
        ({"usd": 1e9}, "price is above 10,000 USD per GPU-hour", "unit_error"),
        ({"price": {"on_demand": {"bitcoin": 0.001}}}, "price is not a number", "not_a_number"),
        ({"id": True}, "no server id", ""),
        ({"label": "2x Mixed GPUs"}, "several kinds of GPU under one price", ""),
        ({"specs": {}}, "no GPU name", ""),
        ({"label": "3x NVIDIA GeForce RTX 4090", "gpu_array": ["a", "b"]}, "number of GPUs is not a count", ""),
        ({"label": "999x NVIDIA GeForce RTX 4090"}, "number of GPUs is not a count", ""),
        ({"label": "RTX 4090", "gpu_array": []}, "number of GPUs is not a count", ""),
        (
            {"partial_gpu_rental": {"total_gpus": 2, "available_gpus": 3}},
            "rented GPUs contradict the number of GPUs",
            "impossible_share",
        ),
        (
            {"partial_gpu_rental": {"total_gpus": 8, "available_gpus": 3}},
            "rented GPUs contradict the number of GPUs",
            "impossible_share",
        ),
    ],
)
def test_a_bad_server_is_refused_alone_by_its_rule(changes, reason, rule):
    """R-037."""
    rows, refused = parse(server(7), server(8, **changes))
    assert [row.external_id for row in rows] == ["7"]
    assert [(row.reason, row.rule) for row in refused] == [(reason, rule)]


def test_a_server_that_stands_twice_counts_once():
    """Fault 5 of the real data."""
    rows, refused = parse(server(7), server(7, usd=48.0))
    assert [row.price_per_gpu_hour for row in rows] == [D("0.5000")]
    assert [(row.rule, row.subject) for row in refused] == [("duplicate_offer", "7")]


@pytest.mark.parametrize(
    ("place", "country"),
    [("US", "US"), ("de", "DE"), ("", ""), (None, ""), ("U1", ""), ("ＤＥ", "")],
)
def test_a_country_is_iso_or_unknown(place, country):
    (row,), _refused = parse(server(specs={"gpu": "2x NVIDIA GeForce RTX 4090", "net": {"cc": place}}))
    assert row.region_raw == country


def test_a_label_without_a_number_is_counted_by_its_cards():
    (row,), _refused = parse(server(specs={"gpu": "Tesla V100SXM232GB"}, gpu_array=["V100"] * 4))
    assert (row.gpu_raw, row.gpu_count, row.price_per_gpu_hour) == ("Tesla V100SXM232GB", 4, D("0.2500"))


@pytest.mark.parametrize("row", [None, 7, "text", [], [[]]])
def test_a_row_that_is_no_object_is_refused(row):
    rows, refused = parse(server(), row)
    assert (len(rows), len(refused)) == (1, 1)


@pytest.mark.parametrize(
    "body", [{"code": 1, "servers": []}, {"code": 0}, {"offers": []}, [], b"", b"<html>", json.dumps({"servers": 1})]
)
def test_what_is_no_marketplace_is_an_error_of_the_source(body):
    """Fault e24."""
    with pytest.raises(SourceError):
        list(CLORE.parse(document(body.encode() if isinstance(body, str) else body)))
