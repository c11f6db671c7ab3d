"""From documents to rows: R-017, R-034, R-036, R-056 and what is kept out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from gpuadvisor.core import clock
from market import ingest, invented, runs, selectors
from market.models import MarketData, PricingSnapshot, SourceRun, UnknownGPUName, UtilizationTrend
from market.quality import RULES
from market.sources import SOURCES
from market.sources.base import SourceError
from tests.factories import MarketDataFactory
from tests.market.documents import (
    document,
    gpu_stats,
    gpu_type,
    gpu_types,
    machine,
    machines,
    model_stats,
    recorded,
)

D = Decimal
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("catalog")]


def replay(name, data, **kwargs):
    return ingest.refresh(name, document=document(data, now=clock.now(), **kwargs))


TABLES = ("market_data", "pricing_snapshots", "utilization_trends", "unknown_gpu_names", "quarantined_rows")


def tables():
    """Every row of what a refresh writes, as it lies in the database."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"select xmin::text, t.* from {table} t order by id")
            found[table] = cursor.fetchall()
    return found


def cell(gpu="RTX 4090", region="global", platform="vast"):
    return MarketData.objects.get(gpu_model=gpu, region=region, platform=platform)


@pytest.fixture
def market():
    """Ten machines in two countries, one of them absurdly dear, one with a name that nobody knows."""
    now = clock.now().replace(microsecond=0)
    rows = [machine(n, dph_base=1.0 + n / 10, num_gpus_rented=n % 3) for n in range(1, 9)]
    rows += [machine(9, location={"country": "SE"}, num_gpus=8, num_gpus_rented=8, dph_base=3.2)]
    rows += [machine(10, dph_base=60.0), machine(11, gpu_name="RTX 9090 Ti Super"), machine(12, dph_base=float("nan"))]
    return machines(*rows, at=now)


def test_machines_become_cells_by_country_and_global_weighted_by_gpus(market):
    report = replay("500farm_machines", market)
    assert (report.status, report.rows, report.refused) == ("ok", 5, 3)  # US, SE, two continents, global
    everywhere, sweden, states = cell(), cell(region="SE"), cell(region="US")
    assert (everywhere.gpu_count, everywhere.active_instances, everywhere.offer_count) == (24, 17, 9)
    assert (sweden.gpu_count, states.gpu_count) == (8, 16)
    assert everywhere.average_utilization == D("70.83")
    prices = sorted([D(10 + n) / 20 for n in range(1, 9)] * 2 + [D("0.4")] * 8)
    assert everywhere.average_price == round(sum(prices) / 24, 4)
    assert everywhere.median_price == (prices[11] + prices[12]) / 2
    assert (everywhere.min_price, everywhere.max_price) == (D("0.4"), D("0.9"))
    assert (everywhere.origin, everywhere.demand_indicators["source"]) == ("live", "500farm_machines")


def test_what_is_refused_is_counted_with_its_reason(market):
    """R-037, in its first cut: holding prices, NaN and unknown names stay out of the aggregates."""
    replay("500farm_machines", market)
    run = SourceRun.objects.get()
    assert run.rows_refused == 3
    reasons = sorted(entry["reason"] for entry in run.refusals)
    assert reasons == [RULES["above_band"].title, "GPU name: no alias", "price is not a number"]
    assert cell().max_price < 1
    held = PricingSnapshot.objects.get(external_id="10")
    assert (held.price_per_hour, held.additional_features["refused"]) == (D("30"), "above_band")


def test_a_price_far_below_the_market_is_kept_out():
    rows = [machine(n, dph_base=2.0) for n in range(1, 6)] + [machine(6, dph_base=0.3)]
    report = replay("500farm_machines", machines(*rows, at=clock.now()))
    assert report.reasons == ((RULES["below_band"].title, 1),)
    assert cell().min_price == D("1.0")


def test_an_unknown_name_waits_for_staff_and_is_never_guessed(market):
    """R-015."""
    replay("500farm_machines", market)
    unknown = UnknownGPUName.objects.get()
    assert (unknown.spelling, unknown.times, unknown.reason) == ("RTX 9090 Ti Super", 1, "no alias")
    assert set(MarketData.objects.values_list("gpu_model", flat=True)) == {"RTX 4090"}


