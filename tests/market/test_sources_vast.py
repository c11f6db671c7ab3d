"""The documents about Vast.ai: 500.farm's by category, Vast.ai's own offers and metrics, and its history."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import hypothesis
import pytest
from hypothesis import strategies as st

from gpuadvisor.core import clock
from market import ingest
from market.models import MarketData
from market.quality import RULES
from market.sources import SOURCES
from market.sources.base import Conditional, Observation, RawDocument, Rejection, SourceError, Summary
from market.sources.vast_offers import GROUPS
from market.sources.vast_rows import details_of
from tests.market.documents import NOON, document, gpu_stats, machine, machines, model_stats, recorded
from tests.market.json_far_side import json_far_side

D = Decimal
MACHINES, STATS, BY_CATEGORY = (
    SOURCES[name] for name in ("500farm_machines", "500farm_gpu_stats", "500farm_gpu_stats_v2")
)

OFFERS, METRICS = SOURCES["vast_offers"], SOURCES["vast_metrics"]


def parse(source, data, **kwargs):
    rows = list(source.parse(document(data, **kwargs)))
    return [row for row in rows if not isinstance(row, Rejection)], [row for row in rows if isinstance(row, Rejection)]


# -- 500.farm: machines ------------------------------------------------------------------------------------------------


def test_a_machine_that_wavers_a_little_keeps_its_details():
    """A snapshot is stored when something changed: what differs at every poll is rounded."""
    row = machine(disk_space=512.31, inet_down=8109.3, inet_up=812.4, cpu_ram=257_700, direct_port_count=499)
    later = row | {"disk_space": 512.44, "inet_down": 8144.9, "inet_up": 808.1, "direct_port_count": 501}
    assert details_of(row, NOON) == details_of(later, NOON)
    assert details_of(row, NOON) == {
        "disk_gb": 512,
        "inet_down_mbps": 8100,
        "inet_up_mbps": 810,
        "ram_gb": 250,
        "ports": 500,
    }


@pytest.mark.parametrize(
    ("change", "details"),
    [
        ({}, {}),
        ({"disk_space": None, "inet_up": 0, "host_id": "x", "cpu_name": 7, "driver_version": ""}, {}),
        ({"disk_space": float("nan"), "storage_cost": float("inf"), "min_chunk": 0.5, "end_date": -1}, {}),
        ({"end_date": 1e300, "duration": 1e300}, {}),
        ({"end_date": 1_795_237_200}, {"until": "2026-11-21"}),
        ({"duration": 86_400.5}, {"until": "2026-11-21"}),
        ({"storage_cost": 0}, {"storage_usd_per_gb_month": "0"}),
        ({"verification": "deverified"}, {"deverified": True}),
    ],
)
def test_a_detail_that_is_absent_stays_absent(change, details):
    """Unknown is absent, never 0; an offer's end comes from its end date, else from its duration."""
    assert details_of(change, NOON) == details


@pytest.mark.parametrize(
    ("gone", "told"), [("verification", (None, False)), ("hosting_type", (True, None)), ("", (True, False))]
)
def test_what_the_row_does_not_tell_is_unknown(gone, told):
    row = machine()
    row.pop(gone, None)
    rows, _refused = parse(MACHINES, machines(row))
    assert (rows[0].verified, rows[0].datacenter) == told


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"dph_base": float("nan")}, "not_a_number"),
        ({"dph_base": -1}, "negative_price"),
        ({"dph_base": 0}, "placeholder_price"),
        ({"dph_base": 30_000}, "unit_error"),
        ({"num_gpus": 2.5}, "not_a_number"),
        ({"num_gpus_rented": 3}, "impossible_share"),
        ({"gpu_name": ""}, ""),
    ],
)
def test_a_refused_machine_names_its_rule_and_itself(change, rule):
    """R-037: quarantine says which rule a row broke and which row it was."""
    _rows, refused = parse(MACHINES, machines(machine(7, **change)))
    assert [(row.rule, row.subject) for row in refused] == [(rule, "7")]
    assert not rule or rule in RULES


def test_a_machine_twice_is_refused_by_its_rule():
    _rows, refused = parse(MACHINES, machines(machine(7), machine(7)))
    assert [(row.rule, row.subject) for row in refused] == [("duplicate_offer", "7")]


# -- 500.farm: statistics ----------------------------------------------------------------------------------------------


def test_a_sum_over_a_name_is_the_board_that_nearly_all_of_them_are():
    """Fault 6: the document tells the largest board of a name, which for the RTX 4090 is the 48 GB conversion."""
    rows, _refused = parse(STATS, gpu_stats(model_stats(vram=48.0), model_stats("RTX 5090", vram=32.0)))
    assert [(row.vram_gb, row.split.get("mixed_boards")) for row in rows] == [(D(24), True), (D("32.00"), None)]
    assert rows[0].split["verified_gpus"] == 1663
    assert rows[0].split["rented_median"] == rows[0].split["available_median"] == "0.6600"
    assert rows[0].split["available_gpus"] == 1663 - 1171


