"""What programs post: refused as a whole or kept as a whole, answered once per key (R-055, R-061, reliability 27)."""

import json
from datetime import timedelta

import pytest

from gpuadvisor.accounts import api_tokens
from gpuadvisor.core import clock
from market.models import CurrencyRate
from portfolios.ingest import merging
from portfolios.models import IngestBatch, MetricSample, PerformanceMetric
from tests.api.conftest import BASE
from tests.factories import GPUConfigurationFactory, PlatformFactory, PortfolioFactory

METRICS, SAMPLES = f"{BASE}/metrics", f"{BASE}/samples"


@pytest.fixture
def gpu(host):
    PlatformFactory()
    return GPUConfigurationFactory(portfolio=PortfolioFactory(user=host, name="Garage"), custom_name="rig-01")


@pytest.fixture
def writer(host):
    """The key of a token that may post."""
    return api_tokens.create_token(user=host, name="Rigs", scopes=["read", "ingest"])[1]


@pytest.fixture
def post(client, writer):
    """POST of items, or of a whole body, with the token that may."""

    def send(path, items=None, *, body=None, key=None, token=writer, content_type="application/json", **headers):
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if key is not None:
            headers["Idempotency-Key"] = key
        content = body if body is not None else json.dumps({"items": items})
        return client.post(path, content, content_type=content_type, headers=headers)

    return send


@pytest.fixture
def yesterday(db):
    return clock.today() - timedelta(days=1)


def sample(gpu, moment, **more):
    figures = {"is_online": True, "listed_gpus": 2, "rented_gpus": 1, "hourly_rate": "0.42", "gpu_revenue": "0.105"}
    return {"gpu_configuration": str(gpu.pk), "platform": "vast", "sampled_at": moment, **figures, **more}


def metric(gpu, day, **more):
    return {"gpu_configuration": str(gpu.pk), "platform": "vast", "metric_date": str(day), **more}


def test_samples_are_kept_then_merged(post, client, writer, gpu, yesterday):
    """R-055: 202 once durable; the five-minute job makes days of them."""
    quarters = [f"{yesterday}T{n // 4:02}:{n % 4 * 15 + 7:02}:30Z" for n in range(96)]
    response = post(SAMPLES, [sample(gpu, moment) for moment in quarters])
    assert response.status_code == 202, response.content
    told = response.json()
    assert told["items"] == 96
    assert told["status_url"] == response["Location"] == f"http://testserver{BASE}/batches/{told['id']}"
    assert not MetricSample.objects.exists()
    state = client.get(told["status_url"], headers={"Authorization": f"Bearer {writer}"}).json()
    assert (state["merged_at"], state["rows_changed"]) == (None, None)
    assert merging.merge_waiting() == 1
    state = client.get(told["status_url"], headers={"Authorization": f"Bearer {writer}"}).json()
    assert (state["merged_at"] is not None, state["rows_changed"], state["error"]) == (True, 96, None)
    day = PerformanceMetric.objects.get()
    assert str(day.utilization_percentage) == "50.00"
    assert str(day.daily_revenue) == "10.08"
    assert (day.uptime_hours, str(day.hours_observed), day.detailed_metrics["source"]) == (24, "24.00", "samples")
    assert IngestBatch.objects.get().payload == []


def test_a_sample_stands_for_its_quarter_hour(post, gpu, yesterday):
    assert post(SAMPLES, [sample(gpu, f"{yesterday}T10:29:59.999+02:00")]).status_code == 202
    merging.merge_waiting()
    stored = MetricSample.objects.get()
    assert stored.sampled_at.isoformat() == f"{yesterday}T08:15:00+00:00"
    assert (stored.source, stored.order_type, stored.currency, stored.is_after_fee) == (
        "api",
        "on_demand",
        "USD",
        False,
    )
    assert (str(stored.hourly_rate), str(stored.gpu_revenue)) == ("0.4200", "0.105000")


def test_money_is_read_without_a_float(post, gpu, yesterday):
    body = json.dumps({"items": [metric(gpu, yesterday, daily_revenue="REVENUE")]}).replace('"REVENUE"', "1234567.89")
    assert post(METRICS, body=body).status_code == 202
    merging.merge_waiting()
    assert str(PerformanceMetric.objects.get().daily_revenue) == "1234567.89"


