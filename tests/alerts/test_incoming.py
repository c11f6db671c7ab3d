"""Events that Vast.ai reports: signed, once, onto the episode they may explain (issue part 4, "Incoming")."""

import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.urls import reverse

from alerts import tasks_incoming
from alerts.incoming import inboxes, matching, receiving
from alerts.models import HostEvent, Inbox, Watch
from gpuadvisor.core import clock, logs
from tests.factories import EpisodeFactory, GPUConfigurationFactory, PerformanceMetricFactory, UserFactory

SECRET = "vast-secret-0123456789"
PAGE = "/alerts/incoming/"
OFFLINE = {
    "event_id": "7e9a2c4e6f9e4a24a53b77c2d8e3f0aa",
    "user_id": 123,
    "notif_type": "machine_offline",
    "subject": "Your machine is offline",
    "message": "Machine 41207 stopped responding.",
    "data": {"machine_id": 41207},
    "data_truncated": False,
}


@pytest.fixture
def inbox(host):
    inboxes.switch_on(host)
    return inboxes.set_secret(host, SECRET)


def path_of(inbox):
    return "/" + inboxes.address_of(inbox).split("/", 3)[3]


def post(inbox, event=OFFLINE, *, secret=SECRET, at=None, body=None, client=None, path=None, **headers):
    """As Vast.ai posts, with a real signature."""
    if body is None:
        body = json.dumps({"timestamp": time.time(), **event}).encode()
    second = str(int(time.time()) if at is None else at)
    signature = hmac.new(secret.encode(), second.encode() + b"." + body, hashlib.sha256).hexdigest()
    named = {"X-Vast-Timestamp": second, "X-Vast-Signature-256": f"sha256={signature}", **headers}
    client = client or Client(enforce_csrf_checks=True)
    return client.post(path or path_of(inbox), body, content_type="application/json", headers=named)


def open_episode(host, mapping, **kwargs):
    gpu = GPUConfigurationFactory(portfolio__user=host, platform_mappings=mapping)
    episode = EpisodeFactory(alert__user=host, **kwargs)
    moment = clock.now()
    Watch.objects.create(alert=episode.alert, episode=episode, subject=str(gpu.pk), true_since=moment, seen_at=moment)
    return episode, gpu


def told(episode):
    return [one.text for one in episode.events.filter(kind="event")]


def test_a_signed_event_is_kept_once_and_seen_on_the_page(inbox, host_client, host):
    answers = [post(inbox), post(inbox), post(inbox, OFFLINE | {"event_id": "other"})]
    assert [one.status_code for one in answers] == [204, 204, 204]
    assert "Set-Cookie" not in answers[0]
    first = HostEvent.objects.get(event_id=OFFLINE["event_id"])
    assert (first.user, first.kind, first.machine, first.platform) == (host, "machine_offline", "41207", "vast")
    assert HostEvent.objects.count() == 2
    page = host_client.get(PAGE).content.decode()
    assert page.count("Machine is offline (machine 41207)") == 2
    assert inboxes.address_of(inbox) in page
    assert SECRET not in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "another-secret"},
        {"secret": ""},
        {"at": int(time.time()) - 301},
        {"at": int(time.time()) + 600},
        {"X-Vast-Timestamp": ""},
        {"X-Vast-Timestamp": "9" * 400},
        {"X-Vast-Timestamp": "-1"},
        {"X-Vast-Timestamp": "٣"},
        {"X-Vast-Signature-256": ""},
        {"X-Vast-Signature-256": "sha256=ÿ"},
    ],
    ids=["secret", "empty secret", "old", "to come", "no time", "huge", "minus", "digits", "no signature", "bytes"],
)
def test_what_is_not_signed_is_refused_in_the_same_words(inbox, host_client, wrong):
    """Threat model: a forged and a replayed event; nothing says which."""
    if "X-Vast-Timestamp" in wrong:
        wrong["X-Vast-Timestamp"] = wrong["X-Vast-Timestamp"].encode().decode("latin1")
    refused = post(inbox, **wrong)
    assert (refused.status_code, refused.content) == (401, b"Not signed as it should be.")
    assert not HostEvent.objects.exists()
    assert "not signed with the secret kept here" in host_client.get(PAGE).content.decode()