def test_a_sum_over_boards_of_which_none_is_nearly_all_is_refused():
    """Fault 6: 40 and 80 GB A100s under one name have no price of their own."""
    rows, refused = parse(STATS, gpu_stats(model_stats("A100 SXM4", vram=80.0)))
    assert rows == []
    assert [(row.rule, row.subject) for row in refused] == [("variant_mixing", "A100 SXM4")]


def leaf(count, median=0.5):
    return [{"count": count} | ({"price_median": median} if count else {})]


def category(*, size="1-3", gpus=10, rented=4, verified=True, datacenter=False, **changes):
    stats = {"rented": leaf(rented, 0.6), "available": leaf(gpus - rented, 0.7), "all": leaf(gpus, 0.65)}
    row = {"datacenter": datacenter, "gpu_count_range": size, "verified": verified, "stats": stats}
    return row | changes


def by_category(*categories, name="RTX 4090", **changes):
    total = sum(c["stats"]["all"][0]["count"] for c in categories if isinstance(c, dict))
    return gpu_stats({"name": name, "count": total, "categories": list(categories)} | changes)


def test_categories_as_recorded():
    data = json.loads(recorded("composed/500farm_gpu-stats_v2.json"))
    whole = {row["name"]: row for row in json.loads(recorded("composed/500farm_gpu-stats.json"))["models"]}
    rows, refused = parse(BY_CATEGORY, data)
    assert refused == []
    assert {row.gpu_raw for row in rows} == {row["name"] for row in data["models"]}
    for row in rows:
        assert row.median is row.p10 is row.p90 is None
        assert row.gpus_total == whole[row.gpu_raw]["stats"]["all"]["all"][0]["count"]
        assert row.gpus_rented == whole[row.gpu_raw]["stats"]["rented"]["all"][0]["count"]
        assert sum(row.split["by_size"].values()) == row.gpus_total
    first = rows[0]
    assert (first.vram_gb, first.gpus_total, first.gpus_rented) == (D(24), 1663, 1171)
    assert first.split["by_size"] == {"1-3": 249, "4-7": 526, "8+": 888}


def test_a_models_median_is_never_made_of_the_medians_of_its_categories():
    """R-036, fault 8: the counts add up, the medians do not."""
    rows, refused = parse(
        BY_CATEGORY,
        by_category(
            category(size="1-3", gpus=10, rented=4),
            category(size="8+", gpus=16, rented=8, datacenter=True),
            category(size="8+", gpus=8, rented=0, verified=False),
        ),
    )
    assert refused == []
    (row,) = rows
    assert isinstance(row, Summary)
    assert (row.median, row.gpus_total, row.gpus_rented) == (None, 34, 12)
    assert row.split == {
        "verified_gpus": 26,
        "datacenter_gpus": 16,
        "by_size": {"1-3": 10, "8+": 24},
        "categories": [
            {
                "size": "1-3",
                "verified": True,
                "datacenter": False,
                "gpus": 10,
                "rented": 4,
                "median": "0.6500",
                "rented_median": "0.6000",
                "available_median": "0.7000",
            },
            {
                "size": "8+",
                "verified": True,
                "datacenter": True,
                "gpus": 16,
                "rented": 8,
                "median": "0.6500",
                "rented_median": "0.6000",
                "available_median": "0.7000",
            },
            {
                "size": "8+",
                "verified": False,
                "datacenter": False,
                "gpus": 8,
                "rented": 0,
                "median": "0.6500",
                "available_median": "0.7000",
            },
        ],
        "mixed_boards": True,
    }


@pytest.mark.parametrize(
    ("data", "reason", "rule"),
    [
        (by_category(category(size="9-12")), "a category cannot be read", "not_a_number"),
        (by_category(category(verified="yes")), "a category cannot be read", "not_a_number"),
        (by_category(category(), None), "a category cannot be read", "not_a_number"),
        (by_category(category(gpus=2, rented=3)), "more GPUs rented than there are", "impossible_share"),
        (by_category(category(), count=11), "the categories do not add up to the model", "double_counting"),
        (by_category(), "no GPUs", ""),
        (by_category(category(), name=""), "no GPU name", ""),
        (
            by_category(category(), name="Tesla V100"),
            "boards of different memory stand under this name",
            "variant_mixing",
        ),
    ],
)
def test_a_model_with_a_bad_category_is_refused_whole(data, reason, rule):
    """A total with one category missing would be wrong, so it is none."""
    rows, refused = parse(BY_CATEGORY, data)
    assert rows == []
    assert [(row.reason, row.rule) for row in refused] == [(reason, rule)]


def test_categories_that_do_not_tell_what_is_rented_leave_it_unknown():
    """R-017: unknown utilization is NULL, never 0."""
    silent = category()
    del silent["stats"]["rented"]
    rows, _refused = parse(BY_CATEGORY, by_category(silent, category()))
    assert (rows[0].gpus_total, rows[0].gpus_rented) == (20, None)