def test_cards_of_other_memory_are_other_models():
    rows = [machine(1), machine(2, gpu_ram=49140, dph_base=1.6)]
    replay("500farm_machines", machines(*rows, at=clock.now()))
    assert (cell().median_price, cell("RTX 4090 48GB").median_price) == (D("0.6"), D("0.8"))


def test_the_same_document_again_changes_nothing(market):
    """R-056: compared table by table, down to the version of each row."""
    first = replay("500farm_machines", market)
    before = tables()
    again = replay("500farm_machines", market)
    assert tables() == before
    assert (first.changed, again.changed, again.rows) == (5, 0, 5)
    assert all(before[table] for table in before)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("500farm_machines", "composed/500farm_machines.json"),
        ("500farm_gpu_stats", "composed/500farm_gpu-stats.json"),
        ("runpod", "raw/runpod_graphql_gpuTypes.json"),
    ],
)
def test_a_recorded_document_again_changes_nothing(source, name):
    """R-056 over what was recorded; every known row of it is stored."""
    at = clock.now().replace(microsecond=0)
    first = replay(source, recorded(name), observed_at=at)
    before = tables()
    assert replay(source, recorded(name), observed_at=at).changed == 0
    assert tables() == before
    assert first.changed == first.rows > 0


def test_an_earlier_document_of_the_same_quarter_hour_does_not_undo_a_later_one():
    start = ingest.bucket(clock.now()) - timedelta(minutes=30)
    late = machines(machine(1, dph_base=2.0), at=start + timedelta(minutes=9))
    early = machines(machine(1, dph_base=1.0), at=start + timedelta(minutes=2))
    replay("500farm_machines", late)
    replay("500farm_machines", early)
    assert (cell().median_price, cell().data_timestamp) == (D("1.0"), start)


def test_an_offer_is_kept_when_it_changed_and_not_every_quarter_hour():
    start = ingest.bucket(clock.now()) - timedelta(hours=2)
    steps = [{}, {}, {"dph_base": 1.4}, {"dph_base": 1.4}, {"num_gpus_rented": 2, "dph_base": 1.4}]
    for i, change in enumerate(steps):
        replay("500farm_machines", machines(machine(1, **change), at=start + i * timedelta(minutes=15)))
    kept = PricingSnapshot.objects.order_by("snapshot_time")
    assert [(row.price_per_hour, row.additional_features["rented"]) for row in kept] == [
        (D("0.6"), 1),
        (D("0.7"), 1),
        (D("0.7"), 2),
    ]
    features = {"gpus": 2, "rented": 1, "verified": True, "datacenter": False, "reliability": 0.991, "floor": "0.2000"}
    assert kept[0].additional_features == features
    assert (kept[0].availability_zone, kept[0].spot_instance) == ("US", False)
    assert MarketData.objects.get(pk=kept[0].market_data_id).gpu_model == "RTX 4090"


def test_one_trend_per_series_and_day_on_its_latest_row():
    """R-017."""
    day = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    for hour, rented in ((3, 0), (9, 2), (6, 1)):
        replay("500farm_machines", machines(machine(1, num_gpus_rented=rented), at=day + timedelta(hours=hour)))
    trends = UtilizationTrend.objects.filter(region="global")
    assert [(t.trend_date, t.utilization_rate) for t in trends] == [(day.date(), D("100"))]
    assert MarketData.objects.get(pk=trends[0].market_data_id).data_timestamp == day + timedelta(hours=9)


def test_runpod_lists_prices_without_utilization():
    report = replay("runpod", gpu_types(gpu_type(secureSpotPrice=0.39, lowestPrice={"stockStatus": "High"})))
    row = cell(platform="runpod")
    assert (report.rows, row.min_price, row.max_price, row.median_price) == (1, D("0.34"), D("0.74"), D("0.54"))
    assert (row.average_utilization, row.active_instances, row.gpu_count, row.p10_price) == (None, None, None, None)
    assert row.demand_indicators["stock_status"] == "High"
    assert [(s.price_per_hour, s.spot_instance) for s in PricingSnapshot.objects.order_by("price_per_hour")] == [
        (D("0.34"), False),
        (D("0.39"), True),
        (D("0.74"), False),
    ]


