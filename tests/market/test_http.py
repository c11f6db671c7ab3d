"""Faults e18 to e24 against a real server on a socket: each ends in time, in bounds and in one sentence."""

from __future__ import annotations

import gzip
import time
from datetime import UTC, datetime, timedelta

import pytest

from market.sources import http
from market.sources.base import Conditional, RawDocument, SourceError, load_json
from market.sources.http import fetch_document, proxy_for, retry_at
from tests.market.far_side import answer

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BODY = b'{"offers": []}'


def get(url, **kwargs):
    return fetch_document(url, title="The source", conditional=kwargs.pop("conditional", Conditional(NOW)), **kwargs)


def test_a_document_arrives_with_what_it_says_about_itself(serve, settings):
    seen = []

    def handler(request, socket):
        seen.append(request.lower())
        socket.sendall(answer(BODY, headers=['ETag: "abc"', "Last-Modified: Fri, 20 Nov 2026 11:59:00 GMT"]))

    document = get(serve(handler))
    assert (document.body, document.status, document.fetched_at) == (BODY, 200, NOW)
    assert (document.etag, document.last_modified) == ('"abc"', "Fri, 20 Nov 2026 11:59:00 GMT")
    assert f"user-agent: {settings.MARKET_USER_AGENT.lower()}" in seen[0]
    assert "if-none-match" not in seen[0]


def test_an_unchanged_document_is_not_sent_again(serve):
    """Conditional requests: the ETag of the last answer goes along, a 304 brings no body."""
    seen = []

    def handler(request, socket):
        seen.append(request.lower())
        socket.sendall(b"HTTP/1.1 304 Not Modified\r\n\r\n")

    last = Conditional(NOW, '"abc"', "Fri, 20 Nov 2026 11:59:00 GMT")
    document = get(serve(handler), conditional=last)
    assert (document.status, document.body, document.etag) == (304, b"", '"abc"')
    assert 'if-none-match: "abc"' in seen[0]
    assert "if-modified-since: fri, 20 nov 2026 11:59:00 gmt" in seen[0]


def test_a_gzipped_document_is_unpacked(serve):
    packed = gzip.compress(BODY, mtime=0)
    url = serve(lambda request, socket: socket.sendall(answer(packed, headers=["Content-Encoding: gzip"])))
    assert get(url).body == BODY


@pytest.mark.parametrize("how", ["body", "head", "silence"])
@pytest.mark.slow
def test_a_server_that_drips_is_left_after_the_total_time(serve, how):
    """Fault e19: each byte comes in time, the whole never does."""

    def handler(request, socket):
        if how == "silence":
            time.sleep(5)
        whole = answer(b"x" * 1000) if how == "body" else b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 1000
        for byte in whole:
            socket.sendall(bytes([byte]))
            time.sleep(0.05)

    started = time.monotonic()
    with pytest.raises(SourceError, match="did not finish within 1 s"):
        get(serve(handler), total_seconds=1.0)
    assert time.monotonic() - started < 2


def test_an_endless_document_is_cut_at_the_cap(serve):
    """Fault e20: a 500 MB body is not read to its end."""
    sent = []

    def handler(request, socket):
        socket.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _mb in range(500):
            socket.sendall(b"x" * 1024 * 1024)
            sent.append(1)

    with pytest.raises(SourceError, match="sent more than 4 MB"):
        get(serve(handler), max_bytes=4 * 1024 * 1024)
    assert len(sent) < 50


def test_a_document_that_announces_too_much_is_not_begun(serve):
    """Fault e21: 500 MB by their own word."""
    sent = []

    def handler(request, socket):
        socket.sendall(answer(length=500 * 1024 * 1024))
        time.sleep(0.2)
        for _mb in range(500):
            socket.sendall(b"x" * 1024 * 1024)
            sent.append(1)

    started = time.monotonic()
    with pytest.raises(SourceError, match="announces more than 64 MB"):
        get(serve(handler))
    assert time.monotonic() - started < 1
    assert len(sent) < 5


@pytest.mark.parametrize("length", ["many", "", "-5", "１２"])
def test_a_length_that_is_none_is_not_believed(serve, length):
    raw = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + BODY

    with pytest.raises(SourceError):
        get(serve(lambda request, socket: socket.sendall(raw)))


def test_a_document_of_endless_tiny_values_is_not_read_into_memory():
    """An empty object is three bytes on the wire and 72 in memory."""
    body = b'{"offers": [' + b"{}," * 2_000_001 + b"{}]}"
    with pytest.raises(SourceError, match="more than 2,000,000 values"):
        load_json(RawDocument(body, 200, NOW), "offers")


