"""Percentile, indexes and time to rent equal a plain calculation over offers, days and samples (K12 to K15).

Nothing here asks portfolios.economics (but for the window), portfolios.comparing or portfolios.lookups.
"""

import random
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_standing_months
from market.models import CompDay, PricingSnapshot
from portfolios import selectors
from portfolios.economics import Window
from portfolios.kpis import BY_NAME
from portfolios.models import MetricSample, PerformanceMetric
from tests.factories import GPUConfigurationFactory, GPUModelFactory, PlatformFactory, PortfolioFactory
from tests.market.comp_offers import offer, run

D = Decimal
DAYS = 7
RIGS = (  # name, model, GPUs, own rate; whom it is compared with by its size
    ("one", "RTX 4090", 4, "0.45", "vast|RTX 4090|4-7|||"),
    ("two", "RTX 4090", 1, "0.39", "vast|RTX 4090|1-3|||"),
    ("three", "RTX 3090", 2, "0.20", "vast|RTX 3090||||"),  # four offers: the size is given up, too few still
    ("four", "RTX 4090", 1, "0.41", "vast|RTX 4090|1-3|||"),
)


def cents(value):
    return value.quantize(D("0.01"), ROUND_HALF_UP)


def same(found, wanted):
    if found is None or wanted is None:
        return found is wanted
    return abs(found - wanted) <= D("1e-12") * max(abs(found), abs(wanted), D(1))


@pytest.fixture
def rigs(host):
    """Four configurations in two portfolios, their days and quarter hours, and the market that they stand in."""
    ensure_standing_months()
    chance = random.Random(20261125)
    PlatformFactory(name="Vast.ai")
    at = clock.now() - timedelta(minutes=5)
    numbers = iter(range(1, 1000))
    for gpus, count in ((4, 23), (1, 19), (8, 6)):
        for _n in range(count):
            price = D(chance.choice([30, 35, 39, 41, 45, 45, 50, 62])) / 100
            offer(next(numbers), price, at, gpus=gpus, rented=chance.randint(0, gpus))
    for _n in range(4):
        offer(next(numbers), "0.15", at, gpu="RTX 3090", gpus=2, rented=1)
    run(at)
    portfolios = [PortfolioFactory(user=host, name=name) for name in ("Garage", "Attic")]
    models = {name: GPUModelFactory(name=name) for name in ("RTX 4090", "RTX 3090")}
    made = {
        name: GPUConfigurationFactory(
            portfolio=portfolios[number % 2], custom_name=name, gpu_model=models[model], quantity=gpus
        )
        for number, (name, model, gpus, _rate, _key) in enumerate(RIGS)
    }
    today = at.date()
    window = Window(today - timedelta(days=DAYS - 1), today)
    for n in range(DAYS):
        day = window.first + timedelta(days=n)
        for key in dict.fromkeys(key for *_rig, key in RIGS):
            CompDay.objects.create(
                key=key,
                origin="live",
                day=day,
                offers=9,
                gpus=20,
                made_at=at,
                hours=chance.randint(10, 24),
                rented_percentage=D(chance.randint(300, 900)) / 10,
                rented_price=D(chance.randint(2000, 6000)) / 10000,
            )
        for name, _model, gpus, rate, _key in RIGS:
            if name == "four" and n == 2:
                continue  # a gap
            share = D(chance.randint(0, 1000)) / 10
            PerformanceMetric.objects.create(
                gpu_configuration=made[name],
                platform="vast",
                metric_date=day,
                utilization_percentage=share,
                hourly_rate=D(rate),
                daily_revenue=cents(share / 100 * 24 * gpus * D(rate)),
                uptime_hours=chance.choice([24, 24, 20]),
            )
    for name in ("two", "four"):
        quarters(made[name], window, chance)
    return host, made, window


def quarters(gpu, window, chance):
    """A GPU that is rented and idle by turns; once nobody told anything for three hours."""
    at = datetime.combine(window.first, time(), UTC)
    rows, is_rented = [], True
    while at <= clock.now():
        for _n in range(chance.randint(2, 40) if is_rented else chance.choice([1, 3, 6, 11, 30])):
            rows.append(
                MetricSample(
                    gpu_configuration=gpu,
                    platform="vast",
                    sampled_at=at,
                    is_online=True,
                    listed_gpus=1,
                    rented_gpus=int(is_rented),
                    source="agent",
                )
            )
            at += timedelta(minutes=15)
        is_rented = not is_rented
    gap = rows[100].sampled_at
    MetricSample.objects.bulk_create(
        row for row in rows if not gap <= row.sampled_at < gap + timedelta(hours=3) and row.sampled_at <= clock.now()
    )


# The same, plainly.


def percentile(key, rate):
    _platform, model, size, *_traits = key.split("|")
    bands = {"4-7": (4, 7), "1-3": (1, 3), "": (0, 999)}
    low, high = bands[size]
    prices = [
        row.price_per_hour
        for row in PricingSnapshot.objects.select_related("market_data")
        if row.market_data.gpu_model == model and low <= row.additional_features["gpus"] <= high
    ]
    if len(prices) < 5:
        return None
    return (sum(p < rate for p in prices) + D(sum(p == rate for p in prices)) / 2) / len(prices) * 100


def days_of(gpu, window):
    """Offered and rented GPU-hours, and revenue, of the window."""
    offered = rented = earned = D(0)
    for row in PerformanceMetric.objects.filter(gpu_configuration=gpu, metric_date__range=(window.first, window.last)):
        hours = D(gpu.quantity * row.uptime_hours)
        offered += hours
        rented += hours * row.utilization_percentage / 100
        earned += row.daily_revenue
    return offered, rented, earned


