"""Pages of channels: added, tested, rotated, paused, deleted (R-040, R-043)."""

from datetime import timedelta

import pytest
from django.urls import reverse

from alerts import services
from alerts.channels.webhook import PREFIX, shown
from alerts.models import AlertDelivery, Channel
from gpuadvisor.core import clock, crypto
from tests.factories import AlertDeliveryFactory, AlertFactory, AlertLogFactory, ChannelFactory, UserFactory

NEW = "/alerts/channels/new/"
SETTINGS = {"name": "Mine", "least_severity": "warning", "digest": "daily"}


def page(name, channel):
    return reverse(f"alerts:{name}", kwargs={"pk": channel.pk})


def test_mail_goes_to_a_confirmed_address_of_ones_own_only(host_client, host):
    other = UserFactory()
    host.emailaddress_set.create(email="later@example.com", verified=False)
    url = f"{NEW}?kind=email"
    for address in (other.email, "later@example.com", "nobody@example.com"):
        assert host_client.post(url, SETTINGS | {"address": address}).status_code == 422
    assert not Channel.objects.exists()
    assert host_client.post(url, SETTINGS | {"address": host.email}).status_code == 302
    channel = Channel.objects.get(user=host)
    assert (channel.kind, channel.hint, channel.least_severity, channel.digest) == (
        "email",
        host.email,
        "warning",
        "daily",
    )


def test_an_address_is_one_channel_however_often_it_is_sent(host_client, host):
    url = f"{NEW}?kind=email"
    once = host_client.get(url).context["form"].fields["once"].initial
    sent = [host_client.post(url, SETTINGS | {"address": host.email, "once": once}).status_code for _ in range(2)]
    assert sent == [302, 302]
    again = host_client.post(url, SETTINGS | {"address": host.email})
    assert again.status_code == 422
    assert list(again.context["form"].errors) == ["address"]
    assert Channel.objects.filter(user=host).count() == 1


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1/", "https://169.254.169.254/latest", "ftp://x.example", "no address", "https://[::1]/"],
)
@pytest.mark.parametrize("kind", ["webhook", "discord"])
def test_an_address_that_is_not_public_gets_a_message(host_client, kind, address):
    answer = host_client.post(f"{NEW}?kind={kind}", SETTINGS | {"address": address})
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["address"]
    assert not Channel.objects.exists()


def test_a_secret_is_shown_once_and_kept_sealed(host_client, host):
    answer = host_client.post(f"{NEW}?kind=webhook", SETTINGS | {"address": "https://hooks.example.com/a?key=1"})
    channel = Channel.objects.get(user=host)
    assert answer["Location"] == page("channel", channel)
    first = host_client.get(page("channel", channel)).content.decode()
    secret = crypto.unseal(bytes(channel.secret), purpose="channel")
    assert shown(secret) in first
    assert PREFIX not in host_client.get(page("channel", channel)).content.decode()
    assert b"hooks.example.com" not in bytes(channel.address)
    assert "key=1" not in channel.hint


def test_a_new_secret_leaves_the_old_one_a_day(host_client, host):
    channel = ChannelFactory(user=host)
    before = bytes(channel.secret)
    host_client.post(page("channel-rotate", channel))
    channel.refresh_from_db()
    old, new = (crypto.unseal(bytes(one), purpose="channel") for one in (channel.old_secret, channel.secret))
    assert old == crypto.unseal(before, purpose="channel") != new
    assert timedelta(hours=23) < channel.old_secret_until - clock.now() <= timedelta(hours=24)
    secret = crypto.unseal(bytes(channel.secret), purpose="channel")
    assert shown(secret) in host_client.get(page("channel", channel)).content.decode()


def test_what_signs_nothing_has_no_secret_to_rotate(host_client, host):
    assert host_client.post(page("channel-rotate", ChannelFactory(user=host, kind="email"))).status_code == 422


def test_a_test_is_queued_once(host_client, host, django_capture_on_commit_callbacks):
    channel = ChannelFactory(user=host)
    with django_capture_on_commit_callbacks() as nudges:
        for _ in range(3):
            assert host_client.post(page("channel-test", channel)).status_code == 302
    delivery = AlertDelivery.objects.get(channel=channel)
    assert (delivery.purpose, delivery.status, delivery.user, delivery.log) == ("test", "pending", host, None)
    assert len(nudges) == 1


def test_a_paused_channel_is_not_tested(host_client, host):
    channel = ChannelFactory(user=host, state="paused")
    answer = host_client.post(page("channel-test", channel))
    assert answer.status_code == 422
    assert "resume it first" in answer.content.decode()
    assert not AlertDelivery.objects.exists()


def test_a_failed_channel_is_resumed_with_no_failures(host_client, host):
    channel = ChannelFactory(user=host, state="failed", failures_in_row=10, last_error="Answered 500")
    listed = host_client.get(reverse("alerts:channels")).content.decode()
    assert "Paused after failures" in listed
    assert "Answered 500" in listed
    host_client.post(page("channel-resume", channel))
    channel.refresh_from_db()
    assert (channel.state, channel.failures_in_row) == ("active", 0)
    host_client.post(page("channel-pause", channel))
    channel.refresh_from_db()
    assert channel.state == "paused"


def test_a_deleted_channel_leaves_its_rules(host_client, host):
    channel = ChannelFactory(user=host)
    alert = AlertFactory(user=host)
    alert.channels.set([channel])
    assert "Delete" in host_client.get(page("channel-delete", channel)).content.decode()
    host_client.post(page("channel-delete", channel))
    assert not Channel.objects.exists()
    assert alert.channels.count() == 0


def test_settings_are_changed_and_the_address_is_not(host_client, host):
    channel = ChannelFactory(user=host)
    host_client.post(page("channel", channel), SETTINGS | {"address": "https://elsewhere.example/"})
    changed = Channel.objects.get()
    assert (changed.name, changed.least_severity, changed.digest) == ("Mine", "warning", "daily")
    assert bytes(changed.address) == bytes(channel.address)


def test_an_account_has_20_channels_at_most(host):
    ChannelFactory.create_batch(services.MOST_CHANNELS, user=host)
    with pytest.raises(services.DomainError, match="20 channels"):
        services.create_channel(user=host, kind="email", name="x", address=host.email)


def test_what_was_given_up_is_sent_again(host_client, host, django_capture_on_commit_callbacks):
    log = AlertLogFactory(alert__user=host, delivery_status="failed")
    delivery = AlertDeliveryFactory(channel__user=host, log=log, status="dead", attempts=8, ended_at=clock.now())
    with django_capture_on_commit_callbacks() as nudges:
        for _ in range(2):
            host_client.post(reverse("alerts:resend", kwargs={"pk": delivery.pk}))
    delivery.refresh_from_db()
    log.refresh_from_db()
    assert (delivery.status, delivery.attempts, log.delivery_status, len(nudges)) == ("pending", 0, "pending", 1)


def test_a_channel_made_after_the_rules_is_used_by_them_if_wanted(host_client, host, stranger):
    url, rule, foreign = f"{NEW}?kind=email", AlertFactory(user=host), AlertFactory(user=stranger)
    assert b'name="for_all" ' in host_client.get(url).content
    host_client.post(url, SETTINGS | {"address": host.email, "for_all": "on"})
    assert list(rule.channels.all()) == [Channel.objects.get(user=host)]
    assert not foreign.channels.exists()
    host_client.post(f"{NEW}?kind=webhook", SETTINGS | {"address": "https://hooks.example.com/a"})
    assert rule.channels.count() == 1
