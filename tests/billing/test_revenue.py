"""Recurring revenue by month: the sums of docs/billing.md, worked by hand, and that they always add up (step 6, 6)."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from billing.revenue import Change, months, next_month

JANUARY, MARCH = date(2026, 1, 1), date(2026, 3, 31)


def change(account, month, day, tier, price, by_stripe=True):
    return Change(account, datetime(2026, month, day, 12, tzinfo=UTC), tier, Decimal(price), by_stripe)


EXAMPLE = [
    change("Ann", 1, 5, "individual", 9),
    change("Bob", 1, 9, "professional", 0),  # a trial
    change("Cem", 1, 20, "individual", "7.50"),  # by the year
    change("Bob", 1, 23, "professional", 29),
    change("Dia", 1, 30, "professional", 0),
    change("Ann", 2, 3, "professional", 29),
    change("Cem", 2, 10, "free", 0),
    change("Dia", 2, 13, "free", 0),  # her trial ended
    change("Eve", 2, 20, "professional", 0, by_stripe=False),  # staff gave it
    change("Fay", 2, 21, "individual", 9),
    change("Fay", 2, 27, "free", 0),  # came and went within a month
    change("Bob", 3, 2, "individual", 9),
    change("Ann", 3, 7, "free", 0),
    change("Ann", 3, 28, "individual", 9),  # and came back within the month
]


def money(month):
    names = ("start", "new", "expansion", "contraction", "churned", "end")
    return tuple(float(getattr(month, name)) for name in names)


def test_the_example_of_the_docs():
    january, february, march = months(reversed(EXAMPLE), JANUARY, MARCH)
    assert money(january) == (0, 45.5, 0, 0, 0, 45.5)
    assert money(february) == (45.5, 0, 20, 0, 7.5, 58)
    assert money(march) == (58, 0, 0, 40, 0, 18)
    assert [(m.paying_at_start, m.lost, m.paying_at_end) for m in (january, february, march)] == [
        (0, 0, 3),
        (3, 1, 2),
        (2, 0, 2),
    ]
    assert [(m.trials, m.converted) for m in (january, february, march)] == [(2, 1), (0, 0), (0, 0)]
    assert (january.account_churn, january.money_churn) == (None, None)
    assert round(february.account_churn, 2) == Decimal("33.33")
    assert round(february.money_churn, 2) == Decimal("16.48")  # 7.50 of 45.50
    assert january.by_tier == {"individual": Decimal("16.5"), "professional": Decimal(29)}


def test_of_one_plan_who_comes_from_another_is_not_new():
    january, february, march = months(EXAMPLE, JANUARY, MARCH, "professional")
    assert money(january) == (0, 29, 0, 0, 0, 29)
    assert (february.moved_in, february.new, february.end) == (29, 0, 58)
    assert (march.moved_out, march.churned, march.end, march.lost) == (58, 0, 0, 0)
    assert (january.trials, january.converted) == (2, 1)


def test_a_month_is_one_of_utc_and_an_empty_table_is_zeros():
    edge = Change("Ann", datetime(2026, 2, 1, tzinfo=UTC), "individual", Decimal(9))
    assert [month.end for month in months([edge], JANUARY, MARCH)] == [0, 9, 9]
    assert [money(month) for month in months([], JANUARY, JANUARY)] == [(0, 0, 0, 0, 0, 0)]
    assert next_month(date(2025, 12, 1)) == date(2026, 1, 1)


CHANGES = st.builds(
    Change,
    st.integers(1, 5),
    st.datetimes(datetime(2025, 11, 1), datetime(2026, 6, 1), timezones=st.just(UTC)),
    st.sampled_from(["free", "individual", "professional", "enterprise"]),
    st.sampled_from([Decimal(0), Decimal("7.50"), Decimal(9), Decimal("24.17"), Decimal(29)]),
    st.booleans(),
)
TIERS = ["individual", "professional", "enterprise", "free"]


@settings(max_examples=30)
@given(st.lists(CHANGES, max_size=30))
def test_what_came_and_went_always_makes_the_end(changes):
    every = {tier: months(changes, JANUARY, date(2026, 5, 1), tier) for tier in ["", *TIERS]}
    for tier, row in every.items():
        for month in row:
            came = month.start + month.new + month.expansion + month.moved_in
            assert came - month.contraction - month.churned - month.moved_out == month.end
            assert not tier or month.by_tier.get(tier, 0) == month.end
        assert all(before.end == after.start for before, after in pairwise(row))
    for position, month in enumerate(every[""]):
        assert month.end == sum(every[tier][position].end for tier in TIERS)
        assert month.moved_in == month.moved_out == 0
