"""What an alert waits for (R-040): one schema per type, and a condition that neither flaps nor fires too early."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import conditions
from alerts.conditions import ConditionError, Fired, Reading, Standing, dump, follow, parse, times_fired

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
PORTFOLIO = "0198f2d4-0000-7000-8000-000000000001"


def at(minutes, value, limit=60, margin=5):
    return Reading(
        at=NOON + timedelta(minutes=minutes),
        value=None if value is None else Decimal(value),
        limit=Decimal(limit),
        margin=Decimal(margin),
    )


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("utilization_drop", {"threshold": "60"}),
        ("utilization_drop", {"threshold": "20", "against": "comps", "scope": "portfolio", "scope_id": PORTFOLIO}),
        ("pricing_change", {"gpu_model": "RTX 4090", "threshold": "10"}),
        ("pricing_change", {"gpu_model": "RTX 4090", "against": "limit", "direction": "down", "threshold": "0.3"}),
        ("optimization_opportunity", {"threshold": "20", "kinds": ["price"]}),
    ],
)
def test_checked_conditions_come_back_as_they_were_stored(kind, told):
    """R-040"""
    found = parse(kind, told)
    assert parse(kind, dump(found)) == found


@pytest.mark.parametrize(
    ("kind", "told", "field"),
    [
        ("utilization_drop", {}, "threshold"),
        ("utilization_drop", {"threshold": "abc"}, "threshold"),
        ("utilization_drop", {"threshold": "NaN"}, "threshold"),
        ("utilization_drop", {"threshold": 101}, "threshold"),
        ("utilization_drop", {"threshold": 60, "operator": "xor"}, "operator"),
        ("utilization_drop", {"threshold": 60, "scope": "gpu"}, "conditions"),
        ("utilization_drop", {"threshold": 60, "scope_id": PORTFOLIO}, "conditions"),
        ("utilization_drop", {"threshold": 60, "for_minutes": -1}, "for_minutes"),
        ("utilization_drop", [{}] * 200, "conditions"),
        ("pricing_change", {"threshold": 10}, "gpu_model"),
        ("pricing_change", {"threshold": 10, "gpu_model": "RTX:4090"}, "gpu_model"),
        ("pricing_change", {"threshold": 1, "gpu_model": "h100", "against": "limit"}, "conditions"),
        ("pricing_change", {"threshold": 1, "gpu_model": "h100", "for_minutes": 0}, "for_minutes"),
        ("optimization_opportunity", {"threshold": 1, "kinds": ["price"] * 11}, "kinds"),
        ("made_up", {}, "alert_type"),
    ],
)
def test_conditions_that_are_none_name_their_field(kind, told, field):
    """R-040: an unknown operator, a threshold of letters, 200 nested rules."""
    with pytest.raises(ConditionError) as error:
        parse(kind, told)
    assert field in error.value.errors
    assert all(text.endswith(".") for text in error.value.errors.values())


def test_a_condition_fires_once_it_has_held_for_its_time():
    """R-040: below 60 % for two hours."""
    readings = [at(15 * n, 50) for n in range(1, 10)]
    assert times_fired(readings, 120) == [Fired(since=NOON, told_at=NOON + timedelta(minutes=120))]


def test_a_day_of_a_statement_has_held_for_a_day():
    """R-040: where no samples come, the day's figure is the reading."""
    day = Reading(at=NOON, value=Decimal(50), limit=Decimal(60), lasted=timedelta(days=1))
    assert times_fired([day], 120) == [Fired(since=NOON - timedelta(days=1), told_at=NOON)]


def test_a_gap_in_the_figures_fires_nothing():
    """R-040: an hour before and an hour after six unseen ones are two hours."""
    seen = [15, 30, 45, 60, 420, 435, 450]
    assert times_fired([at(minute, 50) for minute in seen], 120) == []
    assert len(times_fired([at(minute, 50) for minute in [*seen, 465]], 120)) == 1


def test_a_short_dip_fires_nothing():
    """R-040"""
    assert times_fired([at(0, 50), at(60, 50), at(90, 61), at(105, 50), at(180, 50)], 120) == []


def test_between_limit_and_margin_nothing_flaps():
    """R-040: hysteresis; one episode, ended past the margin."""
    values = [50, 50, 61, 59, 63, 59, 64, 66, 70]
    (one,) = times_fired([at(15 * n, value) for n, value in enumerate(values, 1)], 30)
    assert (one.told_at, one.until) == (NOON + timedelta(minutes=30), NOON + timedelta(minutes=120))


def test_an_unknown_value_neither_fires_nor_ends():
    """R-040: never from stale data."""
    assert times_fired([at(0, None), at(15, None)], 0) == []
    (one,) = times_fired([at(0, 50), at(15, None), at(30, None)], 0)
    assert one.until is None


def test_a_rising_price_fires_above_its_limit():
    """R-040"""
    one = Reading(at=NOON, value=Decimal("0.52"), limit=Decimal("0.50"), margin=Decimal("0.02"), falls=False)
    assert one.holds is True
    assert one.is_clear is False
    assert follow(Standing(), one, 0) == (Standing(NOON - QUARTER, QUARTER, is_told=True), "opened")


@given(st.lists(st.one_of(st.none(), st.integers(0, 100)), max_size=40), st.integers(0, 120))
def test_episodes_follow_each_other(values, minutes):
    """R-040: each begins after the one before has ended, and only the last may be open."""
    fired = times_fired([at(15 * n, value) for n, value in enumerate(values)], minutes)
    ends = [one.until for one in fired]
    assert all(end is not None for end in ends[:-1])
    assert all(one.since < one.told_at <= one.until for one in fired if one.until)
    assert all(one.until <= other.told_at for one, other in pairwise(fired))


def test_every_type_has_a_schema():
    """R-019"""
    from alerts.models import Alert

    assert set(conditions.SCHEMAS) == set(Alert.Type.values)
