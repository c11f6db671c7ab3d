"""Whom hosts are compared with: offers that fit criteria, now and by the day (part 8; K12, K13)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_standing_months
from market import comps, rollups
from market.cache import forget_market
from market.cells import Counted, cells_of
from market.comps import Criteria, size_of
from market.comps.criteria import DayTally, summary
from market.models import CompDay
from tests.factories import MarketDataFactory
from tests.market.comp_offers import hour, offer, run

ANY = Criteria("RTX 4090", "vast")


@pytest.fixture
def now(db):
    ensure_standing_months()
    return clock.now()


@pytest.mark.parametrize(
    "criteria",
    [
        ANY,
        Criteria("RTX 4090", "vast", "4-7", True, False, "europe"),
        Criteria("RTX PRO 6000 Server", "runpod", "", None, True, "DE"),
    ],
    ids=["any", "all", "some"],
)
def test_a_key_names_criteria_and_is_read_back(criteria):
    assert Criteria.of_key(criteria.key) == criteria
    assert len(criteria.key) <= 160


def test_what_is_no_key_is_refused():
    with pytest.raises(ValueError, match="key"):
        Criteria.of_key("vast|RTX 4090|4-7|maybe||")


def test_sizes_are_those_of_the_market_s_own_cells():
    for gpus in range(1, 20):
        (cell,) = cells_of("vast", "RTX 4090", [Counted("1", 4000, gpus, 0, "", "on_demand")])
        assert list(cell.told["by_size"]) == [size_of(gpus)]


@pytest.mark.parametrize(
    ("criteria", "fits"),
    [
        (ANY, True),
        (Criteria("RTX 4090", "vast", "4-7"), True),
        (Criteria("RTX 4090", "vast", "1-3"), False),
        (Criteria("RTX 4090", "vast", region="SE"), True),
        (Criteria("RTX 4090", "vast", region="europe"), True),
        (Criteria("RTX 4090", "vast", region="asia"), False),
        (Criteria("RTX 4090", "vast", is_verified=True), True),
        (Criteria("RTX 4090", "vast", is_verified=False), False),
        (Criteria("RTX 4090", "vast", is_datacenter=True), False),
        (Criteria("RTX 4090", "vast", is_datacenter=False), False),
    ],
    ids=lambda value: value.key if isinstance(value, Criteria) else str(value),
)
def test_what_an_offer_does_not_tell_fits_only_where_nothing_is_asked(criteria, fits):
    assert criteria.fits(gpus=4, country="SE", verified=True, datacenter=None) is fits


def test_figures_are_those_of_the_market_s_own_cells():
    offers = [(4000, 4, 2), (3000, 1, 1), (9000, 8, 0), (5000, 2, None)]
    (cell,) = cells_of("vast", "RTX 4090", [Counted(str(n), *one, "", "on_demand") for n, one in enumerate(offers)])
    made, theirs = summary(offers), cell.figures
    assert (made.median, made.p10, made.p90) == (theirs.median, theirs.p10, theirs.p90)
    assert made.rented_percentage == theirs.rented_percentage
    assert made.rented_price == Decimal("0.3667")  # (2 × 0.40 + 1 × 0.30) ÷ 3
    assert summary([]).median is None


def test_a_day_is_weighed_by_the_hours_that_each_price_stood():
    """Twenty hours at 0.40 and rented, four hours at 0.60 and free: docs/economics.md."""
    tally = DayTally.empty()
    for moment in range(24):
        tally.add([("1", (4000, 2, 2) if moment < 20 else (6000, 2, 0))])
    made = tally.summary()
    assert (tally.moments, tally.seen) == (24, {"1": 2})
    assert made.rented_percentage == Decimal("83.33")
    assert (made.median, made.p90, made.rented_price) == (Decimal("0.4"), Decimal("0.6"), Decimal("0.4"))


@pytest.mark.parametrize("origin", ["live", "simulated"])
def test_offers_that_stand_now_are_counted_and_no_others(now, origin):
    """Of the latest snapshot of each; without refused, gone, spot and reserved ones, and those of the other origin."""
    at, earlier = now - timedelta(minutes=10), now - timedelta(hours=3)
    other = "simulated" if origin == "live" else "live"
    offer(1, "0.90", earlier, origin=origin)
    offer(1, "0.40", at, gpus=4, rented=4, origin=origin)
    offer(2, "0.50", earlier, gpus=2, rented=1, country="US", origin=origin)
    offer(3, "0.10", earlier, origin=origin)
    offer(3, "0.10", at, gone=True, origin=origin)
    offer(4, "0.10", at, refused="outlier", origin=origin)
    offer(5, "0.10", at, spot=True, origin=origin)
    offer(6, "0.10", at, reserved=True, origin=origin)
    offer(7, "0.20", earlier, origin=other)
    for one in ("live", "simulated"):
        run(at, one)
    found = comps.comps_now([ANY, Criteria("RTX 4090", "vast", region="US")], origin)
    whole, american = found.values()
    assert (whole.offers, whole.gpus, whole.origin) == (2, 6, origin)
    assert whole.prices == ((Decimal("0.4000"), 1), (Decimal("0.5000"), 1))
    assert (whole.rented_percentage, whole.median, whole.rented_price) == (
        Decimal("83.33"),
        Decimal("0.4"),
        Decimal("0.4200"),
    )
    assert (american.offers, american.rented_percentage) == (1, Decimal("50.00"))
    assert whole.is_thin
    assert not whole.is_stale


def test_a_machine_that_speaks_as_another_model_since_stands_there(now):
    at = now - timedelta(minutes=10)
    offer(1, "0.40", now - timedelta(hours=3))
    offer(1, "0.80", at, gpu="RTX 5090")
    run(at)
    found = comps.comps_now([ANY, Criteria("RTX 5090", "vast")], "live")
    assert ANY not in found
    assert found[Criteria("RTX 5090", "vast")].offers == 1


def test_a_source_silent_for_a_day_tells_nothing_now(now):
    at = now - timedelta(hours=25)
    offer(1, "0.40", at)
    run(at)
    assert comps.comps_now([ANY], "live") == {}


def test_offers_half_a_day_old_are_no_ground_for_advice(now):
    at = now - timedelta(hours=13)
    offer(1, "0.40", at)
    run(at)
    (found,) = comps.comps_now([ANY], "live").values()
    assert found.is_stale
    assert not found.is_for_advice


def test_a_refresh_is_seen_at_once(now, django_assert_num_queries):
    at = now - timedelta(minutes=10)
    offer(1, "0.40", at)
    run(at)
    assert comps.comps_now([ANY], "live")[ANY].offers == 1
    offer(2, "0.40", at)
    assert comps.comps_now([ANY], "live")[ANY].offers == 1  # kept
    forget_market()
    with django_assert_num_queries(2):
        assert comps.comps_now([ANY], "live")[ANY].offers == 2


def test_a_platform_without_machines_answers_with_its_series(now):
    """And how many offers there are stays unknown."""
    MarketDataFactory(
        platform="runpod",
        data_timestamp=now - timedelta(minutes=10),
        median_price=Decimal("0.69"),
        p10_price=None,
        p90_price=None,
        gpu_count=None,
        demand_indicators={"source": "runpod", "price_basis": "list"},
    )
    asked = [Criteria("RTX 4090", "runpod"), Criteria("RTX 4090", "runpod", "4-7")]
    found = comps.comps_now(asked, "live")
    assert list(found) == asked[:1]
    comp = found[asked[0]]
    assert comp.is_series
    assert (comp.offers, comp.median, comp.prices) == (None, Decimal("0.6900"), ())


def test_a_machine_is_known_by_its_id(now):
    offer(38941, "0.40", now - timedelta(days=3), gpus=4, country="DE", verified=True, datacenter=False)
    offer(38941, "0.40", now - timedelta(days=2), gone=True)
    offer(2, "0.40", now - timedelta(days=3), origin="simulated")
    found = comps.machines_seen({"vast": {"38941", "2"}, "lambda-cloud": {"9"}}, "live")
    machine = found["vast", "38941"]
    assert list(found) == [("vast", "38941")]
    assert (machine.gpu_model, machine.size, machine.country) == ("RTX 4090", "4-7", "DE")
    assert (machine.verified, machine.datacenter) == (True, False)


@pytest.fixture
def a_day(now):
    """Yesterday: one machine from before, one that came at 6 and left at 18; heard in all hours but one."""
    day = now - timedelta(days=1)
    offer(1, "0.40", hour(day, -30), gpus=2, rented=2)
    offer(1, "0.40", hour(day, 12), gpus=2, rented=0)
    offer(2, "0.60", hour(day, 6), gpus=1, rented=1, country="US")
    offer(2, "0.60", hour(day, 18), gone=True)
    for number in range(24):
        if number != 3:
            run(hour(day, number) + timedelta(minutes=5), status="ok" if number else "unchanged")
    return day.date()


def test_a_day_is_replayed_hour_by_hour(a_day, now):
    """A machine's state holds until its next snapshot; an hour in which the source was silent does not count."""
    comps.make_comp_days([ANY], today=now.date(), origin="live")
    row = comps.comp_days([ANY], a_day, a_day, "live")[ANY, a_day]
    # 23 hours of 2 GPUs, rented in 11 (0 to 11 without 3); 12 hours of 1 GPU, all rented.
    assert (row.hours, row.offers, row.gpus) == (23, 2, 3)
    assert row.rented_percentage == Decimal("58.62")  # (22 + 12) ÷ (46 + 12)
    assert row.rented_price == Decimal("0.4706")  # (22 × 0.40 + 12 × 0.60) ÷ 34
    assert row.median_price == Decimal("0.4000")


