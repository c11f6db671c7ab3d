"""One server for pages and streams: streams on ASGI, everything else on a few long-lived WSGI threads.

The body is read before a thread is taken: half-sent bodies would stop all pages, and a cut one would reach the view as
a whole form. Chunked bodies get their length here.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from a2wsgi import WSGIMiddleware
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gpuadvisor.settings.dev")
streams = get_asgi_application()

from django.conf import settings  # noqa: E402 (after setup)

from .api import problems  # noqa: E402
from .core.ids import uuid7  # noqa: E402
from .wsgi import application as wsgi_application  # noqa: E402

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

STREAM_PATHS = ("/chat/stream/", "/files/")
BODY_SECONDS = 30
CHARSET = re.compile(rb"charset\s*=\s*[\"']?(utf-?8|us-ascii)[\"']?\s*(;|$)")
pages = WSGIMiddleware(wsgi_application, workers=settings.PAGE_THREADS)  # type: ignore[arg-type]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Send each request to where it is served."""
    if scope["type"] != "http":
        return
    if not _is_utf8(scope["headers"]):
        await _refuse(scope, send, 415, "Send UTF-8.")
    elif scope["path"].startswith(STREAM_PATHS):
        await streams(scope, receive, send)  # type: ignore[arg-type]
    else:
        await _page(scope, receive, send)


def _is_utf8(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Django decodes the query and the form by the charset that the request names, before any code of ours runs, and
    Python knows charsets such as `hex` and `unicode_escape`."""
    types = [value.lower() for name, value in headers if name == b"content-type"]
    return all(value.count(b"charset") == len(CHARSET.findall(value)) for value in types)


async def _page(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name]  # X_Forwarded_For is no header
    names = dict(headers)
    body = b""
    if names.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in names:
        if int(names.get(b"content-length", b"0")) > settings.MAX_BODY_BYTES:
            await _refuse(scope, send, 413, f"At most {settings.MAX_BODY_BYTES // 2**20} MB.")
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                whole = await _read(receive)
        except TimeoutError:
            await _refuse(scope, send, 408, "The request took too long to arrive.")
            return
        if whole is None:
            return
        if len(whole) > settings.MAX_BODY_BYTES:
            await _refuse(scope, send, 413, f"At most {settings.MAX_BODY_BYTES // 2**20} MB.")
            return
        body = whole
        headers = [pair for pair in headers if pair[0] not in (b"content-length", b"transfer-encoding")]
        headers.append((b"content-length", b"%d" % len(body)))

    async def replay() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    await pages({**scope, "headers": headers}, replay, send)  # type: ignore[arg-type]


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or one byte chunk too many of it; None where the client left."""
    parts: list[bytes] = []
    size, more = 0, True
    while more and size <= settings.MAX_BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
    return b"".join(parts)


async def _refuse(scope: Scope, send: Send, status: int, text: str) -> None:
    """One line of text; to a program what it gets for every error."""
    request_id, is_program = uuid7().hex, scope["path"].startswith("/api/")
    problem = problems.body_of(status, path=scope["path"], request_id=request_id, detail=text)
    headers = [
        (b"content-type", problems.MEDIA_TYPE.encode() if is_program else b"text/plain; charset=utf-8"),
        (b"connection", b"close"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        (b"x-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": problem if is_program else text.encode()})
