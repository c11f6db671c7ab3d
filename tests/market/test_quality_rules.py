"""The quality rules about offers and documents, and the list of all rules (R-037)."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from market.quality import RULES, judge_document, judge_offers
from market.sources.base import Observation

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


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


# -- The list of rules -------------------------------------------------------------------------------------------------


def test_the_rules_answer_all_eighteen_faults_and_stand_in_the_documentation():
    """R-037: docs/quality.md has each rule with its fault, action and title, in the order of RULES."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (refuse|hold|flag|avoid) \| ([^|]+?) \|", page, flags=re.M)
    assert [(name, int(fault), action, title) for name, fault, action, title in rows] == [
        (rule.name, rule.fault, rule.action, rule.title) for rule in RULES.values()
    ]
    assert {rule.fault for rule in RULES.values()} == set(range(1, 19))
    assert all(name == rule.name for name, rule in RULES.items())
