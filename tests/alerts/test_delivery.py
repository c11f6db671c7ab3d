"""Told once, in time, for sure: triggers, the outbox and its schedule (reliability promises 1 to 4, 8, 31)."""

import hashlib
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import time, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core import mail
from django.db import connection, transaction

from alerts import delivery, messages, selectors, services, triggers
from alerts.channels import Outcome, webhook
from alerts.channels import kind as kind_of
from alerts.delivery import aside, claiming, schedule, working
from alerts.delivery.recording import settle
from alerts.models import (
    Alert,
    AlertDelivery,
    AlertLog,
    Channel,
    DeliveryAttempt,
    Episode,
    QuietHours,
    ReceiverPause,
    Watch,
)
from gpuadvisor.core import clock
from gpuadvisor.core.crypto import seal
from gpuadvisor.core.models import QueuedMail
from tests.factories import NOON, EpisodeFactory, UserFactory

HOUR = timedelta(hours=1)


class Receiver(ThreadingHTTPServer):
    """Counts what it got; answers as told."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got, self.status, self.extra = [], 200, {}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def host(self):
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((dict(self.headers), json.loads(body), body))
        self.send_response(self.server.status)
        for name, value in self.server.extra.items():
            self.send_header(name, value)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver(settings):
    server = Receiver()
    settings.GUARD_ALLOWED_HOSTS = [server.host]
    yield server
    server.shutdown()
    server.server_close()


def a_channel(user, kind, address, **fields):
    module = kind_of(kind)
    address = module.validate(address, user)
    if module.has_secret:
        fields["secret"] = seal(webhook.new_secret(), purpose="channel")
    return Channel.objects.create(
        user=user,
        kind=kind,
        name=f"My {kind}",
        address=seal(address.encode(), purpose="channel"),
        digest_of_address=hashlib.sha256(address.encode()).hexdigest(),
        hint=module.hint(address),
        receiver=module.receiver(address),
        **fields,
    )


def a_test(channel):
    now = clock.now()
    payload = messages.test(channel, now=now)
    return AlertDelivery.objects.create(
        user_id=channel.user_id, channel=channel, purpose="test", payload=payload, next_at=now, created_at=now
    )


@pytest.fixture
def hook(receiver):
    def make(user, path="hook", kind="webhook", **fields):
        return a_channel(user, kind, f"http://{receiver.host}/{path}", **fields)

    return make


def an_alert(user, *channels, kind="utilization_drop", **fields):
    alert = Alert.objects.create(user=user, name="Rack 1 idle", alert_type=kind, **fields)
    alert.channels.set(channels)
    return alert


def fire(alert, now=NOON, **more):
    return triggers.record_trigger(alert=alert, reason="fell to 41 %", data={"percentage": 41}, now=now, **more)


def fire_now(alert):
    """At the real present: what is a day old is not sent any more."""
    return fire(alert, clock.now())


def make_due():
    AlertDelivery.objects.filter(status="pending").update(next_at=clock.now() - timedelta(seconds=1))


# -- Triggers --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("hours", "told"), [(0, 1), (3.99, 1), (4, 2)])
def test_a_type_is_told_once_in_four_hours(host, hook, hours, told):
    alert = an_alert(host, hook(host))
    fire(alert)
    log = fire(alert, NOON + hours * HOUR)
    assert AlertDelivery.objects.count() == told
    assert log.suppressed_by == ("throttle" if told == 1 else "")
    alert.refresh_from_db()
    assert (alert.trigger_count, alert.last_triggered) == (2, NOON + hours * HOUR)


@pytest.mark.django_db(transaction=True)
def test_of_fifty_triggers_at_once_exactly_one_is_told(hook):
    host = UserFactory()
    alert = an_alert(host, hook(host))

    def one(_n):
        try:
            return fire(alert).delivery_status
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        assert Counter(pool.map(one, range(50))) == {"pending": 1, "suppressed": 49}
    assert AlertDelivery.objects.count() == 1


def test_the_end_of_an_episode_is_never_held_back_by_the_throttle_and_tells_what_was(host, hook):
    alert = an_alert(host, hook(host))
    fire(alert)
    held = fire(alert, NOON + HOUR)
    end = fire(alert, NOON + 2 * HOUR, kind="resolved")
    held.refresh_from_db()
    assert (end.delivery_status, held.folded_into_id) == ("pending", end.pk)
    payload = AlertDelivery.objects.get(log=end).payload
    assert (payload["type"], payload["more"]["count"]) == ("alert.resolved", 1)


@pytest.mark.parametrize(
    ("why", "set_up"),
    [
        ("snooze", lambda alert, hook: Alert.objects.filter(pk=alert.pk).update(snoozed_until=NOON + HOUR)),
        ("quiet", lambda alert, hook: QuietHours.objects.create(user=alert.user, starts=time(11), ends=time(13))),
        ("severity", lambda alert, hook: Channel.objects.update(least_severity="critical")),
        ("digest", lambda alert, hook: Channel.objects.update(digest="daily")),
        ("channels", lambda alert, hook: Channel.objects.update(state="paused")),
    ],
    ids=["snooze", "quiet", "severity", "digest", "channels"],
)
def test_what_is_held_back_says_why_and_uses_up_no_throttle(host, hook, why, set_up):
    alert = an_alert(host, hook(host))
    set_up(alert, hook)
    log = fire(Alert.objects.select_related("user").get(pk=alert.pk))
    assert (log.suppressed_by, log.delivery_status, AlertDelivery.objects.count()) == (why, "suppressed", 0)
    assert triggers.claim_throttles([(host.pk, alert.alert_type)], now=NOON)


def test_a_window_holds_back_only_what_lies_wholly_in_it(host, hook, world):
    from portfolios.models import MaintenanceWindow, Portfolio

    alert, portfolio = an_alert(host, hook(host)), Portfolio.objects.filter(user=host).first()
    MaintenanceWindow.objects.create(portfolio=portfolio, starts_at=NOON - HOUR, ends_at=NOON + HOUR)
    assert fire(alert, portfolios=frozenset({portfolio.pk})).suppressed_by == "window"
    assert fire(alert, portfolios=frozenset({portfolio.pk, host.pk})).suppressed_by == ""


@pytest.mark.parametrize(
    ("starts", "ends", "zone", "quiet"),
    [
        (time(22), time(7), "UTC", False),
        (time(22), time(7), "Asia/Tokyo", False),
        (time(20), time(7), "Asia/Tokyo", True),
        (time(12), time(13), "UTC", True),
        (time(11), time(12), "UTC", False),
        (time(3), time(5), "America/Los_Angeles", True),
    ],
)
def test_quiet_hours_are_those_on_the_hosts_wall(host, starts, ends, zone, quiet):
    from alerts.quiet import is_quiet

    assert is_quiet(QuietHours(user=host, starts=starts, ends=ends), zone=zone, now=NOON) is quiet


def test_a_storm_is_one_message_for_each_user_that_counts_the_rest(host, stranger, hook):
    mine = [an_alert(host, hook(host)) for _ in range(1)]
    mine += [an_alert(host, *mine[0].channels.all()) for _ in range(29)]
    theirs = an_alert(stranger, hook(stranger, "other"))
    logs = triggers.record_triggers(
        [
            triggers.Trigger(alert, "platform down", severity="critical" if alert is mine[7] else "info")
            for alert in mine
        ]
        + [triggers.Trigger(theirs, "platform down")],
        now=NOON,
    )
    summary, other = AlertDelivery.objects.filter(user=host).get(), AlertDelivery.objects.filter(user=stranger).get()
    assert (summary.purpose, summary.log_id, other.purpose) == ("summary", logs[7].pk, "alert")
    assert (summary.payload["more"]["count"], len(summary.payload["more"]["items"])) == (29, 20)
    assert AlertLog.objects.filter(folded_into=summary.log).count() == 29


def test_each_channel_is_told_of_its_own_alerts_only_at_once_and_later(host, hook):
    mine, partners = hook(host), hook(host, "partner")
    Channel.objects.filter(pk=partners.pk).update(name="Partner")
    both, own, theirs = an_alert(host, mine, partners), an_alert(host, mine), an_alert(host, partners)
    episode = Episode.objects.create(alert=own, user=host, title="own", opened_at=NOON, last_seen_at=NOON)
    triggers.record_triggers(
        [triggers.Trigger(own, "own", severity="critical", episode=episode), triggers.Trigger(both, "both")], now=NOON
    )
    assert episode.events.get().text == mine.name
    told = {row.channel_id: row.payload for row in AlertDelivery.objects.all()}
    assert [item["title"] for item in (told[mine.pk], *told[mine.pk]["more"]["items"])] == ["own", "both"]
    assert (told[partners.pk]["title"], told[partners.pk]["more"]["count"]) == ("both", 0)
    held = triggers.record_trigger(alert=theirs, reason="theirs", data={}, now=NOON + HOUR)
    for hours, alert, folds in ((5, own, False), (10, both, True)):
        fire(alert, NOON + hours * HOUR)
        held.refresh_from_db()
        assert (held.folded_into is not None) is folds
    newest = AlertDelivery.objects.order_by("-created_at", "-pk")[:2]
    assert {row.channel_id: row.payload["more"]["count"] for row in newest} == {mine.pk: 0, partners.pk: 1}


# -- The outbox ------------------------------------------------------------------------------------------------------
def test_a_delivery_arrives_signed_and_is_recorded(host, hook, receiver):
    channel = hook(host)
    log = fire_now(an_alert(host, channel))
    assert delivery.deliver_due() == 1
    (headers, payload, _body), row = receiver.got[0], AlertDelivery.objects.get()
    assert headers["webhook-id"] == payload["id"] == str(row.pk)
    log.refresh_from_db()
    channel.refresh_from_db()
    assert (row.status, row.attempts, log.delivery_status) == ("delivered", 1, "delivered")
    assert log.delivered_at == row.ended_at
    assert log.delivery_details == {str(channel.pk): "delivered"}
    assert channel.last_success_at
    assert DeliveryAttempt.objects.values_list("number", "status_code", "answer").get() == (1, 200, "ok")


@pytest.mark.parametrize(
    ("attempts", "outcome", "seconds"),
    [
        *((n, Outcome("retry"), s) for n, s in enumerate([5, 60, 300, 1_800, 7_200, 18_000, 36_000], start=1)),
        (8, Outcome("retry"), None),
        (2, Outcome("retry", 429, after=timedelta(seconds=90)), 90),
        (8, Outcome("retry", 429, after=timedelta(seconds=90)), None),
        (5, Outcome("retry", 503, after=timedelta(seconds=1)), 7_200),
        (1, Outcome("dead", 410), None),
        (1, Outcome("delivered", 200), None),
    ],
)
def test_it_is_tried_eight_times_over_the_schedule(attempts, outcome, seconds):
    wait = schedule.wait(attempts, outcome)
    if seconds is None or outcome.status_code == 429:
        assert wait == (seconds and timedelta(seconds=seconds))
    else:
        assert 0.8 * seconds <= wait.total_seconds() <= 1.2 * seconds


@pytest.mark.parametrize(
    ("status", "extra", "state", "after"),
    [
        (200, {}, "delivered", None),
        (204, {}, "delivered", None),
        (301, {"location": "https://elsewhere.example.com/"}, "pending", 5),
        (404, {}, "pending", 5),
        (410, {}, "dead", None),
        (429, {"retry-after": "120"}, "pending", 120),
        (429, {"retry-after": "9999999"}, "pending", 86_400),
        (503, {"retry-after": "nonsense"}, "pending", 5),
        (500, {}, "pending", 5),
    ],
)
def test_what_a_receiver_answers_decides_what_follows(host, hook, receiver, status, extra, state, after):
    channel = hook(host)
    log = fire_now(an_alert(host, channel))
    receiver.status, receiver.extra = status, extra
    assert delivery.deliver_due() == 1
    row = AlertDelivery.objects.get()
    assert row.status == state
    if after:
        assert 0.75 * after <= (row.next_at - clock.now()).total_seconds() <= 1.2 * after
    channel.refresh_from_db()
    log.refresh_from_db()
    assert channel.state == ("failed" if status == 410 else "active")
    assert log.delivery_status == {"dead": "failed"}.get(state, state)


def test_a_dead_worker_only_delays_and_its_late_answer_changes_nothing(host, hook, receiver):
    fire_now(an_alert(host, hook(host)))
    dead = claiming.claim()
    assert [row.attempts for row in dead.rows] == [1]
    assert delivery.deliver_due() == 0  # leased
    AlertDelivery.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    assert delivery.deliver_due() == 1
    assert receiver.got[0][1]["id"] == str(dead.rows[0].pk)
    from alerts.delivery.recording import Sent, record

    record([Sent(dead.rows[0], Outcome("retry", 500), 0.1)], lease=dead.lease)
    row = AlertDelivery.objects.get()
    assert (row.status, row.attempts) == ("delivered", 2)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_two_that_settle_one_log_at_once_the_second_sees_the_first(hook):
    """R-019: delivered once any channel has it, whoever comes last"""
    host = UserFactory()
    log = fire_now(an_alert(host, hook(host), hook(host, "other")))
    taken = claiming.claim()
    ends = zip(taken.rows, ("delivered", "retry"), strict=True)
    first, second = ([working.Sent(row, Outcome(status), 0.1)] for row, status in ends)

    def late():
        try:
            working.record(second, lease=taken.lease)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            working.record(first, lease=taken.lease)
            waits = pool.submit(late)
            threading.Event().wait(0.5)
        waits.result()
    log.refresh_from_db()
    assert log.delivery_status == "delivered"


def test_what_cannot_be_begun_within_its_lease_is_given_back_untried(host, hook, receiver, monkeypatch):
    fire_now(an_alert(host, hook(host)))
    monkeypatch.setattr(working, "TRY", 61.0)
    assert delivery.deliver_due(seconds=0.05) == 0
    row = AlertDelivery.objects.get()
    assert (row.status, row.attempts, row.lease, receiver.got) == ("pending", 0, None, [])
    monkeypatch.undo()
    assert delivery.deliver_due() == 1


@pytest.mark.django_db(transaction=True)
def test_while_one_claim_is_sent_the_next_is_taken_and_each_arrives_once(hook, receiver):
    users = UserFactory.create_batch(30)
    now = clock.now()
    AlertDelivery.objects.bulk_create(
        AlertDelivery(user=user, channel=hook(user, str(n)), next_at=now, created_at=now, payload={"title": "x"})
        for n, user in enumerate(users)
    )
    assert delivery.deliver_due() == 30
    assert set(AlertDelivery.objects.values_list("status", "last_error")) == {("delivered", "")}
    ids = {str(pk) for pk in AlertDelivery.objects.filter(status="delivered").values_list("pk", flat=True)}
    assert Counter(headers["webhook-id"] for headers, _, _ in receiver.got) == dict.fromkeys(ids, 1)
    assert DeliveryAttempt.objects.count() == len(ids) == 30


def test_no_user_waits_behind_the_many_of_another(host, hook):
    many = hook(host)
    rows = [AlertDelivery(user=host, channel=many, next_at=clock.now(), created_at=clock.now()) for _ in range(60)]
    AlertDelivery.objects.bulk_create(rows)
    others = [UserFactory() for _ in range(3)]
    for other in others:
        AlertDelivery.objects.create(
            user=other, channel=hook(other, "theirs"), next_at=clock.now(), created_at=clock.now()
        )
    taken = Counter(row.user_id for row in claiming.claim().rows)
    assert taken == {host.pk: 10, **{other.pk: 1 for other in others}}


def test_ten_failures_in_a_row_pause_a_channel_and_its_owner_is_told(host, hook, receiver, host_client):
    """R-043: what is open under an alert that goes off ends, with the reason, in the host's language; nobody is told"""
    channel = hook(host)
    kept = hook(host, "kept")
    lonely, both = an_alert(host, channel), an_alert(host, channel, kept, kind="pricing_change")
    ends, goes_on = EpisodeFactory(alert=lonely), EpisodeFactory(alert=both)
    now = clock.now()
    Watch.objects.create(alert=lonely, subject="x", episode=ends, true_since=now, seen_at=now)
    receiver.status = 500
    AlertDelivery.objects.bulk_create(
        [AlertDelivery(user=host, channel=channel, next_at=clock.now(), created_at=clock.now()) for _ in range(9)]
    )
    delivery.deliver_due()
    channel.refresh_from_db()
    assert (channel.state, channel.failures_in_row) == ("active", 9)
    log = fire_now(lonely)
    delivery.deliver_due()
    for row in (channel, lonely, both, log, ends, goes_on):
        row.refresh_from_db()
    assert (channel.state, channel.last_error) == ("failed", "Answered 500")
    assert (lonely.is_active, lonely.off_reason, both.is_active) == (False, "no_channel", True)
    assert set(AlertDelivery.objects.values_list("status", flat=True)) == {"cancelled"}
    assert log.delivery_status == "failed"
    assert (ends.state, goes_on.state, Watch.objects.count()) == ("resolved", "open", 0)
    assert ends.events.get().text == "The rule went off: no channel was left."
    assert not AlertLog.objects.filter(kind="resolved").exists()
    assert QueuedMail.objects.get().to == host.email
    assert b"was paused after failures" in host_client.get("/").content