@pytest.mark.parametrize("path", [SAMPLES, METRICS])
@pytest.mark.parametrize(
    ("sent", "kept"),
    [("0e-99999", "0.0000"), ("0e99999", "0.0000"), ("1e2", "100.0000"), ("0.5" + 20_000 * "0", "0.5000")],
    ids=["tiny zero", "huge zero", "exponent", "long"],
)
def test_a_number_in_any_dress_can_be_stored(post, gpu, yesterday, path, sent, kept):
    """13: what is accepted is merged; PostgreSQL takes no 99,999 decimals."""
    item = sample(gpu, f"{yesterday}T10:00:00Z") if path == SAMPLES else metric(gpu, yesterday)
    body = json.dumps({"items": [item | {"hourly_rate": "RATE"}]}).replace('"RATE"', sent)
    assert post(path, body=body).status_code == 202
    assert merging.merge_waiting() == 1
    assert IngestBatch.objects.get().error == ""
    assert str(PerformanceMetric.objects.get().hourly_rate) == kept


def test_daily_results_are_merged_figure_by_figure(post, gpu, yesterday):
    """A figure that is null or left out leaves what was told before."""
    post(METRICS, [metric(gpu, yesterday, daily_revenue="20", gpu_revenue=19, uptime_hours=24)])
    post(METRICS, [metric(gpu, yesterday, utilization_percentage=50, daily_revenue=None, is_after_fee=True)])
    assert merging.merge_waiting() == 2
    day = PerformanceMetric.objects.get()
    assert (str(day.daily_revenue), str(day.gpu_revenue), str(day.utilization_percentage)) == (
        "20.00",
        "19.00",
        "50.00",
    )
    assert (day.is_after_fee, str(day.available_gpu_hours), str(day.rented_gpu_hours)) == (True, "48.00", "24.00")
    assert day.detailed_metrics == {"source": "api"}


def test_parts_alone_come_to_a_day(post, gpu, yesterday):
    post(METRICS, [metric(gpu, yesterday, gpu_revenue="9.5", storage_revenue="0.25")])
    merging.merge_waiting()
    assert str(PerformanceMetric.objects.get().daily_revenue) == "9.75"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"hourly_rate": "NaN"}, "hourly_rate"),
        ({"hourly_rate": "Infinity"}, "hourly_rate"),
        ({"hourly_rate": "-1"}, "hourly_rate"),
        ({"hourly_rate": "-0"}, "hourly_rate"),
        ({"hourly_rate": -0.0}, "hourly_rate"),
        ({"hourly_rate": "1e5"}, "hourly_rate"),
        ({"hourly_rate": "1,5"}, "hourly_rate"),
        ({"hourly_rate": 0.00001}, "hourly_rate"),
        ({"hourly_rate": "10000.0001"}, "hourly_rate"),
        ({"hourly_rate": 10001}, "hourly_rate"),
        ({"hourly_rate": "1_000"}, "hourly_rate"),
        ({"hourly_rate": "１"}, "hourly_rate"),
        ({"hourly_rate": True}, "hourly_rate"),
        ({"hourly_rate": [1]}, "hourly_rate"),
        ({"hourly_rate": {"a": 1}}, "hourly_rate"),
        ({"watts": "10001"}, "watts"),
        ({"listed_gpus": -1}, "listed_gpus"),
        ({"listed_gpus": 1.5}, "listed_gpus"),
        ({"listed_gpus": "two"}, "listed_gpus"),
        ({"listed_gpus": 99999999999}, "listed_gpus"),
        ({"listed_gpus": True}, "listed_gpus"),
        ({"rented_gpus": 3}, "rented_gpus"),
        ({"is_online": 1}, "is_online"),
        ({"is_after_fee": 1}, "is_after_fee"),
        ({"is_after_fee": []}, "is_after_fee"),
        ({"order_type": "forever"}, "order_type"),
        ({"currency": "usd"}, "currency"),
        ({"currency": "XYZ"}, "currency"),
        ({"platform": "nowhere"}, "platform"),
        ({"platform": None}, "platform"),
        ({"platform": "va\u0000st"}, "platform"),
        ({"sampled_at": None}, "sampled_at"),
        ({"sampled_at": "2026-11-22T10:00:00"}, "sampled_at"),
        ({"sampled_at": "2026-11-22T24:00:00Z"}, "sampled_at"),
        ({"sampled_at": "2026-02-30T10:00:00Z"}, "sampled_at"),
        ({"sampled_at": "2026-11-22"}, "sampled_at"),
        ({"sampled_at": "0000-01-01T00:00:00Z"}, "sampled_at"),
        ({"sampled_at": "9999-12-31T23:59:59-23:59"}, "sampled_at"),
        ({"sampled_at": 1764000000}, "sampled_at"),
        ({"gpu_configuration": "rig-01"}, "gpu_configuration"),
        ({"gpu_configuration": None}, "gpu_configuration"),
        ({"gpu_configuration": 7}, "gpu_configuration"),
        ({"gpu_configuration": "01998f2e-7d3a-7c31-9d0a-3a1f5c2b7e10"}, "gpu_configuration"),
        ({"colour": "red"}, "colour"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else None,
)
def test_a_bad_sample_is_named_by_index_and_field(post, gpu, yesterday, more, field):
    """reliability f 9-32, 52: item 7 of 20 is bad, none is stored."""
    items = [sample(gpu, f"{yesterday}T{hour:02}:00:00Z") for hour in range(20)]
    items[7] |= more
    response = post(SAMPLES, items)
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    (error,) = response.json()["errors"]
    assert (error["index"], error["field"]) == (7, field)
    assert "Nothing was stored" in response.json()["detail"]
    assert not IngestBatch.objects.exists()


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"utilization_percentage": "100.01"}, "utilization_percentage"),
        ({"utilization_percentage": -0.01}, "utilization_percentage"),
        ({"uptime_hours": 25}, "uptime_hours"),
        ({"uptime_hours": "24"}, "uptime_hours"),
        ({"daily_revenue": "1.234"}, "daily_revenue"),
        ({"daily_revenue": "5", "gpu_revenue": "6"}, "daily_revenue"),
        ({"metric_date": "2026-02-30"}, "metric_date"),
        ({"metric_date": "0000-01-01"}, "metric_date"),
        ({"metric_date": "10000-01-01"}, "metric_date"),
        ({"metric_date": "2020-01-01"}, "metric_date"),
        ({"metric_date": None}, "metric_date"),
        ({"metric_date": 20261122}, "metric_date"),
        ({"sampled_at": "2026-11-22T10:00:00Z"}, "sampled_at"),
        ({"hourly_rate": None}, ""),
    ],
)
def test_a_bad_daily_result_is_named(post, gpu, yesterday, more, field):
    items = [metric(gpu, yesterday - timedelta(days=n), hourly_rate="0.4") for n in range(3)]
    items[2] |= more
    response = post(METRICS, items)
    assert response.status_code == 400
    assert [(error["index"], error["field"]) for error in response.json()["errors"]] == [(2, field)]
    assert not IngestBatch.objects.exists()


