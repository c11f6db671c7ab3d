"""Vast.ai's own offers: how they are asked for, and what of them counts."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from market.sources import SOURCES
from market.sources.base import Conditional, Rejection, SourceError
from market.sources.vast_offers import GROUPS
from tests.market.documents import NOON, document, recorded
from tests.market.json_far_side import json_far_side
from tests.market.vast_documents import offer, parse, parts

D = Decimal
MACHINES, OFFERS = SOURCES["500farm_machines"], SOURCES["vast_offers"]


def on_demand(rows):
    return [row for row in rows if row.pricing == "on_demand"]


def test_an_offer_as_recorded():
    rows, refused = parse(OFFERS, recorded("raw/vast_bundles_offer_rtx5090x8.json"))
    assert refused == []
    fixed, floor = rows
    assert (fixed.pricing, fixed.external_id, fixed.gpu_raw, fixed.vram_gb) == (
        "on_demand",
        "38941",
        "RTX 5090",
        D("31.84"),
    )
    assert (fixed.price_per_gpu_hour, fixed.floor_per_gpu_hour) == (D("0.5467"), D("0.2667"))
    assert (fixed.gpu_count, fixed.gpus_rented, fixed.region_raw, fixed.datacenter) == (8, 8, "CZ", True)
    assert (floor.pricing, floor.external_id, floor.price_per_gpu_hour) == ("spot", "38941", D("0.2667"))


def test_the_vendors_own_example_is_read():
    rows, refused = parse(OFFERS, recorded("raw/vendor_doc_vast_bundles.json"))
    assert refused == []
    assert [(row.gpu_count, str(row.price_per_gpu_hour)) for row in on_demand(rows)] == [(4, "0.0309")]


def test_the_recorded_market_counts_machines_not_rows():
    """Fault 5, R-036: on 2026-06-12 2,261 RTX 4090s stood in the rows and 1,663 in the machines."""
    lines = csv.DictReader(io.StringIO(gzip.decompress(recorded("snapshots/vast_offers_2026-06-12.csv.gz")).decode()))
    rows, largest = [], {}
    for number, line in enumerate(lines, start=1):
        gpus, renter_price = int(line["gpu_count"]), float(line["host_price_per_gpu_hour_usd"]) / 0.75
        rows.append(
            offer(
                number,
                gpu_ids=[],
                machine_id=int(line["machine_id"]),
                gpu_name=line["gpu_model"],
                gpu_ram=float(line["vram_gb"]) * 1024,
                gpu_frac=None,
                num_gpus=gpus,
                dph_base=renter_price * gpus,
                rentable=line["rent_status"] != "rented",
            )
        )
        largest[line["machine_id"]] = max(largest.get(line["machine_id"], (0, "")), (gpus, line["gpu_model"]))
    found, refused = parse(OFFERS, parts(*rows, limit=5000))
    assert refused == []
    counted, asked = Counter(), Counter()
    for row in on_demand(found):
        counted[row.gpu_raw] += row.gpu_count
    for gpus, name in largest.values():
        asked[name] += gpus
    assert counted == asked
    assert counted["RTX 4090"] == 1663
    assert sum(row["num_gpus"] for row in rows if row["gpu_name"] == "RTX 4090") == 2261


def test_a_machine_counts_once_whatever_number_of_its_parts_are_offered():
    """Fault 5: 4090 2,261 GPUs over rows, 1,663 over machines; the whole offer tells the price."""
    rows, refused = parse(
        OFFERS,
        parts(
            offer(1, gpu_ids=[1, 2, 3, 4], dph_base=2.4, rentable=False),
            offer(2, gpu_ids=[1, 2], gpu_frac=0.5, dph_base=1.4, rentable=False),
            offer(3, gpu_ids=[3, 4], gpu_frac=0.5, dph_base=1.4),
            offer(4, gpu_ids=[3], gpu_frac=0.25, dph_base=0.8),
        ),
    )
    assert refused == []
    (machine_row,) = on_demand(rows)
    assert (machine_row.gpu_count, machine_row.price_per_gpu_hour, machine_row.gpus_rented) == (4, D("0.6000"), 2)
    assert machine_row.details["min_chunk"] == 1


def test_without_a_whole_offer_the_parts_that_share_no_gpu_add_up():
    rows, _refused = parse(
        OFFERS,
        parts(
            offer(2, gpu_ids=[1, 2], gpu_frac=0.5, dph_base=1.2, rentable=False),
            offer(3, gpu_ids=[2, 3], gpu_frac=0.5, dph_base=9.9),
            offer(4, gpu_ids=[4], gpu_frac=0.25, dph_base=0.9),
        ),
    )
    (row,) = on_demand(rows)
    assert (row.gpu_count, row.price_per_gpu_hour, row.gpus_rented) == (3, D("0.7000"), 1)


def test_parts_that_do_not_name_their_gpus_are_never_added():
    rows, _refused = parse(
        OFFERS,
        parts(
            offer(2, gpu_ids=[], num_gpus=4, dph_base=2.4, gpu_frac=0.5),
            offer(3, gpu_ids=[], num_gpus=2, dph_base=1.4, gpu_frac=0.25, rentable=False),
        ),
    )
    assert [row.gpu_count for row in on_demand(rows)] == [4]


@pytest.mark.parametrize(
    ("rows", "rented"),
    [
        ([offer(1), offer(2, machine_id=8)], [None, None]),  # nothing taken is shown: rented GPUs are not in the answer
        ([offer(1), offer(2, machine_id=8, rentable=False)], [0, 2]),
        ([offer(1, rented=True), offer(2, machine_id=8, rented=True, rentable=False)], [0, 2]),
        ([offer(1, rentable=None), offer(2, machine_id=8, rentable=False)], [None, 2]),
        ([offer(1, rentable=False), offer(2, gpu_ids=[], num_gpus=1, gpu_frac=0.5, dph_base=0.6)], [None]),
    ],
)
def test_what_is_rented_is_told_by_rentable_never_by_rented(rows, rented):
    """market-sources.md 2b: `rented` speaks of the caller and was false in all 1,417 recorded offers."""
    found, _refused = parse(OFFERS, parts(*rows))
    assert [row.gpus_rented for row in on_demand(found)] == rented


def test_a_board_is_told_by_its_memory():
    """Fault 6: 113 of 674 offers called RTX 4090 are 48 GB boards."""
    rows, _refused = parse(OFFERS, parts(offer(1), offer(2, machine_id=8, gpu_ram=49140)))
    assert [row.vram_gb for row in on_demand(rows)] == [D("23.99"), D("47.99")]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"dph_base": float("nan")}, "not_a_number"),
        ({"dph_base": -1}, "negative_price"),
        ({"dph_base": 0}, "placeholder_price"),
        ({"dph_base": 50_000}, "unit_error"),
        ({"num_gpus": 0}, "not_a_number"),
        ({"id": 1}, "duplicate_offer"),
        ({"machine_id": None}, ""),
        ({"gpu_name": None}, ""),
    ],
)
def test_a_bad_offer_is_refused_alone(change, rule):
    """R-037."""
    rows, refused = parse(OFFERS, parts(offer(1), offer(2, **{"machine_id": 8, **change})))
    assert [(row.gpu_count, row.external_id) for row in on_demand(rows)] == [(2, "7")]
    assert [row.rule for row in refused] == [rule]
    assert [row.subject for row in refused] == ["2" if "machine_id" in change else "8"]


@pytest.mark.parametrize(
    ("bid", "priced"), [(0.4, True), (0, False), (None, False), (-1, False), (float("nan"), False), (1e9, False)]
)
def test_a_minimum_bid_is_the_floor_and_the_price_of_interruptible_use(bid, priced):
    rows, refused = parse(OFFERS, parts(offer(1, min_bid=bid)))
    assert refused == []
    assert [row.pricing for row in rows] == (["on_demand", "spot"] if priced else ["on_demand"])


@pytest.mark.parametrize(
    ("part", "is_cut"),
    [
        ({"limit": 3, "count": 2}, False),
        ({"limit": 2, "count": 2}, True),
        ({"limit": 1000, "count": 64}, True),
        ({"limit": 1000, "count": 500}, True),
        ({"limit": None, "count": None}, False),
    ],
)
def test_a_part_cut_at_a_round_number_is_left_out_and_said_so(part, is_cut):
    """Fault 17: exactly 500, later exactly 64 rows; what is left is biased to cheap, small offers."""
    data = parts(offer(1), offer(2, machine_id=8), label="RTX 5090", **part)
    data["parts"].append({"label": "others", "limit": 1000, "count": 1, "offers": [offer(3, machine_id=9)]})
    rows, refused = parse(OFFERS, data)
    assert [row.external_id for row in on_demand(rows)] == (["9"] if is_cut else ["7", "8", "9"])
    assert [(row.rule, row.subject) for row in refused] == ([("truncated", "RTX 5090")] if is_cut else [])


def test_where_most_parts_are_cut_there_is_no_market():
    with pytest.raises(SourceError, match="1 of 1 answers were cut"):
        list(OFFERS.parse(document(parts(offer(), count=500))))


def test_offers_are_off_unless_switched_on(settings):
    """The platform's terms forbid systematic collection: the operator decides."""
    assert OFFERS.name not in settings.MARKET_SOURCES
    assert "terms" in OFFERS.about
    assert OFFERS.every == timedelta(hours=1)
    assert MACHINES.name == OFFERS.stands_in_for


