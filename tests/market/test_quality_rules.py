"""The quality rules on rows of our own (R-037)."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from market.quality import (
    RULES,
    BatchShape,
    Cell,
    cell_flags,
    double_counting,
    doubled_poll,
    duplicate_offer,
    flat_series,
    impossible_share,
    judge_batch,
    judge_document,
    judge_offers,
    negative_price,
    not_a_number,
    placeholder_price,
    stale_carry_forward,
    unit_error,
    unknown_region,
)
from market.sources.base import Observation

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)


def offer(price, *, pricing="on_demand", gpu="RTX 4090", number=0, **changes):
    return Observation(
        source="test",
        platform="vast",
        observed_at=NOON,
        gpu_raw=gpu,
        vram_gb=changes.pop("vram_gb", Decimal(24)),
        price_per_gpu_hour=Decimal(str(price)),
        pricing=pricing,
        external_id=str(number),
        **changes,
    )


def offers(*prices, pricing="on_demand"):
    return [offer(price, pricing=pricing, number=number) for number, price in enumerate(prices)]


def broken(found):
    return {index: finding.rule for index, finding in found.items()}


# -- Offers: faults 1, 2, 4, 9 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([0.4, 0.5, 0.6, 99], {3: "above_band"}),
        ([0.4, 0.5, 0.6, 2.5], {}),  # 5 times the median or less is dear, not wrong
        ([0.4, 0.5, 0.5, 53.34, 33.33], {3: "above_band", 4: "above_band"}),  # one does not excuse the other
        ([0.4, 0.4, 0.4, 0.4, 1.9, 1.9, 2.1], {}),  # above 5 times, but near p90: a market of two classes
        ([0.4, 0.5, 0.6, 0.05], {3: "below_band"}),
        ([0.4, 0.5, 0.6, 0.1], {}),
        ([0.5, 0.5, 0.5], {}),
        ([0.5, 53], {}),  # two cannot tell which of them is wrong
        ([0, 0, 5], {}),  # placeholders, which adapters refuse, are no median
        ([], {}),
    ],
)
def test_an_offer_far_from_the_median_of_its_moment_is_refused(prices, expected):
    """R-037, faults 1 and 2."""
    assert broken(judge_offers(offers(*prices))) == expected


def test_a_holding_price_does_not_excuse_itself_by_being_the_90th_percentile():
    """R-037, fault 1: of four offers the dear one is the p90; it is taken without the suspects."""
    assert broken(judge_offers(offers(0.7, 0.73, 0.75, 4.0))) == {3: "above_band"}


def test_each_pricing_type_is_judged_by_itself():
    """R-037: spot at a third of on-demand is no fault of either."""
    found = offers(2.0, 2.1, 2.2) + offers(0.6, 0.65, 0.7, pricing="spot")
    assert judge_offers(found) == {}
    dear = [*found, offer(10.5, pricing="spot", number=9)]
    assert broken(judge_offers(dear)) == {6: "above_band"}


@pytest.mark.parametrize(
    ("spot", "expected"),
    [(0.06, {3: "below_band"}), (0.9, {}), (3.9, {}), (33.33, {3: "above_band"})],
)
def test_a_lone_spot_price_is_judged_by_the_on_demand_median(spot, expected):
    """R-037, fault 2: H200 spot at 0.06 beside on-demand at 3."""
    assert broken(judge_offers([*offers(2.9, 3.0, 3.1), offer(spot, pricing="spot")])) == expected


def test_spot_is_not_judged_by_on_demand_prices_that_are_themselves_refused():
    """R-037: the whole list per day instead of per hour says nothing about honest spot prices."""
    found = [*offers(48, 50, 52), offer(0.7, pricing="spot")]
    assert broken(judge_offers(found, levels={"on_demand": Decimal(2)})) == dict.fromkeys(range(3), "unit_error")


@pytest.mark.parametrize(
    ("prices", "level", "expected"),
    [
        ([48], "2", {0: "unit_error"}),
        ([0.2], "2", {0: "unit_error"}),
        ([9.9], "2", {}),
        ([48, 50], "2", {0: "unit_error", 1: "unit_error"}),
        ([48, 50, 52], "2", {0: "unit_error", 1: "unit_error", 2: "unit_error"}),
        ([2.0, 2.1, 2.2], "2", {}),
        ([4.0, 4.1, 4.2], "2", {}),  # a market that doubled
    ],
)
def test_what_a_gpu_cost_lately_judges_few_offers_and_whole_documents(prices, level, expected):
    """R-037, fault 4."""
    assert broken(judge_offers(offers(*prices), levels={"on_demand": Decimal(level)})) == expected


def test_a_finding_names_the_offer_and_says_why():
    """R-037: staff read the reason."""
    (finding,) = judge_offers(offers(0.4, 0.5, 0.6, 99)).values()
    assert finding.subject == "3"
    assert finding.reason == "99 is 180 times the median 0.55"


# -- Documents: faults 6, 14 -------------------------------------------------------------------------------------------


def document(**prices):
    return {gpu: [offer(price, gpu=gpu)] for gpu, price in prices.items()}


def subjects(found, rule="identical_values"):
    return {finding.subject for finding in found if finding.rule == rule}


def test_four_gpus_of_one_odd_price_are_a_slipped_column():
    """R-037, fault 14: four series at 7.43 in one row."""
    found = judge_document(document(A100=7.43, H100=7.43, L4=7.43, T4=7.43, V100=0.5))
    assert subjects(found) == {"A100", "H100", "L4", "T4"}


@pytest.mark.parametrize(
    "prices",
    [
        {"A40": 0.49, "L4": 0.49},
        {"4070 Ti": 0.19, "A4500": 0.19, "V100": 0.19},  # stands in an honest list
        {"A": 1.0, "B": 1.0, "C": 1.0, "D": 1.0, "E": 1.0},  # a round price for all
    ],
    ids=["two", "three", "round"],
)
def test_honest_lists_may_repeat_a_price(prices):
    """R-037, fault 14."""
    assert judge_document(document(**prices)) == []


def test_a_gpu_that_jumps_onto_its_neighbors_price_is_refused_and_the_neighbor_is_not():
    """R-037, fault 14: a value of the next column."""
    levels = {"A100": Decimal("1.61"), "H100": Decimal("2.99")}
    assert subjects(judge_document(document(A100=2.99, H100=2.99), levels=levels)) == {"A100"}
    by_pricing = {gpu: {"on_demand": level} for gpu, level in levels.items()}
    assert subjects(judge_document(document(A100=2.99, H100=2.99), levels=by_pricing)) == {"A100"}


def test_twins_may_be_repriced_together():
    """R-037, fault 14: two boards of one chip at one price, before and after."""
    levels = {"A100 PCIe": Decimal("1.29"), "A100 SXM": Decimal("1.29")}
    assert judge_document({"A100 PCIe": [offer(1.99)], "A100 SXM": [offer(1.99)]}, levels=levels) == []


def test_many_offers_of_different_prices_are_never_a_slipped_column():
    """R-037, fault 14: a marketplace repeats prices by chance."""
    market = {gpu: offers(0.43, 0.47) for gpu in "ABCDE"}
    assert judge_document(market) == []


@pytest.mark.parametrize(("memory", "mixed"), [("48", True), ("22.49", False), (None, False)])
def test_boards_of_other_memory_under_one_name_are_refused(memory, mixed):
    """R-037, fault 6: 48 GB boards under "RTX 4090"; ECC takes a sixteenth of 24."""
    other = offer(0.6, vram_gb=None if memory is None else Decimal(memory), number=1)
    assert subjects(judge_document({"RTX 4090": [offer(0.5), other]}), "variant_mixing") == (
        {"RTX 4090"} if mixed else set()
    )


# -- Batches: faults 4, 11, 17 -----------------------------------------------------------------------------------------


def batch(**changes):
    medians = {"RTX 4090": Decimal("0.5"), "RTX 5090": Decimal("0.9"), "H100": Decimal("2.2"), "H200": Decimal("3.1")}
    return replace(BatchShape(rows=600, offers=550, gpus=4, medians=medians, observed_at=NOON), **changes)


def later(**changes):
    return batch(observed_at=NOON + QUARTER, **changes)


def times(factor):
    return {gpu: price * Decimal(factor) for gpu, price in batch().medians.items()}


@pytest.mark.parametrize(
    ("now", "rule"),
    [
        (later(), None),
        (later(medians=times("10")), "scale_step"),
        (later(medians=times("0.1")), "scale_step"),
        (later(medians=times("2")), None),
        (later(medians=batch().medians | {"H200": Decimal(31)}), None),  # one model is no step of everything
        (later(offers=230), None),
        (later(offers=200), "offers_lost"),
        (later(rows=200, offers=183, medians=times("1.6")), "offers_lost"),  # J10: a third, medians +60 %
        (later(rows=500), "truncated"),
        (later(rows=64, offers=64), "truncated"),
        (batch(observed_at=NOON - QUARTER), "clock_back"),
        (batch(observed_at=NOON + timedelta(hours=2)), "clock_ahead"),
        (batch(observed_at=NOON + timedelta(minutes=19)), None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_batch_that_breaks_with_the_one_before_is_held(now, rule):
    """R-037, faults 4, 11 and 17; J10."""
    finding = judge_batch(now, batch(), caps=frozenset({64, 500}), asked_at=NOON + QUARTER)
    assert (finding.rule if finding else None) == rule


def test_the_first_batch_is_believed_unless_it_ends_at_a_limit():
    """R-037, fault 17."""
    assert judge_batch(batch(), None, caps=frozenset({500})) is None
    assert judge_batch(batch(rows=500), None, caps=frozenset({500})).rule == "truncated"


def test_a_market_that_grew_to_the_limit_is_cut_as_well():
    """R-037, fault 17: 418 rows, then exactly 500 day after day."""
    assert judge_batch(later(rows=500), batch(rows=418), caps=frozenset({500})).rule == "truncated"


def test_offers_lost_over_days_are_not_lost_at_once():
    """R-037: so a source whose batch was held can come back by itself."""
    assert judge_batch(batch(offers=100, observed_at=NOON + 2 * DAY), batch(), caps=frozenset()) is None


def test_a_source_without_offers_is_judged_by_its_gpus():
    """R-037: sums by model, one of three left."""
    before, now = batch(offers=0, gpus=60), later(offers=0, gpus=20)
    assert judge_batch(now, before, caps=frozenset()).rule == "offers_lost"


def test_a_handful_of_offers_may_go_at_once():
    """R-037: of four offers three are rented."""
    assert judge_batch(later(offers=1, gpus=1), batch(offers=4, gpus=4), caps=frozenset()) is None


# -- Cells: faults 7, 8, 9, 10, 16, 18 ---------------------------------------------------------------------------------


def cell(**changes):
    return Cell(**{"source": "500farm_machines", "median": Decimal("0.40"), "offers": 60, "available": 100} | changes)


@pytest.mark.parametrize(
    ("now", "flags"),
    [
        (cell(), ()),
        (cell(offers=4), ("thin_cell",)),
        (cell(offers=None), ()),  # a price list
        (cell(spot_median=Decimal("0.41")), ("spot_above_on_demand",)),
        (cell(spot_median=Decimal("0.40")), ()),
        (cell(source="vast_offers", median=Decimal("0.9")), ("source_switch",)),  # and no move across sources
        (cell(median=Decimal("0.52"), same_provider_ratio=Decimal(1)), ("composition_jump",)),
        (cell(median=Decimal("0.52"), same_provider_ratio=Decimal("1.3")), ()),
        (cell(median=Decimal("0.52")), ()),  # nothing known of the same providers
        (cell(median=Decimal("0.52"), available=70), ("scarcity",)),
        (cell(median=Decimal("0.52"), available=None, offers=40), ("scarcity",)),
        (cell(median=Decimal("0.52"), available=95), ()),
        (cell(median=Decimal("0.39")), ("cent_noise",)),
        (cell(median=Decimal("0.38")), ()),
        (cell(median=None), ()),
    ],
)
def test_what_is_said_beside_a_cell(now, flags):
    """R-037, faults 7 to 10, 16 and 18."""
    assert cell_flags(now, cell()) == flags


def test_a_cell_without_a_past_is_told_by_itself_alone():
    """R-037."""
    assert cell_flags(cell(offers=1), None) == ("thin_cell",)


def test_a_squeeze_is_scarcity_and_no_composition_jump_of_survivors_alone():
    """R-037, fault 18: 0.40 to 2.34 while most offers go; both words go with the figure."""
    now = cell(median=Decimal("2.34"), offers=10, available=12, same_provider_ratio=Decimal("1.0"))
    assert cell_flags(now, cell()) == ("composition_jump", "scarcity")


# -- Rows: faults 3, 4, 5, 8, 11, 12, 13, 15 ---------------------------------------------------------------------------


def rule_of(finding):
    return finding.rule if finding else None


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "$2.2.44", "", None, True, [1], Decimal("NaN"), Decimal("Infinity")], ids=repr
)
def test_what_is_no_number_is_refused(value):
    """R-037, fault 15."""
    assert rule_of(not_a_number(value)) == "not_a_number"


@pytest.mark.parametrize("value", [0, 1.5, -1, Decimal("0.5"), 10**400], ids=lambda value: str(value)[:8])
def test_numbers_are_numbers(value):
    """R-037, fault 15: an integer beyond every float too."""
    assert not_a_number(value) is None


def test_placeholders_and_negative_prices():
    """R-037, faults 3 and 15: 0.5 is a placeholder where its source uses it so, and a price elsewhere."""
    half, sentinels = Decimal("0.5"), {Decimal("0.5")}
    assert rule_of(placeholder_price(Decimal(0))) == "placeholder_price"
    assert rule_of(placeholder_price(half, sentinels)) == "placeholder_price"
    assert placeholder_price(half) is None
    assert placeholder_price(Decimal("-0.5")) is None
    assert rule_of(negative_price(Decimal("-0.5"))) == "negative_price"
    assert negative_price(half) is None


@pytest.mark.parametrize(
    ("price", "gpus", "said"),
    [
        ("9.6", 1, "as if per day"),
        ("40", 1, "as if in cents"),
        ("3.2", 8, "as if of all 8 GPUs"),
        ("0.05", 8, "as if divided by 8 GPUs twice"),
        ("292", 1, "as if per month"),
        ("2.8", 1, ""),
    ],
)
def test_a_price_in_another_unit_is_refused_and_the_unit_guessed(price, gpus, said):
    """R-037, fault 4."""
    finding = unit_error(Decimal(price), Decimal("0.4"), gpus=gpus)
    assert finding.rule == "unit_error"
    assert finding.reason.endswith(said)
    assert bool(said) == ("as if" in finding.reason)


def test_a_price_near_the_usual_or_without_one_is_no_unit_error():
    """R-037, fault 4."""
    assert unit_error(Decimal("1.9"), Decimal("0.4")) is None
    assert unit_error(Decimal(99), None) is None


def test_offers_and_machines_count_once():
    """R-037, fault 5."""
    assert rule_of(duplicate_offer("a", {"a"})) == "duplicate_offer"
    assert duplicate_offer("b", {"a"}) is None
    rows = [("m1", 4), ("m1", 8), ("m2", 2), ("m2", 2), ("", 1), ("", 1)]
    assert broken(double_counting(rows)) == {0: "double_counting", 3: "double_counting"}


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"percentage": Decimal("100.5")}, True),
        ({"percentage": Decimal(-1)}, True),
        ({"percentage": Decimal(100)}, False),
        ({"rented": 9, "total": 8}, True),
        ({"rented": -1, "total": 8}, True),
        ({"rented": 8, "total": 8}, False),
        ({"rented": 8}, False),
    ],
)
def test_a_share_lies_between_nothing_and_all(told, found):
    """R-037, fault 15."""
    assert (impossible_share(**told) is not None) is found


def test_old_rows_second_polls_flat_prices_and_unknown_places():
    """R-037, faults 11, 12, 13 and 8."""
    assert rule_of(stale_carry_forward(NOON - timedelta(minutes=31), NOON, every=QUARTER)) == "stale_carry_forward"
    assert stale_carry_forward(NOON - timedelta(minutes=30), NOON, every=QUARTER) is None
    assert rule_of(stale_carry_forward(NOON - DAY, NOON, every=DAY)) == "stale_carry_forward"
    assert stale_carry_forward(NOON - timedelta(hours=2), NOON, every=DAY) is None
    assert rule_of(doubled_poll(NOON + timedelta(seconds=30), NOON)) == "doubled_poll"
    assert rule_of(doubled_poll(NOON + timedelta(minutes=14), NOON)) == "doubled_poll"
    assert doubled_poll(NOON + QUARTER, NOON) is None
    assert rule_of(doubled_poll(NOON + QUARTER, NOON + QUARTER - timedelta(seconds=9))) == "doubled_poll"
    assert doubled_poll(NOON, None) is None
    assert rule_of(flat_series(Decimal("1.10"), Decimal("1.1"))) == "flat_series"
    assert flat_series(Decimal("1.1"), None) is None
    assert rule_of(unknown_region("Atlantis", {"US"})) == "unknown_region"
    assert unknown_region("US", {"US"}) is None
    assert unknown_region("", {"US"}) is None


# -- The list of rules -------------------------------------------------------------------------------------------------


def test_the_rules_answer_all_eighteen_faults_and_stand_in_the_documentation():
    """R-037: docs/quality.md has each rule with its fault, action and title, in the order of RULES."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\w+) \| ([^|]+?) \|", page, flags=re.M)
    assert [(name, int(fault), action, title) for name, fault, action, title in rows] == [
        (rule.name, rule.fault, rule.action, rule.title) for rule in RULES.values()
    ]
    assert {rule.fault for rule in RULES.values()} == set(range(1, 19))
    assert all(name == rule.name for name, rule in RULES.items())
