"""What programs post: refused as a whole or kept as a whole, answered once per key (R-055, R-061, reliability 27)."""

import json
from datetime import timedelta

import pytest

from gpuadvisor.accounts import api_tokens
from gpuadvisor.core import clock
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
