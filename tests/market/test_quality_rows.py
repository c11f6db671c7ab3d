"""The quality rules about one row, alone or beside its neighbors (R-037)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from market.quality import (
    double_counting,
    doubled_poll,
    duplicate_offer,
    flat_series,
    impossible_share,
    negative_price,
    not_a_number,
    placeholder_price,
    stale_carry_forward,
    unit_error,
    unknown_region,
)
from market.sources import base
from market.sources.base import number, price_fault, refuse
from market.sources.gpurentalprices import GpuRentalPrices
from tests.market.documents import document

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)


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
    found = double_counting(rows)
    assert {index: finding.rule for index, finding in found.items()} == {0: "double_counting", 3: "double_counting"}


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
    assert rule_of(stale_carry_forward(NOON - timedelta(hours=13), NOON.date())) == "stale_carry_forward"
    assert stale_carry_forward(NOON - timedelta(hours=12), NOON.date()) is None
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


# -- What adapters run is what is measured -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "rule", "reason"),
    [
        (float("nan"), "not_a_number", "price is not a number"),
        ("0.4", "not_a_number", "price is not a number"),
        (-0.1, "negative_price", "price is negative"),
        (0, "placeholder_price", "price is 0, a placeholder"),
        (0.00004, "placeholder_price", "price is 0, a placeholder"),
        (0.5, "placeholder_price", "price is 0.5, a placeholder"),
        (10_001, "unit_error", "price is above 10,000 USD per GPU-hour"),
    ],
)
def test_a_price_is_refused_by_the_rules_about_prices(monkeypatch, told, rule, reason):
    """R-037: one place knows what is no price, and `check_market_quality` measures that place."""
    why = price_fault(number(told), (Decimal("0.5"),))
    assert (why, refuse(why, told).rule) == (reason, rule)


@pytest.mark.parametrize("name", ["not_a_number", "negative_price", "placeholder_price", "duplicate_offer"])
def test_adapters_have_no_rule_of_their_own(monkeypatch, name):
    """R-037: with the rule gone, so is the refusal."""
    asked = []
    monkeypatch.setattr(base, name, lambda *args: asked.append(name))
    price_fault(Decimal("-1") if name == "negative_price" else Decimal(0))
    base.told_twice("a", {"a"}, "twice", {})
    assert asked


def test_what_the_benchmark_refuses_as_old_is_what_the_rule_calls_old():
    """R-037, fault 11: its adapter tells the reason of the rule."""
    row = {"provider": "lambda", "gpu": "A100", "kind": "on-demand", "usd_hr": 1.2, "vram_gb": 40}
    for hours in (12, 13, 40):
        told_at = NOON - timedelta(hours=hours)
        data = {"generated_at": NOON.isoformat(), "date": NOON.date().isoformat()}
        (parsed,) = GpuRentalPrices().parse(document(data | {"offers": [row | {"fetched_at": told_at.isoformat()}]}))
        finding = stale_carry_forward(told_at, NOON.date())
        assert (parsed.reason if finding else None) == (finding.reason if finding else None)
        assert isinstance(parsed, base.Rejection) == (finding is not None)
