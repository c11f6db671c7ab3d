"""Salad's demand monitor: what hosts get, net of all fees (R-034)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from market.sources import SOURCES
from market.sources.base import Rejection, SourceError, Summary
from tests.market.documents import NOON, document, recorded

D = Decimal
SALAD = SOURCES["salad"]


def gpu(name="NVIDIA GeForce RTX 4090", *, rates=(), **changes):
    earning = {"avgEarningRate": 0.093, "top25PctEarningRate": 0.141, "maxEarningRate": 0.18, "minEarningRate": 0.06}
    row = {"name": name, "displayName": name.removeprefix("NVIDIA GeForce "), "demandTier": "high"}
    return row | {"earningRates": earning | dict(rates), "utilizationPct": 88, "variantNames": []} | changes


def parse(*rows):
    parsed = list(SALAD.parse(document(list(rows))))
    return [row for row in parsed if isinstance(row, Summary)], [row for row in parsed if isinstance(row, Rejection)]


def test_the_demand_monitor_as_recorded():
    rows = list(SALAD.parse(document(recorded("composed/salad_demand_monitor_gpu.json"))))
    assert rows == [
        Summary(
            source="salad",
            platform="salad",
            observed_at=NOON,
            gpu_raw="NVIDIA GeForce RTX 4090",
            vram_gb=None,
            median=None,
            average=D("0.0930"),
            minimum=D("0.0600"),
            maximum=D("0.1800"),
            rented_percentage=D(88),
            price_basis="host_net",
            split={"demand_tier": "high", "top25_price": "0.1410"},
        ),
        Summary(
            source="salad",
            platform="salad",
            observed_at=NOON,
            gpu_raw="NVIDIA GeForce RTX 3060",
            vram_gb=None,
            median=None,
            average=D("0.0140"),
            minimum=D("0.0100"),
            maximum=D("0.0300"),
            rented_percentage=D(41),
            price_basis="host_net",
            split={"demand_tier": "low", "top25_price": "0.0220"},
        ),
    ]


def test_what_salad_does_not_tell_stays_unknown():
    """R-017: no median of rates, no numbers of GPUs, no guess."""
    (row,), refused = parse(gpu(utilizationPct=None, demandTier="huge", rates={"top25PctEarningRate": None}))
    assert refused == []
    assert (row.median, row.p10, row.gpus_total, row.gpus_rented, row.offers) == (None,) * 5
    assert (row.rented_percentage, row.split) == (None, {})


@pytest.mark.parametrize(
    ("told", "stored"),
    [(0, 0), (100, 100), (41.7, D("41.7")), (100.4, 100), (100.5, 100), (-0.5, 0), (-0.01, 0)],
)
def test_a_share_a_hair_outside_is_rounding(told, stored):
    (row,), refused = parse(gpu(utilizationPct=told))
    assert (row.rented_percentage, refused) == (D(stored), [])


@pytest.mark.parametrize(
    ("changes", "reason", "rule"),
    [
        ({"utilizationPct": 100.51}, "utilization is outside 0 to 100", "impossible_share"),
        ({"utilizationPct": 8800}, "utilization is outside 0 to 100", "impossible_share"),
        ({"utilizationPct": -1}, "utilization is outside 0 to 100", "impossible_share"),
        ({"utilizationPct": "88"}, "utilization is not a number", "not_a_number"),
        ({"utilizationPct": float("nan")}, "utilization is not a number", "not_a_number"),
        ({"rates": {"avgEarningRate": 0}}, "earning rate: price is 0, a placeholder", "placeholder_price"),
        ({"rates": {"avgEarningRate": "0,093"}}, "earning rate: price is not a number", "not_a_number"),
        ({"rates": {"avgEarningRate": float("inf")}}, "earning rate: price is not a number", "not_a_number"),
        ({"rates": {"minEarningRate": -0.5}}, "earning rate: price is negative", "negative_price"),
        ({"rates": {"minEarningRate": None}}, "earning rate: price is not a number", "not_a_number"),
        ({"rates": {"minEarningRate": 0.1}}, "earning rates are not in order", ""),
        ({"rates": {"maxEarningRate": 0.01}}, "earning rates are not in order", ""),
        ({"earningRates": None}, "earning rate: price is not a number", "not_a_number"),
        ({"name": "", "displayName": None}, "no GPU name", ""),
    ],
)
def test_a_bad_row_is_refused_alone_by_its_rule(changes, reason, rule):
    """R-037, faults 3 and 15 of the real data."""
    rows, refused = parse(gpu("RTX 3060"), gpu(**changes))
    assert [row.gpu_raw for row in rows] == ["RTX 3060"]
    assert [(row.reason, row.rule) for row in refused] == [(reason, rule)]


def test_a_gpu_that_stands_twice_counts_once():
    rows, refused = parse(gpu(), gpu(utilizationPct=1))
    assert [row.rented_percentage for row in rows] == [D(88)]
    assert [(row.rule, row.subject) for row in refused] == [("duplicate_offer", "NVIDIA GeForce RTX 4090")]


@pytest.mark.parametrize("row", [None, 7, "text", [], [[]]])
def test_a_row_that_is_no_object_is_refused(row):
    rows, refused = parse(gpu(), row)
    assert (len(rows), len(refused)) == (1, 1)


@pytest.mark.parametrize("body", [{}, {"gpus": []}, None, 7, b"", b"<html>", b"[{"])
def test_what_is_no_list_is_an_error_of_the_source(body):
    """Fault e24: a changed shape is told, not read as zeros."""
    with pytest.raises(SourceError):
        list(SALAD.parse(document(body)))
