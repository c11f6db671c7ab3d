"""What waits is told later: digests, and the end of quiet hours (R-042)."""

from datetime import UTC, datetime, time, timedelta

import pytest

from alerts import digests
from alerts.models import AlertDelivery, AlertLog, Channel, QuietHours
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
    assert log.delivery_status == "delivered"


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
    assert AlertLog.objects.get().delivery_status == "delivered"