def test_a_success_forgets_the_failures_before(host, hook, receiver):
    channel = hook(host)
    Channel.objects.update(failures_in_row=9)
    fire_now(an_alert(host, channel))
    delivery.deliver_due()
    channel.refresh_from_db()
    assert (channel.failures_in_row, channel.state) == (0, "active")


def test_deliveries_to_a_receiver_that_staff_paused_wait(host, hook, receiver):
    fire_now(an_alert(host, hook(host)))
    ReceiverPause.objects.create(receiver="127.0.0.1")
    assert delivery.deliver_due() == 0
    assert AlertDelivery.objects.get().status == "pending"
    aside.resume_receiver("127.0.0.1")
    assert delivery.deliver_due() == 1


@pytest.mark.parametrize(
    ("age", "overdue", "state"),
    [(25, 24, "dead"), (25, 2, "dead"), (23, 23, "delivered"), (25, 0.5, "delivered")],
    ids=["restored", "overdue", "of-the-day", "waited-as-told"],
)
def test_after_a_restore_what_is_older_than_a_day_is_given_up_and_the_log_says_why(
    host, hook, receiver, host_client, age, overdue, state
):
    """Reliability e39. A receiver may ask us to wait for a day; what it asked for is kept."""
    log = fire_now(an_alert(host, hook(host)))
    now = clock.now()
    AlertDelivery.objects.update(created_at=now - age * HOUR, next_at=now - overdue * HOUR)
    delivery.deliver_due()
    row = AlertDelivery.objects.get()
    log.refresh_from_db()
    assert (row.status, len(receiver.got)) == (state, int(state == "delivered"))
    assert log.delivery_status == {"dead": "failed"}.get(state, state)
    if (age, overdue) == (25, 24):
        assert b"Older than 24 hours" in host_client.get(f"/alerts/log/{log.pk}/").content
        assert services.resend(row)
        assert delivery.deliver_due() == 1


