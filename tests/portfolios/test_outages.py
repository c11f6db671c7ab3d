"""Outages and what renters left out afterwards (F9)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from portfolios.insights.facts import DayFact
from portfolios.insights.outages import outages_of

FIRST = date(2026, 11, 1)
D = Decimal


def day(number, share, uptime=24, quantity=2):
    available = D(quantity * uptime)
    return DayFact(FIRST + timedelta(days=number), None, None, available, available * share / 100, D(uptime))


def fleet(after, *, before=80, out=(10,), days=30):
    """A month: `before` until the outage, `after` from it on; six hours offline on each day of `out`."""
    return [day(number, before if number <= out[-1] else after, 18 if number in out else 24) for number in range(days)]


def comp(share, since=None, then=None, days=30):
    return {
        FIRST + timedelta(days=number): D(share if since is None or number <= since else then) for number in range(days)
    }


def told(days, shares):
    return outages_of(days, quantity=2, comp_shares=shares)


def test_days_offline_in_a_row_are_one_outage():
    found = told(fleet(80, out=(10, 11)), comp(70))
    assert [(one.first, one.last, one.hours) for one in found] == [
        (FIRST + timedelta(days=10), FIRST + timedelta(days=11), D(24))
    ]


def test_what_is_rented_less_than_before_beside_a_still_market_is_the_shortfall():
    """F9: 20 points of 48 GPU-hours on each of 14 days."""
    (one,) = told(fleet(60), comp(70))
    assert one.short.value == pytest.approx(14 * 48 * 0.2)
    assert one.is_judged


def test_a_market_that_fell_as_much_explains_it():
    """80 beside 70 is 60 beside 52.5."""
    (one,) = told(fleet(60), comp(70, since=10, then=D("52.5")))
    assert (one.short, one.is_judged) == (None, True)


def test_what_may_be_luck_is_no_shortfall():
    days = fleet(80)
    mixed = [one if number <= 10 else day(number, 70 if number % 2 else 89) for number, one in enumerate(days)]
    (one,) = told(mixed, comp(70))
    assert (one.short, one.is_judged) == (None, True)


@pytest.mark.parametrize(
    ("out", "shares"),
    [((3,), comp(70)), ((25,), comp(70)), ((10,), {})],
    ids=["no-week-before", "no-week-after", "no-comp"],
)
def test_without_a_week_before_and_after_nobody_can_tell(out, shares):
    (one,) = told(fleet(40, out=out), shares)
    assert (one.short, one.is_judged, one.hours) == (None, False, D(12))


def test_a_day_after_two_outages_counts_once():
    days = fleet(60, days=40)
    days[14] = day(14, 60, 18)
    found = told(days, comp(70, days=40))
    assert [one.hours for one in found] == [D(12), D(12)]
    whole = sum(one.short.value for one in found if one.short)
    assert whole < 14 * 48 * 0.2 + 1


def test_an_hour_that_nobody_observed_was_not_offline():
    """Absent is not zero: 21 hours seen, all of them online."""
    days = [DayFact(FIRST, None, None, D(42), D(30), D(21), observed=D("21.25")), day(1, 80, 21)]
    (one,) = told(days, comp(70))
    assert (one.first, one.hours) == (FIRST + timedelta(days=1), D(6))