def test_sources_of_two_platforms_never_overwrite_each_other(market):
    replay("500farm_machines", market)
    replay("runpod", gpu_types(gpu_type()))
    assert {(row.platform, row.median_price) for row in MarketData.objects.filter(region="global")} == {
        ("vast", cell().median_price),
        ("runpod", D("0.54")),
    }


# -- The leader and its stand-in ---------------------------------------------------------------------------------------


def test_a_stand_in_only_checks_while_its_leader_answers(market):
    """R-017: one source leads per platform, others only check it."""
    replay("500farm_machines", market)
    before = tables()
    report = replay("500farm_gpu_stats", gpu_stats(model_stats(total=24, rented=16), at=clock.now()))
    assert (report.status, report.changed, report.refused) == ("ok", 0, 0)
    report = replay("500farm_gpu_stats", gpu_stats(model_stats(), at=clock.now()))
    assert (report.reasons, report.changed) == ((), 0)
    notes = SourceRun.objects.order_by("-started_at").first().notes.splitlines()
    assert notes == [
        "Checked 1 GPU models against 500farm_machines: 1 differ by more than a quarter.",
        "RTX 4090: 1663 GPUs, the leader counts 24.",
    ]
    assert tables() == before


def test_a_stand_in_fills_in_once_its_leader_fails_and_gives_way_again(market):
    replay("500farm_machines", b"<html>")
    replay("500farm_gpu_stats", gpu_stats(model_stats(), at=clock.now()))
    row = cell()
    assert (row.median_price, row.p10_price, row.p90_price) == (D("0.66"), D("0.37"), D("1.0"))
    assert (row.average_price, row.min_price, row.max_price) == (None, None, None)
    assert (row.average_utilization, row.gpu_count) == (D("70.41"), 1663)
    replay("500farm_machines", market)
    assert cell().demand_indicators["source"] == "500farm_machines"
    replay("500farm_machines", b"<html>")
    replay("500farm_gpu_stats", gpu_stats(model_stats(), at=clock.now()))
    assert cell().demand_indicators["source"] == "500farm_machines"


def test_a_stand_in_leads_where_its_leader_is_switched_off(settings, market):
    settings.MARKET_SOURCES = ["500farm_gpu_stats"]
    assert replay("500farm_gpu_stats", gpu_stats(model_stats(), at=clock.now())).changed == 1


# -- Documents that are refused whole ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"<html>Bad gateway</html>", "web page"),
        (b"", "empty"),
        (b'{"timestamp": "2026-', "not JSON"),
        (machines(), "No row of the document can be used."),
        (machines(machine(dph_base="1.2")), "price is not a number (1 of 1)"),
        ({"timestamp": "2026-11-20T12:00:00Z", "machines": []}, "no list"),
        ({"timestamp": "2019-11-20T12:00:00Z", "offers": [machine()]}, "older than anything"),
    ],
)
def test_a_refused_document_leaves_the_last_good_rows_alone(market, data, error):
    """Faults e18 to e22: last good values with their age, one run with the reason, nothing else."""
    replay("500farm_machines", market)
    before = tables()
    report = replay("500farm_machines", data)
    assert report.status == "failed"
    assert error in report.error
    assert tables() == before
    run = SourceRun.objects.order_by("-started_at").first()
    assert (run.status, run.error) == ("failed", report.error)


def test_a_document_from_the_future_is_refused():
    """Fault e21: a clock more than five minutes ahead."""
    now = clock.now()
    assert replay("500farm_machines", machines(machine(), at=now + timedelta(minutes=4))).status == "ok"
    report = replay("500farm_machines", machines(machine(), at=now + timedelta(minutes=7)))
    assert (report.status, "yet to come" in report.error) == ("failed", True)


