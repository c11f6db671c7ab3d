"""500.farm's documents about Vast.ai: machine by machine, and summed up per model and category."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from market.quality import RULES
from market.sources import SOURCES
from market.sources.base import SourceError, Summary
from market.sources.vast_rows import details_of
from tests.market.documents import NOON, document, gpu_stats, machine, machines, model_stats, recorded
from tests.market.vast_documents import by_category, category, parse

D = Decimal
MACHINES, STATS, BY_CATEGORY = (
    SOURCES[name] for name in ("500farm_machines", "500farm_gpu_stats", "500farm_gpu_stats_v2")
)

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
