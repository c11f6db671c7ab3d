"""Forecasts: methods by hand, no look into the future, intervals that hold, and what the real series say."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from statistics import fmean

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gpuadvisor.core import clock
from market import forecasting, forecasts, selectors, tasks_history
from market.forecasting import Series, chosen, foresee, needed_days
from market.forecasting.backtest import ALL
from market.forecasting.methods import METHODS, is_moving, scaled
from market.forecasting.past import walk
from market.management.commands.backtest_forecast import as_table
from market.models import MarketDaily, MarketForecast
from tests.market.documents import DATA, recorded

D = Decimal
WEEK = [10.0, 11.0, 12.0, 13.0, 14.0, 20.0, 21.0]


# -- Methods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "values", "ahead", "expected"),
    [
        ("last_value", [1.0, 2.0, 3.0, None], 7, 3.0),
        ("last_week", WEEK * 2, 1, 10.0),
        ("last_week", WEEK * 2, 7, 21.0),
        ("last_week", WEEK * 2, 9, 11.0),
        ("last_week", [*WEEK, None, *WEEK[1:]], 1, 10.0),  # that weekday is missing last week: the week before
        ("last_week", [5.0], 3, 5.0),
        ("median_7", [100.0, *WEEK], 30, 13.0),
        ("median_7", [9.0, *[None] * 9], 7, 9.0),
        ("mean_7", WEEK, 7, fmean(WEEK)),
        ("smoothing", [1.0, 2.0], 7, 1.3),
        ("damped_trend", [1.0, 2.0], 1, 1 + 0.3 + 0.1 * 0.3 * 0.9),
        ("reversion_7", [1.0] * 20 + [3.0], 7, 2.0),
        ("last_and_smoothing", [1.0, 2.0], 7, 1.65),
    ],
)
def test_each_method_by_hand(method, values, ahead, expected):
    assert METHODS[method](values, len(values), ahead, 1) == pytest.approx(expected)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_no_method_looks_beyond_what_is_known(method):
    random.seed(4)
    values = [random.uniform(1, 2) for _ in range(60)]
    for end in (1, 13, 40):
        cut = METHODS[method](values[:end], end, 7, 1)
        assert METHODS[method](values, end, 7, 1) == cut


def test_an_hourly_series_knows_the_same_hour_of_last_week():
    hours = [float(hour % 168) for hour in range(400)]
    assert METHODS["last_week"](hours, 400, 24, 24) == (399 + 24) % 168


def test_a_list_price_does_not_move_and_an_asking_price_does():
    assert not is_moving([1.0] * 20 + [1.2] * 8, 28, 1)
    assert is_moving([1 + n % 3 / 10 for n in range(28)], 28, 1)
    assert not is_moving([1.0], 1, 1)
    assert not is_moving([1.0, 2.0] * 20 + [5.0] * 28, 68, 1)  # it used to


def test_prices_are_forecast_in_their_logarithm_and_what_is_no_price_is_unknown():
    assert scaled([math.e, 0.0, -1.0, None, math.nan], "price") == [pytest.approx(1), None, None, None, None]
    assert scaled([0.0, 100.0], "rented") == [0.0, 100.0]


# -- The walk --------------------------------------------------------------------------------------------------------


def noise(days, seed, *, level=0.0, size=0.1):
    source = random.Random(seed)
    return [level + source.gauss(0, size) for _ in range(days)]


def test_what_was_said_yesterday_does_not_change_with_what_came_after():
    """No look-ahead: neither the value nor the interval."""
    panel = {n: Series(n, noise(90, n)) for n in range(6)}
    short = {n: Series(s.start, s.values[: 60 - s.start]) for n, s in panel.items()}
    pick = lambda moving: METHODS["median_7"]  # noqa: E731

    def said(series, until):
        return {(one.key, one.step): (one.value, one.half) for one in walk(series, pick, 7) if one.step < until}

    assert said(short, 60) == said(panel, 60)


@pytest.mark.parametrize("ahead", [1, 7])
def test_an_interval_of_80_percent_holds_80_percent_of_the_time(ahead):
    panel = {n: Series(0, noise(200, 100 + n)) for n in range(8)}
    tries = [
        one for one in walk(panel, lambda _moving: METHODS["median_7"], ahead) if one.truth is not None and one.half
    ]
    assert 0.75 < fmean(one.held for one in tries) < 0.87


def test_the_interval_follows_a_market_that_has_calmed_down():
    wild_then_calm = {n: Series(0, noise(60, n, size=0.5) + noise(120, 50 + n, size=0.05)) for n in range(5)}
    said = list(walk(wild_then_calm, lambda _moving: METHODS["median_7"], 7))
    wild = fmean(one.half for one in said if 40 <= one.step < 60 and one.half)
    calm = fmean(one.half for one in said if one.step >= 150)
    assert calm < wild / 5
    late = [one for one in said if one.step >= 110 and one.truth is not None]
    assert 0.7 <= fmean(one.held for one in late) <= 0.92


def test_a_young_series_leans_on_its_siblings_and_a_lone_one_says_less():
    old = {n: Series(0, noise(60, n, size=0.1)) for n in range(5)}
    panel = old | {"young": Series(46, noise(14, 9, size=0.001))}
    last = [one for one in walk(panel, lambda _moving: METHODS["median_7"], 7) if one.key == "young"][-1]
    alone = list(walk({"young": panel["young"]}, lambda _moving: METHODS["median_7"], 7))[-1]
    assert last.half > 5 * alone.half


# -- What is used ----------------------------------------------------------------------------------------------------


def prices(days, seed, level=0.5):
    return [level * math.exp(value) for value in noise(days, seed)]


def test_a_moving_price_gets_the_median_of_a_week_and_a_list_price_its_last_value():
    panel = {"asks": Series(0, prices(60, 1)), "list": Series(0, [0.4] * 30 + [0.5] * 30)}
    found = foresee(panel, "price", 7, today=59)
    assert found["asks"].method == "median_7"
    assert not found["asks"].is_naive
    assert found["asks"].value == pytest.approx(sorted(panel["asks"].values[-7:])[3])
    assert found["asks"].low < found["asks"].value < found["asks"].high
    assert found["asks"].error < found["asks"].naive_error
    assert 60 <= found["asks"].coverage <= 100
    assert (found["list"].method, found["list"].is_naive, found["list"].value) == (
        "last_value",
        True,
        pytest.approx(0.5),
    )


def test_where_the_last_value_did_better_over_a_series_own_past_it_speaks():
    climbing = {"up": Series(0, [0.2 * 1.01**day for day in range(80)])}
    found = foresee(climbing, "price", 7, today=79)["up"]
    assert (found.method, found.is_naive) == ("last_value", True)
    assert found.error == found.naive_error
    assert found.value == pytest.approx(0.2 * 1.01**79)


def test_no_forecast_of_a_series_younger_than_it_must_be():
    assert (needed_days(7), needed_days(30)) == (14, 37)
    for horizon in (7, 30):
        needed = needed_days(horizon)
        for days, is_there in ((needed - 1, False), (needed, True)):
            assert ("x" in foresee({"x": Series(0, prices(days, 3))}, "price", horizon, today=days - 1)) is is_there


def test_no_forecast_of_a_series_that_fell_silent_or_is_full_of_holes():
    values = prices(60, 3)
    assert foresee({"x": Series(0, values)}, "price", 7, today=60) != {}
    assert foresee({"x": Series(0, values)}, "price", 7, today=61) == {}
    holes = [value if day % 3 == 2 else None for day, value in enumerate(values)]
    assert foresee({"x": Series(0, holes)}, "price", 7, today=59) == {}
    assert foresee({"x": Series(0, [None] * 60)}, "price", 7, today=59) == {}


def test_shares_stay_between_0_and_100_and_nothing_beats_their_last_value():
    random.seed(2)
    values = [min(100.0, 97 + random.uniform(-6, 6)) for _ in range(60)]
    found = foresee({"x": Series(0, values)}, "rented", 7, today=59)["x"]
    assert found.is_naive
    assert chosen("rented", moving=True) == "last_value"
    assert found.value == values[-1]
    assert 0 <= found.low <= found.value <= found.high <= 100


# -- Stored ----------------------------------------------------------------------------------------------------------


def days(number, *, gpu="RTX 4090", platform="vast", origin="live", shares=True, until=0, seed=1):
    today = clock.today() - timedelta(days=until)
    MarketDaily.objects.bulk_create(
        MarketDaily(
            gpu_model=gpu,
            platform=platform,
            origin=origin,
            day=today - timedelta(days=number - 1 - n),
            median_price=D(str(round(price, 4))),
            average_utilization=D(str(round(60 + 30 * math.sin(n), 2))) if shares else None,
            moments=96,
        )
        for n, price in enumerate(prices(number, seed))
    )


@pytest.mark.django_db
def test_every_series_is_forecast_and_told_with_its_past_errors():
    days(60)
    days(60, gpu="B200", platform="runpod", shares=False, seed=7)
    days(20, gpu="H100 SXM", origin="simulated")
    days(60, gpu="L40S", origin="imported")
    days(60, gpu="A40", until=3)
    assert forecasts.make_forecasts() == 4 + 2 + 2
    found = selectors.forecast_of("RTX 4090", "vast", "live")
    assert [(one.measure, one.horizon_days) for one in found] == [
        ("price", 7),
        ("price", 30),
        ("rented", 7),
        ("rented", 30),
    ]
    near = found[0]
    assert (near.method, near.is_naive, near.level, near.points) == ("median_7", False, 80, 60)
    assert near.low < near.value < near.high
    assert near.error < near.naive_error
    assert near.coverage is not None
    assert near.as_of <= clock.now()
    assert {one.measure for one in selectors.forecast_of("B200", "runpod", "live")} == {"price"}
    assert [one.horizon_days for one in selectors.forecast_of("H100 SXM", "vast", "simulated")] == [7, 7]
    for gpu, origin in (("L40S", "imported"), ("A40", "live"), ("RTX 4090", "simulated")):
        assert selectors.forecast_of(gpu, "vast", origin) == []


@pytest.mark.django_db
def test_no_forecast_goes_across_sources_and_a_short_stand_in_is_a_gap():
    """Fault 10 of real data: a switched source looks like a market move."""
    days(60)
    MarketDaily.objects.update(sources={"500farm_machines": 95, "vast_offers": 1})
    stand_in = clock.today() - timedelta(days=4)
    told = {"500farm_machines": 40, "vast_offers": 56}
    MarketDaily.objects.filter(day=stand_in).update(sources=told, median_price=D("9"))
    assert forecasts.make_forecasts() == 4
    row = MarketForecast.objects.get(measure="price", horizon_days=7)
    assert row.points == 59
    assert row.value < 1
    MarketDaily.objects.filter(day__gt=stand_in).update(sources=told, median_price=D("9"))
    assert forecasts.make_forecasts() == 0  # five days of the new source: too young


@pytest.mark.django_db
def test_a_second_run_replaces_the_first_and_what_fell_silent_goes():
    days(60)
    days(60, gpu="B200", seed=5)
    assert forecasts.make_forecasts() == 8
    first = {row.pk: row.made_at for row in MarketForecast.objects.filter(gpu_model="RTX 4090")}
    MarketDaily.objects.filter(gpu_model="B200", day__gte=clock.today() - timedelta(days=3)).delete()
    assert forecasts.make_forecasts() == 4
    again = {row.pk: row.made_at for row in MarketForecast.objects.all()}
    assert set(again) == set(first)
    assert all(again[pk] > first[pk] for pk in first)


@pytest.mark.django_db
def test_what_is_missing_is_said_with_how_much_it_lacks():
    days(20, shares=False)
    forecasts.make_forecasts()
    found = {
        (one.measure, one.horizon_days): (one.days, one.needed)
        for one in selectors.missing_forecasts("RTX 4090", "vast", "live")
    }
    assert found == {("price", 30): (20, 37), ("rented", 7): (0, 14), ("rented", 30): (0, 37)}


@pytest.mark.django_db
def test_a_day_that_has_hardly_begun_does_not_speak_for_itself():
    days(30)
    today = MarketDaily.objects.filter(day=clock.today())
    yesterday = MarketDaily.objects.get(day=clock.today() - timedelta(days=1))
    today.update(moments=5, average_utilization=D("1"))
    forecasts.make_forecasts()
    row = MarketForecast.objects.get(measure="rented", horizon_days=7)
    assert row.value == yesterday.average_utilization
    assert row.as_of.date() == clock.today()  # midnight: all of yesterday is known
    today.update(moments=60)
    forecasts.make_forecasts()
    assert MarketForecast.objects.get(measure="rented", horizon_days=7).value == D("1")


@pytest.mark.django_db
def test_an_interval_wider_than_the_column_is_cut_there():
    wild = Series(0, [10.0 ** (day % 5 - 1) for day in range(60)])
    found = foresee({"x": wild}, "price", 7, today=59)["x"]
    row = forecasts._row(("X", "vast"), "live", "price", 7, found, clock.now(), clock.now())
    assert row.high <= 10_000
    row.full_clean(exclude=["id"])


@pytest.mark.django_db
def test_the_job_runs_once_in_six_hours_and_the_command_any_time(capsys):
    days(60)
    assert tasks_history.make_forecasts() == 4
    assert tasks_history.make_forecasts() == 0
    call_command("make_forecasts")
    assert "4 forecasts of 1 series" in capsys.readouterr().out


@pytest.mark.django_db
def test_an_empty_market_is_no_error(capsys):
    call_command("make_forecasts")
    assert "0 forecasts" in capsys.readouterr().out
    assert selectors.forecast_of("RTX 4090", "vast", "live") == []


@pytest.mark.django_db
def test_more_series_cost_no_more_queries():
    counts = []
    for number in (1, 12):
        for n in range(number):
            days(20, gpu=f"GPU {number} {n}", seed=n)
        with CaptureQueriesContext(connection) as queries:
            forecasts.forecast_origin("live")
        counts.append(len(queries))
    assert counts[1] == counts[0]


# -- On the real series ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def backtest():
    """What the command prints, once."""
    recorded("series/daily_prices_by_region.csv.gz")
    out = StringIO()
    call_command("backtest_forecast", json=True, data=DATA, stdout=out)
    return json.loads(out.getvalue())


@pytest.mark.slow
def test_on_the_real_series_every_chosen_method_is_as_good_as_naive_and_its_interval_holds(backtest):
    assert backtest["ok"]
    used = [row for row in backtest["rows"] if row["chosen"] and row["series"] == ALL]
    assert {(row["measure"], row["horizon"], row["kind"]) for row in used} == {
        ("price", 7, "moving"),
        ("price", 7, "sticky"),
        ("price", 30, "moving"),
        ("price", 30, "sticky"),
    }
    for row in used:
        assert row["error"] <= row["naive_error"]
        if row["coverage_judged"]:
            assert 70 <= row["coverage"] <= 90
    by_place = {(row["horizon"], row["kind"]): row for row in used}
    assert by_place[7, "moving"]["error"] < 0.8 * by_place[7, "moving"]["naive_error"]
    assert by_place[7, "moving"]["n"] > 250


@pytest.mark.slow
def test_in_each_real_source_alone_the_median_of_a_week_beats_naive_where_prices_move(backtest):
    rows = [
        row
        for row in backtest["rows"]
        if row["method"] == "median_7" and row["horizon"] == 7 and row["kind"] == "moving" and row["series"] != ALL
    ]
    assert len(rows) == 3
    assert all(row["error"] < row["naive_error"] for row in rows)


@pytest.mark.slow
def test_what_the_real_series_are_too_short_for_is_said_not_invented(backtest):
    said = "\n".join(backtest["not_measurable"])
    assert "Vast.ai asks, 30 days: the longest series has 29 days" in said
    assert "Prime Intellect asks, hourly, 7 days" in said
    assert "rented share, 7 and 30 days" in said
    assert not [row for row in backtest["rows"] if row["series"] == "Vast.ai asks" and row["horizon"] == 30]
    assert not [row for row in backtest["rows"] if row["measure"] == "rented" and row["horizon"] > 3]


@pytest.mark.slow
def test_the_command_prints_a_table_and_names_a_missing_folder(backtest, tmp_path):
    table = as_table(backtest)
    assert "* median_7" in table
    assert "ok: True" in table
    with pytest.raises(CommandError, match="MARKET_DATA_DIR"):
        call_command("backtest_forecast", data=tmp_path)


def test_the_command_says_which_file_it_cannot_read(tmp_path):
    (tmp_path / "daily_prices_by_region.csv.gz").write_bytes(b"<html>")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("backtest_forecast", data=tmp_path)


def test_forecasting_needs_neither_django_nor_a_heavy_library():
    script = (
        "import sys, market.forecasting.backtest; print([m for m in ('django', 'numpy', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert forecasting.HORIZONS == (7, 30)
