"""Health says what is red and what is amber."""

import pytest
from django.urls import reverse

from gpuadvisor.core import clock, partitions
from gpuadvisor.core.models import Heartbeat
from market.models import MarketData


@pytest.fixture
def worker(db):
    return Heartbeat.objects.create(name="worker", seen_at=clock.now())


def ready(client):
    response = client.get(reverse("core:health-ready"))
    return response.status_code, response.json()


def test_live_asks_nothing(client):
    assert client.get(reverse("core:health-live")).status_code == 200


def test_ready_once_everything_is_up(client, worker):
    status, body = ready(client)
    assert (status, body["status"]) == (200, "ok"), body


def test_not_ready_before_the_worker_came_up(client, db):
    status, body = ready(client)
    assert (status, body["checks"]["started"]) == (503, "the worker has not come up yet")


def test_a_silent_worker_is_amber(client, worker):
    Heartbeat.objects.update(seen_at="2026-01-01T00:00Z")
    status, body = ready(client)
    assert (status, body["status"]) == (200, "degraded")
    assert "mails" in body["checks"]["worker"]


def test_a_missing_month_is_red(client, worker):
    from django.db import connection

    name = partitions.existing_months(MarketData)[clock.today().replace(day=1)]
    with connection.cursor() as cursor:
        cursor.execute(f"drop table {name}")
    status, body = ready(client)
    assert status == 503
    assert "market_data" in body["checks"]["months"]


def test_redis_away_is_amber_and_pages_serve(client, worker, settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    status, body = ready(client)
    assert (status, body["status"]) == (200, "degraded")
    assert body["checks"]["broker"].startswith("does not answer")