def test_the_range_of_times(post, gpu):
    """More than five minutes ahead, more than two years back, tomorrow."""
    now = clock.now()
    for moment, status in [
        (now + timedelta(minutes=4), 202),
        (now + timedelta(minutes=6), 400),
        (now - timedelta(days=729), 202),
        (now - timedelta(days=731), 400),
    ]:
        assert post(SAMPLES, [sample(gpu, moment.isoformat())]).status_code == status, moment
    tomorrow = now.date() + timedelta(days=1)
    assert post(METRICS, [metric(gpu, tomorrow, hourly_rate="1")]).status_code == 400
    assert merging.merge_waiting() == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("   ", 400),
        ("[]", 400),
        ("{}", 400),
        ("7", 400),
        ("null", 400),
        ('{"items": {}}', 400),
        ('{"items": []}', 400),
        ('{"items": [7]}', 400),
        ('{"items": [[]]}', 400),
        ('{"items": [null]}', 400),
        ('{"items": [{}], "more": 1}', 400),
        ('{"items": [{}], "items": [{}]}', 400),
        ('{"items": [{"watts": 1, "watts": 2}]}', 400),
        ('{"items": [{"watts": NaN}]}', 400),
        ('{"items": [{"watts": Infinity}]}', 400),
        ('{"items": [{"watts": 1e400}]}', 400),
        ('{"items": [{"watts": ' + "9" * 5000 + "}]}", 400),
        ("[" * 5000, 400),
        ('{"items": ' + "[" * 100 + "]" * 100 + "}", 400),
        ('{"items": [{"platform": "\\ud800"}]}', 400),
        ('{"items": [{"platform": "\\u0000"}]}', 400),
        (b'{"items": [{"platform": "\xff"}]}', 400),
        ("{" + " " * 1_100_000 + "}", 413),
    ],
    ids=lambda value: str(value)[:40] if not isinstance(value, int) else None,
)
def test_a_body_that_is_none(post, gpu, body, status):
    """reliability f 1-5, 43-51"""
    response = post(SAMPLES, body=body)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json"), response.content
    assert response.json()["detail"]
    assert not IngestBatch.objects.exists()


