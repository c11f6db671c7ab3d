"""What pages ask: one origin, few queries, old figures marked and then hidden."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gpuadvisor.core import clock
from market import rollups, selectors
from market.models import MarketData, SourceRun
from market.selectors.overview import past, speaking_places
from market.selectors.places import aged, platforms_speaking
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

D = Decimal
pytestmark = pytest.mark.django_db


def ago(**kwargs):
    return clock.now() - timedelta(**kwargs)


def test_the_latest_row_answers_with_source_and_time():
    MarketDataFactory(data_timestamp=ago(minutes=20), median_price=D("0.50"))
    last = MarketDataFactory(data_timestamp=ago(minutes=5), median_price=D("0.70"))
    now = selectors.market_now(["RTX 4090", "H100 SXM"])
    assert set(now) == {"RTX 4090"}
    row = now["RTX 4090"]
    assert (row.median, row.p10, row.p90, row.rented_percentage) == (D("0.7000"), D("0.3200"), D("0.8700"), D("71.00"))
    assert (row.source, row.origin, row.as_of) == ("500farm_machines", "live", last.data_timestamp)
    assert (row.platform, row.region, row.gpu_count) == ("vast", "global", 1000)


@pytest.mark.parametrize(
    ("age", "stale", "hidden"),
    [
        (timedelta(minutes=29), False, False),
        (timedelta(minutes=31), True, False),
        (timedelta(hours=23, minutes=59), True, False),
        (timedelta(hours=24, minutes=1), True, True),
        (timedelta(days=40), True, True),
    ],
)
def test_old_figures_warn_and_then_are_hidden(age, stale, hidden):
    MarketDataFactory(data_timestamp=clock.now() - age)
    row = selectors.market_now(["RTX 4090"])["RTX 4090"]
    assert (row.is_stale, row.is_hidden) == (stale, hidden)
    figures = (row.median, row.p10, row.p90, row.average, row.rented_percentage, row.gpu_count, row.offer_count)
    assert (figures == (None,) * 7) is hidden


def test_the_leading_platform_answers_unless_another_is_asked_for():
    MarketDataFactory(data_timestamp=ago(minutes=5), median_price=D("0.60"))
    MarketDataFactory(data_timestamp=ago(minutes=1), platform="runpod", median_price=D("0.54"), gpu_count=None)
    MarketDataFactory(data_timestamp=ago(minutes=1), platform="runpod", gpu_model="B200", gpu_count=None)
    now = selectors.market_now(["RTX 4090", "B200"])
    assert (now["RTX 4090"].platform, now["B200"].platform) == ("vast", "runpod")
    assert selectors.market_now(["RTX 4090"], platform="runpod")["RTX 4090"].median == D("0.54")
    assert selectors.market_now(["RTX 4090"], platform="salad") == {}


def test_a_region_answers_for_itself():
    MarketDataFactory(data_timestamp=ago(minutes=5), region="SE", median_price=D("0.31"))
    assert selectors.market_now(["RTX 4090"]) == {}
    assert selectors.market_now(["RTX 4090"], region="SE")["RTX 4090"].median == D("0.31")


def test_live_speaks_alone_even_where_it_does_not_know_a_model():
    MarketDataFactory(data_timestamp=ago(hours=5))
    MarketDataFactory(data_timestamp=ago(minutes=1), gpu_model="B200", origin="simulated")
    assert selectors.current_origin() == "live"
    assert set(selectors.market_now(["RTX 4090", "B200"])) == {"RTX 4090"}


def test_simulated_speaks_where_live_is_older_than_a_day():
    MarketDataFactory(data_timestamp=ago(hours=25))
    MarketDataFactory(data_timestamp=ago(minutes=1), gpu_model="B200", origin="simulated")
    assert selectors.current_origin() == "simulated"
    assert set(selectors.market_now(["RTX 4090", "B200"])) == {"B200"}


def test_a_market_without_rows_has_no_origin():
    assert selectors.current_origin() is None
    assert selectors.market_now(["RTX 4090"]) == {}
    assert selectors.market_now([]) == {}


@pytest.mark.parametrize("number", [1, 60])
def test_any_number_of_models_is_one_query(django_assert_num_queries, number):
    names = [f"GPU {n}" for n in range(number)]
    at = ago(minutes=3)
    MarketData.objects.bulk_create(MarketDataFactory.build(gpu_model=name, data_timestamp=at) for name in names)
    with django_assert_num_queries(1):
        assert len(selectors.market_now(names)) == number


def test_history_is_of_one_origin_and_daily_beyond_two_weeks(django_assert_num_queries):
    start = ago(days=40).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = []
    for hour in range(0, 40 * 24, 6):
        at = start + timedelta(hours=hour)
        price = D("0.50") + D(hour % 24) / 100
        rows.append(MarketDataFactory.build(data_timestamp=at, median_price=price))
        rows.append(MarketDataFactory.build(data_timestamp=at, region="US", origin="simulated", median_price=D(9)))
    MarketData.objects.bulk_create(rows)
    rollups.roll_up(start.date(), clock.today())
    with django_assert_num_queries(1):
        points = selectors.market_history(
            "RTX 4090", since=start, until=start + timedelta(days=40), platform="vast", origin="live"
        )
    assert len(points) == 40
    assert {point.median for point in points} == {D("0.5900")}
    assert [point.at for point in points[:2]] == [start, start + timedelta(days=1)]
    short = selectors.market_history(
        "RTX 4090", since=start, until=start + timedelta(days=2), platform="vast", origin="live"
    )
    assert [point.median for point in short[:4]] == [D("0.50"), D("0.56"), D("0.62"), D("0.68")]


@pytest.mark.parametrize("days", [1, 3, 7, 13, 15, 90, 360, 730, 1826])
def test_no_history_has_more_than_360_points(days):
    step = selectors.history._step(timedelta(days=days))
    assert timedelta(days=days) / step < 361
    assert (step >= timedelta(days=1)) is (days > 14)


def test_a_failing_source_says_since_when_and_keeps_its_last_good_answer():
    """R-034."""
    for minutes, status in ((90, "failed"), (60, "ok"), (45, "failed"), (30, "failed"), (1, "running")):
        SourceRun.objects.create(source="runpod", status=status, started_at=ago(minutes=minutes), error="down")
    SourceRun.objects.create(source="500farm_machines", status="unchanged", started_at=ago(minutes=4))
    runpod, machines, never = selectors.source_states(["runpod", "500farm_machines", "500farm_gpu_stats", "nobody"])
    assert round((clock.now() - runpod.failing_since).total_seconds() / 60) == 45
    assert round((clock.now() - runpod.last_good_at).total_seconds() / 60) == 60
    assert (runpod.error, runpod.is_stale) == ("down", True)
    assert (machines.failing_since, machines.is_stale) == (None, False)
    assert (never.last_good_at, never.failing_since) == (None, None)


def test_a_state_is_as_old_as_the_document_that_is_told_again():
    """R-034, fault 11: of a source that tells when its document was made."""
    for minutes, status, told in ((1200, "ok", ago(minutes=1201)), (4, "unchanged", None)):
        SourceRun.objects.create(
            source="500farm_machines", status=status, started_at=ago(minutes=minutes), observed_at=told
        )
    (state,) = selectors.source_states(["500farm_machines"])
    assert round((clock.now() - state.told_at).total_seconds() / 60) == 1201
    assert round((clock.now() - state.last_good_at).total_seconds() / 60) == 4
    assert state.is_stale


DAILY = {"source": "lambda", "price_basis": "list"}


@pytest.mark.parametrize(
    ("source", "age", "stale", "advice", "hidden"),
    [
        ("500farm_machines", timedelta(minutes=29), False, True, False),
        ("500farm_machines", timedelta(minutes=31), True, True, False),
        ("500farm_machines", timedelta(hours=12, minutes=1), True, False, False),
        ("500farm_machines", timedelta(hours=24, minutes=1), True, False, True),
        ("lambda", timedelta(hours=25), False, True, False),
        ("lambda", timedelta(days=2, minutes=1), True, True, False),
        ("lambda", timedelta(days=3, minutes=1), True, False, False),
        ("lambda", timedelta(days=7, minutes=1), True, False, True),
        ("nobody", timedelta(hours=24, minutes=1), True, False, True),
    ],
)
def test_a_figure_ages_as_its_source_is_asked(source, age, stale, advice, hidden):
    """Two refreshes, 12 and 24 hours; of a source asked daily 2, 3 and 7 days."""
    MarketDataFactory(data_timestamp=clock.now() - age, platform="lambda", demand_indicators={"source": source})
    row = selectors.market_now(["RTX 4090"])["RTX 4090"]
    assert (row.is_stale, row.is_for_advice, row.is_hidden) == (stale, advice, hidden)
    assert (row.median is None) is hidden


@pytest.mark.parametrize(
    ("age", "origin"), [(timedelta(days=6), "live"), (timedelta(days=7, minutes=1), "simulated")], ids=["6d", "7d"]
)
def test_live_speaks_as_long_as_any_live_figure_may_be_shown(age, origin):
    """Fault 10, R-056: the simulated market never stands beside a live figure, not even beside a daily one."""
    MarketDataFactory(data_timestamp=clock.now() - age, platform="lambda", demand_indicators=DAILY)
    MarketDataFactory(data_timestamp=ago(minutes=1), origin="simulated")
    assert selectors.current_origin() == origin
    rows = selectors.market_on_platforms(["RTX 4090"])
    assert {row.origin for row in rows} == {origin}
    assert {row.origin for row in selectors.market_by_place("RTX 4090")} == {origin}


@pytest.mark.parametrize(
    ("rows", "leads"),
    [
        ([("salad", "host_net", 900), ("clore", "ask", 5), ("aws", "list", None)], "clore"),
        ([("salad", "host_net", 900), ("aws", "list", None)], "aws"),
        ([("akash", "ask", 400), ("clore", "ask", 7900)], "clore"),
        ([("clore", "ask", 7900), ("vast", "ask", 1)], "vast"),
    ],
    ids=["offers first", "then a price list", "most GPUs", "Vast.ai before all"],
)
def test_a_market_of_offers_leads_before_lists_and_payouts(rows, leads):
    for platform, basis, gpus in rows:
        PlatformFactory(slug=platform, name=platform)
        indicators = {"source": f"{platform}", "price_basis": basis}
        MarketDataFactory(
            data_timestamp=ago(minutes=5), platform=platform, gpu_count=gpus, demand_indicators=indicators
        )
    assert selectors.market_now(["RTX 4090"])["RTX 4090"].platform == leads
    assert len(selectors.market_on_platforms(["RTX 4090"])) == len(rows)


def test_another_platform_answers_where_the_leader_is_hidden():
    MarketDataFactory(data_timestamp=ago(hours=30))
    MarketDataFactory(data_timestamp=ago(minutes=5), platform="runpod", median_price=D("0.54"), demand_indicators=DAILY)
    row = selectors.market_now(["RTX 4090"])["RTX 4090"]
    assert (row.platform, row.median, row.is_hidden) == ("runpod", D("0.5400"), False)


def test_what_a_source_tells_besides_is_passed_on():
    told = {
        "source": "500farm_gpu_stats_v2",
        "price_basis": "ask",
        "rented_median": "0.39",
        "available_median": "0.5",
        "spot_median": "0.21",
        "secure_price": "0.69",
        "community_price": "0.54",
        "available_gpus": 272,
        "demand_score": 81,
        "stock_status": "High",
        "flags": ["scarcity", "thin_cell"],
    }
    MarketDataFactory(data_timestamp=ago(minutes=5), demand_indicators=told)
    row = selectors.market_now(["RTX 4090"])["RTX 4090"]
    assert (row.rented_median, row.available_median, row.spot_median) == (D("0.39"), D("0.5"), D("0.21"))
    assert (row.secure_price, row.community_price, row.stock_status) == (D("0.69"), D("0.54"), "High")
    assert (row.available_gpus, row.demand_score, row.flags) == (272, 81, ("scarcity", "thin_cell"))


@pytest.mark.parametrize(
    "told",
    [{}, {"flags": "x"}, {"demand_score": True, "rented_median": "NaN"}, {"rented_median": [], "available_gpus": "7"}],
)
def test_damaged_indicators_are_unknown(told):
    MarketDataFactory(data_timestamp=ago(minutes=5), demand_indicators=told)
    row = selectors.market_now(["RTX 4090"])["RTX 4090"]
    assert (row.rented_median, row.available_gpus, row.demand_score, row.flags) == (None, None, None, ())
    assert row.median == D("0.6400")


def test_every_place_of_a_model_is_one_query(django_assert_num_queries):
    at = ago(minutes=3)
    MarketData.objects.bulk_create(
        MarketDataFactory.build(platform=platform, region=region, data_timestamp=at - timedelta(minutes=15 * n))
        for platform in ("vast", "clore", "akash")
        for region in ("global", "europe", "SE", "US")
        for n in range(20)
    )
    with django_assert_num_queries(1):
        rows = selectors.market_by_place("RTX 4090")
    assert len(rows) == 12
    assert {row.as_of for row in rows} == {at}
    assert (rows[0].platform, rows[0].region) == ("vast", "global")


def told_at(at, **more):
    """The figures of a document of `at`, stored at its quarter hour."""
    moment = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
    indicators = {"source": "500farm_machines", "price_basis": "ask", "observed_at": at.isoformat()}
    return MarketDataFactory(data_timestamp=moment, demand_indicators=indicators, **more)


@pytest.mark.parametrize(
    ("minutes", "stale", "hidden"),
    [(29, False, False), (31, True, False), (24 * 60 - 1, True, False), (24 * 60 + 1, True, True)],
)
def test_figures_are_as_old_as_their_document_not_as_its_quarter_hour(minutes, stale, hidden):
    """A document of 04:29 is not a quarter of an hour old when it arrives."""
    at = ago(minutes=minutes)
    row = told_at(at)
    told_at(at, platform="clore", region="SE")
    (now,) = selectors.market_now(["RTX 4090"]).values()
    assert (now.as_of, now.moment, now.is_stale, now.is_hidden) == (at, row.data_timestamp, stale, hidden)
    assert aged(now, at + timedelta(minutes=31)).is_stale
    assert [one.as_of for one in selectors.market_by_place("RTX 4090")] == ([] if hidden else [at, at])
    GPUModelFactory()
    assert {name: one.as_of for name, one in platforms_speaking().items()} == ({} if hidden else {"vast": at})


@pytest.mark.parametrize("told", [None, "", "yesterday", 7, "2026-11-24T10:00:00", []])
def test_a_row_that_does_not_tell_when_is_as_old_as_its_quarter_hour(told):
    row = MarketDataFactory(data_timestamp=ago(minutes=5), demand_indicators={"source": "runpod", "observed_at": told})
    assert selectors.market_now(["RTX 4090"])["RTX 4090"].as_of == row.data_timestamp
    GPUModelFactory()
    assert platforms_speaking()["vast"].as_of == row.data_timestamp


def test_regions_and_moves_are_found_at_the_quarter_hour():
    at = ago(minutes=4)
    told_at(at, median_price=D("0.66"))
    told_at(at, region="SE")
    told_at(at - timedelta(days=7), median_price=D("0.60"))
    assert speaking_places(["RTX 4090"]).regions == ("SE",)
    now = selectors.market_now(["RTX 4090"])["RTX 4090"]
    assert past([now], [7])[now][0].price == D("0.60")


def scans(node, found):
    """The scans of market data by which `node` reads single series."""
    if node.get("Relation Name", "").startswith("market_data") and node["Alias"].startswith("d"):
        found.append(node)
    for inner in node.get("Plans", ()):
        scans(inner, found)
    return found


@pytest.mark.parametrize(
    "ask",
    [
        lambda: selectors.market_now(["GPU 1", "GPU 2"]),
        lambda: selectors.market_on_platforms(["GPU 1", "GPU 2"]),
        lambda: selectors.market_by_place("GPU 1"),
        platforms_speaking,
        lambda: past(selectors.market_now(["GPU 1", "GPU 2"]).values(), [1, 7]),
    ],
    ids=["now", "platforms", "places", "speaking", "moves"],
)
def test_without_statistics_too_a_series_is_found_by_its_key(ask):
    """A first start, a new month: one read of everything for each series took minutes."""
    newest = clock.now().replace(minute=0, second=0, microsecond=0)
    columns = "id, gpu_model, platform, region, median_price, demand_indicators, origin, data_timestamp, created_at"
    with connection.cursor() as cursor:
        cursor.execute(
            f"insert into market_data ({columns})"
            " select gen_random_uuid(), 'GPU ' || g, p, 'global', 1, '{}', 'live',"
            " %s - q * interval '15 minutes', now() from generate_series(1, 50) g,"
            " unnest(array['vast', 'runpod', 'clore', 'salad', 'akash']) p, generate_series(0, 199) q",
            [newest],
        )
        cursor.execute(
            "delete from pg_statistic where starelid in"
            " (select oid from pg_class where relname like 'market_data%%' and relkind in ('r', 'p'))"
        )
        # Nor may a size be left that an autovacuum saw while other tests ran.
        cursor.execute("update pg_class set reltuples = -1, relpages = 0 where relname like 'market_data%%'")
    with CaptureQueriesContext(connection) as asked:
        ask()
    sql = [one["sql"] for one in asked if "market_data d" in one["sql"]][-1]
    with connection.cursor() as cursor:
        cursor.execute(f"explain (format json) {sql}".replace("%", "%%"), [])
        (plan,) = cursor.fetchone()
    read = scans((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"], [])
    assert read
    for scan in read:
        assert "gpu_model" in scan["Index Name"], scan
        assert "gpu_model" in scan["Index Cond"], scan
