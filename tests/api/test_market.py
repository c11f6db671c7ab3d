"""The endpoints of the market: what they say, and how (R-017, R-061)."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gpuadvisor.core import clock
from market.cache import forget_market
from market.models import GPUModel, MarketDaily, MarketData, MarketForecast, SourceRun
from tests.api.conftest import BASE, ago
from tests.factories import GPUModelFactory, MarketDataFactory, PlatformFactory

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")
pytestmark = pytest.mark.usefixtures("small_market")


def test_models_are_those_of_the_catalog(ask):
    body = ask("/models").json()
    assert [row["slug"] for row in body["data"]] == ["h100-sxm", "rtx-4090", "rx-7900-xtx"]
    row = body["data"][1]
    assert (row["name"], row["manufacturer"], row["memory_gb"], row["watts"]) == ("RTX 4090", "NVIDIA", 24, 450.0)
    assert (row["card_price"], row["card_price_date"]) == ("1999.0000", "2026-11-20")
    assert (body["data"][0]["card_price"], body["data"][0]["card_price_date"]) == (None, None)
    assert (body["next"], body["next_cursor"]) == (None, None)


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ({"maker": "amd"}, ["rx-7900-xtx"]),
        ({"maker": "NVIDIA", "memory_min": "25"}, ["h100-sxm"]),
        ({"q": "4090 rtx"}, ["rtx-4090"]),
        ({"q": "nothing"}, []),
    ],
    ids=["maker", "memory", "words", "none"],
)
def test_models_are_filtered(ask, query, slugs):
    assert [row["slug"] for row in ask("/models", query).json()["data"]] == slugs


def test_the_market_now_has_source_basis_and_age(ask):
    body = ask("/market").json()
    keys = [(row["gpu"], row["platform"], row["region"]) for row in body["data"]]
    assert keys == [("h100-sxm", "vast", "global"), ("rtx-4090", "runpod", "global"), ("rtx-4090", "vast", "global")]
    row = body["data"][2]
    assert (row["median"], row["p10"], row["p90"], row["average"]) == ("0.6400", "0.3200", "0.8700", None)
    assert (row["rented_percentage"], row["gpus"], row["price_basis"]) == (71.0, 1000, "ask")
    assert (row["source"], row["origin"], row["is_stale"], row["flags"]) == ("500farm_machines", "live", False, [])
    assert INSTANT.match(row["as_of"])
    assert (body["currency"], body["origin"]) == ("USD", "live")
    assert {one["source"] for one in body["attribution"]} == {"500farm_machines", "runpod"}


def test_what_a_platform_does_not_tell_is_null_never_0(ask):
    row = ask("/market", {"platform": "runpod"}).json()["data"][0]
    assert (row["rented_percentage"], row["gpus"], row["p10"], row["price_basis"]) == (None, None, None, "list")


def test_availability_stands_next_to_the_price(ask):
    told = {
        "source": "500farm_machines",
        "price_basis": "ask",
        "rented_median": "0.39",
        "available_median": "0.5",
        "secure_price": "0.69",
        "community_price": "0.54",
        "available_gpus": 272,
        "demand_score": 81,
        "stock_status": "High",
    }
    row = ask("/market", {"gpu": "rtx-4090"}).json()["data"][1]
    assert (row["free_gpus"], row["gpus"]) == (290, 1000)
    assert [row[name] for name in ("rented_median", "secure_price", "stock_status", "demand_score")] == [None] * 4
    MarketData.objects.filter(platform="vast").update(demand_indicators=told)
    forget_market()
    row = ask("/market", {"gpu": "rtx-4090"}).json()["data"][1]
    assert (row["rented_median"], row["available_median"]) == ("0.3900", "0.5000")
    assert (row["secure_price"], row["community_price"]) == ("0.6900", "0.5400")
    assert (row["free_gpus"], row["stock_status"], row["demand_score"]) == (272, "High", 81)
    assert ask("/market", {"platform": "runpod"}).json()["data"][0]["free_gpus"] is None


def test_figures_are_of_when_they_were_observed(ask):
    """Not of the quarter hour that they are stored at."""
    told = {"source": "500farm_machines", "observed_at": ago(minutes=3).isoformat()}
    MarketData.objects.filter(platform="vast").update(data_timestamp=ago(minutes=14), demand_indicators=told)
    forget_market()
    body = ask("/market", {"platform": "vast"}).json()
    assert datetime.fromisoformat(body["as_of"]) > ago(minutes=4)
    assert body["data"][0]["as_of"] == body["as_of"]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"gpu": "rtx-4090"}, ["runpod/global", "vast/global"]),
        ({"gpu": "rtx-4090", "region": "all"}, ["runpod/global", "vast/SE", "vast/global"]),
        ({"gpu": "rtx-4090", "region": "SE"}, ["vast/SE"]),
        ({"gpu": "rtx-4090", "platform": "vast", "region": "all"}, ["vast/SE", "vast/global"]),
        ({"gpu": "rx-7900-xtx"}, []),
        ({"region": "europe"}, []),
    ],
    ids=["gpu", "all regions", "country", "platform", "untold", "empty continent"],
)
def test_the_market_is_filtered(ask, query, keys):
    found = ask("/market", query).json()["data"]
    assert [f"{row['platform']}/{row['region']}" for row in found] == keys


def test_old_figures_are_marked_and_then_not_shown(ask):
    """e23: stale is said, hidden is hidden."""
    MarketData.objects.update(data_timestamp=ago(minutes=40))
    forget_market()
    assert {row["is_stale"] for row in ask("/market").json()["data"]} == {True}
    MarketData.objects.update(data_timestamp=ago(hours=25))
    forget_market()
    for row in ask("/market").json()["data"]:
        assert (row["is_hidden"], row["median"], row["gpus"]) == (True, None, None)


def test_an_empty_market_is_an_empty_list(ask):
    MarketData.objects.all().delete()
    forget_market()
    body = ask("/market").json()
    assert (body["data"], body["as_of"], body["attribution"], body["origin"]) == ([], None, [], None)


@pytest.mark.parametrize("query", [{}, {"gpu": "rtx-4090", "region": "all"}], ids=["market", "every region"])
def test_what_the_simulated_market_told_is_not_told_beside_the_live_one(ask, settings, query):
    """R-056: also while what was kept may be shown once more."""
    settings.MARKET_SERVE_STALE = True
    MarketData.objects.update(origin="simulated")
    forget_market()
    assert {row["origin"] for row in ask("/market", query).json()["data"]} == {"simulated"}
    MarketDataFactory(data_timestamp=ago(minutes=1), median_price=Decimal("0.31"))
    forget_market()
    body = ask("/market", query).json()
    assert body["origin"] == "live"
    assert [(row["origin"], row["median"]) for row in body["data"]] == [("live", "0.3100")]


def hours(count, **more):
    for number in range(count):
        MarketDataFactory(data_timestamp=datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=number), **more)


def test_a_history_is_one_series_whose_step_follows_its_span(ask):
    hours(5)
    body = ask("/market/rtx-4090/history", {"since": "2026-11-20", "until": "2026-11-21T00:00:00Z"}).json()
    assert [row["at"] for row in body["data"]] == [f"2026-11-20T0{hour}:00:00Z" for hour in range(5)]
    assert (body["step_seconds"], body["since"], body["origin"]) == (900, "2026-11-20T00:00:00Z", "live")
    assert (body["data"][0]["median"], body["data"][0]["rented_percentage"]) == ("0.6400", 71.0)
    daily = ask("/market/rtx-4090/history", {"since": "2026-11-01", "until": "2026-11-21"}).json()
    assert [row["at"] for row in daily["data"]] == ["2026-11-20"]
    assert daily["step_seconds"] == 86400


def test_a_long_history_reads_the_stored_days(ask):
    """R-035"""
    day = datetime(2026, 9, 1, tzinfo=UTC).date()
    MarketDaily.objects.create(
        gpu_model="RTX 4090", platform="vast", day=day, median_price=Decimal("0.5"), moments=96, origin="live"
    )
    rows = ask("/market/rtx-4090/history", {"since": "2026-08-01", "until": "2026-10-01"}).json()["data"]
    assert [(row["at"], row["median"], row["gpus"]) for row in rows] == [("2026-09-01", "0.5000", None)]


def test_a_history_tells_how_many_were_free(ask):
    hours(1)
    hours(1, region="SE", demand_indicators={"source": "clore", "available_gpus": 12}, offer_count=40)
    query = {"since": "2026-11-20", "until": "2026-11-21"}
    (row,) = ask("/market/rtx-4090/history", query).json()["data"]
    assert (row["gpus"], row["free_gpus"], row["offers"]) == (1000, 290, None)
    (row,) = ask("/market/rtx-4090/history", query | {"region": "SE"}).json()["data"]
    assert (row["free_gpus"], row["offers"]) == (12, 40)


def test_without_an_end_a_history_reaches_the_newest_figure(ask, seconds_later):
    MarketData.objects.all().delete()  # one of the same quarter hour would share its point
    MarketDataFactory(data_timestamp=clock.now(), median_price=Decimal("0.31"))
    seconds_later(70)
    body = ask("/market/rtx-4090/history", {"since": f"{clock.now():%Y-%m-%d}"}).json()
    until = datetime.fromisoformat(body["until"])
    assert clock.now() < until <= clock.now() + timedelta(minutes=15)
    assert until.minute % 15 == until.second == 0
    assert "0.3100" in [row["median"] for row in body["data"]]


def test_imported_and_live_history_never_share_a_series(ask):
    hours(2, origin="imported", platform="runpod")
    query = {"since": "2026-11-20", "until": "2026-11-21", "platform": "runpod"}
    assert ask("/market/rtx-4090/history", query).json()["data"] == []
    body = ask("/market/rtx-4090/history", query | {"origin": "imported"}).json()
    assert (len(body["data"]), body["attribution"][0]["source"]) == (2, "gpu_pricing_tracker")


def test_the_pages_of_a_history_keep_their_span_while_time_goes_on(ask):
    hours(5)
    query = {"since": "2026-11-20", "limit": "2"}
    first = ask("/market/rtx-4090/history", query).json()
    MarketDataFactory(data_timestamp=clock.now() + timedelta(minutes=1))
    seen, page = list(first["data"]), first
    while page["next"]:
        page = ask("/market/rtx-4090/history", query | {"cursor": page["next_cursor"]}).json()
        assert (page["until"], page["step_seconds"]) == (first["until"], first["step_seconds"])
        seen += page["data"]
    assert [row["at"] for row in seen] == sorted({row["at"] for row in seen})
    assert len(seen) >= 2


def foretold(**as_of):
    return MarketForecast.objects.create(
        gpu_model="RTX 4090",
        platform="vast",
        measure="price",
        horizon_days=7,
        method="naive",
        value=Decimal("0.5"),
        low=Decimal("0.4"),
        high=Decimal("0.6"),
        is_naive=True,
        points=90,
        as_of=ago(**as_of),
        made_at=ago(hours=2),
        error=Decimal("0.02"),
        naive_error=Decimal("0.02"),
    )


@pytest.mark.parametrize(
    ("figures", "forecast", "stale", "hidden"),
    [
        ({"minutes": 5}, {"hours": 30}, False, False),
        ({"minutes": 40}, {"hours": 3}, True, False),
        ({"minutes": 5}, {"days": 3}, True, False),
        ({"hours": 25}, {"hours": 30}, True, True),
        ({"minutes": 5}, {"days": 8}, True, True),
    ],
    ids=["young", "old figures", "old forecast", "hidden figures", "past forecast"],
)
def test_a_forecast_is_as_old_as_its_figures(ask, figures, forecast, stale, hidden):
    """R-034"""
    foretold(**forecast)
    MarketData.objects.filter(platform="vast").update(data_timestamp=ago(**figures))
    forget_market()
    (row,) = ask("/market/rtx-4090/forecast").json()["data"]
    assert (row["is_stale"], row["is_hidden"]) == (stale, hidden)
    assert (row["value"], row["low"], row["high"]) == ((None,) * 3 if hidden else ("0.5000", "0.4000", "0.6000"))


def test_a_forecast_has_its_interval_and_how_well_its_method_did(ask):
    foretold(hours=3)
    body = ask("/market/rtx-4090/forecast").json()
    (row,) = body["data"]
    assert (row["measure"], row["horizon_days"], row["value"], row["low"]) == ("price", 7, "0.5000", "0.4000")
    assert (row["is_naive"], row["error"], row["coverage_percentage"], row["points"]) == (True, "0.0200", None, 90)
    assert {(one["measure"], one["horizon_days"]) for one in body["missing"]} == {
        ("price", 30),
        ("rented", 7),
        ("rented", 30),
    }
    assert body["attribution"]


def test_without_enough_history_a_forecast_says_what_is_missing(ask):
    body = ask("/market/h100-sxm/forecast", {"platform": "runpod"}).json()
    assert (body["data"], body["attribution"]) == ([], [])
    assert all(one["days"] == 0 < one["needed"] for one in body["missing"])


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_pages_lead_through_everything_once(ask, client, limit):
    """R-061: by key, so what comes or goes meanwhile shifts nothing."""
    seen, url = [], f"{BASE}/models?limit={limit}&maker=nvidia"
    while url:
        response = client.get(url)
        seen += [row["slug"] for row in response.json()["data"]]
        url = response.json()["next"]
        assert response.get("Link") == (f'<{url}>; rel="next"' if url else None)
        if url:
            assert f"cursor={response.json()['next_cursor']}" in url
            assert "maker=nvidia" in url
    assert seen == ["h100-sxm", "rtx-4090"]


def test_a_row_that_comes_or_goes_between_pages_shifts_nothing(ask):
    first = ask("/models", {"limit": "2"}).json()
    GPUModelFactory(name="A100")
    GPUModel.objects.filter(slug="h100-sxm").delete()
    forget_market()
    rest = ask("/models", {"limit": "2", "cursor": first["next_cursor"]}).json()
    assert [row["slug"] for row in rest["data"]] == ["rx-7900-xtx"]


def test_platforms_say_who_may_and_what_it_costs(ask):
    PlatformFactory(slug="closed", name="Closed", open_to_new_hosts=False, fee_percentage=None)
    forget_market()
    rows = {row["slug"]: row for row in ask("/platforms").json()["data"]}
    assert list(rows) == ["closed", "runpod", "vast"]
    assert (rows["vast"]["fee_percentage"], rows["vast"]["models"], rows["closed"]["models"]) == (25.0, 2, 0)
    assert (rows["closed"]["fee_percentage"], rows["closed"]["as_of"]) == (None, None)
    only = ask("/platforms", {"open_to_new_hosts": "false"}).json()["data"]
    assert [row["slug"] for row in only] == ["closed"]


def test_the_status_names_every_source_with_its_age(ask, settings):
    settings.MARKET_SOURCES, settings.VAST_API_KEY = ["500farm_machines", "runpod", "salad", "vast_metrics"], ""
    SourceRun.objects.create(
        source="500farm_machines",
        status="ok",
        rows_seen=90,
        rows_refused=7,
        started_at=ago(minutes=4),
        finished_at=ago(minutes=4),
    )
    SourceRun.objects.create(source="runpod", status="failed", started_at=ago(minutes=3), error="The answer is empty.")
    forget_market()
    rows = {row["source"]: row for row in ask("/status").json()["data"]}
    good, failing = rows["500farm_machines"], rows["runpod"]
    assert (good["state"], good["rows"], good["refused"], good["platform"]) == ("answers", 90, 7, "vast")
    assert (good["interval_seconds"], good["is_stale"]) == (900, False)
    assert INSTANT.match(good["last_success_at"])
    assert good["as_of"] == good["last_success_at"]
    assert (failing["state"], failing["last_success_at"], failing["as_of"]) == ("failing", None, None)
    assert [(rows[name]["rows"], rows[name]["refused"]) for name in ("runpod", "salad", "akash")] == [(None, None)] * 3
    assert INSTANT.match(failing["failing_since"])
    assert [rows[name]["state"] for name in ("salad", "akash", "vast_metrics")] == ["waiting", "off", "no_key"]


def test_the_age_of_a_source_is_that_of_its_figures(ask, settings):
    """R-034: a document of hours ago, told again a minute ago, is hours old."""
    settings.MARKET_SOURCES = ["500farm_machines"]
    for minutes, told in ((300, ago(minutes=301)), (1, None)):
        SourceRun.objects.create(
            source="500farm_machines",
            status="ok" if told else "unchanged",
            started_at=ago(minutes=minutes),
            observed_at=told,
        )
    forget_market()
    (row,) = [row for row in ask("/status").json()["data"] if row["source"] == "500farm_machines"]
    assert (row["state"], row["is_stale"]) == ("late", True)
    assert datetime.fromisoformat(row["as_of"]) < ago(minutes=300)
    assert datetime.fromisoformat(row["last_success_at"]) > ago(minutes=2)


PATHS = ["/models", "/market", "/market/rtx-4090/history", "/market/rtx-4090/forecast", "/platforms", "/status"]


@pytest.fixture
def seconds_later(monkeypatch):
    """Let up to 80 seconds go by within one quarter hour; the clock stands still between."""
    start = clock.now()
    if start.minute % 15 * 60 + start.second > 15 * 60 - 90:
        start -= timedelta(seconds=90)

    def go(seconds):
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=seconds))

    go(0)
    return go


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", [{}, {"limit": "1"}], ids=["all", "a page"])
def test_every_answer_is_an_object_with_an_etag_that_saves_its_body(ask, path, query, seconds_later):
    SourceRun.objects.create(source="500farm_machines", status="ok", started_at=ago(minutes=4))
    if path.endswith("forecast"):
        query = {}
    hours(2)
    first = ask(path, query)
    seconds_later(70)
    assert (first.status_code, first["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert isinstance(first.json()["data"], list)
    assert first["ETag"].startswith('W/"')
    assert first["Cache-Control"] == "private, max-age=60"
    again = ask(path, query, **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert ask(path, query, **{"If-None-Match": 'W/"another"'}).status_code == 200


def test_another_market_has_another_etag(ask):
    before = ask("/market")["ETag"]
    MarketDataFactory(data_timestamp=ago(minutes=1), median_price=Decimal("0.70"))
    forget_market()
    assert ask("/market")["ETag"] != before


def test_a_head_says_what_a_get_would_without_a_body(client):
    response = client.head(f"{BASE}/models")
    assert (response.status_code, response.content) == (200, b"")
    assert response["ETag"]


def test_the_market_asks_as_often_for_a_thousand_rows_as_for_ten(ask):
    """R-052: and once kept, only for token, allowance and clock."""

    def queries():
        forget_market()
        with CaptureQueriesContext(
            connection,
        ) as cold:
            assert ask("/market", {"limit": "1000"}).status_code == 200
        with CaptureQueriesContext(connection) as warm:
            ask("/market", {"limit": "1000"})
        return len(cold), len(warm)

    before = queries()
    GPUModel.objects.bulk_create(
        GPUModel(name=f"Card {n}", slug=f"card-{n}", manufacturer="X", memory_gb=8, base_power_consumption=100)
        for n in range(1000)
    )
    at = ago(minutes=5)
    MarketData.objects.bulk_create(
        MarketDataFactory.build(gpu_model=f"Card {n}", data_timestamp=at) for n in range(1000)
    )
    assert queries() == before
    assert before[1] <= 2
    forget_market()
    assert len(ask("/market", {"limit": "1000"}).json()["data"]) == 1000


# -- Bad input (reliability f 39-59) -----------------------------------------------------------------------------------
BAD = [
    ("/models", "limit=0", "limit"),
    ("/models", "limit=-1", "limit"),
    ("/models", "limit=1001", "limit"),
    ("/models", "limit=1000000", "limit"),
    ("/models", "limit=1e3", "limit"),
    ("/models", "limit=1_0", "limit"),
    ("/models", "limit=%EF%BC%91", "limit"),
    ("/models", "limit=" + "9" * 5000, "limit"),
    ("/models", "limit=", "limit"),
    ("/models", "memory_min=-1", "memory_min"),
    ("/models", "memory_min=NaN", "memory_min"),
    ("/models", "cursor=nonsense", "cursor"),
    ("/models", "cursor=W10", "cursor"),
    ("/models", "cursor=WzFd", "cursor"),
    ("/models", "cursor=" + "x" * 401, "cursor"),
    ("/models", "cursor=%C3%A9", "cursor"),
    ("/models", "page=2", "page"),
    ("/models", "ordering=user__password", "ordering"),
    ("/models", "filter[user__email]=x", "filter[user__email]"),
    ("/models", "limit=1&limit=2", "limit"),
    ("/models", "q=" + "x" * 81, "q"),
    ("/models", "q=%E2%80%AEevil", "q"),
    ("/models", "maker=%0d%0aSet-Cookie:x", "maker"),
    ("/market", "gpu=unknown", "gpu"),
    ("/market", "gpu=%F0%9F%9A%80", "gpu"),
    ("/market", "platform=unknown", "platform"),
    ("/market", "region=Mars", "region"),
    ("/market", "region=all", "region"),
    ("/market", "region=se", "region"),
    ("/market/rtx-4090/history", "since=yesterday", "since"),
    ("/market/rtx-4090/history", "since=2026-02-30", "since"),
    ("/market/rtx-4090/history", "since=0000-01-01", "since"),
    ("/market/rtx-4090/history", "since=0001-01-01T00:00:00%2B14:00", "since"),
    ("/market/rtx-4090/history", "since=9999-12-31T23:59:59-14:00", "since"),
    ("/market/rtx-4090/history", "until=10000-01-01", "until"),
    ("/market/rtx-4090/history", "since=2026-11-22T10:00:00", "since"),
    ("/market/rtx-4090/history", "since=2026-11-22T24:00:00Z", "since"),
    ("/market/rtx-4090/history", "since=2026-11-22T10:00:00+00:00", "since"),
    ("/market/rtx-4090/history", "since=2026-11-22&until=2026-11-22", "since"),
    ("/market/rtx-4090/history", "origin=both", "origin"),
    ("/market/rtx-4090/history", "cursor=WyJhIiwiYiIsImMiXQ", "cursor"),
    ("/market/rtx-4090/forecast", "limit=1", "limit"),
    ("/platforms", "open_to_new_hosts=perhaps", "open_to_new_hosts"),
    ("/status", "platform=nowhere", "platform"),
]


@pytest.mark.parametrize(("path", "query", "field"), BAD, ids=[f"{path[1:4]} {q[:40]}" for path, q, _f in BAD])
def test_a_bad_parameter_is_refused_by_its_name(client, path, query, field):
    response = client.get(f"{BASE}{path}?{query}")
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert response.json()["errors"][0]["message"]
    assert response.json()["errors"][0]["code"]


@pytest.mark.parametrize(
    ("query", "most"), [("q=" + "x" * 81, 80), ("maker=" + "x" * 41, 40), ("cursor=" + "x" * 401, 400)]
)
def test_a_text_too_long_is_told_in_characters(client, query, most):
    (error,) = client.get(f"{BASE}/models?{query}").json()["errors"]
    assert (error["code"], error["message"]) == ("too_long", f"Value should have at most {most} characters")


def test_an_unknown_model_has_no_series(ask):
    for what in ("history", "forecast"):
        response = ask(f"/market/unknown/{what}")
        assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")