def test_a_thousand_items_and_no_more(post, gpu, yesterday):
    """reliability f 50: the limit is stated."""
    many = [sample(gpu, f"{yesterday}T00:00:00Z")] * 1001
    response = post(SAMPLES, many)
    assert response.status_code == 413
    assert "1,000" in response.json()["detail"]
    assert post(SAMPLES, many[:1000]).status_code == 202


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_another_kind_of_body(post, gpu, content_type):
    response = post(SAMPLES, body=b'{"items": [{}]}', content_type=content_type)
    assert (response.status_code, response["Content-Type"]) == (415, "application/problem+json")


def test_a_compressed_body(post, gpu):
    assert post(SAMPLES, body=b"\x1f\x8b", **{"Content-Encoding": "gzip"}).status_code == 415


def test_anothers_gpu_is_as_unknown_as_none(post, gpu, yesterday, stranger):
    """reliability f 53, and promise 22."""
    theirs = GPUConfigurationFactory(portfolio=PortfolioFactory(user=stranger))
    answers = [
        post(METRICS, [metric(gpu, yesterday, hourly_rate="1") | {"gpu_configuration": pk}]).json()
        for pk in (str(theirs.pk), "01998f2e-7d3a-7c31-9d0a-3a1f5c2b7e10")
    ]
    assert answers[0]["errors"] == answers[1]["errors"]
    assert answers[0]["errors"][0]["code"] == "unknown"


def test_a_token_for_some_portfolios_knows_no_other(post, client, host, gpu, yesterday):
    other = GPUConfigurationFactory(portfolio=PortfolioFactory(user=host, name="Other"))
    _token, key = api_tokens.create_token(
        user=host, name="Garage only", scopes=["read", "ingest"], portfolio_ids=[gpu.portfolio_id]
    )
    assert post(METRICS, [metric(gpu, yesterday, hourly_rate="1")], token=key).status_code == 202
    assert post(METRICS, [metric(other, yesterday, hourly_rate="1")], token=key).status_code == 400
    listed = client.get(f"{BASE}/gpu-configurations", headers={"Authorization": f"Bearer {key}"}).json()
    assert [row["id"] for row in listed["data"]] == [str(gpu.pk)]


@pytest.mark.parametrize("path", [METRICS, SAMPLES])
def test_who_may_post(post, host, gpu, path, key):
    """401 without a token, 403 with one that may only read; both before the body is looked at."""
    nobody = post(path, body="nonsense", token=None)
    assert (nobody.status_code, "WWW-Authenticate" in nobody) == (401, True)
    assert post(path, body="nonsense", token="gpa_" + "x" * 43).status_code == 401
    reader = post(path, body="nonsense", token=key)
    assert (reader.status_code, "ingest" in reader.json()["detail"]) == (403, True)
    assert reader["RateLimit-Limit"] == "3600"


def test_posts_count_against_the_allowance(post, gpu, yesterday, settings):
    settings.API_TOKEN_PER_HOUR = 1
    items = [metric(gpu, yesterday, hourly_rate="1")]
    first, second = post(METRICS, items), post(METRICS, items)
    assert (first.status_code, first["RateLimit-Remaining"]) == (202, "0")
    assert (second.status_code, "Retry-After" in second) == (429, True)


def test_pages_of_other_sites_may_not_post(client, post, gpu):
    preflight = client.options(SAMPLES, headers={"Origin": "https://other.example"})
    assert (preflight.status_code, preflight["Allow"]) == (204, "POST, OPTIONS")
    assert "Access-Control-Allow-Methods" not in preflight
    assert client.get(SAMPLES).status_code == 405


def test_the_same_key_is_answered_once(post, gpu, yesterday):
    """reliability 27: the first answer again; another body of the same key is refused."""
    items = [metric(gpu, yesterday, hourly_rate="0.4")]
    first, again = post(METRICS, items, key="night-1"), post(METRICS, items, key="night-1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.content == again.content
    assert ("Idempotency-Replayed" in first, again["Idempotency-Replayed"]) == (False, "true")
    altered = post(METRICS, [metric(gpu, yesterday, hourly_rate="0.5")], key="night-1")
    assert (altered.status_code, altered["Content-Type"]) == (422, "application/problem+json")
    assert post(SAMPLES, body=json.dumps({"items": items}), key="night-1").status_code == 422
    assert IngestBatch.objects.count() == 1
    merging.merge_waiting()
    assert post(METRICS, items, key="night-1").content == first.content


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "ä", "a b", "a\tb"])
def test_a_key_that_is_none(post, gpu, key):
    """reliability f 57"""
    response = post(METRICS, [{}], key=key)
    assert (response.status_code, "Idempotency-Key" in response.json()["detail"]) == (400, True)


