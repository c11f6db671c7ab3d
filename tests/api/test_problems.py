"""Whatever goes wrong under /api/ is told in one kind of JSON, never as a page (R-061, reliability f)."""

import json

import pytest
from django.db import OperationalError
from django.test import Client

from gpuadvisor.api.v1 import common
from tests.api.conftest import BASE
from tests.loops import run

MEDIA_TYPE = "application/problem+json"
MODELS = f"{BASE}/models"


@pytest.fixture
def calm(db):
    """A client that gets the answer where a view raises."""
    return Client(raise_request_exception=False)


def problem(response, status):
    assert (response.status_code, response["Content-Type"]) == (status, MEDIA_TYPE)
    body = json.loads(response.content)
    assert body["status"] == status
    assert body["request_id"] == response["X-Request-ID"]
    assert set(body) == {"type", "title", "status", "detail", "instance", "request_id", "errors"}
    assert b"<" not in response.content
    assert b"Traceback" not in response.content
    return body


@pytest.mark.parametrize(
    "path",
    ["/api/nothing", "/api/v1/nothing", "/api/v2/models", "/api/v1/models/", "/api/v1/market/a/b/c", "/api/v1/docs/x"],
)
def test_an_unknown_address(calm, path):
    assert problem(calm.get(path), 404)["instance"] == path


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "trace"])
@pytest.mark.parametrize("path", [MODELS, f"{BASE}/openapi.json", f"{BASE}/docs", f"{BASE}/market/rtx-4090/history"])
def test_a_method_that_is_not_answered(calm, method, path):
    response = getattr(calm, method)(path)
    problem(response, 405)
    assert "GET" in response["Allow"]


def test_a_method_in_disguise_is_what_it_is(calm):
    """f 79"""
    assert calm.get(MODELS, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 200
    problem(calm.post(MODELS, headers={"X-HTTP-Method-Override": "GET"}), 405)


def test_what_no_address_may_hold(calm):
    problem(calm.get(f"{MODELS}?q=%00"), 400)
    problem(calm.get("/api/v1/mod%00els"), 400)


def test_a_forged_host(calm):
    problem(calm.get(MODELS, headers={"Host": "evil.example"}), 400)


def test_a_write_that_another_site_sends(calm):
    problem(calm.post(MODELS, headers={"Sec-Fetch-Site": "cross-site"}), 403)


def test_a_body_too_large(calm):
    body = problem(calm.post(MODELS, b"x" * 1_100_000, content_type="application/json"), 413)
    assert body["detail"] == "At most 1 MB."


@pytest.mark.parametrize("debug", [False, True])
def test_a_fault_of_ours_names_its_request_and_nothing_else(calm, monkeypatch, settings, debug):
    settings.DEBUG = debug

    def fail(*args):
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(common, "catalog", fail)
    response = calm.get(MODELS)
    assert problem(response, 500)["detail"].startswith("The fault is ours.")
    assert b"secret" not in response.content
    assert response["Cache-Control"] == "no-store"


def test_a_database_that_is_away(calm, monkeypatch):
    """Promise 16"""

    def fail(*args, **kwargs):
        raise OperationalError("the connection is closed")

    monkeypatch.setattr("gpuadvisor.api.auth.limits.charge", fail)
    response = calm.get(MODELS)
    assert problem(response, 503)["title"] == "Service Unavailable"
    assert int(response["Retry-After"]) > 0


def at_the_door(path, **headers):
    """The first two messages that the ASGI door answers a POST with."""
    from gpuadvisor import asgi

    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"host", b"localhost"), *named]}
    run(asgi.application(scope, receive, send))
    return sent[0], sent[1]["body"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [(415, {"content_type": "application/json; charset=utf-7"}), (413, {"content_length": "99999999"})],
)
def test_the_door_refuses_in_the_same_words(status, headers):
    """Where the request does not even reach Django."""
    start, body = at_the_door(MODELS, **headers)
    assert start["status"] == status
    told = dict(start["headers"])
    assert told[b"content-type"] == MEDIA_TYPE.encode()
    found = json.loads(body)
    assert (found["status"], found["request_id"]) == (status, told[b"x-request-id"].decode())


@pytest.mark.parametrize("path", [f"{BASE}/docsfoo", f"{BASE}/docs/", f"{BASE}/docs/x"])
def test_what_only_begins_like_the_page_is_no_page(calm, path):
    response = calm.get(path)
    problem(response, 404)
    assert response["Access-Control-Allow-Origin"] == "*"


def test_a_page_still_gets_a_page(client, db):
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_the_root_leads_to_the_page_for_people(client, db):
    for path in ("/api/", "/api/v1/"):
        response = client.get(path)
        assert (response.status_code, response["Location"]) == (302, f"{BASE}/docs")