def market_of(key, window):
    """Rented share 0-1, and USD per offered GPU-hour; every day weighs the same, however much of it was seen."""
    rows = list(CompDay.objects.filter(key=key, day__range=(window.first, window.last)))
    share = sum(row.rented_percentage / 100 for row in rows) / len(rows)
    return share, sum(row.rented_percentage / 100 * row.rented_price for row in rows) / len(rows)


def indexes(rigs, window):
    """Own hours and revenue in percent of what the market would have made of the same offered hours."""
    rented = earned = by_market = earned_by_market = D(0)
    for gpu, key in rigs:
        offered, own, revenue = days_of(gpu, window)
        share, yields = market_of(key, window)
        rented, earned = rented + own, earned + revenue
        by_market, earned_by_market = by_market + offered * share, earned_by_market + offered * yields
    return rented / by_market * 100, earned / earned_by_market * 100


def spells_of(gpu):
    """Idle quarters in a row between two moments at which it was told of: their hours, and whether a rental ended them.

    One that began before the first moment, or in a gap, is not known.
    """
    found, length = [], None  # None: not idle, or nobody knows since when
    before = None
    for row in MetricSample.objects.filter(gpu_configuration=gpu).order_by("sampled_at"):
        if before is None or row.sampled_at - before.sampled_at > timedelta(hours=1):
            if length:
                found.append((Fraction(length, 4), False))
            length = None
        elif before.rented_gpus and not row.rented_gpus:
            length = 0
        elif row.rented_gpus and length:
            found.append((Fraction(length, 4), True))
            length = None
        if length is not None and not row.rented_gpus:
            length += 1
        before = row
    return [*found, (Fraction(length, 4), False)] if length else found


def kaplan_meier(spells):
    """The time by which half of them are over."""
    left = Fraction(1)
    for moment in sorted({hours for hours, is_over in spells if is_over}):
        at_risk = [hours for hours, _is_over in spells if hours >= moment]
        left *= 1 - Fraction(sum(1 for hours, is_over in spells if is_over and hours == moment), len(at_risk))
        if left <= Fraction(1, 2):
            return moment
    return None


def test_the_place_among_list_prices_equals_a_plain_count(rigs):
    """K12: below five offers it is unknown; that of several GPUs is their mean, weighed, and says so."""
    user, made, window = rigs
    sheets = selectors.sheets_by_gpu(user, window)
    places = {}
    for name, _model, gpus, rate, key in RIGS:
        wanted = percentile(key, D(rate))
        assert same(sheets[made[name].pk].value("price_percentile"), wanted), name
        if wanted is not None:
            places[name] = (gpus, wanted)
    assert set(places) == {"one", "two", "four"}
    mean = sum(gpus * place for gpus, place in places.values()) / sum(gpus for gpus, _place in places.values())
    account = selectors.kpi_sheet(user, window).measures["price_percentile"]
    assert same(account.figure.value, mean)
    assert account.figure.method == "mean of the GPUs’ places, among 46 offers"  # 23 and 19 and 4, each set once
    assert account.note == "without 1 of 4 GPU configurations"


def test_occupancy_and_yield_index_equal_own_days_over_those_of_the_market(rigs):
    """K13, for each GPU, each portfolio and the account."""
    user, made, window = rigs
    by_gpu, by_portfolio = selectors.sheets_by_gpu(user, window), selectors.sheets_by_portfolio(user, window)
    chosen = {name: (made[name], key) for name, *_rig, key in RIGS}
    checks = [(by_gpu[gpu.pk], [(gpu, key)]) for gpu, key in chosen.values()]
    checks += [
        (sheet, [pair for pair in chosen.values() if pair[0].portfolio_id == pk]) for pk, sheet in by_portfolio.items()
    ]
    checks.append((selectors.kpi_sheet(user, window), list(chosen.values())))
    for sheet, pairs in checks:
        occupancy, earned = indexes(pairs, window)
        assert same(sheet.value("occupancy_index"), occupancy)
        assert same(sheet.value("yield_index"), earned)


def test_time_to_rent_equals_a_plain_kaplan_meier_estimate(rigs):
    """K14, of the quarter hours themselves; spells that are not over are kept."""
    user, made, window = rigs
    by_gpu = selectors.sheets_by_gpu(user, window)
    every = []
    for name in ("two", "four"):
        spells = spells_of(made[name])
        assert len(spells) >= 5
        assert same(by_gpu[made[name].pk].value("time_to_rent"), D(float(kaplan_meier(spells))))
        every += spells
    assert any(not is_over for _hours, is_over in every)
    assert same(selectors.kpi_sheet(user, window).value("time_to_rent"), D(float(kaplan_meier(every))))
    figure = by_gpu[made["one"].pk].measures["time_to_rent"].figure
    assert (figure.value, figure.missing) == (None, "Needs 15-minute samples.")


def test_what_is_on_the_books_is_unknown_at_every_level_and_says_why(rigs, client):
    """K15: the ends of rentals come with a connection to a platform; until then it is no zero."""
    user, _made, window = rigs
    sheets = [selectors.kpi_sheet(user, window)]
    sheets += [*selectors.sheets_by_portfolio(user, window).values(), *selectors.sheets_by_gpu(user, window).values()]
    for sheet in sheets:
        figure = sheet.measures["pace"].figure
        assert (figure.value, figure.unit, figure.quality) == (None, BY_NAME["pace"].unit, "unknown")
        assert "end dates" in figure.missing
    client.force_login(user)
    page = client.get(reverse("portfolios:kpis")).content.decode()
    assert "Needs the rentals’ end dates" in page
