"""Each kind of channel: what it takes, what it sends, and how it reads the answer (R-043, promises 4 and 7)."""

import base64
import json
import smtplib
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.core import mail

from alerts import channels, unsubscribe
from alerts.channels import Parcel, base, discord, email, webhook
from gpuadvisor.core import crypto, guard

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ID = UUID("0197c000-0000-7000-8000-000000000001")
DISCORD = "https://discord.com/api/webhooks/123456789/abc-DEF_ghi"
PAYLOAD = {
    "version": 1,
    "type": "alert.opened",
    "title": "Rack 1 is rented 41 %",
    "text": "It was 80 %.",
    "severity": "warning",
    "timestamp": AT.isoformat(),
    "alert": {"id": "a", "name": "Idle", "type": "utilization_drop"},
    "episode": {"money_per_day": "7.20"},
    "facts": {},
    "url": "https://advisor.example.com/alerts/",
    "more": {"count": 0, "items": []},
}


def parcel(kind, address, payload=PAYLOAD, **fields):
    return Parcel(id=ID, kind=kind, address=address, payload=payload, at=AT, **fields)


@pytest.fixture
def answer(monkeypatch):
    """The guard answers as told; what was sent is kept."""
    sent = []

    def give(status, body=b"", **headers):
        def request(method, url, *, headers=None, body=b"", **_kwargs):
            sent.append((url, headers, body))
            if isinstance(status, Exception):
                raise status
            return guard.Answer(status, answered, said)

        said, answered = body, {name.replace("_", "-"): value for name, value in headers.items()}
        monkeypatch.setattr(guard, "request", request)
        return sent

    return give


def test_every_kind_has_what_pages_and_senders_ask_for():
    for name, module in channels.kinds().items():
        assert str(module.LABEL)
        assert str(module.HELP)
        assert isinstance(module.in_order, bool), name
        assert isinstance(module.has_secret, bool)
        assert all(callable(getattr(module, what)) for what in ("validate", "hint", "receiver", "send"))


