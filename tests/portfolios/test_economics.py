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


percentages = st.decimals(min_value=0, max_value=99, places=2)


@given(amount=amounts, gpus=st.lists(st.integers(0, 500), min_size=1, max_size=20).filter(any))
def test_what_is_allocated_adds_up_to_the_whole(amount, gpus):
    found = [economics.allocated(amount=amount, gpus=n, all_gpus=sum(gpus)) for n in gpus]
    assert near(sum(found), amount)


def test_shared_costs_need_somebody_to_carry_them():
    with pytest.raises(ValueError):
        economics.allocated(amount=D(1), gpus=0, all_gpus=0)


@given(revenue=amounts, energy=amounts, fixed=amounts, fee=percentages)
def test_the_waterfall_adds_up(revenue, energy, fixed, fee):
    """Net, fee, energy and fixed costs make the revenue again (K7)."""
    kept = economics.platform_fee(revenue=revenue, fee_percentage=fee)
    left = economics.net(revenue=revenue, fee=kept, energy=energy, fixed=fixed)
    assert near(left + kept + energy + fixed, revenue)
    if revenue:
        assert near(economics.margin(net=left, revenue=revenue) * revenue / 100, left)
        assert near(economics.platform_take(fee=kept, revenue=revenue), fee)


@given(told=amounts, fee=percentages)
def test_revenue_told_after_the_fee_leaves_what_was_told(told, fee):
    gross = economics.gross_revenue(revenue=told, is_after_fee=True, fee_percentage=fee)
    assert near(gross - economics.platform_fee(revenue=gross, fee_percentage=fee), told)
    assert economics.gross_revenue(revenue=told, is_after_fee=True, fee_percentage=D(100)) is None


@given(rented=st.decimals(0, 24, places=2), price=st.decimals(0, 2, places=4), quantity=st.integers(1, 50))
def test_one_price_by_the_hour_costs_what_it_costs_by_the_day(rented, price, quantity):
    """K6: hours are only needed where the price moves."""
    watts = {"quantity": quantity, "idle_watts": D(20), "load_watts": D(450), "overhead": D("1.15")}
    by_hour = economics.hourly_kwh(
        **watts, observed=[D(1)] * 24, rented=[rented * quantity / 24] * 24, metered=[None] * 24
    )
    by_day = economics.energy_cost(**watts, rented_hours=rented, usd_per_kwh=price)
    assert near(economics.hourly_cost(kwh=by_hour, prices=[price] * 24), by_day)


class TestEnergyByTheHour:
    """K6 where hours differ; what nobody measured is not free."""

    watts = {"quantity": 2, "idle_watts": D(20), "load_watts": D(450)}

    def test_a_meter_needs_no_watts(self):
        found = economics.hourly_kwh(
            quantity=2, idle_watts=None, load_watts=None, observed=[D(1)] * 2, rented=[None] * 2, metered=[D(1), None]
        )
        assert found == (1, None)

    def test_rented_gpus_that_nobody_told_at_all_are_unknown(self):
        found = economics.hourly_kwh(**self.watts, observed=[D(1), D(0)], rented=[None] * 2, metered=[None] * 2)
        assert found == (None, 0)

    def test_an_hour_without_a_price_is_not_free(self):
        assert economics.hourly_cost(kwh=[D(1), D(1)], prices=[D(1), None]) is None
        assert economics.hourly_cost(kwh=[D(1), None], prices=[D(1), D(1)]) is None
        assert economics.hourly_cost(kwh=[D(1), D(0)], prices=[D(1), None]) == 1


prices = st.lists(st.tuples(st.decimals("0.01", 5, places=2), st.integers(1, 20)), max_size=12)


@given(prices=prices, rate=st.decimals("0.01", 5, places=2))
def test_the_percentile_counts_cheaper_offers_and_half_of_the_equal_ones(prices, rate):
    """K12."""
    found = economics.price_percentile(rate=rate, prices=prices)
    asked = [price for price, number in prices for _ in range(number)]
    if len(asked) < 5:
        assert found is None
    else:
        from_below = sum((price < rate) + (price <= rate) for price in asked)
        assert near(found, D(from_below) * 50 / len(asked))
        assert 0 <= found <= 100


@given(st.lists(st.decimals("0.25", 200, places=2), min_size=5, max_size=40))
def test_without_unfinished_spells_the_wait_is_the_plain_median(lengths):
    """K14: of an even number the lower one of the middle."""
    found = economics.time_to_rent(spells=[(length, True) for length in lengths])
    assert found.median == sorted(lengths)[(len(lengths) - 1) // 2]


@given(
    spells=st.lists(st.tuples(st.integers(1, 100).map(D), st.booleans()), min_size=5, max_size=40),
    longer=st.integers(1, 100).map(D),
)
def test_one_more_spell_that_still_runs_never_shortens_the_wait(spells, longer):
    """K14: what is not over yet counts as waiting."""
    before = economics.time_to_rent(spells=spells).median
    after = economics.time_to_rent(spells=[*spells, (longer, False)]).median
    assert after is None or (before is not None and after >= before)


def test_payback_left_ends_at_nothing():
    """K10."""
    assert economics.payback_left(price=D(100), earned=D(120), monthly_net=D(-5)) == 0
    assert economics.payback_left(price=D(100), earned=D(20), monthly_net=D(-5)) is None
    assert economics.payback_left(price=D(100), earned=None, monthly_net=D(5)) is None


def test_an_index_against_stale_or_empty_company_is_unknown():
    """K13: nothing older than 12 hours."""
    assert economics.occupancy_index(occupancy=D(50), rented_percentage=D(50), age_hours=D(12)) == 100
    assert economics.occupancy_index(occupancy=D(50), rented_percentage=D(50), age_hours=D("12.1")) is None
    assert economics.occupancy_index(occupancy=D(50), rented_percentage=D(0)) is None
    assert economics.yield_index(yield_rate=D(1), rented_percentage=D(0), rented_price=D(1)) is None


def test_uptime_never_exceeds_all_hours():
    """K11, with announced maintenance left out."""
    assert economics.uptime(online_hours=D(24), hours=D(24), maintenance_hours=D(2)) == 100
    assert economics.uptime(online_hours=D(0), hours=D(2), maintenance_hours=D(2)) is None