@pytest.mark.parametrize("source", [STATS, BY_CATEGORY], ids=lambda source: source.name)
def test_the_statistics_only_check_and_come_after_their_leader(source):
    """R-017: one source leads per platform."""
    assert source.stands_in_for == MACHINES.name
    assert source.delay_seconds > MACHINES.delay_seconds
    with pytest.raises(SourceError, match="no list"):
        list(source.parse(document({"timestamp": NOON.isoformat(), "rows": []})))


# -- Vast.ai: offers ---------------------------------------------------------------------------------------------------


def offer(number=1, **changes):
    ids = changes.pop("gpu_ids", [number * 100, number * 100 + 1])
    return {
        "id": number,
        "machine_id": 7,
        "host_id": 3,
        "gpu_name": "RTX 4090",
        "gpu_ram": 24564,
        "gpu_frac": 1.0,
        "gpu_ids": ids,
        "num_gpus": len(ids) or 2,
        "dph_base": 0.6 * (len(ids) or 2),
        "min_bid": 0.2 * (len(ids) or 2),
        "rentable": True,
        "rented": False,
        "verification": "verified",
        "hosting_type": 1,
        "geolocation": "Texas, US",
        "reliability2": 0.99,
    } | changes


def parts(*rows, label="RTX 4090", limit=1000, **changes):
    return {"parts": [{"label": label, "limit": limit, "count": len(rows), "offers": list(rows)} | changes]}


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


# -- Vast.ai: metrics --------------------------------------------------------------------------------------------------


def gpu(name="RTX 5090", **changes):
    return {
        "gpu_name": name,
        "total": 100,
        "available": 20,
        "rented_verified": 70,
        "avail_verified": 15,
        "rented_unverified": 10,
        "avail_unverified": 5,
        "usage": 80.0,
        "usage_30d": 91.234,
        "price_p10": 0.4,
        "price_p25": 0.5,
        "price_median": 0.6,
        "price_p75": 0.7,
        "price_p90": 0.9,
    } | changes


def place(country="US", **changes):
    return {"country_code": country, "gpu_name": "RTX 5090", "rented": True, "num_gpus": 4, "city": "Austin"} | changes


def metrics(*gpus, places=()):
    return {
        "current": {"success": True, "gpus": list(gpus)},
        "locations": {"success": True, "locations": list(places)},
    }


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


def test_without_a_key_nothing_is_asked(settings):
    settings.VAST_API_KEY = ""
    with pytest.raises(SourceError, match="VAST_API_KEY is not set"):
        METRICS.fetch(Conditional(NOON))


# -- Whatever comes ----------------------------------------------------------------------------------------------------

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def broken(sample):
    """Rows like `sample` with up to four of its fields replaced by anything."""
    return st.dictionaries(st.sampled_from(sorted(sample)), ANY, max_size=4).map(lambda changes: sample | changes)


MACHINE_ROW = broken(
    machine() | {"end_date": 1.8e9, "duration": 5.0, "disk_space": 9.9, "host_id": 3, "verified": True}
)
CATEGORY = broken(category()) | ANY
FRAMES = {
    "500farm_machines": st.fixed_dictionaries({"offers": st.lists(MACHINE_ROW | ANY, max_size=4)}),
    "500farm_gpu_stats": st.fixed_dictionaries({"models": st.lists(broken(model_stats()) | ANY, max_size=3)}),
    "500farm_gpu_stats_v2": st.fixed_dictionaries(
        {
            "models": st.lists(
                ANY
                | st.fixed_dictionaries(
                    {"name": st.just("RTX 5090") | ANY, "categories": ANY | st.lists(CATEGORY, max_size=3)},
                    optional={"count": ANY},
                ),
                max_size=3,
            )
        }
    ),
    "vast_offers": st.fixed_dictionaries(
        {
            "parts": ANY
            | st.lists(
                st.fixed_dictionaries(
                    {"offers": ANY | st.lists(broken(offer(end_date=1.8e9)) | ANY, max_size=4)},
                    optional={"limit": ANY, "count": ANY, "label": ANY},
                )
                | ANY,
                max_size=3,
            )
        }
    )
    | st.fixed_dictionaries({"offers": ANY}),
    "vast_metrics": st.fixed_dictionaries(
        {
            "current": ANY | st.fixed_dictionaries({"gpus": ANY | st.lists(broken(gpu()) | ANY, max_size=3)}),
            "locations": ANY | st.fixed_dictionaries({"locations": ANY | st.lists(broken(place()) | ANY, max_size=3)}),
        }
    ),
}


@pytest.mark.parametrize("name", sorted(FRAMES))
@hypothesis.settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(data=st.data())
def test_no_document_of_the_right_frame_raises_anything_but_a_source_error(name, data):
    """Promise 26: whatever stands in a field, a row is used or refused."""
    body = json.dumps({"timestamp": NOON.isoformat()} | data.draw(FRAMES[name])).encode()
    with suppress(SourceError):
        for row in SOURCES[name].parse(document(body)):
            assert isinstance(row, Observation | Summary | Rejection)
