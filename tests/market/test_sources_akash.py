"""Akash's console: bids and free GPUs per model (R-034)."""

from __future__ import annotations

import csv
from decimal import Decimal

import pytest

from market.catalog.files import read_catalog
from market.names import Match, NameIndex
from market.sources import SOURCES
from market.sources.base import Rejection, SourceError, Summary
from tests.market.documents import NOON, document, recorded

D = Decimal
AKASH = SOURCES["akash"]


def model(name="rtx4090", **changes):
    return {
        "vendor": "nvidia",
        "model": name,
        "ram": "24Gi",
        "interface": "PCIe",
        "availability": {"total": 4, "available": 1},
        "price": {"currency": "USD", "min": 0.28, "max": 0.34, "avg": 0.31, "weightedAverage": 0.3, "med": 0.31},
    } | changes


def parse(*rows):
    parsed = list(AKASH.parse(document({"availability": {"total": 9, "available": 2}, "models": list(rows)})))
    return [row for row in parsed if isinstance(row, Summary)], [row for row in parsed if isinstance(row, Rejection)]


def test_the_recorded_network():
    """Every model of 2026-09-12 by its memory and interface, its bids, and its rented share."""
    text = recorded("snapshots/marketplace_utilization_2026-09-12.csv").decode()
    seen = [r for r in csv.DictReader(text.splitlines()) if r["platform"] == "akash" and r["gpu_model"] != "*"]
    documents = []
    for row in seen:
        vendor, name, memory, interface = row["gpu_model"].split()
        told = {key: row[f"price_{key}_usd_h"] for key in ("min", "median", "max")}
        prices = {key[:3]: float(value) for key, value in told.items()} if told["min"] else None
        gpus = {"total": int(row["gpus_total"]), "available": int(row["gpus_available"])}
        documents.append(
            {"vendor": vendor, "model": name, "ram": memory, "interface": interface}
            | {"availability": gpus, "price": prices}
        )
    rows, refused = parse(*documents)
    assert refused == []
    assert sum(row.gpus_total for row in rows) == sum(int(row["gpus_total"]) for row in seen)
    catalog = read_catalog()
    names = NameIndex(catalog.aliases, catalog.refusals)
    named = {}
    for row, told in zip(rows, seen, strict=True):
        found = names.resolve(AKASH.spells_like, row.gpu_raw, row.vram_gb)
        assert isinstance(found, Match), row.gpu_raw
        named[found.gpu] = row
        share = D(row.gpus_rented) / row.gpus_total
        assert abs(share - D(told["utilization"])) <= D("0.0001")
    sxm = named["A100 SXM4 80GB"]
    assert (sxm.minimum, sxm.median, sxm.maximum) == (D("1.0700"), D("1.8400"), D("1.9100"))
    assert (sxm.gpus_total, sxm.gpus_rented) == (208, 160)
    assert (named["B300"].median, named["B300"].gpus_total) == (None, 16)
    assert {"V100 PCIe 32GB", "V100 SXM2 16GB"} <= set(named), "memory and interface decide the variant"


def test_a_model_in_full():
    (row,), refused = parse(model())
    assert refused == []
    assert row == Summary(
        source="akash",
        platform="akash",
        observed_at=NOON,
        gpu_raw="rtx4090 24Gi PCIe",
        vram_gb=D("24.00"),
        median=D("0.3100"),
        minimum=D("0.2800"),
        maximum=D("0.3400"),
        average=D("0.3100"),
        gpus_total=4,
        gpus_rented=3,
    )


@pytest.mark.parametrize("price", [None, {}, {"currency": "USD", "min": None, "med": None, "max": None, "avg": None}])
def test_a_model_that_nobody_bid_for_has_gpus_and_no_price(price):
    (row,), refused = parse(model(price=price))
    assert (row.median, row.minimum, row.gpus_total, refused) == (None, None, 4, [])


@pytest.mark.parametrize("availability", [None, {}, {"total": "4", "available": 1}, {"total": 4}])
def test_a_model_without_numbers_has_an_unknown_share(availability):
    """R-017: unknown, never 0."""
    (row,), refused = parse(model(availability=availability))
    assert (row.gpus_rented, refused) == (None, [])


@pytest.mark.parametrize(
    ("changes", "reason", "rule"),
    [
        ({"model": ""}, "no GPU name", ""),
        ({"availability": {"total": 4, "available": 5}}, "more GPUs free than there are", "impossible_share"),
        ({"price": {"min": 0.28, "med": 0.2, "max": 0.34}}, "prices are not in order", ""),
        ({"price": {"min": 0, "med": 0.3, "max": 0.34}}, "price is 0, a placeholder", "placeholder_price"),
        ({"price": {"min": 0.1, "med": "0.3", "max": 0.34}}, "price is not a number", "not_a_number"),
        ({"price": {"min": 0.1, "max": 0.34}}, "price is not a number", "not_a_number"),
        ({"price": {"min": 0.1, "med": 0.2, "max": float("inf")}}, "price is not a number", "not_a_number"),
        ({"price": {"currency": "AKT", "min": 1, "med": 2, "max": 3}}, "price is not in USD", ""),
        ({"price": None, "availability": {"total": 0, "available": 0}}, "neither a price nor a GPU", ""),
    ],
)
def test_a_bad_model_is_refused_alone_by_its_rule(changes, reason, rule):
    """R-037."""
    rows, refused = parse(model("rtx3090"), model(**changes))
    assert [row.gpu_raw for row in rows] == ["rtx3090 24Gi PCIe"]
    assert [(row.reason, row.rule) for row in refused] == [(reason, rule)]


def test_a_model_that_stands_twice_counts_once():
    rows, refused = parse(model(), model(), model(ram="48Gi"))
    assert [row.gpu_raw for row in rows] == ["rtx4090 24Gi PCIe", "rtx4090 48Gi PCIe"]
    assert [row.rule for row in refused] == ["duplicate_offer"]


@pytest.mark.parametrize("row", [None, 7, "text", [], [[]]])
def test_a_row_that_is_no_object_is_refused(row):
    rows, refused = parse(model(), row)
    assert (len(rows), len(refused)) == (1, 1)


@pytest.mark.parametrize("body", [{}, {"gpus": []}, [], b"", b"<html>"])
def test_what_is_no_network_is_an_error_of_the_source(body):
    """Fault e24."""
    with pytest.raises(SourceError):
        list(AKASH.parse(document(body)))
