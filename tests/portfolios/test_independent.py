"""Every KPI on every page equals a plain calculation over the same rows, written from docs/economics.md alone.

Nothing here asks portfolios.economics (but for windows) or portfolios.results. 200 GPUs in 25 configurations over three
portfolios, in samples, statements and gaps; costs in dollars, euros and pounds; a night tariff over the end of summer
time; revenue told before and after fees; a fee schedule that changes, with an override of the host's.
"""

import html
import random
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from gpuadvisor.core import clock, formats
from gpuadvisor.core.partitions import ensure_standing_months
from market.models import CurrencyRate, PlatformFee
from portfolios import selectors
from portfolios.economics import Window
from portfolios.models import CostProfile, FeeOverride, GPUConfiguration, PerformanceMetric
from portfolios.selectors import places
from portfolios.selectors.series import daily
from tests.factories import (
    GPUConfigurationFactory,
    GPUModelFactory,
    PlatformFactory,
    PortfolioFactory,
    UserFactory,
)

D = Decimal
NOW = datetime(2026, 11, 5, 13, 20, tzinfo=UTC)
TODAY = NOW.date()
FIRST = date(2026, 8, 24)  # the first day with rows
ADDED = date(2026, 8, 20)
BERLIN = ZoneInfo("Europe/Berlin")
SUMMER_TIME_ENDS = date(2026, 10, 25)
RATES = {"USD": D(1), "EUR": D("1.16"), "GBP": D("1.31")}
NIGHT = {"days": [0, 1, 2, 3, 4, 5, 6], "from": 22, "to": 6, "price": "0.17"}
SUNDAY = {"days": [6], "from": 6, "to": 22, "price": "0.21"}
QUANTITIES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 8, 8, 8, 8, 8, 8, 6, 6, 4]
KPIS = (
    *("occupancy", "calendar_occupancy", "rented_rate", "yield_rate", "revenue", "revenue_per_gpu_day"),
    *("platform_take", "fee", "energy", "fixed", "net", "margin", "floor_rate", "break_even_rate"),
    *("break_even_electricity", "payback_left", "uptime", "coverage"),
)


class Gpu:
    """One configuration as the test itself decided it: nothing is read back."""

    def __init__(self, row, **facts):
        self.row, self.pk, self.quantity = row, row.pk, row.quantity
        self.load, self.idle = D(450), D(20)
        self.currency, self.price, self.bands = "USD", D("0.18"), ()
        self.overhead, self.fixed, self.is_active = D(1), None, True
        self.cost, self.bought, self.added = None, None, ADDED
        self.days = {}
        for name, value in facts.items():
            setattr(self, name, value)


def fee_of(platform, order_type, currency, day):
    """The host's own word, the schedule, the platform's general fee."""
    if platform == "vast":
        if order_type == "interruptible" and day >= date(2026, 10, 20):
            return D(20)  # the override
        return D(25) if day < date(2026, 10, 15) else D(28)
    if platform == "clore":
        return D(5) if currency == "EUR" else D(10)
    return None


def price_at(gpu, day, hour):
    rate = RATES.get(gpu.currency)
    if gpu.price is None or rate is None:
        return None
    local = datetime(day.year, day.month, day.day, hour, tzinfo=UTC).astimezone(BERLIN)
    if gpu.bands:
        if local.hour >= 22 or local.hour < 6:
            return D("0.17") * rate
        if local.weekday() == 6:
            return D("0.21") * rate
    return gpu.price * rate


def known(*values):
    return all(value is not None for value in values)


