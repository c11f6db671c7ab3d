"""What staff see of deliveries and do about them: states, queue, receivers, send again, pause (step 5, part 7)."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from alerts import delivery
from alerts.delivery import figures
from alerts.incoming import inboxes
from alerts.models import AlertDelivery, AlertLog, DeliveryAttempt, HostEvent, ReceiverPause
from gpuadvisor.core import clock
from gpuadvisor.core.models import AuditEntry
from tests.alerts.test_delivery import an_alert, fire, fire_now, hook, receiver  # noqa: F401 (fixtures)
from tests.factories import EpisodeFactory, UserFactory

DELIVERIES = reverse("admin:alerts_alertdelivery_changelist")
RECEIVERS = reverse("admin:alerts_receiverpause_changelist")
RESUME = reverse("admin:alerts_receiverpause_resume")


@pytest.fixture
def staff_client(client, db):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def dead(host, hook, receiver):  # noqa: F811
    """A delivery that a receiver ended with its answer."""
    receiver.status = 410
    channel = hook(host)
    log = fire_now(an_alert(host, channel))
    assert delivery.deliver_due() == 1
    channel.refresh_from_db()
    channel.state = "active"
    channel.save()
    receiver.status = 200
    return AlertDelivery.objects.get(log=log)


def resend(client, *rows):
    data = {"action": "resend", "_selected_action": [str(row.pk) for row in rows]}
    return client.post(DELIVERIES, data, follow=True).content.decode()


def test_staff_see_states_queue_and_attempts_and_no_address(staff_client, dead):
    page = staff_client.get(DELIVERIES).content.decode()
    assert "Nothing is due" in page
    assert "410 Gone" in page
    assert "/hook" not in page
    one = staff_client.get(reverse("admin:alerts_alertdelivery_change", args=[dead.pk])).content.decode()
    assert "fell to 41" in one
    assert "410" in one
    assert "/hook" not in one
    assert (
        "/hook" not in staff_client.get(reverse("admin:alerts_channel_change", args=[dead.channel_id])).content.decode()
    )


def test_the_age_of_the_queue_is_that_of_what_is_due_longest(host, hook):  # noqa: F811
    fire(an_alert(host, hook(host)), clock.now() - timedelta(minutes=3))
    now = clock.now()
    queue = figures.queue(now=now)
    assert (queue.due, queue.is_late, round(queue.age.total_seconds(), -1)) == (1, True, 180)
    states = {state.status: (state.number, state.oldest) for state in figures.states(now=now)}
    assert states["pending"][0] == 1
    assert states["dead"] == (0, None)


def test_dead_ones_go_out_again_and_the_journal_says_who(staff_client, dead, receiver):  # noqa: F811
    assert "1 delivery goes out again" in resend(staff_client, dead)
    assert delivery.deliver_due() == 1
    assert AlertLog.objects.get().delivery_status == "delivered"
    entry = AuditEntry.objects.get(action="alerts.deliveries-resent")
    assert entry.details == {"deliveries": [str(dead.pk)]}
    assert "Left as they are" in resend(staff_client, dead)
    assert AlertDelivery.objects.get().status == "delivered"


def test_failures_are_counted_for_each_receiver_by_hour_and_day(staff_client, dead):
    now = clock.now()
    DeliveryAttempt.objects.create(delivery=dead, number=2, at=now - timedelta(hours=2), seconds=1, status_code=200)
    DeliveryAttempt.objects.create(delivery=dead, number=3, at=now - timedelta(days=2), seconds=1, error="Answered 500")
    [one] = figures.receivers(now=now)
    assert (one.name, one.channels, one.failures_hour, one.tries_hour) == ("127.0.0.1", 1, 1, 1)
    assert (one.failures_day, one.tries_day, one.share, one.is_bad) == (1, 2, 0.5, True)
    page = staff_client.get(RECEIVERS, {"q": "127."}).content.decode()
    assert "50% low" in page
    assert "127.0.0.1" not in staff_client.get(RECEIVERS, {"q": "example"}).content.decode()


def test_a_receiver_is_paused_and_resumed_and_the_journal_says_who(staff_client, host, hook, receiver):  # noqa: F811
    fire_now(an_alert(host, hook(host)))
    page = staff_client.post(RECEIVERS, {"receiver": "127.0.0.1", "hours": "8", "note": "Asked us to"}, follow=True)
    assert "Asked us to" in page.content.decode()
    assert delivery.deliver_due() == 0
    AlertDelivery.objects.update(attempts=1)  # a later attempt waits as the first one does
    page = staff_client.post(RESUME, {"receiver": "127.0.0.1"}, follow=True)
    assert "is resumed" in page.content.decode()
    assert delivery.deliver_due() == 1
    assert list(AuditEntry.objects.order_by("at").values_list("action", "details__receiver")) == [
        ("alerts.receiver-paused", "127.0.0.1"),
        ("alerts.receiver-resumed", "127.0.0.1"),
    ]
    assert "was not paused" in staff_client.post(RESUME, {"receiver": "127.0.0.1"}, follow=True).content.decode()


@pytest.mark.parametrize(
    "data",
    [{}, {"receiver": "elsewhere.example.com"}, {"receiver": "127.0.0.1", "hours": "x"}, {"receiver": "\0"}],
    ids=["nothing", "unknown", "hours", "nul"],
)
def test_a_pause_that_makes_no_sense_is_refused_with_a_word(staff_client, data):
    answer = staff_client.post(RECEIVERS, data)
    assert answer.status_code == 400
    assert "errorlist" in answer.content.decode()
    assert not ReceiverPause.objects.exists()


def test_others_see_nothing_and_staff_without_the_right_change_nothing(client, host, dead):
    client.force_login(host)
    for address in (DELIVERIES, RECEIVERS):
        assert client.get(address, follow=True).status_code == 403
    client.post(RECEIVERS, {"receiver": "127.0.0.1"})
    looking = UserFactory(is_staff=True)
    looking.user_permissions.set(Permission.objects.filter(codename__in=["view_alertdelivery", "view_receiverpause"]))
    client.force_login(looking)
    page = client.get(RECEIVERS)
    assert page.status_code == 200
    assert "Pause a receiver" not in page.content.decode()
    assert client.post(RECEIVERS, {"receiver": "127.0.0.1"}).status_code == 403
    assert client.post(RESUME, {"receiver": "127.0.0.1"}).status_code == 403
    resend(client, dead)
    dead.refresh_from_db()
    assert dead.status == "dead"
    assert not ReceiverPause.objects.exists()
    client.force_login(UserFactory(is_staff=True))
    assert client.get(RECEIVERS).status_code == 403


def test_staff_see_what_platforms_report_and_neither_address_nor_secret(staff_client, host):
    """R-067"""
    inboxes.switch_on(host)
    inbox = inboxes.set_secret(host, "vast-secret-0123456789")
    now = clock.now()
    event = HostEvent.objects.create(
        user=host, platform="vast", event_id="e", kind="machine_offline", happened_at=now, received_at=now
    )
    episode = EpisodeFactory(alert__user=host)
    episode.events.create(kind="event", text="Vast.ai: machine is offline", at=now)
    end = inboxes.address_of(inbox).rpartition("/")[2]
    for name, row, word in (
        ("inbox", inbox, host.email),
        ("hostevent", event, "machine_offline"),
        ("episode", episode, "machine is offline"),
    ):
        one = staff_client.get(reverse(f"admin:alerts_{name}_change", args=[row.pk])).content.decode()
        assert word in one
        for hidden in (end, inbox.token, "vast-secret", "sealed"):
            assert hidden not in one
    assert "Receivers" in staff_client.get(reverse("admin:index")).content.decode()
