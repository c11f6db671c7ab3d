"""Fetch one document with every patience limited: seconds in total, bytes after decompression.

httpx's own timeouts count per read, so a server that drips a byte a second would hold us for hours; and its decoder
unpacks without a limit. Here the socket itself knows the deadline, and decompression stops at the cap. The proxy of the
environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY) is used, since a server is often allowed out by no other way.
"""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import httpcore
import httpx
from django.conf import settings

from gpuadvisor.core.deadline import DeadlineBackend

from .base import Conditional, RawDocument, SourceError

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 30.0
MAX_BYTES = 64 * 1024 * 1024
MAX_RETRY_AFTER = timedelta(days=1)


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        if close := getattr(self._stream, "close", None):
            close()


@contextmanager
def _proxy_unsaid() -> Iterator[None]:
    """What is wrong with a proxy's address in a sentence of ours: the libraries' own would quote its password."""
    try:
        yield
    except (ValueError, TypeError):
        raise SourceError("The proxy address cannot be read.") from None


@_proxy_unsaid()
def proxy_for(url: str) -> str:
    """The proxy that the environment names for `url`; empty where it is asked directly, as this machine itself always.

    Raises: SourceError where it is none that speaks HTTP, or cannot be read.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host == "localhost" or host.startswith("127.") or host == "::1" or proxy_bypass(host):
        return ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy and urlsplit(proxy).scheme not in ("http", "https"):
        raise SourceError(f"The proxy of the environment speaks {urlsplit(proxy).scheme}, not HTTP.")
    return proxy


@_proxy_unsaid()
def _pool(proxy: str, deadline: float) -> httpcore.ConnectionPool:
    context, backend = ssl.create_default_context(cafile=certifi.where()), DeadlineBackend(deadline)
    if not proxy:
        return httpcore.ConnectionPool(ssl_context=context, network_backend=backend)
    parts = urlsplit(proxy)
    port = f":{parts.port}" if parts.port else ""
    if not parts.hostname:
        raise ValueError("no host")
    return httpcore.HTTPProxy(
        f"{parts.scheme}://{parts.hostname}{port}/",
        proxy_auth=(unquote(parts.username), unquote(parts.password or "")) if parts.username else None,
        ssl_context=context,
        network_backend=backend,
    )


class DeadlineTransport(httpx.BaseTransport):
    """httpx over one pool whose connections all end by `deadline` (time.monotonic)."""

    def __init__(self, deadline: float, proxy: str = "") -> None:
        self._pool = _pool(proxy, deadline)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(cast("Iterable[bytes]", answer.stream)),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


@contextmanager
def _told_plainly(title: str, seconds: float) -> Iterator[None]:
    """Every way in which a connection fails, as one sentence."""
    try:
        yield
    except (httpcore.ConnectTimeout, httpx.ConnectTimeout):
        raise SourceError(f"{title} did not accept a connection within {CONNECT_SECONDS:.0f} s.") from None
    except (httpcore.TimeoutException, httpx.TimeoutException):
        raise SourceError(f"{title} did not finish within {seconds:.0f} s.") from None
    except httpcore.ProxyError as error:
        raise SourceError(f"{title} could not be reached through the proxy: {str(error)[:160]}.") from None
    except (httpcore.NetworkError, httpx.NetworkError) as error:
        raise SourceError(f"{title} could not be reached: {str(error)[:160] or type(error).__name__}.") from None
    except (httpcore.LocalProtocolError, httpx.LocalProtocolError, UnicodeEncodeError):
        # Before the others of its kind: its own words quote the header, which may hold a key.
        raise SourceError(f"{title} was not asked: a key or another header holds what HTTP does not allow.") from None
    except (httpcore.ProtocolError, httpx.ProtocolError, httpx.InvalidURL) as error:
        raise SourceError(f"{title} broke off its answer: {str(error)[:160]}.") from None


def fetch_document(
    url: str,
    *,
    title: str,
    conditional: Conditional,
    method: str = "GET",
    payload: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    total_seconds: float = TOTAL_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> RawDocument:
    """The document at `url`, decompressed, or a 304 without a body.

    Raises: SourceError for anything but 200 and 304, for more than `total_seconds` or `max_bytes`; with a Retry-After.
    """
    sent = {"User-Agent": settings.MARKET_USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
    sent |= dict(headers or {})
    if conditional.etag:
        sent["If-None-Match"] = conditional.etag
    if conditional.last_modified:
        sent["If-Modified-Since"] = conditional.last_modified
    transport = DeadlineTransport(time.monotonic() + total_seconds, proxy_for(url))
    timeout = httpx.Timeout(total_seconds, connect=min(CONNECT_SECONDS, total_seconds))
    with (
        _told_plainly(title, total_seconds),
        httpx.Client(transport=transport, timeout=timeout) as client,
        client.stream(method, url, headers=sent, json=payload) as response,
    ):
        etag = response.headers.get("etag", "")[:200]
        last_modified = response.headers.get("last-modified", "")[:60]
        if response.status_code == 304:
            return RawDocument(b"", 304, conditional.now, etag or conditional.etag, last_modified)
        if response.status_code != 200:
            raise SourceError(
                f"{title} answered {response.status_code} {response.reason_phrase}".strip() + ".",
                retry_at=retry_at(response.headers.get("retry-after", ""), conditional.now),
                status=response.status_code,  # adapters tell a refused key from a failing server by it
            )
        body = _read(response, title, max_bytes)
    return RawDocument(body, 200, conditional.now, etag, last_modified)


def _read(response: httpx.Response, title: str, max_bytes: int) -> bytes:
    """The whole body, unpacked; never more than `max_bytes` in memory, and not begun where it says that it is more."""
    announced = response.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > max_bytes:
        raise SourceError(f"{title} announces more than {max_bytes // 1024**2} MB.")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise SourceError(f"{title} sent an encoding that nobody asked for: {encoding[:40]}.")
    unpack = zlib.decompressobj(wbits=47) if encoding not in ("identity", "") else None
    body = bytearray()
    try:
        for chunk in response.iter_raw(64 * 1024):
            body += unpack.decompress(chunk, max_bytes + 1 - len(body)) if unpack else chunk
            if len(body) > max_bytes:
                raise SourceError(f"{title} sent more than {max_bytes // 1024**2} MB.")
    except zlib.error:
        raise SourceError(f"{title} sent a damaged archive.") from None
    if unpack and not unpack.eof:
        raise SourceError(f"{title} sent only a part of its archive.")
    return bytes(body)


def retry_at(header: str, now: datetime) -> datetime | None:
    """When a Retry-After (seconds or a date) allows the next try, a day ahead at most; None where there is none."""
    header = header.strip()
    if header.isascii() and header.isdigit():
        return now + min(timedelta(seconds=int(header[:9])), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment, now), now + MAX_RETRY_AFTER)