def account_of_day(gpu, day):
    """One configuration on one day, from its rows: docs/economics.md, "From rows to days" and what follows it."""
    rows = gpu.days[day]
    q = gpu.quantity
    offered, rented, seen, online = [], [], [], []
    gross = gpu_gross = fee = D(0)
    is_gross = is_fee = True
    told = False
    for row in rows:
        hours = 24 if row.uptime_hours is None else row.uptime_hours
        a = D(q * hours) if row.available_gpu_hours is None else row.available_gpu_hours
        offered.append(a)
        if row.rented_gpu_hours is not None:
            rented.append(row.rented_gpu_hours)
        elif row.utilization_percentage is not None:
            rented.append(q * hours * row.utilization_percentage / 100)
        observed = D(24) if row.hours_observed is None else row.hours_observed
        seen.append(observed)
        if row.uptime_hours is not None:
            whole = observed.quantize(D(1), ROUND_HALF_UP)
            online.append(observed if row.uptime_hours >= whole else D(row.uptime_hours))
        if row.daily_revenue is None:
            continue
        told = True
        share = fee_of(row.platform, row.order_type, row.currency, day)
        part = row.daily_revenue if row.gpu_revenue is None else row.gpu_revenue
        if row.is_after_fee and share is None:
            is_gross = is_fee = False
            continue
        factor = 1 / (1 - share / 100) if row.is_after_fee else 1
        gross += row.daily_revenue * factor
        gpu_gross += part * factor
        if share is None:
            is_fee = False
        else:
            fee += row.daily_revenue * factor * share / 100
    a = max(offered)
    r = min(sum(rented), a) if rented else None
    observed = max(seen)
    found = {
        "a": a,
        "r": r,
        "seen": observed,
        "online": max(online) if online else None,
        "gross": gross if told and is_gross else None,
        "gpu": gpu_gross,
        "fee": fee if told and is_gross and is_fee else None,
    }
    found["kwh"], found["energy"] = energy_of_day(gpu, day, rows, r, observed)
    charge = gpu.fixed * 12 / 365 if gpu.fixed else D(0)
    found["fixed"] = charge if gpu.fixed else None
    found["spare"] = found["gross"] - found["fee"] - charge if known(found["gross"], found["fee"]) else None
    found["net"] = found["spare"] - found["energy"] if known(found["spare"], found["energy"]) else None
    return found


def energy_of_day(gpu, day, rows, r, observed):
    prices = [price_at(gpu, day, hour) for hour in range(24)]
    q, idle, load = gpu.quantity, gpu.idle, gpu.load
    is_sampled = any(row.observed_by_hour is not None for row in rows)
    if is_sampled and (gpu.bands or len(rows) > 1 or any(row.kwh_by_hour is not None for row in rows)):
        return energy_by_hour(gpu, rows, prices)
    stated = [row.energy_kwh for row in rows if row.observed_by_hour is None and row.energy_kwh is not None]
    if stated and not is_sampled:
        kwh = gpu.overhead * max(stated)
    elif known(load, r):
        kwh = gpu.overhead * (idle * q * observed + (load - idle) * r) / 1000
    else:
        return None, None
    return kwh, kwh * sum(prices) / 24 if known(*prices) else None


def energy_by_hour(gpu, rows, prices):
    q, idle, load = gpu.quantity, gpu.idle, gpu.load
    total = cost = D(0)
    hours = []
    for hour in range(24):
        observed, busy, meters = D(0), [], []
        for row in rows:
            if row.observed_by_hour is None:
                observed = D(1)
                hours_up = 24 if row.uptime_hours is None else row.uptime_hours
                stated = row.rented_gpu_hours
                if stated is None and row.utilization_percentage is not None:
                    stated = q * hours_up * row.utilization_percentage / 100
                if stated is not None:
                    busy.append(stated / 24)
            else:
                observed = max(observed, row.observed_by_hour[hour])
                if row.rented_by_hour[hour] is not None:
                    busy.append(row.rented_by_hour[hour])
            if row.kwh_by_hour is not None and row.kwh_by_hour[hour] is not None:
                meters.append(row.kwh_by_hour[hour])
        hours.append((observed, busy, meters))
    is_told = any(observed and busy for observed, busy, _meters in hours)
    is_priced = True
    for (observed, busy, meters), price in zip(hours, prices, strict=True):
        if not observed:
            continue
        if meters:
            kwh = gpu.overhead * max(meters)
        elif load is not None and is_told:
            kwh = gpu.overhead * (idle * q * observed + (load - idle) * min(sum(busy), q * observed)) / 1000
        else:
            return None, None
        total += kwh
        if price is None:
            is_priced = False
        else:
            cost += kwh * price
    return total, cost if is_priced else None