def test_a_renamed_field_fails_the_run_and_says_which():
    renamed = {"dph_base": "price_base"}
    rows = [{renamed.get(key, key): value for key, value in machine(n).items()} for n in range(1, 6)]
    report = replay("500farm_machines", machines(*rows, at=clock.now()))
    assert (report.status, report.refused) == ("failed", 5)
    assert "price is not a number" in report.error
    assert len(SourceRun.objects.get().refusals) == 5


def test_of_endless_refusals_fifty_are_kept_and_all_are_counted():
    rows = [machine(1)] + [machine(0) for _n in range(500)]
    replay("500farm_machines", machines(*rows, at=clock.now()))
    run = SourceRun.objects.get()
    assert (run.rows_refused, len(run.refusals)) == (500, 50)


def test_a_bug_in_one_source_does_not_stop_the_command(monkeypatch, market):
    def broken(document):
        raise KeyError("surprise")

    monkeypatch.setattr(SOURCES["500farm_machines"], "parse", broken)
    report = replay("500farm_machines", market)
    assert (report.status, report.error) == ("failed", "KeyError: 'surprise'")


# -- Asking again ------------------------------------------------------------------------------------------------------


def failed(source, ago, **kwargs):
    return SourceRun.objects.create(source=source, status="failed", started_at=clock.now() - ago, **kwargs)


def test_a_source_is_left_alone_after_three_failures_and_tried_again_later(monkeypatch):
    asked = []

    def fetch(conditional):
        asked.append(conditional)
        raise SourceError("still down")

    monkeypatch.setattr(SOURCES["runpod"], "fetch", fetch)
    for minutes in (31, 16, 1):
        failed("runpod", timedelta(minutes=minutes))
    report = ingest.refresh("runpod")
    assert (report.status, asked) == ("skipped", [])
    assert report.retry_at is not None
    SourceRun.objects.update(started_at=clock.now() - timedelta(minutes=25))
    assert (ingest.refresh("runpod").status, len(asked)) == ("failed", 1)
    assert ingest.refresh("runpod", force=True).status == "failed"


def test_a_source_that_asks_for_a_pause_gets_it():
    now = clock.now()
    failed("runpod", timedelta(minutes=1), retry_at=now + timedelta(minutes=40))
    assert runs.paused_until("runpod", now) == now + timedelta(minutes=40)
    assert runs.paused_until("runpod", now + timedelta(minutes=41)) is None
    SourceRun.objects.create(source="runpod", status="ok", started_at=now)
    assert runs.paused_until("runpod", now) is None


# -- Origins never mix -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.slow
def test_the_simulated_market_fills_a_fresh_site_and_is_marked(settings):
    """part 6: through the same pipeline, labelled."""
    changed = invented.simulate(days=1)
    assert changed > 0
    assert set(MarketData.objects.values_list("origin", flat=True)) == {"simulated"}
    assert selectors.current_origin() == "simulated"
    assert selectors.market_now(["RTX 4090"])["RTX 4090"].is_simulated
    assert UtilizationTrend.objects.filter(gpu_model="RTX 4090", platform="vast", region="global").count() in (2, 3)
    before = MarketData.objects.count()
    assert invented.simulate(days=1) == 0
    assert MarketData.objects.count() == before


def test_nothing_is_simulated_where_it_is_switched_off(settings):
    settings.MARKET_SIMULATION = False
    assert invented.simulate(days=1) == 0
    assert not MarketData.objects.exists()


def test_nothing_is_simulated_within_a_day_of_a_live_figure():
    MarketDataFactory(data_timestamp=clock.now() - timedelta(hours=23))
    assert invented.simulate(days=1) == 0
    MarketData.objects.update(data_timestamp=clock.now() - timedelta(hours=25))
    assert invented.simulate() > 0


@pytest.mark.slow
def test_a_live_answer_takes_over_at_once_and_nothing_simulated_is_left_in_a_figure(market):
    """The two never share a line or a figure."""
    invented.simulate(days=2)
    replay("500farm_machines", market)
    assert selectors.current_origin() == "live"
    now = selectors.market_now(["RTX 4090", "H100 SXM"])
    assert set(now) == {"RTX 4090"}
    assert (now["RTX 4090"].origin, now["RTX 4090"].gpu_count) == ("live", 24)
    assert {row.origin for row in selectors.market_by_place("RTX 4090")} == {"live"}
    since, until = clock.now() - timedelta(days=3), clock.now() + timedelta(minutes=1)
    series = {
        origin: selectors.market_history("RTX 4090", since=since, until=until, platform="vast", origin=origin)
        for origin in ("live", "simulated", "imported")
    }
    assert (len(series["live"]), len(series["imported"])) == (1, 0)
    assert len(series["simulated"]) > 10


