"""The arithmetic of portfolios/economics.py: its unknowns, its edges and its identities."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolios import economics
from portfolios.economics import Position, Total

D = Decimal
SMALL = D("1e-15")

amounts = st.decimals(min_value=0, max_value=10**6, places=2)
hours = st.decimals(min_value=0, max_value=10**5, places=2)
unknown_amounts = st.none() | amounts
parts = st.lists(unknown_amounts, max_size=40)


def near(a, b):
    return abs(a - b) <= SMALL * max(abs(a), abs(b), 1)


class TestUnknown:
    """A missing input makes the result unknown, never 0 (product: unknown is not zero)."""

    @pytest.mark.parametrize("lacks", ["idle_watts", "load_watts", "rented_hours", "usd_per_kwh"])
    def test_energy_cost_without_one_input(self, lacks):
        inputs = {"idle_watts": D(20), "load_watts": D(450), "rented_hours": D(18), "usd_per_kwh": D("0.2")}
        assert economics.energy_cost(quantity=1, **inputs) is not None
        assert economics.energy_cost(quantity=1, **{**inputs, lacks: None}) is None

    def test_net_without_revenue_or_energy(self):
        assert economics.net(revenue=None, fee=D(1), energy=D(1)) is None
        assert economics.net(revenue=D(1), fee=D(1), energy=None) is None

    def test_rates_where_nothing_was_rented_or_available(self):
        assert economics.average_rented_rate(revenue=D(0), rented_hours=D(0)) is None
        assert economics.occupancy(rented_hours=D(0), available_hours=D(0)) is None
        assert economics.revenue_per_available_hour(revenue=D(5), available_hours=None) is None

    def test_nothing_rented_of_something_available_is_a_known_zero(self):
        assert economics.occupancy(rented_hours=D(0), available_hours=D(24)) == 0

    def test_change_without_one_side(self):
        assert economics.change(now=None, before=D(1)) is None
        assert economics.change(now=D(1), before=None) is None
        assert economics.change(now=D(5), before=D(0)).percent is None

    def test_total_of_nothing_known(self):
        assert economics.total([None, None]) == Total(None, 0, 2)
        assert economics.total([]) == Total(None, 0, 0)
        assert economics.weighted_utilization([(4, None)]) is None

    def test_price_position_without_market(self):
        found = economics.price_position(rate=D("0.4"), p10=None, median=None, p90=None)
        assert found == economics.PricePosition(None, None)

    def test_floor_with_nothing_left_after_the_fee(self):
        whole = {"idle_watts": D(20), "load_watts": D(450), "usd_per_kwh": D("0.2")}
        assert economics.floor_rate(**whole, fee_percentage=D(100)) is None
        assert economics.floor_rate(**whole, fee_percentage=None) is None


@pytest.mark.parametrize(
    ("rate", "position"),
    [("0.31", Position.BELOW), ("0.32", Position.WITHIN), ("0.87", Position.WITHIN), ("0.88", Position.ABOVE)],
)
def test_the_band_includes_its_edges(rate, position):
    found = economics.price_position(rate=D(rate), p10=D("0.32"), median=D("0.64"), p90=D("0.87"))
    assert found.position == position


@pytest.mark.parametrize("rented", ["-1", "24.01"])
def test_rented_hours_outside_the_day_are_refused(rented):
    with pytest.raises(ValueError):
        economics.energy_kwh(quantity=1, idle_watts=D(1), load_watts=D(2), rented_hours=D(rented))


@given(rented=hours, idle=hours, revenue=amounts)
def test_yield_is_occupancy_times_rented_rate(rented, idle, revenue):
    """K3 = K1 × K2 wherever all three are known."""
    available = rented + idle
    k1 = economics.occupancy(rented_hours=rented, available_hours=available)
    k2 = economics.average_rented_rate(revenue=revenue, rented_hours=rented)
    k3 = economics.revenue_per_available_hour(revenue=revenue, available_hours=available)
    if k1 is not None and k2 is not None:
        assert near(k3, k1 / 100 * k2)
    else:
        assert rented == 0


@given(first=parts, second=parts)
def test_the_total_of_two_halves_is_that_of_the_whole(first, second):
    both = economics.total(first) + economics.total(second)
    whole = economics.total([*first, *second])
    assert both == whole
    assert whole.parts == len(first) + len(second)
    assert (whole.value is None) == (whole.known == 0)


@given(last=st.dates(min_value=date(2001, 1, 1), max_value=date(2100, 1, 1)), days=st.integers(1, 400))
def test_windows_are_equally_long_and_touch(last, days):
    now, before = economics.windows(last=last, days=days)
    assert now.days == before.days == days
    assert now.last == last
    assert (now.first - before.last).days == 1


@given(share=st.decimals(min_value=0, max_value=100, places=2), uptime=st.integers(0, 24))
def test_energy_lies_between_idle_and_load_and_is_linear_in_rented_hours(share, uptime):
    rented = economics.rented_hours(utilization_percentage=share, uptime_hours=D(uptime))

    def kwh(hours_rented):
        return economics.energy_kwh(quantity=3, idle_watts=D(20), load_watts=D(450), rented_hours=hours_rented)

    assert kwh(D(0)) <= kwh(rented) <= kwh(D(24))
    assert near(kwh(rented), kwh(D(0)) + rented * (kwh(D(1)) - kwh(D(0))))


@given(st.lists(st.tuples(st.integers(1, 500), st.decimals(0, 100, places=2)), min_size=1, max_size=20))
def test_weighted_utilization_stays_between_its_parts(shares):
    found = economics.weighted_utilization(shares)
    known = [share for _quantity, share in shares]
    assert min(known) - SMALL <= found <= max(known) + SMALL


days = st.integers(0, 7)


@given(st.lists(st.tuples(amounts, days, days), max_size=20))
def test_like_with_like_moves_only_where_a_configuration_does(fleet):
    def window(counts):
        return [Total(n * figure if n else None, n, 7 - n) for (figure, *_), n in zip(fleet, counts, strict=True)]

    found = economics.like_with_like(now=window([a for _, a, _b in fleet]), before=window([b for _, _a, b in fleet]))
    assert found.now == found.before
    assert found.shared == sum(1 for _, a, b in fleet if a and b)
    assert found.shared + found.alone == sum(1 for _, a, b in fleet if a or b)


def test_windows_of_different_fleets_are_refused():
    with pytest.raises(ValueError):
        economics.like_with_like(now=[Total(D(1), 1)], before=[])