def expected_hours(gpu, window):
    days = [window.first + timedelta(days=n) for n in range(window.days)]
    on_record = [day for day in days if day in gpu.days]
    if not gpu.is_active:
        return 24 * len(on_record)
    hours = 24 * sum(day >= gpu.added and (day < TODAY or day in gpu.days) for day in days)
    if TODAY in on_record and any(row.hours_observed is not None for row in gpu.days[TODAY]):
        hours -= 24 - max(D(NOW.hour), max(row.hours_observed or 0 for row in gpu.days[TODAY]))
    return hours


def expected(gpus, window):
    """Every KPI of these configurations together."""
    found = [(gpu, acc) for gpu in gpus for day, acc in gpu.accounts.items() if window.first <= day <= window.last]

    def total(name, *, where=(), weigh=False):
        parts = [
            (gpu.quantity if weigh else 1) * acc[name] for gpu, acc in found if known(*(acc[n] for n in (name, *where)))
        ]
        return sum(parts, D(0)) if parts else None

    def ratio(a, b, factor=1):
        return None if a is None or not b else a / b * factor

    rented = total("r")
    both = ("gross", "r")
    earned = total("gpu", where=both)
    result = {
        "occupancy": ratio(rented, total("a", where=("r",)), 100),
        "calendar_occupancy": ratio(rented, total("seen", where=("r",), weigh=True), 100),
        "rented_rate": ratio(earned, total("r", where=both)),
        "yield_rate": ratio(earned, total("a", where=both)),
        "revenue": total("gross"),
        "revenue_per_gpu_day": ratio(
            total("gross"), sum(gpu.quantity for gpu, acc in found if acc["gross"] is not None)
        ),
        "platform_take": ratio(total("fee"), total("gross", where=("fee",)), 100),
        "fee": total("fee"),
        "energy": total("energy"),
        "fixed": total("fixed"),
        "net": total("net"),
        "margin": ratio(total("net"), total("gross", where=("net",)), 100),
        "break_even_electricity": ratio(total("spare", where=("kwh",)), total("kwh", where=("spare",))),
        "uptime": ratio(total("online", weigh=True), total("seen", where=("online",), weigh=True), 100),
        "coverage": ratio(total("seen") or D(0), sum(expected_hours(gpu, window) for gpu in gpus), 100),
    }
    result["floor_rate"], result["break_even_rate"] = rates(gpus, window)
    result["payback_left"] = payback([gpu for gpu in gpus if gpu.is_active and gpu.cost])
    return result


def rates(gpus, window):
    """Floor: mean by GPUs. Break-even: all daily costs ÷ all hours kept after the fee."""
    floors, costs, kept = [], D(0), D(0)
    for gpu in gpus:
        if not gpu.is_active or not gpu.days:
            continue
        prices = [price_at(gpu, TODAY, hour) for hour in range(24)]
        platforms = {row.platform for row in gpu.days[max(gpu.days)]}
        fees = [fee for name in platforms if (fee := fee_of(name, "on_demand", "USD", TODAY)) is not None]
        if not known(gpu.load, *prices) or not fees:
            continue
        price, share = sum(prices) / 24, 1 - max(fees) / 100
        floors.append((gpu.quantity, gpu.overhead * (gpu.load - gpu.idle) / 1000 * price / share))
        own = [acc for day, acc in gpu.accounts.items() if window.first <= day <= window.last and acc["r"] is not None]
        if not own or not sum(acc["r"] for acc in own):
            continue
        hours = 24 * sum(acc["r"] for acc in own) / sum(acc["a"] for acc in own)
        watt_hours = gpu.idle * 24 + (gpu.load - gpu.idle) * hours
        fixed = gpu.fixed * 12 / 365 if gpu.fixed else D(0)
        costs += gpu.quantity * gpu.overhead * watt_hours / 1000 * price + fixed
        kept += gpu.quantity * hours * share
    floor = sum(n * rate for n, rate in floors) / sum(n for n, _rate in floors) if floors else None
    return floor, costs / kept if kept else None