def test_what_waited_for_a_receiver_longer_than_a_day_is_not_sent_once_it_is_resumed(host, hook, receiver):
    old, new = (
        fire_now(an_alert(host, hook(host, kind), kind=kind)) for kind in ("utilization_drop", "pricing_change")
    )
    aside.pause_receiver("127.0.0.1", until=None)
    assert delivery.deliver_due() == 0
    AlertDelivery.objects.filter(log=old).update(created_at=clock.now() - 25 * HOUR)
    assert aside.resume_receiver("127.0.0.1")
    assert delivery.deliver_due() == 1
    for log, state in ((old, "failed"), (new, "delivered")):
        log.refresh_from_db()
        assert log.delivery_status == state


def test_a_test_is_tried_once_even_at_a_paused_channel(host, hook, receiver):
    channel = hook(host)
    Channel.objects.update(state="paused")
    receiver.status = 500
    row = a_test(channel)
    assert delivery.deliver_due() == 1
    row.refresh_from_db()
    channel.refresh_from_db()
    assert (row.status, row.last_error, channel.failures_in_row) == ("dead", "Answered 500", 0)
    assert (channel.last_error, channel.last_failure_at is not None) == ("Answered 500", True)
    assert receiver.got[0][1]["type"] == "alert.test"


def test_a_discord_channel_gets_one_message_at_a_time_and_all_wait_as_it_asks(host, hook, receiver):
    channel = hook(host, "api/webhooks/123456/abc-DEF", "discord")
    AlertDelivery.objects.bulk_create(
        [
            AlertDelivery(
                user=host, channel=channel, next_at=clock.now(), created_at=clock.now(), payload={"title": str(n)}
            )
            for n in range(3)
        ]
    )
    assert [parcel.payload["title"] for parcel in claiming.claim().parcels] == ["0"]
    assert claiming.claim().rows == []  # the first is under way
    AlertDelivery.objects.update(lease=None, lease_until=None)
    receiver.status, receiver.extra = 429, {"retry-after": "60"}
    assert delivery.deliver_due() == 1
    assert AlertDelivery.objects.filter(next_at__gt=clock.now() + timedelta(seconds=50)).count() == 3
    receiver.status = 204
    make_due()
    delivery.deliver_due()
    assert [body["embeds"][0]["title"] for _, body, _ in receiver.got] == ["0", "0", "1", "2"]