@pytest.mark.slow
def test_the_simulated_market_never_overwrites_a_live_row():
    at = ingest.bucket(clock.now()) - timedelta(days=2)
    at = at.replace(hour=12, minute=0)
    MarketDataFactory(data_timestamp=at, median_price=D("0.1234"))
    invented.simulate(days=4)
    kept = MarketData.objects.get(data_timestamp=at, gpu_model="RTX 4090", platform="vast", region="global")
    assert kept.median_price == D("0.1234")
    trend = UtilizationTrend.objects.get(gpu_model="RTX 4090", platform="vast", region="global", trend_date=at.date())
    assert MarketData.objects.get(pk=trend.market_data_id).origin != "imported"


@pytest.mark.slow
def test_a_fresh_demo_has_a_month_of_history():
    invented.simulate(days=30)
    since = clock.now() - timedelta(days=30)
    points = selectors.market_history("RTX 4090", since=since, until=clock.now(), platform="vast", origin="simulated")
    assert 28 <= len(points) <= 31


@pytest.mark.slow
def test_the_hours_that_a_season_needs_are_filled_in_newest_first_and_once():
    """Hour of week is computed from four weeks; a fresh site gets them beside its refreshes, not before its start."""
    assert invented.fill_in(seconds=0) > 0
    hours = MarketData.objects.filter(gpu_model="RTX 4090", platform="vast").order_by("-data_timestamp")
    times = list(hours.values_list("data_timestamp", flat=True))
    assert len(times) == 24
    assert clock.now() - times[0] < timedelta(hours=2)
    assert set(hours.values_list("region", flat=True)) == {"global"}
    assert invented.fill_in(seconds=0) > 0
    assert hours.count() == 48


# -- Places, divisions, scores, flags ----------------------------------------------------------------------------------


def replay_at(name, data, **kwargs):
    report = replay(name, data, **kwargs)
    assert report.status == "ok", report.error
    return report


def test_an_offer_counts_in_its_country_its_continent_and_globally():
    """R-036: always from offers, never a mean of medians."""
    rows = [machine(1, location={"country": "SE"}, dph_base=2.0), machine(3, location={"country": "JP"}, dph_base=1.6)]
    rows += [machine(2, location={"country": "DE"}, num_gpus=8, dph_base=2.4)]
    replay_at("500farm_machines", machines(*rows, at=clock.now()))
    assert set(MarketData.objects.values_list("region", flat=True)) == {"global", "europe", "asia", "SE", "DE", "JP"}
    europe = cell(region="europe")
    assert (europe.gpu_count, europe.offer_count, europe.median_price) == (10, 2, D("0.3"))
    assert (europe.average_price, europe.min_price, europe.max_price) == (D("0.44"), D("0.3"), D("1"))


def test_an_unknown_place_counts_globally_and_is_told_once():
    places = ("US", "XX", "XX", "us", "")
    rows = [machine(n, location={"country": place}) for n, place in enumerate(places, 1)]
    report = replay_at("500farm_machines", machines(*rows, at=clock.now()))
    assert (cell().offer_count, cell(region="US").offer_count, report.refused) == (5, 1, 0)
    assert set(MarketData.objects.values_list("region", flat=True)) == {"global", "north-america", "US"}
    assert SourceRun.objects.get().notes == "unknown_region: 3 offers in XX, us count in the global figures only."