def payback(gpus):
    price = earned = monthly = D(0)
    is_known = False
    for gpu in gpus:
        nets = {day: acc["net"] for day, acc in gpu.accounts.items() if acc["net"] is not None}
        lately = [net for day, net in nets.items() if day > TODAY - timedelta(days=90) and day >= (gpu.bought or day)]
        if not lately:
            continue
        is_known = True
        price += gpu.cost * gpu.quantity * RATES[gpu.currency]
        earned += sum(net for day, net in nets.items() if gpu.bought is None or day >= gpu.bought)
        monthly += 30 * sum(lately) / len(lately)
    if not is_known:
        return None
    if earned >= price:
        return D(0)
    return (price - earned) / monthly if monthly > 0 else None


# The fleet.


def cents(value, places="0.01"):
    return value.quantize(D(places), ROUND_HALF_UP)


def sampled(gpu, day, chance, *, platform="vast", metered=False, observed=None):
    """A day from quarter hours: the columns that samples fill."""
    q = gpu.quantity
    quarters = observed or (96 if chance.random() < 0.7 else chance.randint(50, 95))
    by_hour = [min(4, max(0, quarters - 4 * hour)) for hour in range(24)]
    rented = [chance.randint(0, q) if n else None for n in by_hour]
    hours = sum(D(n) / 4 for n in by_hour)
    busy = sum(D(n) / 4 * (r or 0) for n, r in zip(by_hour, rented, strict=True))
    kwh = [D(chance.randint(50, 400)) / 1000 * q if n and chance.random() < 0.9 else None for n in by_hour]
    revenue = cents(busy * D("0.41"))
    storage = cents(D(chance.randint(0, 60)) / 100)
    offline = chance.choice([0, 0, 0, 2])
    return PerformanceMetric(
        platform=platform,
        utilization_percentage=cents(100 * busy / (q * hours)),
        hourly_rate=D("0.41"),
        daily_revenue=revenue + storage,
        gpu_revenue=revenue,
        storage_revenue=storage,
        uptime_hours=int(hours.quantize(D(1), ROUND_HALF_UP)) - offline,
        hours_observed=hours,
        observed_by_hour=[D(n) / 4 for n in by_hour],
        rented_by_hour=[None if r is None else D(n) / 4 * r for n, r in zip(by_hour, rented, strict=True)],
        available_gpu_hours=q * hours,
        rented_gpu_hours=busy,
        energy_kwh=sum(k for k in kwh if k is not None) if metered else None,
        kwh_by_hour=kwh if metered else None,
    )


def stated(gpu, chance, **figures):
    """A day as somebody typed it."""
    share = cents(D(chance.randint(0, 10000)) / 100)
    uptime = chance.choice([24, 24, 22, None])
    columns = {
        "platform": "vast",
        "utilization_percentage": share,
        "hourly_rate": D("0.40"),
        "daily_revenue": cents(share / 100 * 24 * D("0.40") * gpu.quantity),
        "uptime_hours": uptime,
    }
    return PerformanceMetric(**(columns | figures))


def rows_of(number, gpu, day, chance):
    """What configuration `number` tells of `day`: each has a habit of its own."""
    if chance.random() < 0.08:
        return []
    kind = number % 10
    if kind == 0:
        return [sampled(gpu, day, chance)]
    if kind == 1:
        return [sampled(gpu, day, chance, metered=True)]
    if kind == 2:
        return [stated(gpu, chance, order_type="interruptible")]
    if kind == 3:
        return [stated(gpu, chance, platform="clore", currency="EUR" if day.day % 2 else "USD")]
    if kind == 4:  # after the fee
        return [stated(gpu, chance, is_after_fee=True)]
    if kind == 5:  # two platforms, one of them sampled
        half = {"utilization_percentage": D(40), "daily_revenue": D("3.00")}
        return [sampled(gpu, day, chance), stated(gpu, chance, platform="clore", **half)]
    if kind == 6:  # the fee of this platform is not known; sometimes told after it
        return [stated(gpu, chance, platform="odd", is_after_fee=day.day % 5 == 0)]
    if kind == 7:
        lacks = {"utilization_percentage": None} if day.day % 3 == 0 else {}
        return [stated(gpu, chance, **lacks, **({"daily_revenue": None} if day.day % 4 == 0 else {}))]
    if kind == 8:
        return [stated(gpu, chance, energy_kwh=D(chance.randint(20, 90)))]
    return [sampled(gpu, day, chance)] if day.day % 2 else [stated(gpu, chance)]