def test_deleting_the_user_meanwhile_breaks_nothing(host, hook, receiver):
    from alerts.delivery.recording import Sent, record

    fire_now(an_alert(host, hook(host)))
    taken = claiming.claim()
    host.delete()
    record([Sent(taken.rows[0], Outcome("delivered", 200), 0.1)], lease=taken.lease)
    assert DeliveryAttempt.objects.count() == 0


def test_an_episode_says_where_it_was_told(host, hook):
    alert = an_alert(host, hook(host))
    episode = Episode.objects.create(
        alert=alert,
        user=host,
        title="Rack 1 is idle",
        opened_at=NOON,
        last_seen_at=NOON,
        money_per_day=Decimal("7.20"),
        cause="market",
        split={"total": "-9.00", "me": "-2.00", "market": "-7.00"},
    )
    fire(alert, episode=episode)
    payload = AlertDelivery.objects.get().payload
    assert payload["text"].startswith("fell to 41 % Cause: The market. A day: ")
    assert "\N{MINUS SIGN}$7.00 the market's" in payload["text"]
    assert (payload["title"], payload["episode"]["money_per_day"]) == ("Rack 1 is idle", "7.20")
    assert payload["url"].endswith(f"/alerts/episodes/{episode.pk}/")
    assert episode.events.get().kind == "told"
    row, name = AlertDelivery.objects.get(), Channel.objects.get().name
    states = {
        "pending": (f"Queued for: {name}", "Sending"),
        "delivered": (f"Told by: {name}", "Delivered"),
        "dead": (f"Could not be told by: {name}", "Failed"),
    }
    for status, (words, standing) in states.items():
        AlertDelivery.objects.update(status=status)
        settle([(row.pk, row.log_id)])
        assert selectors.events_of(episode)[0][1].text == words
        assert AlertLog.objects.get().standing[0] == standing


def test_what_one_channel_has_and_another_waits_for_is_not_just_delivered(host, hook):
    first, second = hook(host), hook(host, "other")
    fire(an_alert(host, first, second))
    AlertDelivery.objects.filter(channel=first).update(status="delivered")
    AlertDelivery.objects.filter(channel=second).update(attempts=4, last_error="Answered 500")
    settle(AlertDelivery.objects.values_list("pk", "log_id"))
    assert AlertLog.objects.get().standing == (f"Delivered, trying {second.name} again", "warn")


def test_a_mail_goes_to_the_confirmed_address_only_as_long_as_it_is(host):
    channel = a_channel(host, "email", host.email)
    fire_now(an_alert(host, channel))
    delivery.deliver_due()
    assert [message.to for message in mail.outbox] == [[host.email]]
    host.emailaddress_set.update(verified=False)
    a_test(channel)
    delivery.deliver_due()
    assert len(mail.outbox) == 1
    assert AlertDelivery.objects.get(purpose="test").status == "dead"