@pytest.fixture
def patient(monkeypatch):
    """Pauses of the adapter, taken note of and not made."""
    paused = []
    monkeypatch.setattr("market.sources.vast_offers.time.sleep", paused.append)
    return paused


def names_in(asked):
    return asked["json"]["gpu_name"].get("in", [])


def test_offers_are_asked_for_in_groups_with_pauses_between(patient, monkeypatch):
    """At most ten questions a minute, and the last one is about every GPU that no other asks for."""
    with json_far_side(lambda asked: {"offers": [offer()] if "RTX 4090" in names_in(asked) else []}) as (
        address,
        asked,
    ):
        monkeypatch.setattr(OFFERS, "url", address)
        answered = OFFERS.fetch(Conditional(NOON))
    assert len(asked) == len(GROUPS) + 1
    assert patient == [6.5] * len(GROUPS)
    assert asked[-1]["json"]["gpu_name"] == {"notin": [name for group in GROUPS for name in group]}
    assert {question["json"]["limit"] for question in asked} == {1000}
    assert not any("rented" in question["json"] or "rentable" in question["json"] for question in asked)
    assert [row.external_id for row in on_demand(OFFERS.parse(answered))] == ["7"]


def test_an_answer_that_was_cut_is_asked_for_in_smaller_parts(patient, monkeypatch):
    """Fault 17: a group of two by name, one name by size, one size by verification."""

    def answer(asked):
        query = asked["json"]
        if "RTX 3090" not in names_in(asked):
            return {"offers": []}
        if query.get("num_gpus") == {"in": [1]} and "verified" not in query:
            return {"offers": [offer(n) for n in range(1, 65)]}
        if "num_gpus" not in query:
            return {"offers": [offer(n) for n in range(1, 501)]}
        number = 7 if query.get("verified") == {"eq": True} else 8
        return {"offers": [offer(number, machine_id=number)] if "verified" in query else []}

    with json_far_side(answer) as (address, asked):
        monkeypatch.setattr(OFFERS, "url", address)
        answered = OFFERS.fetch(Conditional(NOON))
    assert len(asked) == len(GROUPS) + 1 + 2 + 5 + 2
    rows = list(OFFERS.parse(answered))
    assert not [row for row in rows if isinstance(row, Rejection)]
    assert [row.external_id for row in on_demand(rows)] == ["7", "8"]
    labels = [part["label"] for part in json.loads(answered.body)["parts"]]
    assert "RTX 3090; 1 GPUs; verified" in labels


