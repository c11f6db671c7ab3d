"""Pages, parts and redirects, with htmx and without; the ASGI door."""

import asyncio
import time
import tracemalloc

import pytest
from django.test import RequestFactory
from django.urls import reverse
from django_htmx.middleware import HtmxDetails

from gpuadvisor import asgi
from gpuadvisor.core import http
from tests.loops import run


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


def call_asgi(messages, *, path="/accounts/login/", **headers):
    """Send `messages` to the ASGI door as a POST, to the sign-in page if nothing is said; the answer's status."""
    sent, queue = [], list(messages)

    async def receive():
        if queue:
            return queue.pop(0)() if callable(queue[0]) else queue.pop(0)
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost"), *((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())],
    }
    run(asgi.application(scope, receive, send))
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


UPLOAD = "/portfolios/imports/new/"
SESSION = {"cookie": "__Host-sessionid=anything"}


def test_the_path_of_uploads_is_that_of_the_page():
    assert asgi.UPLOAD_PATH == reverse("portfolios:metric-import") == UPLOAD


def test_only_an_upload_of_somebody_signed_in_may_be_large(settings):
    settings.MAX_BODY_BYTES, settings.MAX_IMPORT_BYTES = 10, 20
    chunk = {"type": "http.request", "body": b"x" * 11, "more_body": False}
    assert call_asgi([chunk], content_length="11", path=UPLOAD) == 413
    assert call_asgi([chunk], content_length="11", **SESSION) == 413
    assert call_asgi([], content_length=str(21 + asgi.UPLOAD_OVERHEAD), path=UPLOAD, **SESSION) == 413
    chunk = {"type": "http.request", "body": b"x" * (21 + asgi.UPLOAD_OVERHEAD), "more_body": False}
    assert call_asgi([chunk], transfer_encoding="chunked", path=UPLOAD, **SESSION) == 413


def test_an_upload_that_pauses_or_creeps_is_ended(monkeypatch):
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.1)
    half = {"type": "http.request", "body": b"half", "more_body": True}
    assert call_asgi([half], content_length="60", path=UPLOAD, **SESSION) == 408

    def late():
        time.sleep(0.03)
        return half

    assert call_asgi([late] * 50, content_length="600", path=UPLOAD, **SESSION) == 408


def test_few_uploads_come_in_at_once(monkeypatch):
    monkeypatch.setattr(asgi, "_uploads", asgi.MOST_UPLOADS)
    assert call_asgi([], content_length="60", path=UPLOAD, **SESSION) == 503


def test_an_upload_is_spooled_to_the_disk_and_handed_on_whole_in_little_memory(settings, tmp_path, monkeypatch):
    """A page gets 40 MB block by block; the file that held them has no name and is gone."""
    settings.DATA_DIR = tmp_path
    got = []

    async def page(scope, receive, send):
        length = int(dict(scope["headers"])[b"content-length"])
        while True:
            message = await receive()
            got.append(len(message["body"]))
            if not message["more_body"]:
                break
        assert sum(got) == length
        await send({"type": "http.response.start", "status": 200, "headers": []})

    monkeypatch.setattr(asgi, "pages", page)
    block = {"type": "http.request", "body": b"x" * 65_536, "more_body": True}
    tracemalloc.start()
    try:
        assert (
            call_asgi(
                [block] * 640 + [block | {"more_body": False}], path=UPLOAD, transfer_encoding="chunked", **SESSION
            )
            == 200
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(got) == 641 * 65_536
    assert max(got) <= asgi.BLOCK
    assert peak < 8_000_000
    assert list(tmp_path.iterdir()) == []
    assert asgi._uploads == 0


def test_a_client_that_leaves_gets_no_page():
    assert call_asgi([{"type": "http.disconnect"}], content_length="60") is None
