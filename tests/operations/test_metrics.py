"""Figures for Prometheus, and one id through web, worker and logs."""

import re
from datetime import timedelta

import pytest
from celery import shared_task
from celery.contrib.testing.worker import start_worker
from django.urls import reverse

from gpuadvisor.celery import app
from gpuadvisor.core import clock
from gpuadvisor.core.logs import request_id
from gpuadvisor.core.models import Heartbeat, Incident
from gpuadvisor.core.tasks import heartbeat
from gpuadvisor.operations import metrics, recording, waiting
from tests.factories import AlertDeliveryFactory

URL = reverse("operations:metrics")
SAMPLE = re.compile(r'^[a-z_]+(\{([a-z_]+="(\\.|[^"\\])*",?)+\})? -?[0-9.]+$')
TOKEN = "t" * 32


@pytest.fixture
def scrape(client, db, settings):
    settings.METRICS_TOKEN = TOKEN
    return lambda: client.get(URL, headers={"Authorization": f"Bearer {TOKEN}"}).text


def value(text, name):
    """The value of one line, found by how it begins."""
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"gpuadvisor_{name}"))


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Token {TOKEN}", TOKEN, "Bearer ü"])
def test_only_with_the_token(client, db, settings, given):
    settings.METRICS_TOKEN = TOKEN
    page = client.get(URL, headers={"Authorization": given} if given else {})
    assert (page.status_code, page.headers["WWW-Authenticate"]) == (401, "Bearer")
    settings.METRICS_TOKEN = ""
    assert client.get(URL, headers={"Authorization": "Bearer "}).status_code == 404


def test_every_line_is_one_that_prometheus_reads(scrape):
    heartbeat()
    Incident.objects.create(name='a"b\\c\nd', level="red", begun_at=clock.now())
    text = scrape()
    kinds = {}
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, "a family told twice"
            kinds[name] = kind
        elif not line.startswith("# HELP"):
            assert SAMPLE.match(line), line
    assert "scrape_error" in text
    assert not re.search(r"scrape_error\{[^}]*\} 1", text), text
    assert 'name="a\\"b\\\\c\\nd"' in text


def test_requests_are_counted_by_view_and_class_of_status(client, scrape):
    client.get(reverse("core:offline"))
    client.get("/nothing/here/")
    text = scrape()
    labels = f'{{view="core:offline",status="2xx",process="{metrics.PROCESS}"'
    assert value(text, f"request_seconds_count{labels}") >= 1
    assert value(text, f'request_seconds_bucket{labels},le="+Inf"') == value(text, f"request_seconds_count{labels}")
    assert 'view="none",status="4xx"' in text


def test_buckets_add_up():
    seen = metrics.Histogram()
    for seconds in (0.025, 0.026, 7, 99):
        seen.observe("v", "2xx", seconds)
    found = [number for name, labels, number in seen.samples() if name.endswith("bucket")]
    assert found == [1, 2, 2, 2, 2, 2, 2, 2, 3, 3, 4]


def test_ages_of_what_waits_and_of_who_is_silent(scrape):
    now = clock.now()
    AlertDeliveryFactory(next_at=now - timedelta(minutes=3))
    Heartbeat.objects.create(name="queue/chat", seen_at=now - timedelta(minutes=5))
    text = scrape()
    assert value(text, 'due_rows{outbox="alerts"}') == 1
    assert 180 <= value(text, 'due_age_seconds{outbox="alerts"}') < 190
    assert 300 <= value(text, 'heartbeat_age_seconds{name="queue/chat"}') < 310
    assert value(text, "database_connections{") >= 1


def test_one_broken_part_hides_no_other(scrape, monkeypatch):
    def broken():
        raise OSError

    monkeypatch.setattr(waiting, "messages", broken)
    text = scrape()
    assert value(text, 'scrape_error{section="broker"}') == 1
    assert "gpuadvisor_due_rows" in text


seen = []


@shared_task(name="tests.note_the_id")
def note_the_id():
    seen.append((request_id.get(), recording.header_of(note_the_id.request, waiting.SENT_HEADER)))


@pytest.mark.django_db(transaction=True)
def test_the_id_of_a_request_goes_with_its_messages():
    """Through a real broker and a real worker."""
    seen.clear()
    with start_worker(app, perform_ping_check=False, pool="solo", queues=["ingest"], loglevel="ERROR"):
        token = request_id.set("f" * 32)
        try:
            app.send_task("tests.note_the_id", queue="ingest")
        finally:
            request_id.reset(token)
        app.send_task("tests.note_the_id", queue="ingest")
        end = clock.now() + timedelta(seconds=20)
        while len(seen) < 2 and clock.now() < end:
            pass
    assert seen[0][0] == "f" * 32
    assert seen[1][0].startswith("task-")
    assert seen[0][1] > 1_000_000_000