def test_an_answer_that_stays_cut_is_told_as_such(patient, monkeypatch):
    """Where even the smallest part is cut, it is marked, and questions end at their number."""
    cut = {"offers": [offer(n) for n in range(1, 65)]}
    with json_far_side(lambda asked: cut if "RTX 4090" in names_in(asked) else {"offers": []}) as (address, asked):
        monkeypatch.setattr(OFFERS, "url", address)
        answered = OFFERS.fetch(Conditional(NOON))
    assert len(asked) <= 48
    rows = list(OFFERS.parse(answered))
    assert {row.rule for row in rows} == {"truncated"}


@pytest.mark.parametrize(
    ("headers", "questions", "pauses", "after"),
    [({}, 2, [60.0], timedelta(minutes=30)), ({"Retry-After": "120"}, 1, [], timedelta(minutes=2))],
)
def test_a_busy_platform_is_waited_for_once(patient, monkeypatch, headers, questions, pauses, after):
    """Fault e22: 429 comes as plain text without Retry-After."""
    with json_far_side(lambda asked: (429, b"API requests too frequent", headers)) as (address, asked):
        monkeypatch.setattr(OFFERS, "url", address)
        with pytest.raises(SourceError, match="429") as caught:
            OFFERS.fetch(Conditional(NOON))
    assert (len(asked), patient, caught.value.retry_at) == (questions, pauses, NOON + after)


def test_one_busy_moment_costs_nothing(patient, monkeypatch):
    busy = iter([True])
    with json_far_side(lambda asked: (429, b"too frequent", {}) if next(busy, False) else {"offers": []}) as (
        address,
        asked,
    ):
        monkeypatch.setattr(OFFERS, "url", address)
        OFFERS.fetch(Conditional(NOON))
    assert len(asked) == len(GROUPS) + 2


def test_a_failing_part_fails_the_whole(patient, monkeypatch):
    """Half a market is none."""
    with json_far_side(lambda asked: (500, b"", {}) if "H200" in names_in(asked) else {"offers": []}) as (
        address,
        _asked,
    ):
        monkeypatch.setattr(OFFERS, "url", address)
        with pytest.raises(SourceError, match="500"):
            OFFERS.fetch(Conditional(NOON))
