"""What waits is told later: digests, and the end of quiet hours (R-042)."""

from datetime import UTC, datetime, time, timedelta

import pytest
from django.urls import reverse

from alerts import delivery, digests, services
from alerts.models import AlertDelivery, AlertLog, Channel, QuietHours
from gpuadvisor.core import clock
from tests.alerts.test_delivery import an_alert, fire, hook, receiver  # noqa: F401 (fixtures)
from tests.factories import NOON


@pytest.mark.parametrize(
    ("digest", "zone", "due"),
    [
        ("daily", "UTC", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("daily", "America/Los_Angeles", datetime(2026, 11, 19, 16, tzinfo=UTC)),
        ("daily", "Asia/Tokyo", datetime(2026, 11, 19, 23, tzinfo=UTC)),
        ("weekly", "UTC", datetime(2026, 11, 16, 8, tzinfo=UTC)),
    ],
)
def test_a_digest_is_due_at_eight_on_the_hosts_wall(digest, zone, due):
    assert digests.last_due(digest, zone=zone, now=NOON) == due


def test_a_digest_tells_once_of_all_that_waited(host, hook):  # noqa: F811
    channel = hook(host, digest="daily")
    Channel.objects.update(digest_sent_at=NOON - timedelta(days=1))
    log = fire(an_alert(host, channel), NOON - timedelta(hours=8))
    assert log.suppressed_by == "digest"
    assert digests.send_due(now=NOON) == 1
    assert digests.send_due(now=NOON + timedelta(minutes=5)) == 0
    sent = AlertDelivery.objects.get()
    assert (sent.purpose, sent.payload["type"], sent.payload["more"]["count"]) == ("digest", "alert.digest", 1)
    log.refresh_from_db()
    assert log.delivery_status == "pending"


def test_what_a_digest_tells_stands_as_the_digest_does(host, hook, receiver, host_client):  # noqa: F811
    """R-019: nothing reads as delivered that no channel took; it is sent again from its page"""
    now = clock.now()
    channel = hook(host, digest="daily")
    Channel.objects.update(digest_sent_at=now - timedelta(days=2))
    log = fire(an_alert(host, channel), now - timedelta(hours=1))
    Channel.objects.update(digest_sent_at=digests.last_due("daily", zone="UTC", now=now) - timedelta(days=1))
    AlertLog.objects.update(triggered_at=digests.last_due("daily", zone="UTC", now=now) - timedelta(hours=1))
    receiver.status = 410
    assert (digests.send_due(now=now), delivery.deliver_due()) == (1, 1)
    log.refresh_from_db()
    assert (log.delivery_status, log.delivery_details) == ("failed", {str(channel.pk): "dead"})
    entry = reverse("alerts:log-entry", kwargs={"pk": log.pk})
    page = host_client.get(entry).content.decode()
    assert "Digest · 1 attempt" in page
    assert "Told in the digest." in page
    again = reverse("alerts:resend", kwargs={"pk": log.digests.get().pk})
    refused = host_client.post(again)
    assert (refused.status_code, "paused" in refused.content.decode()) == (422, True)
    Channel.objects.update(state="active")
    receiver.status = 200
    host_client.post(again)
    log.refresh_from_db()
    assert log.delivery_status == "pending"
    assert delivery.deliver_due() == 1
    log.refresh_from_db()
    assert log.delivery_status == "delivered"
    assert log.delivered_at


def test_a_channel_that_is_deleted_leaves_nothing_that_still_waits(host, hook):  # noqa: F811
    log = fire(an_alert(host, hook(host)))
    services.delete_channel(Channel.objects.get())
    log.refresh_from_db()
    assert (log.delivery_status, AlertDelivery.objects.count()) == ("failed", 0)


def test_a_digest_without_news_is_not_sent(host, hook):  # noqa: F811
    hook(host, digest="weekly")
    Channel.objects.update(digest_sent_at=NOON - timedelta(days=30))
    assert digests.send_due(now=NOON) == 0


def test_what_quiet_hours_held_back_is_told_once_at_their_end(host, hook):  # noqa: F811
    QuietHours.objects.create(user=host, starts=time(11), ends=time(13))
    alert = an_alert(host, hook(host))
    assert fire(alert).suppressed_by == "quiet"
    assert digests.send_due(now=NOON + timedelta(minutes=30)) == 0
    assert digests.send_due(now=NOON + timedelta(minutes=65)) == 1
    assert digests.send_due(now=NOON + timedelta(minutes=70)) == 0
    assert AlertDelivery.objects.get().payload["title"] == "1 alert"
    assert AlertLog.objects.get().delivery_status == "pending"


def test_each_channel_is_told_of_its_own_alerts_and_severities_only(host, hook):  # noqa: F811
    QuietHours.objects.create(user=host, starts=time(11), ends=time(13))
    mine, partners = hook(host), hook(host, "partner", least_severity="warning")
    fire(an_alert(host, mine), severity="info")
    fire(an_alert(host, mine, partners, kind="pricing_change"), severity="warning")
    fire(an_alert(host, partners, kind="optimization_opportunity"), severity="info")
    assert digests.send_due(now=NOON + timedelta(minutes=65)) == 2
    told = {row.channel_id: row.payload["more"]["count"] for row in AlertDelivery.objects.all()}
    assert told == {mine.pk: 2, partners.pk: 1}
    assert AlertLog.objects.filter(delivery_status="suppressed").count() == 1  # no channel takes so low a severity


def test_what_came_up_in_quiet_hours_for_a_digest_is_told_there_and_once(host, hook):  # noqa: F811
    QuietHours.objects.create(user=host, starts=time(0), ends=time(6))
    alert = an_alert(host, hook(host, digest="daily"))
    Channel.objects.update(digest_sent_at=NOON - timedelta(days=1))
    log = fire(alert, NOON - timedelta(hours=10))
    assert log.suppressed_by == "quiet"
    assert digests.send_due(now=NOON - timedelta(hours=5)) == 0
    assert digests.send_due(now=NOON) == 1
    log.refresh_from_db()
    assert (log.suppressed_by, log.delivery_status) == ("digest", "pending")
    assert digests.send_due(now=NOON + timedelta(hours=1)) == 0


def test_a_digest_tells_nothing_that_was_told_at_once_before(host, hook):  # noqa: F811
    channel = hook(host)
    fire(an_alert(host, channel), NOON - timedelta(hours=8))
    Channel.objects.update(digest="daily", digest_sent_at=None, created_at=NOON - timedelta(days=60))
    assert digests.send_due(now=NOON) == 0


def test_what_waited_for_a_digest_is_told_once_it_is_switched_off(host, hook):  # noqa: F811
    log = fire(an_alert(host, hook(host, digest="weekly")))
    Channel.objects.update(digest_sent_at=NOON)
    assert digests.send_due(now=NOON) == 0
    Channel.objects.update(digest="off")
    assert digests.send_due(now=NOON) == 1
    log.refresh_from_db()
    assert log.delivery_status == "pending"
