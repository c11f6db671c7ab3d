"""One server for pages and streams: streams on ASGI, everything else on a few long-lived WSGI threads.

The body is read before a thread is taken: half-sent bodies would stop all pages, and a cut one would reach the view as
a whole form. Chunked bodies get their length here. A file of daily results goes to the disk meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from tempfile import TemporaryFile
from typing import Any, BinaryIO

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
OPENING = 8  # streams that may begin at once: each takes a thread and a connection until it has begun
BODY_SECONDS = 30
UPLOAD_PATH = "/portfolios/imports/new/"  # of portfolios:metric-import
UPLOAD_OVERHEAD = 1024 * 1024  # of the form around the file
SLOWEST = 64 * 1024  # bytes a second, over the whole of an upload; it may pause for BODY_SECONDS
MOST_UPLOADS = 8  # at once: what they may take of the disk before anybody knows who sends them
BLOCK = 256 * 1024
CHARSET = re.compile(rb"charset\s*=\s*[\"']?(utf-?8|us-ascii)[\"']?\s*(;|$)")
pages = WSGIMiddleware(wsgi_application, workers=settings.PAGE_THREADS)  # type: ignore[arg-type]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Send each request to where it is served."""
    if scope["type"] != "http":
        return
    if not _is_utf8(scope["headers"]):
        await _refuse(scope, send, 415, "Send UTF-8.")
    elif scope["path"].startswith(STREAM_PATHS):
        await _stream(scope, receive, send)
    else:
        await _page(scope, receive, send)


def _is_utf8(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Django decodes the query and the form by the charset that the request names, before any code of ours runs, and
    Python knows charsets such as `hex` and `unicode_escape`."""
    types = [value.lower() for name, value in headers if name == b"content-type"]
    return all(value.count(b"charset") == len(CHARSET.findall(value)) for value in types)


async def _stream(scope: Scope, receive: Receive, send: Send) -> None:
    """After a restart every open page asks for its stream again in the same second."""
    await _opening.acquire()
    is_opening = True

    def began() -> None:
        nonlocal is_opening
        if is_opening:
            is_opening = False
            _opening.release()

    async def tell(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            began()
        await send(message)

    try:
        await streams(scope, receive, tell)  # type: ignore[arg-type]
    finally:
        began()


_opening = asyncio.Semaphore(OPENING)


async def _page(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name]  # X_Forwarded_For is no header
    names = dict(headers)
    body = b""
    if scope["path"] == UPLOAD_PATH and scope["method"] == "POST" and _has_session(names):
        await _upload(scope, receive, send, headers)
        return
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


def _has_session(names: dict[bytes, bytes]) -> bool:
    """Whether the sender says to be signed in; who does not may send no more than anywhere else."""
    return settings.SESSION_COOKIE_NAME.encode() in names.get(b"cookie", b"")


async def _upload(scope: Scope, receive: Receive, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    """A page with a large body, which lies in a file without a name before a thread is taken."""
    global _uploads
    most = settings.MAX_IMPORT_BYTES + UPLOAD_OVERHEAD
    too_much = f"At most {settings.MAX_IMPORT_BYTES // 2**20} MB."
    if int(dict(headers).get(b"content-length", b"0")) > most:
        await _refuse(scope, send, 413, too_much)
        return
    if _uploads >= MOST_UPLOADS:
        await _refuse(scope, send, 503, "Other files are coming in: try again in a minute.")
        return
    _uploads += 1
    try:
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=settings.DATA_DIR) as file:
            try:
                size = await _spool(receive, file, most)
            except TimeoutError:
                await _refuse(scope, send, 408, "The request took too long to arrive.")
                return
            except OSError:
                await _refuse(scope, send, 503, "There is no room for the file at the moment.")
                return
            if size is None:
                return
            if size > most:
                await _refuse(scope, send, 413, too_much)
                return
            file.seek(0)
            headers = [pair for pair in headers if pair[0] not in (b"content-length", b"transfer-encoding")]
            headers.append((b"content-length", b"%d" % size))
            left = size

            async def replay() -> dict[str, Any]:
                nonlocal left
                block = await asyncio.to_thread(file.read, BLOCK)
                left -= len(block)
                return {"type": "http.request", "body": block, "more_body": left > 0 and bool(block)}

            await pages({**scope, "headers": headers}, replay, send)  # type: ignore[arg-type]
    finally:
        _uploads -= 1


_uploads = 0


async def _spool(receive: Receive, file: BinaryIO, most: int) -> int | None:
    """Write the body into `file`; its size, more than `most` where it is too large; None where the client left.

    Raises: TimeoutError where it pauses for too long, or is too slow as a whole; OSError.
    """
    size, more, began = 0, True, time.monotonic()
    while more and size <= most:
        left = began + BODY_SECONDS + size / SLOWEST - time.monotonic()
        async with asyncio.timeout(max(0, min(BODY_SECONDS, left))):
            message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body = message.get("body", b"")
        size += len(body)
        if body:
            await asyncio.to_thread(file.write, body)
        more = message.get("more_body", False)
    return size


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