def test_rented_and_free_gpus_are_told_apart_and_divided():
    rows = [
        machine(1, num_gpus=8, num_gpus_rented=8, dph_base=4.0, hosting_type=1),
        machine(2, num_gpus=4, num_gpus_rented=1, dph_base=3.2, verification="unverified"),
        machine(3, num_gpus=1, num_gpus_rented=0, dph_base=0.9),
    ]
    replay_at("500farm_machines", machines(*rows, at=clock.now()))
    told = cell().demand_indicators
    assert (cell().active_instances, told["available_gpus"]) == (9, 4)
    assert (told["rented_median"], told["available_median"]) == ("0.5000", "0.8000")
    assert told["by_size"] == {"1-3": 1, "4-7": 4, "8+": 8}
    assert (told["verified_gpus"], told["datacenter_gpus"], told["price_basis"]) == (9, 8, "ask")
    assert "spot_median" not in told


def test_a_price_list_tells_prices_by_cloud_and_its_bids():
    replay_at("runpod", gpu_types(gpu_type(secureSpotPrice=0.39, communitySpotPrice=0.29)))
    told = cell(platform="runpod").demand_indicators
    assert (told["secure_price"], told["community_price"], told["spot_median"]) == ("0.7400", "0.3400", "0.3400")
    assert told["price_basis"] == "list"
    assert "thin_cell" not in told.get("flags", [])


def test_bids_alone_are_a_row_without_other_figures():
    replay_at("runpod", gpu_types(gpu_type(securePrice=None, communityPrice=None, secureSpotPrice=0.39)))
    row = cell(platform="runpod")
    assert (row.median_price, row.offer_count) == (None, None)
    assert (row.demand_indicators["spot_median"], row.demand_indicators["spot_only"]) == ("0.3900", True)
    assert PricingSnapshot.objects.get().spot_instance


def test_the_demand_score_stands_with_the_row_and_its_day():
    """The share now, moved by what changed within seven days."""
    now = ingest.bucket(clock.now())
    before = [machine(n, num_gpus_rented=1, dph_base=1.0) for n in range(1, 6)]
    replay_at("500farm_machines", machines(*before, at=now - timedelta(days=7)))
    assert cell().demand_indicators["demand_score"] == 50
    rows = [machine(n, num_gpus_rented=2 if n < 3 else 1, dph_base=1.1) for n in range(1, 6)]
    replay_at("500farm_machines", machines(*rows, at=now))
    row = MarketData.objects.get(gpu_model="RTX 4090", region="global", data_timestamp=now)
    assert row.demand_indicators["demand_score"] == 83  # 70, and 20 points more: + 10, and 10 % dearer: + 2.5
    trend = UtilizationTrend.objects.get(gpu_model="RTX 4090", region="global", trend_date=now.date())
    assert (trend.demand_score, trend.utilization_rate) == (83, D("70"))


def test_no_score_where_the_rented_share_is_unknown():
    replay_at("runpod", gpu_types(gpu_type()))
    assert "demand_score" not in cell(platform="runpod").demand_indicators
    assert UtilizationTrend.objects.get().demand_score is None


def test_what_the_rules_say_of_a_cell_stands_with_it():
    """A median that jumps though nobody changed a price: dear machines are rented out, cheap ones leave."""
    start = ingest.bucket(clock.now()) - timedelta(hours=1)
    cheap = [machine(n, dph_base=1.0) for n in range(1, 7)]
    dear = [machine(n, dph_base=2.0) for n in range(11, 16)]
    replay_at("500farm_machines", machines(*cheap, *dear, at=start))
    assert "flags" not in cell().demand_indicators
    replay_at("500farm_machines", machines(*cheap[:2], *dear, at=start + timedelta(minutes=15)))
    row = MarketData.objects.get(region="global", data_timestamp=start + timedelta(minutes=15))
    assert "composition_jump" in row.demand_indicators["flags"]


# -- Machines that leave -----------------------------------------------------------------------------------------------


def test_a_machine_that_left_gets_a_last_mark_and_one_that_returns_is_kept_anew():
    start = ingest.bucket(clock.now()) - timedelta(hours=2)
    steps = [(1, 2), (1,), (1,), (1, 2)]
    for i, there in enumerate(steps):
        rows = [machine(n) for n in there]
        replay_at("500farm_machines", machines(*rows, at=start + i * timedelta(minutes=15)))
    kept = PricingSnapshot.objects.filter(external_id="2").order_by("snapshot_time")
    assert [(row.snapshot_time, row.additional_features == {"gone": True}) for row in kept] == [
        (start, False),
        (start + timedelta(minutes=15), True),
        (start + timedelta(minutes=45), False),
    ]
    assert {row.price_per_hour for row in kept} == {D("0.6")}


