"""The public page on how the site does, what /health says beside it, and the heartbeats both rest on."""

from datetime import timedelta

import pytest
from django.core.cache import caches
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from gpuadvisor.celery import app
from gpuadvisor.core import clock, health
from gpuadvisor.core.models import Heartbeat, JobState, QueuedMail
from gpuadvisor.core.tasks import heartbeat
from gpuadvisor.operations import alive, status, waiting
from gpuadvisor.operations.models import SiteMode
from tests.factories import AlertDeliveryFactory

URL = reverse("operations:status")


@pytest.fixture
def up(db):
    """Workers and beat live."""
    for queue in ("bulk", "alerts", "ingest", "chat"):
        heartbeat(queue)
    alive.say("beat/here")


def part(key):
    return next(part for part in status.look() if part.key == key)


def ready(client):
    response = client.get(reverse("core:health-ready"))
    return response.status_code, response.json()


def silent(name, **age):
    Heartbeat.objects.filter(name=name).update(seen_at=clock.now() - timedelta(**age))


def test_anybody_reads_every_part(client, up):
    page = client.get(URL)
    assert page.status_code == 200
    for name in ("Site", "Market figures", "Alerts", "Advisor", "Payments", "Mail"):
        assert f'scope="row">{name}<' in page.text
    assert reverse("operations:status") in client.get(reverse("market:method")).text  # the link in the foot


def test_it_is_made_once_in_15_seconds(client, up):
    client.get(URL)
    with CaptureQueriesContext(connection) as queries:
        client.get(URL)
    assert not any("mail_outbox" in query["sql"] for query in queries)


def test_it_stands_while_redis_is_away(client, up, settings):
    settings.CACHES = {**settings.CACHES, "pages": {**settings.CACHES["pages"], "LOCATION": "redis://127.0.0.1:1"}}
    caches["pages"].close()
    assert client.get(URL).status_code == 200


def test_it_says_so_where_the_database_is_away(client, db, monkeypatch):
    def gone():
        raise OperationalError

    monkeypatch.setattr(status, "look", gone)
    page = client.get(URL)
    assert (page.status_code, "The database does not answer" in page.text) == (503, True)


def test_a_worker_that_is_gone_turns_the_site_amber(up):
    assert part("site").level == "ok"
    silent("worker", minutes=3)
    assert part("site").level == "amber"


def test_read_only_is_told_with_its_sentence(up):
    SiteMode.objects.create(is_read_only=True, sentence="New disks until 14:00 UTC.")
    assert (part("site").level, "New disks" in part("site").sentence) == ("amber", True)


@pytest.mark.parametrize(("minutes", "level"), [(1, "ok"), (3, "amber"), (11, "red")])
def test_alerts_that_wait_are_told_without_their_number(up, minutes, level):
    AlertDeliveryFactory(next_at=clock.now() - timedelta(minutes=minutes))
    found = part("alerts")
    assert found.level == level
    assert level == "ok" or f"{minutes} min" in found.sentence


def test_mails_that_fail_are_amber(up):
    now = clock.now()
    for number in range(6):
        QueuedMail.objects.create(to=f"h{number}@example.com", subject="s", body=b"", status="failed", next_at=now)
    assert part("mail").level == "amber"


@pytest.mark.parametrize(
    ("minutes", "state", "word"),
    [(1, "ok", "ok"), (3, "degraded", "no scheduled job"), (31, "alarm", "no scheduled job")],
)
def test_a_dead_beat_is_amber_then_red_and_takes_no_host_out(client, up, minutes, state, word):
    """e26."""
    silent("beat/here", minutes=minutes)
    code, body = ready(client)
    assert (code, body["status"]) == (200, state), body
    assert word in body["checks"]["beat"]


def test_a_queue_that_nobody_works_on_is_named(client, up):
    silent("queue/chat", minutes=3)
    assert ready(client)[1]["checks"]["queues"].endswith("from: chat")


@pytest.mark.parametrize("ahead", [7, -7_200])
def test_a_wrong_clock_is_red(client, up, ahead):
    """e28."""
    Heartbeat.objects.create(name="process/celery@far", seen_at=clock.now(), details={"clock": ahead})
    code, body = ready(client)
    assert (code, body["status"]) == (200, "alarm")
    assert f"process/celery@far differs from the database's by {ahead}" in body["checks"]["clock"]


def test_a_job_far_too_late_is_red_in_health(client, up):
    old = clock.now() - timedelta(days=9)
    JobState.objects.create(job="core.clean-up", since=old, ok_at=old)
    assert ready(client)[1]["status"] == "alarm"


def test_a_process_says_its_queues_and_its_clock(db):
    alive.say("process/celery@here", {"queues": ["bulk"]})
    row = Heartbeat.objects.get()
    assert (row.details["queues"], abs(row.details["clock"]) < 5) == (["bulk"], True)


def test_a_beat_without_its_file_goes_on_from_what_ran(db):
    from celery.beat import Scheduler

    old = clock.now() - timedelta(hours=30)
    JobState.objects.create(job="core.clean-up", since=old, started_at=old)
    beat = Scheduler(app, lazy=True)
    beat.merge_inplace(app.conf.beat_schedule)
    assert not beat.schedule["core.clean-up"].is_due()[0]
    alive.go_on_from(beat)
    assert beat.schedule["core.clean-up"].is_due()[0]
    assert not beat.schedule["market.clean-up"].is_due()[0]


def test_messages_of_the_broker_are_counted_with_their_age(db):
    with app.connection_for_write() as broker:
        broker.default_channel.queue_purge("ingest")  # of what earlier tests have left
    app.send_task("nobody.takes", queue="ingest", headers={waiting.SENT_HEADER: 1})
    try:
        lying = {row.queue: row for row in waiting.messages()}
        assert lying["ingest"].number == 1
        assert lying["ingest"].seconds is not None
        assert (lying["chat"].number, lying["chat"].seconds) == (0, None)
    finally:
        with app.connection_for_write() as broker:
            broker.default_channel.queue_purge("ingest")


def test_what_redis_holds_no_check_needs(client, up):
    assert health.check().status == "ok"