@pytest.mark.parametrize("formatter", [logs.ReadableFormatter, logs.JsonFormatter])
def test_no_log_line_holds_the_end_of_an_address(inbox, caplog, formatter):
    """Whoever has it could fill the account's day; a refused post and a wrong method are warnings."""
    assert [post(inbox, secret="other").status_code, Client().get(path_of(inbox)).status_code] == [401, 405]
    lines = [formatter().format(one) for one in caplog.records if one.name == "django.request"]
    assert len(lines) == 2
    assert all("/alerts/in/***" in one for one in lines)
    assert not [one for one in lines if path_of(inbox).rpartition("/")[2] in one]


def test_without_a_secret_nothing_is_accepted(host, host_client):
    """Not even what is signed by nothing."""
    inbox = inboxes.switch_on(host)
    assert [post(inbox, secret=secret).status_code for secret in ("", "x", SECRET)] == [401, 401, 401]
    assert "until the signing secret is kept here" in host_client.get(PAGE).content.decode()
    assert host_client.post(PAGE, {"secret": "with space in it"}).status_code == 422
    assert host_client.post(PAGE, {"secret": SECRET}).status_code == 302
    assert post(inbox).status_code == 204
    assert SECRET.encode() not in bytes(Inbox.objects.get().secret)


def test_an_address_ends_with_renewal_switching_off_and_its_account(inbox, host, host_client):
    old = path_of(inbox)
    assert Client().get(old).status_code == 405
    host_client.post(f"{PAGE}renew/")
    inbox.refresh_from_db()
    assert [post(inbox, path=old).status_code, post(inbox).status_code] == [404, 204]
    host.is_active = False
    host.save()
    assert post(inbox).status_code == 404
    host.is_active = True
    host.save()
    host_client.force_login(host)
    host_client.post(f"{PAGE}off/")
    assert post(inbox).status_code == 404
    assert host_client.post(f"{PAGE}renew/").status_code == 422
    host_client.post(f"{PAGE}on/")
    assert inboxes.address_of(inboxes.inbox_of(host)) != inboxes.address_of(inbox)
    assert HostEvent.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"event_id": "x"',
        b"[]",
        b"null",
        b"1e999",
        b'{"event_id": 5, "notif_type": "machine_offline"}',
        b'{"event_id": "x\\u0000", "notif_type": "machine_offline"}',
        b'{"event_id": "x", "notif_type": ["machine_offline"]}',
        b'{"event_id": "x", "notif_type": "../x y"}',
        b'{"event_id": "' + b"x" * 121 + b'", "notif_type": "machine_offline"}',
        b'{"event_id": "x", "notif_type": "machine_offline", "timestamp": NaN}',
    ],
    ids=range(13),
)
def test_what_is_signed_and_no_event_is_a_bad_request(inbox, body):
    """Promise 28."""
    assert post(inbox, body=body).status_code == 400
    assert not HostEvent.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": 10**300, "data": {"machine_id": 10**300}},
        {"timestamp": "yesterday", "data": "text"},
        {"timestamp": True, "data": {"machine_id": True, "machine_ids": {"a": 1}}},
        {"timestamp": -1, "data": {"machine_ids": [None, [], {}, "x", -4, 1.5]}},
        {"subject": {"a": 1}, "data": {"a\x00b": "c\x00d", "e": {"f": {"g": {"h": {"i": {"j": 1}}}}}}},
        {"subject": "\x00\u202e" * 500, "data": {"x": ["y" * 9000] * 5, "n": 1e300, "big": -(2**70)}},
        {"data": {str(n): n for n in range(3000)}},
    ],
    ids=range(7),
)
def test_strange_values_are_kept_as_far_as_they_can_be(inbox, host_client, change):
    """Promise 28: NUL, huge numbers, other types, depth."""
    assert post(inbox, OFFLINE | change).status_code == 204
    event = HostEvent.objects.get()
    assert abs(event.happened_at - clock.now()) < timedelta(minutes=5)
    assert event.machine == ""
    assert len(json.dumps(event.data)) < 4_000
    assert host_client.get(PAGE).status_code == 200