@pytest.fixture
def fleet(db, monkeypatch):
    """The host, and 25 configurations with 200 GPUs, each with an account of every day."""
    ensure_standing_months(TODAY)
    monkeypatch.setattr(clock, "now", lambda: NOW)
    chance = random.Random(20261105)
    user = UserFactory(timezone="Europe/Berlin")
    vast = PlatformFactory(fee_percentage=D(25))
    PlatformFactory(slug="clore", name="Clore.ai", fee_percentage=D(10))
    PlatformFactory(slug="odd", name="Odd", fee_percentage=None)
    PlatformFee.objects.all().delete()
    PlatformFee.objects.create(platform=vast, fee_percentage=D(25), valid_from=date(2026, 1, 1))
    PlatformFee.objects.create(platform=vast, fee_percentage=D(28), valid_from=date(2026, 10, 15))
    FeeOverride.objects.create(
        user=user, platform="vast", order_type="interruptible", fee_percentage=D(20), valid_from=date(2026, 10, 20)
    )
    FeeOverride.objects.create(
        user=user, platform="clore", currency="EUR", fee_percentage=D(5), valid_from=date(2026, 1, 1)
    )
    for currency in ("EUR", "GBP"):
        CurrencyRate.objects.create(currency=currency, day=TODAY, usd_per_unit=RATES[currency], source="test")
    garage, attic, hall = (PortfolioFactory(user=user, name=name) for name in ("Garage", "Attic", "Hall"))
    CostProfile.objects.create(portfolio=garage, price_per_kwh=D("0.18"), purchase_price=D(1500))
    CostProfile.objects.create(
        portfolio=attic,
        currency="EUR",
        price_per_kwh=D("0.34"),
        tariff_bands=[NIGHT, SUNDAY],
        timezone="Europe/Berlin",
        overhead_percentage=D(12),
        purchase_price=D(1200),
        purchase_date=date(2026, 9, 10),
    )
    CostProfile.objects.create(portfolio=hall, currency="GBP", price_per_kwh=D("0.22"), fixed_monthly=D(900))
    gpus = []
    for number, quantity in enumerate(QUANTITIES):
        portfolio = (garage, attic, hall)[number % 3]
        row = GPUConfigurationFactory(
            portfolio=portfolio, quantity=quantity, custom_name=f"rig-{number:02}", gpu_model=GPUModelFactory()
        )
        facts = {
            garage: {"cost": D(1500)},
            attic: {
                "currency": "EUR",
                "price": D("0.34"),
                "bands": (NIGHT, SUNDAY),
                "overhead": D("1.12"),
                "cost": D(1200),
                "bought": date(2026, 9, 10),
            },
            hall: {"currency": "GBP", "price": D("0.22")},
        }[portfolio]
        gpus.append(Gpu(row, **facts))
    _differ(gpus, garage)
    shared = D(900) * RATES["GBP"]
    carried = [gpu for gpu in gpus if gpu.row.portfolio_id == hall.pk and gpu.is_active]
    for gpu in carried:
        gpu.fixed = (gpu.fixed or 0) + shared * gpu.quantity / sum(one.quantity for one in carried)
    _record(gpus, chance)
    for gpu in gpus:
        gpu.accounts = {day: account_of_day(gpu, day) for day in gpu.days}
    return user, gpus, {garage.pk: "Garage", attic.pk: "Attic", hall.pk: "Hall"}