def test_a_gzip_bomb_is_cut_while_it_unpacks(serve):
    """Fault e20: 200 MB of zeros in 200 kB."""
    bomb = gzip.compress(bytes(200 * 1024 * 1024), 9, mtime=0)
    url = serve(lambda request, socket: socket.sendall(answer(bomb, headers=["Content-Encoding: gzip"])))
    with pytest.raises(SourceError, match="sent more than 4 MB"):
        get(url, max_bytes=4 * 1024 * 1024)


def test_the_cap_is_exact(serve):
    url = serve(lambda request, socket: socket.sendall(answer(b"x" * 1000)))
    assert len(get(url, max_bytes=1000).body) == 1000
    with pytest.raises(SourceError, match="more than"):
        get(url, max_bytes=999)
    assert http.MAX_BYTES == 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (answer(BODY, length=5000), "broke off its answer"),
        (answer(gzip.compress(BODY, mtime=0)[:-6], headers=["Content-Encoding: gzip"]), "only a part of its archive"),
        (answer(b"not gzip at all", headers=["Content-Encoding: gzip"]), "damaged archive"),
        (answer(BODY, headers=["Content-Encoding: br"]), "encoding that nobody asked for: br"),
        (b"\x00\x01\x02 nonsense\r\n\r\n", "broke off its answer"),
        (b"", "broke off its answer"),
        (answer(b"", status="302 Found", headers=["Location: http://127.0.0.1:1/"]), "answered 302 Found."),
        (answer(b"", status="500 Internal Server Error"), "answered 500 Internal Server Error."),
        (answer(b"", status="204 No Content"), "answered 204 No Content."),
    ],
)
def test_what_is_no_document_is_one_sentence(serve, raw, reason):
    """Faults e18 and e22: cut, damaged, redirected, refused."""
    with pytest.raises(SourceError, match=reason):
        get(serve(lambda request, socket: socket.sendall(raw)))


def test_a_port_where_nobody_listens(serve):
    with pytest.raises(SourceError, match="could not be reached"):
        get("http://127.0.0.1:1/machines")


# -- Through a proxy ---------------------------------------------------------------------------------------------------