def test_a_body_too_large_is_refused_unread(inbox):
    assert post(inbox, body=b"x" * (receiving.MOST_BYTES + 1)).status_code == 413


def test_an_address_takes_so_many_a_minute_and_a_day(inbox, monkeypatch):
    monkeypatch.setattr(receiving, "A_MINUTE", 3)
    answers = [post(inbox, OFFLINE | {"event_id": str(n)}) for n in range(4)]
    assert [one.status_code for one in answers] == [204, 204, 204, 429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 60
    monkeypatch.setattr(receiving, "A_MINUTE", 300)
    monkeypatch.setattr(receiving, "A_DAY", 3)
    assert post(inbox).status_code == 429
    assert HostEvent.objects.count() == 3


def test_an_event_joins_the_open_episode_of_its_machine(inbox, host, stranger, host_client):
    mine, gpu = open_episode(host, {"vast": {"machine_id": "41207"}})
    other, _gpu = open_episode(host, {"vast": {"machine_id": "5"}})
    elsewhere, _gpu = open_episode(host, {"runpod": {"machine_id": "41207"}})
    over, _gpu = open_episode(host, {"vast": {"machine_id": "41207"}}, state="resolved")
    prices, _gpu = open_episode(host, {"vast": {"machine_id": "41207"}}, alert__alert_type="pricing_change")
    theirs, _gpu = open_episode(stranger, {"vast": {"machine_id": "41207"}})
    post(inbox)
    post(inbox, OFFLINE | {"event_id": "test", "notif_type": "webhook_test", "data": None})
    post(inbox, OFFLINE | {"event_id": "bill", "notif_type": "low_credit", "data": {"balance": 1}})
    assert [tasks_incoming.match_events(str(host.pk)), tasks_incoming.match_events()] == [1, 0]
    assert told(mine) == ["Vast.ai: machine is offline (machine 41207)"]
    assert [told(one) for one in (other, elsewhere, over, prices, theirs)] == [[]] * 5
    assert HostEvent.objects.get(kind="machine_offline").gpu_configuration == gpu
    page = host_client.get(PAGE).content.decode()
    assert reverse("alerts:episode", args=[mine.pk]) in page
    assert "Test arrived" in page
    assert told(mine)[0] in host_client.get(reverse("alerts:episode", args=[mine.pk])).content.decode()


@pytest.mark.parametrize(
    ("mapping", "kind", "later", "cause"),
    [
        ({"machine_id": "41207"}, "machine_offline", 0, "machine"),
        ({"machine_id": "41207"}, "machine_error", 0, "unknown"),
        ({}, "machine_offline", 0, "unknown"),
        ({"machine_id": "41207"}, "machine_offline", 60, "unknown"),
    ],
    ids=["offline", "another event", "perhaps another machine", "long after it began"],
)
def test_a_machine_reported_offline_is_the_cause_where_none_was_known(inbox, host, mapping, kind, later, cause):
    opened = clock.now() - timedelta(minutes=later)
    episode, _gpu = open_episode(host, {"vast": mapping}, opened_at=opened, cause="unknown")
    market, _gpu = open_episode(host, {"vast": mapping}, opened_at=opened, cause="market")
    post(inbox, OFFLINE | {"notif_type": kind})
    assert matching.match() == 2
    for row in (episode, market):
        row.refresh_from_db()
    assert (episode.cause, market.cause) == (cause, "market")
    said = "The cause is your machine: Vast.ai reported it offline."
    assert told(episode)[1:] == ([said] if cause == "machine" else [])


def test_one_machine_reported_of_two_is_not_the_cause_and_no_second_episode_of_one_is_made(inbox, host):
    both, _gpu = open_episode(host, {"vast": {"machine_id": "41207"}}, cause="unknown")
    other = GPUConfigurationFactory(portfolio__user=host, platform_mappings={"vast": {"machine_id": "5"}})
    now = clock.now()
    Watch.objects.create(alert=both.alert, episode=both, subject=str(other.pk), true_since=now, seen_at=now)
    one, _gpu = open_episode(host, {"vast": {"machine_id": "41207"}}, cause="unknown")
    EpisodeFactory(alert=one.alert, cause="machine", cause_key="offline")
    post(inbox)
    matching.match()
    for row in (both, one):
        row.refresh_from_db()
    assert (both.cause, one.cause) == ("unknown", "unknown")


def test_a_gpu_without_a_number_may_be_the_machine_unless_another_has_the_number(inbox, host):
    vague, _gpu = open_episode(host, {"vast": {}})
    post(inbox)
    assert matching.match() == 1
    known, _gpu = open_episode(host, {"vast": {"machine_id": "41207"}})
    post(
        inbox, OFFLINE | {"event_id": "second", "notif_type": "host:machine_error", "data": {"machine_ids": [41207, 8]}}
    )
    assert matching.match() == 2  # both onto the known one
    assert told(known)[-1] == "Vast.ai: issue detected on the machine (machines 41207, 8)"
    assert len(told(vague)) == 1


@pytest.mark.parametrize(
    ("platform", "other", "joins"), [("vast", "5", True), ("runpod", "5", False), ("vast", "41207", False)]
)
def test_a_gpu_whose_figures_are_of_vast_may_be_the_machine_though_no_number_was_told(
    inbox, host, platform, other, joins
):
    """A field left empty in the forms is no mapping at all."""
    episode, gpu = open_episode(host, {})
    PerformanceMetricFactory(gpu_configuration=gpu, platform=platform)
    GPUConfigurationFactory(portfolio__user=host, platform_mappings={"vast": {"machine_id": other}})
    post(inbox)
    matching.match()
    assert bool(told(episode)) is joins


def test_an_event_waits_for_its_episode_and_is_forgotten_in_time(inbox, host):
    """A condition has to last before it is an episode: what came six hours before belongs to it, no more."""
    post(inbox)
    assert matching.match() == 0
    HostEvent.objects.update(happened_at=clock.now() - timedelta(hours=5))
    episode, _gpu = open_episode(host, {"vast": {"machine_id": "41207"}})
    HostEvent.objects.create(
        user=host,
        platform="vast",
        event_id="long ago",
        kind="machine_offline",
        machine="41207",
        data={"machines": ["41207"]},
        happened_at=clock.now() - timedelta(hours=7),
        received_at=clock.now() - timedelta(days=91),
    )
    assert matching.match() == 1
    assert len(told(episode)) == 1
    assert tasks_incoming.purge_events() == 1
    assert HostEvent.objects.get().event_id == OFFLINE["event_id"]


def test_one_host_never_sees_what_came_for_another(inbox, client, host):
    post(inbox)
    client.force_login(UserFactory())
    page = client.get(PAGE).content.decode()
    assert "41207" not in page
    assert inboxes.address_of(inbox) not in page


def test_the_page_asks_as_much_for_many_events_as_for_few(inbox, host_client, host, django_assert_max_num_queries):
    now = clock.now()
    for n in range(30):
        moment = now - timedelta(minutes=n)
        HostEvent.objects.create(
            user=host, platform="vast", event_id=str(n), kind="x", happened_at=moment, received_at=moment
        )
    host_client.get(PAGE)  # the first page also asks what all pages ask now and then
    with django_assert_max_num_queries(16):
        page = host_client.get(PAGE)
    assert len(page.context["events"]) == 25
    assert len(host_client.get(page.context["next_url"]).context["events"]) == 5


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_repeats_at_the_same_time_are_one_event_on_one_timeline():
    """Delivery is at least once: twenty at once are kept once, matched once."""
    caches["default"].clear()
    host = UserFactory()
    inboxes.switch_on(host)
    inbox = inboxes.set_secret(host, SECRET)
    episode, _gpu = open_episode(host, {"vast": {"machine_id": "41207"}})

    def one(_number):
        try:
            status = post(inbox).status_code
            matching.match(host.pk)
            return status
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(one, range(20))) == {204}
    assert HostEvent.objects.count() == 1
    assert len(told(episode)) == 1
    caches["default"].clear()