# -- Webhook ---------------------------------------------------------------------------------------------------------
def test_the_signature_is_that_of_standard_webhooks():
    """The test vector of the specification's own libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = webhook.signature(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_webhook_carries_the_signatures_of_both_secrets(answer):
    sent = answer(200)
    old, new = webhook.new_secret(), webhook.new_secret()
    outcome = webhook.send(parcel("webhook", "https://hooks.example.com/a", secrets=(new, old)))
    _url, headers, body = sent[0]
    assert outcome.status == "delivered"
    assert json.loads(body) == {"id": str(ID), **PAYLOAD}
    assert headers["webhook-id"] == str(ID)
    assert headers["webhook-timestamp"] == str(int(AT.timestamp()))
    wanted = [webhook.signature(secret, ID, AT, body) for secret in (new, old)]
    assert headers["webhook-signature"].split() == wanted
    assert webhook.signature(new, ID, AT, body + b" ") not in wanted


def test_an_old_secret_signs_until_its_time_is_over(host):
    from alerts import services
    from alerts.delivery import claiming
    from alerts.models import AlertDelivery, Channel

    channel, _shown = services.create_channel(
        user=host, kind="webhook", name="Hook", address="https://hooks.example.com/a"
    )
    first = channel.secret
    services.rotate_secret(channel)
    services.rotate_secret(channel)  # a second click
    delivery = services.send_test(channel)
    [parcel] = claiming.claim().parcels
    assert (parcel.id, len(set(parcel.secrets))) == (delivery.pk, 3)
    assert parcel.secrets[-1] == crypto.unseal(first, purpose="channel")
    AlertDelivery.objects.update(lease=None, lease_until=None)
    Channel.objects.update(old_secret_until=delivery.created_at)
    assert claiming.claim().parcels[0].secrets == parcel.secrets[:1]


def test_what_cannot_be_opened_is_our_fault_and_is_tried_again(host, settings):
    from alerts import services
    from alerts.delivery import claiming

    channel, _shown = services.create_channel(
        user=host, kind="webhook", name="Hook", address="https://hooks.example.com/a"
    )
    services.send_test(channel)
    settings.SECRET_KEY = "another" * 10
    outcome = channels.send(claiming.claim().parcels[0])
    assert (outcome.status, outcome.is_ours, outcome.error) == ("retry", True, "The address cannot be opened.")


@pytest.mark.parametrize(
    "address",
    ["ftp://hooks.example.com/", "http://hooks.example.com/", "https://127.0.0.1/", "https://a@b.example.com/", ""],
)
@pytest.mark.parametrize("kind", ["webhook", "discord"])
def test_an_address_that_we_do_not_call_is_refused_with_one_text(kind, address):
    with pytest.raises(channels.ChannelError, match=r"^Use a public https address\.$"):
        channels.kind(kind).validate(address, None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0.5", 0.5),
        ("99999999", 86_400),
        ("Fri, 20 Nov 2026 12:01:00 GMT", 60),
        ("Fri, 20 Nov 2026 11:00:00 GMT", None),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("-1e999", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_seconds_or_as_a_date_up_to_a_day(value, seconds):
    wait = base.retry_after(value, at=AT)
    assert (wait and wait.total_seconds()) == seconds


def test_a_receiver_that_cannot_be_reached_is_tried_again_and_one_that_may_not_is_not(answer):
    answer(guard.NoAnswer("The receiver could not be reached."))
    outcome = webhook.send(parcel("webhook", "https://hooks.example.com/"))
    assert (outcome.status, outcome.error) == ("retry", "The receiver could not be reached.")
    answer(guard.RefusedAddress("Use a public https address."))
    assert webhook.send(parcel("webhook", "https://hooks.example.com/")).is_gone


# -- Discord ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "passes"),
    [
        (DISCORD, True),
        ("https://discordapp.com/api/v10/webhooks/1/a", True),
        ("https://discord.com.example.com/api/webhooks/1/a", False),
        ("https://discord.com/api/webhooks/1/a/slack", False),
        ("https://discord.com/api/webhooks/1/a?wait=true", False),
        ("https://discord.com/login", False),
        ("https://hooks.example.com/api/webhooks/1/a", False),
    ],
)
def test_a_discord_address_is_one_of_discord(address, passes):
    if passes:
        assert discord.validate(address, None) == address
    else:
        with pytest.raises(channels.ChannelError):
            discord.validate(address, None)


def test_the_token_of_a_discord_address_is_never_shown():
    assert discord.hint(DISCORD) == "Discord …6789"


def test_a_discord_message_mentions_nobody_and_hides_no_link(answer):
    sent = answer(204)
    hostile = PAYLOAD | {"title": "@everyone [free](https://evil.example.com)", "text": "<@123> `x` **y**"}
    assert discord.send(parcel("discord", DISCORD, hostile)).status == "delivered"
    message = json.loads(sent[0][2])
    assert message["allowed_mentions"] == {"parse": []}
    embed = message["embeds"][0]
    assert embed["title"].startswith("\\@everyone \\[free\\]\\(https\\:")
    assert embed["description"] == "\\<\\@123\\> \\`x\\` \\*\\*y\\*\\*"


def test_a_discord_message_of_many_counts_the_rest():
    items = [{"title": f"GPU {n}"} for n in range(20)]
    embed = discord.message(parcel("discord", DISCORD, PAYLOAD | {"more": {"count": 222, "items": items}}))["embeds"][0]
    assert embed["description"].splitlines()[-1] == "and 212 more"


@pytest.mark.parametrize("sign", ["*", "\N{GRINNING FACE}", "x"])
def test_a_discord_message_keeps_to_the_limits_of_discord_however_long_its_texts(sign):
    items = [{"title": sign * 300} for _ in range(20)]
    payload = PAYLOAD | {"title": sign * 300, "text": sign * 5_000, "more": {"count": 20, "items": items}}
    embed = discord.message(parcel("discord", DISCORD, payload))["embeds"][0]
    assert discord.length(embed["title"]) <= 256
    assert discord.length(embed["description"]) <= 4_096
    assert sum(discord.length(text) for text in (embed["title"], embed["description"], "GPU Advisor")) <= 5_900


def test_to_be_asked_to_wait_by_discord_is_no_failure_of_the_channel(answer):
    answer(429, b'{"retry_after": 2.5}')
    assert discord.send(parcel("discord", DISCORD)).is_ours


@pytest.mark.parametrize(
    ("status", "body", "state", "after", "gone"),
    [
        (429, b'{"retry_after": 2.5}', "retry", 2.5, False),
        (429, b"<html>", "retry", 60, False),
        (429, b'{"retry_after": "x"}', "retry", 60, False),
        (404, b"{}", "dead", None, True),
        (401, b"{}", "dead", None, True),
        (403, b'{"message": "Missing Access", "code": 50001}', "dead", None, True),
        (403, b"<html>", "retry", None, False),
        (400, b"{}", "dead", None, False),
        (502, b"", "retry", None, False),
    ],
)
def test_what_discord_answers_decides_what_follows(answer, status, body, state, after, gone):
    answer(status, body)
    outcome = discord.send(parcel("discord", DISCORD))
    assert (outcome.status, outcome.after and outcome.after.total_seconds(), outcome.is_gone) == (state, after, gone)


# -- E-mail ----------------------------------------------------------------------------------------------------------
def test_a_mail_goes_to_a_confirmed_address_of_the_account_only(host, stranger):
    assert email.validate(f" {host.email.upper()} ", host) == host.email
    with pytest.raises(channels.ChannelError):
        email.validate(stranger.email, host)
    host.emailaddress_set.update(verified=False)
    with pytest.raises(channels.ChannelError):
        email.validate(host.email, host)


def test_a_mail_has_both_parts_and_stops_in_one_click(settings):
    stop = unsubscribe.link(ID)
    hostile = PAYLOAD | {"title": "<b>Rack</b>\r\nBcc: x@example.com", "more": {"count": 3, "items": [{"title": "B"}]}}
    assert email.send(parcel("email", "a@example.com", hostile, unsubscribe=stop)).status == "delivered"
    message = mail.outbox[0]
    assert message.extra_headers["List-Unsubscribe"] == f"<{stop}>"
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message.subject == "<b>Rack</b> Bcc: x@example.com"
    html = message.alternatives[0][0]
    assert "<b>Rack</b>" not in html
    assert "At risk: $7.20 a day" in message.body
    assert "and 2 more" in message.body
    assert stop in message.body
    assert stop in html


def test_a_link_to_stop_names_its_channel_and_no_other(host):
    assert unsubscribe.channel_of("nonsense") is None
    assert unsubscribe.channel_of(unsubscribe.link(ID).rstrip("/").rpartition("/")[2]) is None


@pytest.mark.parametrize(
    ("error", "state", "ours"),
    [
        (smtplib.SMTPRecipientsRefused({"a@example.com": (550, b"no such user")}), "dead", False),
        (smtplib.SMTPRecipientsRefused({"a@example.com": (451, b"later")}), "retry", False),
        (smtplib.SMTPDataError(554, b"no"), "dead", False),
        (smtplib.SMTPDataError(452, b"full"), "retry", False),
        (smtplib.SMTPSenderRefused(550, b"no", "us@example.com"), "retry", True),
        (smtplib.SMTPAuthenticationError(535, b"no"), "retry", True),
        (ConnectionRefusedError(), "retry", True),
    ],
    ids=["550", "451", "554", "452", "sender", "login", "down"],
)
def test_what_a_mail_server_says_decides_what_follows(monkeypatch, error, state, ours):
    def send(self, **_kwargs):
        raise error

    monkeypatch.setattr(mail.EmailMultiAlternatives, "send", send)
    outcome = email.send(parcel("email", "a@example.com"))
    assert (outcome.status, outcome.is_ours) == (state, ours)


def test_a_kind_that_is_gone_and_a_module_that_breaks_are_outcomes(monkeypatch):
    assert channels.send(parcel("fax", "x")).status == "dead"
    monkeypatch.setattr(webhook, "send", lambda parcel: 1 / 0)
    outcome = channels.send(parcel("webhook", "x"))
    assert (outcome.status, outcome.is_ours) == ("retry", True)


def test_a_mail_program_stops_the_mails_with_one_post_and_a_page_asks_first(host, client):
    from tests.alerts.test_delivery import a_channel

    channel = a_channel(host, "email", host.email)
    path = "/" + unsubscribe.link(channel.pk).split("/", 3)[3]
    assert b"Stop the mails" in client.get(path).content
    channel.refresh_from_db()
    assert channel.state == "active"
    assert client.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    channel.refresh_from_db()
    assert channel.state == "paused"