def _differ(gpus, garage):
    """What single configurations have of their own."""
    GPUConfiguration.objects.update(added_at=datetime(ADDED.year, ADDED.month, ADDED.day, 9, tzinfo=UTC))
    late, removed, dark, foreign = gpus[12], gpus[9], gpus[18], gpus[15]
    late.added = date(2026, 10, 20)
    GPUConfiguration.objects.filter(pk=late.pk).update(added_at=datetime(2026, 10, 20, 9, tzinfo=UTC))
    removed.is_active = False
    GPUConfiguration.objects.filter(pk=removed.pk).update(is_active=False)
    dark.load = None
    GPUConfiguration.objects.filter(pk=dark.pk).update(power_consumption=0)
    own = gpus[3]
    own.fixed = D(40)
    CostProfile.objects.create(portfolio=garage, gpu_configuration=own.row, fixed_monthly=D(40))
    foreign.currency, foreign.price = "CHF", D("0.30")  # nobody told its rate
    foreign.cost = None
    CostProfile.objects.create(
        portfolio=foreign.row.portfolio,
        gpu_configuration=foreign.row,
        currency="CHF",
        price_per_kwh=D("0.30"),
        purchase_price=D(1500),
    )


def _record(gpus, chance):
    rows = []
    for number, gpu in enumerate(gpus):
        for n in range((TODAY - FIRST).days + 1):
            day = FIRST + timedelta(days=n)
            if day < gpu.added or (not gpu.is_active and day > date(2026, 10, 18)):
                continue
            if day == TODAY:
                told = [sampled(gpu, day, chance, observed=48)] if number % 10 in (0, 1) else []
            else:
                told = rows_of(number, gpu, day, chance)
            for row in told:
                row.gpu_configuration, row.metric_date = gpu.row, day
            if told:
                gpu.days[day] = told
                rows += told
    PerformanceMetric.objects.bulk_create(rows)


# The comparison.


def same(found, wanted):
    if found is None or wanted is None:
        return found is wanted
    return abs(found - wanted) <= D("1e-12") * max(abs(found), abs(wanted), D(1))


def differences(sheet, gpus, window, whose):
    wanted = expected(gpus, window)
    assert set(wanted) == set(KPIS)
    return [
        f"{whose}: {name} is {sheet.value(name)}, should be {value}"
        for name, value in wanted.items()
        if not same(sheet.value(name), value)
    ]


WINDOWS = (
    Window(TODAY - timedelta(days=29), TODAY),
    Window(date(2026, 10, 19), date(2026, 11, 1)),  # summer time ends within
    Window(SUMMER_TIME_ENDS, SUMMER_TIME_ENDS),  # on the 25 hours of that day itself
)


def test_every_kpi_at_every_level_equals_the_independent_calculation(fleet):
    """Done when: an independent calculation over the same rows gives every KPI, from the account to the last GPU."""
    user, gpus, names = fleet
    assert (len(gpus), sum(gpu.quantity for gpu in gpus)) == (25, 200)
    assert None not in expected(gpus, WINDOWS[0]).values()
    wrong = []
    for window in WINDOWS:
        wrong += differences(selectors.kpi_sheet(user, window), gpus, window, "account")
        for pk, sheet in selectors.sheets_by_portfolio(user, window).items():
            own = [gpu for gpu in gpus if gpu.row.portfolio_id == pk]
            wrong += differences(sheet, own, window, names[pk])
        by_gpu = selectors.sheets_by_gpu(user, window)
        for gpu in gpus:
            wrong += differences(by_gpu[gpu.pk], [gpu], window, gpu.row.custom_name)
    assert not wrong, "\n".join(wrong)


def test_portfolios_sum_to_the_account_gpus_to_their_portfolio_and_days_to_their_window(fleet):
    """Sums over the parts equal the whole; shared costs are allocated, and the figure says so."""
    user, gpus, _names = fleet
    window = WINDOWS[0]
    account, by_portfolio = selectors.kpi_sheet(user, window), selectors.sheets_by_portfolio(user, window)
    by_gpu = selectors.sheets_by_gpu(user, window)
    for name in ("revenue", "fee", "energy", "fixed", "net"):
        parts = [sheet.value(name) for sheet in by_portfolio.values() if sheet.value(name) is not None]
        assert same(account.value(name), sum(parts)), name
        for pk, sheet in by_portfolio.items():
            own = [by_gpu[gpu.pk].value(name) for gpu in gpus if gpu.row.portfolio_id == pk]
            told = [value for value in own if value is not None]
            assert same(sheet.value(name), sum(told) if told else None), name
    assert "allocated" in account.measures["fixed"].figure.method
    days_sum_to_their_window(user, gpus)
    for gpu in gpus[:8]:  # days before both windows too are costed hour by hour
        month = places.chart_window("7d", TODAY)
        assert places.gpu_page(user, gpu.row, "7d").days == daily(user, month.first, month.last, gpu=gpu.row)