def test_a_machine_that_is_told_wrongly_has_not_left():
    start = ingest.bucket(clock.now()) - timedelta(hours=1)
    replay_at("500farm_machines", machines(machine(1), machine(2), machine(3), at=start))
    wrong = [machine(1), machine(2, dph_base=float("nan")), machine(3, gpu_name="RTX 9090")]
    for minutes in (15, 30):
        replay_at("500farm_machines", machines(*wrong, at=start + timedelta(minutes=minutes)))
    marks = PricingSnapshot.objects.filter(snapshot_time__gt=start).values_list("external_id", "additional_features")
    assert dict(marks) == {"2": {"refused": "not_a_number"}, "3": {"refused": "unknown_name"}}
    assert marks.count() == 2


def test_what_moves_a_little_at_every_look_makes_no_new_row():
    start = ingest.bucket(clock.now()) - timedelta(hours=1)
    steps = [
        {"inet_down": 900.0, "disk_space": 500.0, "reliability2": 0.9912},
        {"inet_down": 700.0, "disk_space": 450.0, "reliability2": 0.9951},
        {"inet_down": 700.0, "disk_space": 450.0, "reliability2": 0.9702},
    ]
    for i, change in enumerate(steps):
        replay_at("500farm_machines", machines(machine(1, **change), at=start + i * timedelta(minutes=15)))
    kept = PricingSnapshot.objects.order_by("snapshot_time")
    assert [row.additional_features["reliability"] for row in kept] == [0.991, 0.97]


def test_a_held_document_marks_nobody_as_gone():
    start = ingest.bucket(clock.now()) - timedelta(hours=1)
    replay_at("500farm_machines", machines(*[machine(n) for n in range(1, 21)], at=start))
    report = replay("500farm_machines", machines(machine(1), at=start + timedelta(minutes=15)))
    assert report.is_held
    assert PricingSnapshot.objects.count() == 20


# -- A stand-in's second document --------------------------------------------------------------------------------------


def divided(at, *, verified=1000, unverified=663):
    def leaf(count):
        return [{"count": count, "price_median": 0.6, "price_10th_percentile": 0.3, "price_90th_percentile": 1.0}]

    def category(size, is_verified, count):
        stats = {"rented": leaf(count // 2), "available": leaf(count - count // 2), "all": leaf(count)}
        return {"datacenter": False, "gpu_count_range": size, "verified": is_verified, "stats": stats}

    categories = [category("1-3", True, verified), category("8+", False, unverified)]
    model = {"name": "RTX 4090", "count": verified + unverified, "categories": categories}
    return {"url": "/gpu-stats/v2", "timestamp": at.isoformat(), "models": [model]}


def test_a_division_joins_the_stand_in_s_row_while_the_leader_fails():
    now = clock.now()
    replay("500farm_machines", b"<html>")
    replay("500farm_gpu_stats", gpu_stats(model_stats(), at=now))
    assert replay_at("500farm_gpu_stats_v2", divided(now)).changed == 1
    told = cell().demand_indicators
    assert (told["source"], told["split_from"]) == ("500farm_gpu_stats", "500farm_gpu_stats_v2")
    assert (told["verified_gpus"], told["by_size"]) == (1000, {"1-3": 1000, "8+": 663})
    before = tables()
    assert replay_at("500farm_gpu_stats_v2", divided(now)).changed == 0
    assert replay_at("500farm_gpu_stats", gpu_stats(model_stats(), at=now)).changed == 0
    assert tables() == before


def test_a_division_only_checks_while_the_leader_answers(market):
    replay("500farm_machines", market)
    before = tables()
    assert replay_at("500farm_gpu_stats_v2", divided(clock.now())).changed == 0
    assert tables() == before
    assert "1 differ by more than a quarter" in SourceRun.objects.order_by("-started_at").first().notes
