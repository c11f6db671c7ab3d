"""Rules, episodes and the log for a host's own programs: the same rows, limits and words as on the pages (R-061)."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client

from alerts.models import Alert, DeliveryAttempt, Episode
from gpuadvisor.accounts import api_tokens
from gpuadvisor.api import contract
from gpuadvisor.core import clock
from tests.api.conftest import BASE
from tests.api.test_contract import fits
from tests.factories import (
    AlertDeliveryFactory,
    AlertFactory,
    AlertLogFactory,
    ChannelFactory,
    EpisodeFactory,
    GPUConfigurationFactory,
    GPUModelFactory,
    UserFactory,
)

RULES, EPISODES, LOG = f"{BASE}/alerts/rules", f"{BASE}/alerts/episodes", f"{BASE}/alerts/log"
NEW = {"name": "Idle", "type": "utilization_drop", "conditions": {"threshold": "60"}}


def token(user, *scopes, **more):
    return api_tokens.create_token(user=user, name=f"T{uuid4().hex[:8]}", scopes=list(scopes), **more)[1]


@pytest.fixture
def call(client, host):
    """A request with a token that may change alerts."""
    own = token(host, "alerts")

    def send(method, path, body=None, *, key=own, **headers):
        content = json.dumps(body) if isinstance(body, dict | list) else body or ""
        headers["Authorization"] = f"Bearer {key}"
        return client.generic(method, path, content, content_type="application/json", headers=headers)

    return send


def promised(path, method, response):
    """The answer has exactly the fields that the contract says."""
    schema = contract.committed()
    told = schema["paths"][path][method]["responses"][str(response.status_code)]
    fits(schema, told["content"]["application/json"]["schema"], response.json(), path)
    return response.json()


def test_a_rule_is_added_read_changed_paused_and_deleted(call, host):
    channel = ChannelFactory(user=host)
    made = call("POST", RULES, NEW | {"channels": [str(channel.pk)], "remind_hours": None})
    assert made.status_code == 201, made.content
    rule = promised("/api/v1/alerts/rules", "post", made)
    assert rule["conditions"] == Alert.objects.get().conditions
    assert (rule["words"], rule["channels"]) == (
        "Any of your GPUs: rented less than 60% for 2 hours.",
        [str(channel.pk)],
    )
    path = f"{RULES}/{rule['id']}"
    assert made["Location"] == f"http://testserver{path}"
    assert promised("/api/v1/alerts/rules/{id}", "get", call("GET", path)) == rule
    EpisodeFactory(alert=Alert.objects.get())
    changed = call("PATCH", path, {"name": "Half idle", "tell_resolved": False})
    told = promised("/api/v1/alerts/rules/{id}", "patch", changed)
    assert (told["name"], told["tell_resolved"], told["remind_hours"]) == ("Half idle", False, None)
    assert (told["conditions"], told["channels"]) == (rule["conditions"], rule["channels"])
    assert Episode.objects.get().state == "open"
    assert "ETag" not in changed
    assert call("PATCH", path, {"is_active": False}).json()["is_active"] is False
    assert Episode.objects.get().state == "resolved"
    assert call("PATCH", path, {"is_active": True, "conditions": {"threshold": 50.5}}).json()["conditions"][
        "threshold"
    ] == ("50.5")
    assert call("DELETE", path).status_code == 204
    assert call("GET", path).status_code == call("DELETE", path).status_code == 404


def test_the_plan_holds_for_programs_too(call):
    """R-032"""
    answers = [call("POST", RULES, NEW | {"name": f"Rule {n}"}) for n in range(4)]
    assert [one.status_code for one in answers] == [201, 201, 201, 422]
    assert answers[-1].json()["errors"][0]["code"] == "limit"
    assert Alert.objects.count() == 3


def test_a_post_sent_again_with_its_key_makes_one_rule(call):
    headers = {"Idempotency-Key": "mine"}
    first, again = (call("POST", RULES, NEW, **headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert again["Idempotency-Replayed"] == "true"
    assert call("POST", RULES, NEW | {"name": "Other"}, **headers).status_code == 422
    assert Alert.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "\u202ex"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": 5}, "name"),
        ({"type": "anything"}, "type"),
        ({"conditions": []}, "conditions"),
        ({"conditions": {}}, "conditions.threshold"),
        ({"conditions": {"threshold": "101"}}, "conditions.threshold"),
        ({"conditions": {"threshold": 10**400}}, "conditions.threshold"),
        ({"conditions": {"threshold": "60", "for_minutes": 10**30}}, "conditions.for_minutes"),
        ({"conditions": {"threshold": "60", "nothing": 1}}, "conditions.nothing"),
        ({"conditions": {"threshold": "60", "scope": "gpu"}}, "conditions.conditions"),
        ({"conditions": {"threshold": "60", "scope": "gpu", "scope_id": str(uuid4())}}, "conditions.scope_id"),
        ({"conditions": {"threshold": "60", "scope": "portfolio", "scope_id": str(uuid4())}}, "conditions.scope_id"),
        ({"type": "optimization_opportunity", "conditions": {"threshold": 1, "kinds": ["x"]}}, "conditions.kinds"),
        ({"type": "pricing_change", "conditions": {"gpu_model": "no-gpu", "threshold": 9}}, "conditions.gpu_model"),
        (
            {"type": "pricing_change", "conditions": {"gpu_model": "a\x00", "threshold": 9}},
            "conditions.gpu_model",
        ),
        ({"remind_hours": 0}, "remind_hours"),
        ({"remind_hours": "24"}, "remind_hours"),
        ({"tell_resolved": "yes"}, "tell_resolved"),
        ({"channels": ["x"]}, "channels.0"),
        ({"channels": [str(uuid4())]}, "channels"),
        ({"more": 1}, "more"),
    ],
    ids=range(23),
)
def test_what_is_wrong_is_named(call, change, field):
    refused = call("POST", RULES, NEW | change)
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")
    assert refused.json()["errors"][0]["field"] == field
    assert not Alert.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [("", 400), ("[]", 400), ("{", 400), ("[" * 1000, 400), ('{"name": "a", "name": "b"}', 400), ("null", 400)],
    ids=range(6),
)
def test_a_body_that_is_no_object_is_refused(call, host, body, status):
    rule, episode = AlertFactory(user=host), EpisodeFactory(alert__user=host)
    for method, path in (
        ("POST", RULES),
        ("PATCH", f"{RULES}/{rule.pk}"),
        ("POST", f"{EPISODES}/{episode.pk}/snooze"),
    ):
        assert call(method, path, body).status_code == status


def test_conditions_speak_of_ones_own_things_only(call, host, stranger):
    mine, theirs = (GPUConfigurationFactory(portfolio__user=user) for user in (host, stranger))
    channel = ChannelFactory(user=stranger)
    for gpu, status in ((theirs, 400), (mine, 201)):
        for scope, key in (("gpu", gpu.pk), ("portfolio", gpu.portfolio_id)):
            wanted = {"threshold": 60, "scope": scope, "scope_id": str(key)}
            assert call("POST", RULES, NEW | {"conditions": wanted}).status_code == status
    assert call("POST", RULES, NEW | {"channels": [str(channel.pk)]}).status_code == 400


def test_a_model_may_be_named_by_its_slug(call):
    GPUModelFactory()
    wanted = {"gpu_model": "rtx-4090", "threshold": 10}
    made = call("POST", RULES, NEW | {"type": "pricing_change", "conditions": wanted})
    assert made.json()["conditions"]["gpu_model"] == "RTX 4090"


def test_a_strangers_rows_are_as_absent_as_none(call, host, client):
    """Promise 22"""
    episode = EpisodeFactory(alert__user=host)
    AlertLogFactory(alert=episode.alert, episode=episode)
    theirs = token(UserFactory(), "alerts")
    for key in (episode.alert_id, uuid4()):
        path = f"{RULES}/{key}"
        for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
            assert call(method, path, body, key=theirs).status_code == 404
    for key in (episode.pk, uuid4(), "no-id"):
        path = f"{EPISODES}/{key}"
        until = {"until": (clock.now() + timedelta(hours=1)).isoformat()}
        for method, end, body in (("GET", "", None), ("POST", "/snooze", until), ("POST", "/act", None)):
            assert call(method, path + end, body, key=theirs).status_code == 404
    for path in (RULES, EPISODES, LOG, f"{BASE}/alerts/channels", f"{LOG}?rule={episode.alert_id}"):
        assert call("GET", path, key=theirs).json()["data"] == []
    assert Alert.objects.get().name == episode.alert.name


def test_a_token_does_what_its_scope_says(call, host, client):
    episode = EpisodeFactory(alert__user=host)
    gpu = GPUConfigurationFactory(portfolio__user=host)
    reader, other = token(host, "read", "alerts.read"), token(host, "read", "ingest")
    bound = token(host, "alerts", portfolio_ids=[gpu.portfolio_id])
    rule, one = f"{RULES}/{episode.alert_id}", f"{EPISODES}/{episode.pk}"
    reads = [("GET", path, None) for path in (RULES, rule, EPISODES, one, LOG, f"{BASE}/alerts/channels")]
    changes = [
        *(("POST", RULES, NEW), ("PATCH", rule, {"name": "x"}), ("DELETE", rule, None)),
        *(("POST", f"{one}/snooze", {"until": None}), ("POST", f"{one}/act", None)),
    ]
    for method, path, body in reads:
        assert call(method, path, body, key=reader).status_code == 200
        assert client.get(path).status_code == 401
    for method, path, body in changes:
        assert call(method, path, body, key=reader).status_code == 403
    for method, path, body in reads + changes:
        assert call(method, path, body, key=other).status_code == 403
        assert call(method, path, body, key=bound).status_code == 403


def test_an_episode_is_snoozed_woken_and_acted_on(call, host):
    episode = EpisodeFactory(
        alert__user=host,
        facts={
            "things": [{"subject": "x", "title": "rig-01", "value": "41.2", "limit": "60", "since": None}],
            "more": 2,
        },
        split={"total": "-9.00", "me": "1.50", "market": "-10.50"},
    )
    path, route = f"{EPISODES}/{episode.pk}", "/api/v1/alerts/episodes/{id}"
    told = promised(route, "get", call("GET", path))
    assert (told["state"], told["money_per_day"], told["more"]) == ("open", "4.2000", 2)
    assert told["split"] == {"total": "-9.0000", "me": "1.5000", "market": "-10.5000"}
    Episode.objects.update(split={})
    assert promised(route, "get", call("GET", path))["split"] is None
    until = (clock.now() + timedelta(hours=8)).replace(microsecond=0)
    snoozed = call("POST", f"{path}/snooze", {"until": until.isoformat()})
    told = promised(f"{route}/snooze", "post", snoozed)
    assert told["snoozed_until"] == until.strftime("%Y-%m-%dT%H:%M:%SZ")
    for wrong in ({"until": "yesterday"}, {"until": 5}, {}, {"until": "2020-01-01"}, {"until": "2099-01-01T00:00:00Z"}):
        assert call("POST", f"{path}/snooze", wrong).json()["errors"][0]["field"] == "until"
    assert call("POST", f"{path}/snooze", {"until": None}).json()["snoozed_until"] is None
    acted = [promised(f"{route}/act", "post", call("POST", f"{path}/act")) for _ in range(2)]
    assert acted[0]["acted_at"]
    assert acted[0] == acted[1]
    assert [one["kind"] for one in acted[1]["events"]] == ["snoozed", "snoozed", "acted"]


def test_lists_are_paged_filtered_and_cost_the_same_for_many_rows(call, host):
    """No page asks more queries for more rows."""
    channel = ChannelFactory(user=host)

    def fill(count):
        for n in range(count):
            alert = AlertFactory(user=host, is_active=n % 2 == 0)
            alert.channels.add(channel)
            episode = EpisodeFactory(alert=alert, state="open" if n % 2 else "resolved")
            log = AlertLogFactory(alert=alert, episode=episode, delivery_status="delivered" if n % 2 else "suppressed")
            sent = AlertDeliveryFactory(channel=channel, log=log, status="delivered")
            DeliveryAttempt.objects.create(delivery=sent, number=1, at=clock.now(), seconds="0.2", status_code=200)

    def cost(path):
        with connection.execute_wrapper(lambda run, *rest: counted.append(1) or run(*rest)):
            counted = []
            assert call("GET", path).status_code == 200
        return len(counted)

    paths = (RULES, EPISODES, LOG, f"{BASE}/alerts/channels")
    fill(2)
    cost(RULES)  # the first use of a token is noted
    few = [cost(path) for path in paths]
    fill(8)
    assert [cost(path) for path in paths] == few
    assert max(few) <= 9
    for path, query, count in (
        (RULES, "is_active=true", 5),
        (EPISODES, "state=open", 5),
        (EPISODES, f"rule={Alert.objects.first().pk}", 1),
        (LOG, "status=suppressed", 5),
        (LOG, f"episode={Episode.objects.first().pk}", 1),
        (LOG, f"rule={Alert.objects.first().pk}", 1),
    ):
        assert len(call("GET", f"{path}?{query}").json()["data"]) == count, query
    for path in (RULES, EPISODES, LOG):
        whole = promised(path, "get", call("GET", path))["data"]
        seen, url = [], f"{path}?limit=4"
        while url:
            page = call("GET", url).json()
            seen += page["data"]
            url = page["next"]
        assert seen == whole
        assert len(whole) == 10
    assert whole[0]["deliveries"][0]["attempts"][0]["status_code"] == 200
    assert b"hooks.example.com/0" not in call("GET", f"{BASE}/alerts/channels").content
    promised("/api/v1/alerts/channels", "get", call("GET", f"{BASE}/alerts/channels"))


@pytest.mark.parametrize("query", ["state=x", "rule=x", "cursor=x", "limit=0", "nothing=1", "rule=%F0%9F%9A%80"])
def test_a_bad_parameter_is_named(call, query):
    refused = call("GET", f"{EPISODES}?{query}")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == query.partition("=")[0]


def test_pages_of_other_sites_have_no_way_to_it(client, db):
    preflight = client.options(RULES, headers={"Origin": "https://other.example"})
    assert "PATCH" in preflight["Allow"]
    assert "Access-Control-Allow-Methods" not in preflight
    assert client.post(RULES, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_thirty_at_once_make_three_rules():
    """R-032: exact in parallel."""
    caches["default"].clear()
    key = token(UserFactory(), "alerts")

    def one(number):
        try:
            body = json.dumps(NEW | {"name": f"Rule {number}"})
            headers = {"Authorization": f"Bearer {key}"}
            return Client().post(RULES, body, content_type="application/json", headers=headers).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(one, range(30)))
    caches["default"].clear()
    assert (answers.count(201), answers.count(422)) == (3, 27)
    assert Alert.objects.count() == 3