def test_a_key_belongs_to_one_token(post, host, gpu, yesterday):
    other = api_tokens.create_token(user=host, name="Other", scopes=["ingest"])[1]
    items = [metric(gpu, yesterday, hourly_rate="0.4")]
    assert post(METRICS, items, key="1").json()["id"] != post(METRICS, items, key="1", token=other).json()["id"]


def test_a_batch_is_told_to_its_token_alone(post, client, host, writer, gpu, yesterday):
    told = post(METRICS, [metric(gpu, yesterday, hourly_rate="0.4")]).json()
    path = f"{BASE}/batches/{told['id']}"
    other = api_tokens.create_token(user=host, name="Other")[1]
    for key, status in ((writer, 200), (other, 404)):
        assert client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code == status
    assert client.get(path).status_code == 401
    for wrong in ("nonsense", "01998f2e-7d3a-7c31-9d0a-3a1f5c2b7e10"):
        assert client.get(f"{BASE}/batches/{wrong}", headers={"Authorization": f"Bearer {writer}"}).status_code == 404


def test_the_list_of_gpus_pages_by_key(client, host, writer, gpu):
    more = [GPUConfigurationFactory(portfolio=gpu.portfolio, platform_mappings={"vast": {}}) for _n in range(2)]
    GPUConfigurationFactory(portfolio=PortfolioFactory(user=host, state="planned", is_active=False))
    GPUConfigurationFactory(portfolio=gpu.portfolio, is_active=False)
    GPUConfigurationFactory()
    ask = {"Authorization": f"Bearer {writer}"}
    found, url = [], f"{BASE}/gpu-configurations?limit=2"
    while url:
        page = client.get(url, headers=ask).json()
        found += page["data"]
        url = page["next"]
    assert [row["id"] for row in found] == [str(one.pk) for one in (gpu, *more)]
    assert found[0] == {
        "id": str(gpu.pk),
        "name": "rig-01",
        "model": "rtx-4090",
        "quantity": 2,
        "portfolio_id": str(gpu.portfolio_id),
        "portfolio": "Garage",
        "platforms": [],
        "is_read_only": False,
    }
    assert found[1]["platforms"] == ["vast"]
    for cursor in ("nonsense", "WyJ4Il0"):
        assert client.get(f"{BASE}/gpu-configurations?cursor={cursor}", headers=ask).status_code == 400


def test_what_is_posted_costs_as_many_queries_for_a_thousand_items(post, gpu, yesterday, django_assert_max_num_queries):
    with django_assert_max_num_queries(10):
        post(SAMPLES, [sample(gpu, f"{yesterday}T{n // 60 % 24:02}:{n % 60:02}:00Z") for n in range(1000)])


def test_another_currency_becomes_dollars_at_the_rate_of_its_day(post, gpu, yesterday, django_assert_max_num_queries):
    """The row keeps the currency, the rate and its day; an unknown rate is refused, never guessed."""
    CurrencyRate.objects.create(currency="EUR", day=yesterday - timedelta(days=3), usd_per_unit="1.1", source="ECB")
    CurrencyRate.objects.create(currency="EUR", day=yesterday - timedelta(days=1), usd_per_unit="1.15", source="ECB")
    euros = {"daily_revenue": "10", "hourly_rate": "0.40", "currency": "EUR", "utilization_percentage": "50"}
    items = [metric(gpu, yesterday, **euros), metric(gpu, yesterday - timedelta(days=2), **euros)]
    with django_assert_max_num_queries(10):
        assert post(METRICS, items).status_code == 202
    assert post(SAMPLES, [sample(gpu, f"{yesterday}T00:00Z", currency="EUR", gpu_revenue=0.1)]).status_code == 202
    merging.merge_waiting()
    newer, older = PerformanceMetric.objects.order_by("-metric_date")
    assert (str(newer.daily_revenue), str(newer.hourly_rate), str(newer.utilization_percentage)) == (
        *("11.50", "0.4600"),
        "50.00",
    )
    assert (newer.currency, newer.detailed_metrics["usd_rate"]) == ("EUR", "1.15000000")
    assert newer.detailed_metrics["rate_date"] == str(yesterday - timedelta(days=1))
    assert str(older.daily_revenue) == "11.00"
    stored = MetricSample.objects.get()
    assert (str(stored.gpu_revenue), str(stored.hourly_rate), stored.currency) == ("0.115000", "0.4830", "EUR")
    refused = post(METRICS, [metric(gpu, yesterday - timedelta(days=4), **euros)])
    assert refused.json()["errors"][0]["field"] == "currency"