def test_days_of_another_region_are_their_own(a_day, now):
    american = Criteria("RTX 4090", "vast", region="US")
    comps.make_comp_days([ANY, american], today=now.date(), origin="live")
    row = comps.comp_days([american], a_day, a_day, "live")[american, a_day]
    assert (row.offers, row.rented_percentage) == (1, Decimal("100.00"))
    assert comps.comp_days([american], a_day, a_day, "simulated") == {}


def test_making_days_again_changes_nothing(a_day, now):
    comps.make_comp_days([ANY], today=now.date(), origin="live")
    before = list(CompDay.objects.filter(hours__gt=0).values_list("pk", "made_at"))
    comps.make_comp_days([ANY], today=now.date(), origin="live")
    assert list(CompDay.objects.filter(hours__gt=0).values_list("pk", "made_at")) == before


def test_a_run_ends_in_time_and_the_next_goes_on(a_day, now):
    report = comps.make_comp_days([ANY], today=now.date(), origin="live", seconds=0)
    assert (CompDay.objects.count(), report.left) == (2, 178)
    report = comps.make_comp_days([ANY], today=now.date(), origin="live", seconds=60)
    assert (CompDay.objects.count(), report.left) == (180, 0)


def test_a_day_without_machines_falls_back_to_the_market_s_series(now):
    """Of criteria that ask for no more than platform and region."""
    day = now - timedelta(days=5)
    for number in (0, 1, 7):
        MarketDataFactory(
            origin="simulated",
            data_timestamp=hour(day, number),
            median_price=Decimal("0.40"),
            average_utilization=Decimal(70 + number),
            demand_indicators={"source": "simulated", "rented_median": f"0.4{number}"},
        )
    rollups.roll_up(day.date(), day.date())
    sized = Criteria("RTX 4090", "vast", "4-7")
    comps.make_comp_days([ANY, sized], today=now.date(), origin="simulated")
    found = comps.comp_days([ANY, sized], day.date(), day.date(), "simulated")
    assert list(found) == [(ANY, day.date())]
    row = found[ANY, day.date()]
    assert (row.hours, row.rented_percentage) == (3, Decimal("72.67"))
    assert (row.median_price, row.rented_price) == (Decimal("0.4000"), Decimal("0.4267"))


def test_the_mean_of_days_weighs_them_alike():
    """A day of which few hours were seen is a whole day of the window: else the last two days spoke for the week."""
    rows = [
        CompDay(hours=24, rented_percentage=Decimal(80), rented_price=Decimal("0.5")),
        CompDay(hours=12, rented_percentage=Decimal(50), rented_price=None),
        CompDay(hours=6, rented_percentage=None, rented_price=None),
    ]
    share, yields, hours = comps.mean(rows)
    assert (share, yields, hours) == (Decimal(65), Decimal("0.4"), 36)
    assert comps.mean([]) == (None, None, 0)