def days_sum_to_their_window(user, gpus):
    window = WINDOWS[1]
    days = daily(user, window.first, window.last)
    wanted = expected(gpus, window)
    for name in ("revenue", "fee", "energy", "fixed", "net"):
        assert same(sum(value for day in days if (value := getattr(day, name)) is not None), wanted[name]), name
    day = expected(gpus, Window(SUMMER_TIME_ENDS, SUMMER_TIME_ENDS))
    (told,) = daily(user, SUMMER_TIME_ENDS, SUMMER_TIME_ENDS)
    for name in ("occupancy", "rented_rate", "yield_rate", "uptime", "coverage"):
        assert same(getattr(told, name), day[name]), name


# The pages, as printed.


def printed(name, value):
    """A figure as the pages write it."""
    unit = {"net": "USD", "revenue": "USD", "fee": "USD", "energy": "USD", "fixed": "USD"}.get(name)
    unit = unit or {"rented_rate": "USD/GPU-h", "yield_rate": "USD/GPU-h", "floor_rate": "USD/GPU-h"}.get(name, "%")
    return formats.quantity(value, unit)


def missing_on(page, gpus, names, window):
    text = html.unescape(page.content.decode()).replace('<span class="unit">', "")
    wanted = expected(gpus, window)
    return [f"{name}: {printed(name, wanted[name])}" for name in names if printed(name, wanted[name]) not in text]


def test_pages_print_what_the_independent_calculation_gives(fleet, client):
    user, gpus, _names = fleet
    client.force_login(user)
    for period, window in (("30d", WINDOWS[0]), ("7d", Window(TODAY - timedelta(days=6), TODAY))):
        dashboard_prints(client, gpus, period, window)
    attic = [gpu for gpu in gpus if gpu.row.portfolio_id == gpus[1].row.portfolio_id]
    shown = ("net", "revenue", "fee", "energy", "occupancy", "rented_rate", "yield_rate", "margin", "uptime")
    for query, own in (
        ({}, gpus),
        ({"portfolio": str(gpus[1].row.portfolio_id)}, attic),
        ({"gpu": str(gpus[1].pk)}, gpus[1:2]),
    ):
        page = client.get(reverse("portfolios:kpis"), {**query, "period": "30d"})
        assert missing_on(page, own, shown, WINDOWS[0]) == [], query
    shown = ("net", "occupancy", "rented_rate", "yield_rate")
    page = client.get(reverse("portfolios:detail", args=[gpus[1].row.portfolio_id]), {"period": "30d"})
    assert missing_on(page, attic, shown, WINDOWS[0]) == []
    for gpu in gpus[:8]:
        page = client.get(reverse("portfolios:gpu", args=[gpu.pk]), {"period": "30d"})
        assert missing_on(page, [gpu], ("net", "revenue", "fee", "energy"), WINDOWS[0]) == [], gpu.row.custom_name


def dashboard_prints(client, gpus, period, window):
    """The account, each portfolio, and each GPU configuration in the table, which one page holds."""
    page = client.get(reverse("portfolios:dashboard"), {"period": period})
    names = ("net", "revenue", "fee", "energy", "fixed", "occupancy", "rented_rate", "yield_rate", "floor_rate")
    assert missing_on(page, gpus, names, window) == []
    for pk in {gpu.row.portfolio_id for gpu in gpus}:
        own = [gpu for gpu in gpus if gpu.row.portfolio_id == pk]
        assert missing_on(page, own, ("net", "revenue", "energy", "occupancy"), window) == []
    for gpu in gpus:
        assert missing_on(page, [gpu], ("net", "occupancy"), window) == [], gpu.row.custom_name