@pytest.fixture
def no_proxy(monkeypatch):
    """The variables of the machine that runs the tests are none of theirs."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_a_source_is_asked_through_the_proxy_of_the_environment(serve, no_proxy):
    seen = []

    def handler(request, socket):
        seen.append(request)
        socket.sendall(answer(BODY))

    no_proxy.setenv("HTTP_PROXY", serve(handler).replace("http://", "http://who:se%40cret@"))
    assert get("http://source.example/machines").body == BODY
    assert seen[0].startswith("GET http://source.example/machines HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic d2hvOnNlQGNyZXQ=" in seen[0]  # who:se@cret


def test_a_proxy_that_refuses_is_one_sentence_without_its_password(serve, no_proxy):
    raw = answer(b"", status="407 Proxy Authentication Required")
    address = serve(lambda request, socket: socket.sendall(raw), "").replace("http://", "http://who:secret@")
    no_proxy.setenv("HTTPS_PROXY", address)
    with pytest.raises(SourceError, match="could not be reached through the proxy: 407") as caught:
        get("https://source.example/machines")
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_a_proxy_that_drips_is_left_after_the_total_time(serve, no_proxy):
    """Fault e19 by a longer way."""

    def handler(request, socket):
        for byte in b"HTTP/1.1 200 Connection established\r\nX: " + b"y" * 1000:
            socket.sendall(bytes([byte]))
            time.sleep(0.05)

    no_proxy.setenv("HTTPS_PROXY", serve(handler, ""))
    started = time.monotonic()
    with pytest.raises(SourceError, match="did not finish within 1 s"):
        get("https://source.example/machines", total_seconds=1.0)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "https://source.example/", ""),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https://source.example/", "http://proxy:3128"),
        ({"HTTPS_PROXY": "proxy:3128"}, "https://source.example/", "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://source.example/", ""),
        ({"ALL_PROXY": "http://proxy:3128"}, "https://source.example/", "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "source.example"}, "https://source.example/", ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example"}, "https://source.example/", ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://source.example/", ""),
        ({"HTTP_PROXY": "http://p:1"}, "http://127.0.0.1:8000/", ""),
        ({"HTTP_PROXY": "http://p:1"}, "http://localhost/", ""),
    ],
)
def test_which_proxy_an_address_is_asked_through(no_proxy, variables, url, proxy):
    for name, value in variables.items():
        no_proxy.setenv(name, value)
    assert proxy_for(url) == proxy


@pytest.mark.parametrize(
    "address",
    [
        "http://who:top#secret@proxy:3128",
        "http://who:top/secret@proxy:3128",
        "http://who:secret@[proxy:3128",
        "http://who:secret@proxy:port",
        "http://who:secret@",
        "who:top#secret@proxy:3128",
        "http://who:secrét@proxy:3128",
        "http://who:secret@pro℀xy:3128",
    ],
    ids=["hash", "slash", "bracket", "port", "no-host", "no-scheme", "accent", "not-a-host"],
)
def test_a_proxy_that_cannot_be_read_is_one_sentence_without_its_password(no_proxy, address):
    """R-034: a password may hold what an address may not; the error that tells so quotes it."""
    no_proxy.setenv("HTTPS_PROXY", address)
    with pytest.raises(SourceError, match=r"^The proxy address cannot be read\.$") as caught:
        get("https://source.example/machines")
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("key", ["sk-SECRET\n", "sk-SECRET\r\nX: y", "sk-SECRET\0", "sk-SECRÉT"], ids=ascii)
def test_a_key_that_no_header_may_hold_stands_in_no_sentence(serve, key):
    """R-034: what is written of a failed run is read by staff, and goes to the log."""
    url = serve(lambda request, socket: socket.sendall(answer(BODY)))
    with pytest.raises(SourceError, match="The source was not asked") as caught:
        get(url, headers={"Authorization": f"Bearer {key}"})
    assert "sk-" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_proxy_of_another_kind_is_one_sentence(no_proxy):
    no_proxy.setenv("ALL_PROXY", "socks5://proxy:1080")
    with pytest.raises(SourceError, match="speaks socks5, not HTTP"):
        get("https://source.example/machines")


def test_a_retry_after_is_kept(serve):
    """Fault e24."""
    raw = answer(b"slow down", status="429 Too Many Requests", headers=["Retry-After: 120"])
    with pytest.raises(SourceError) as caught:
        get(serve(lambda request, socket: socket.sendall(raw)))
    assert caught.value.retry_at == NOW + timedelta(seconds=120)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("0", timedelta(0)),
        ("99999999999999999999", timedelta(days=1)),
        ("Fri, 20 Nov 2026 12:10:00 GMT", timedelta(minutes=10)),
        ("Fri, 20 Nov 2020 12:10:00 GMT", timedelta(0)),
        ("Fri, 20 Nov 2099 12:10:00 GMT", timedelta(days=1)),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("１２０", None),
    ],
)
def test_how_long_a_retry_after_waits(header, wait):
    assert retry_at(header, NOW) == (None if wait is None else NOW + wait)


@pytest.mark.django_db
@pytest.mark.usefixtures("catalog")
def test_a_429_is_stored_and_the_source_left_alone_until_then(serve, monkeypatch):
    from market import ingest
    from market.models import SourceRun
    from market.sources import SOURCES

    raw = answer(b"", status="429 Too Many Requests", headers=["Retry-After: 1800"])
    asked = []

    def handler(request, socket):
        asked.append(1)
        socket.sendall(raw)

    monkeypatch.setattr(SOURCES["500farm_machines"], "url", serve(handler))
    assert ingest.refresh("500farm_machines").status == "failed"
    assert ingest.refresh("500farm_machines").status == "skipped"
    assert len(asked) == 1
    assert SourceRun.objects.get().retry_at is not None


@pytest.mark.django_db
@pytest.mark.usefixtures("catalog")
def test_a_source_is_asked_with_its_etag_and_an_unchanged_answer_keeps_the_rows(serve, monkeypatch):
    import json

    from gpuadvisor.core import clock
    from market import ingest
    from market.models import MarketData, SourceRun
    from market.sources import SOURCES
    from tests.market.documents import machine, machines

    body = json.dumps(machines(machine(), at=clock.now())).encode()

    def handler(request, socket):
        if 'if-none-match: "v1"' in request.lower():
            socket.sendall(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        else:
            socket.sendall(answer(body, headers=['ETag: "v1"']))

    monkeypatch.setattr(SOURCES["500farm_machines"], "url", serve(handler))
    statuses = [ingest.refresh("500farm_machines").status for _n in range(3)]
    assert statuses == ["ok", "unchanged", "unchanged"]
    assert MarketData.objects.count() == 3  # the country, its continent, global
    assert [run.status for run in SourceRun.objects.order_by("started_at")] == statuses
