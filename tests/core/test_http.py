"""Pages, parts and redirects, with htmx and without; the ASGI door."""

import asyncio

import pytest
from django.test import RequestFactory
from django.urls import reverse
from django_htmx.middleware import HtmxDetails

from gpuadvisor.core import http


def ask(**headers):
    request = RequestFactory().get("/", headers=headers)
    request.htmx = HtmxDetails(request)
    return request


@pytest.mark.parametrize(
    ("headers", "fragment"),
    [
        ({}, False),
        ({"HX-Request": "true"}, True),
        ({"HX-Request": "true", "HX-Boosted": "true"}, False),
        ({"HX-Request": "true", "HX-History-Restore-Request": "true"}, False),
    ],
)
def test_only_a_plain_htmx_request_gets_a_part(headers, fragment):
    assert http.wants_fragment(ask(**headers)) is fragment


def test_go_to_redirects_and_tells_htmx_to():
    plain = http.go_to(ask(), "core:offline")
    htmx = http.go_to(ask(**{"HX-Request": "true"}), "core:offline")
    assert (plain.status_code, plain["Location"]) == (302, reverse("core:offline"))
    assert (htmx.status_code, htmx["HX-Redirect"]) == (200, reverse("core:offline"))


def test_nul_in_the_address_is_a_bad_request(client):
    assert client.get("/offline/?q=%00").status_code == 400
    assert client.get("/off%00line/").status_code == 400


def test_a_form_sent_by_another_site_is_refused(client):
    assert client.post("/accounts/login/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_answers_carry_the_policy(client):
    response = client.get(reverse("core:offline"))
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert "publickey-credentials-get=(self)" in response["Permissions-Policy"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Request-ID"]


def test_a_signed_in_page_is_kept_by_no_shared_cache(host_client):
    assert host_client.get(reverse("core:offline"))["Cache-Control"] == "private, no-store"


def call_asgi(messages, **headers):
    """Send `messages` to the ASGI door as a POST to the sign-in page; the answer's status."""
    from gpuadvisor import asgi

    sent, queue = [], list(messages)

    async def receive():
        if queue:
            return queue.pop(0)
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/accounts/login/",
        "raw_path": b"/accounts/login/",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost"), *((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())],
    }
    asyncio.run(asgi.application(scope, receive, send))
    return sent[0]["status"] if sent else None


def test_a_body_that_never_arrives_takes_no_page_thread(monkeypatch):
    monkeypatch.setattr("gpuadvisor.asgi.BODY_SECONDS", 0.05)
    half = {"type": "http.request", "body": b"half", "more_body": True}
    assert call_asgi([half], content_length="60") == 408


def test_a_body_too_large_is_refused_by_its_length_and_by_its_bytes(settings):
    settings.MAX_BODY_BYTES = 10
    assert call_asgi([], content_length="11") == 413
    chunk = {"type": "http.request", "body": b"x" * 11, "more_body": False}
    assert call_asgi([chunk], transfer_encoding="chunked") == 413


def test_a_client_that_leaves_gets_no_page():
    assert call_asgi([{"type": "http.disconnect"}], content_length="60") is None
