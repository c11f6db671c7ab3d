"""One answer as server-sent events: `frame` while it is written, `final` with the whole message, `done`.

Served by ASGI (gpuadvisor/asgi.py). A stream holds no database connection; what it needs of the database it asks in one
of a few threads. Its first frame replaces what an earlier connection drew, so a reload or a second tab joins anywhere.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.db import connections
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET

from gpuadvisor.accounts.models import User
from gpuadvisor.accounts.zones import zone_of

from . import selectors
from .hub import in_thread
from .live import News, follow
from .markdown import render, render_part, split_stable
from .models import Answer

LONGEST = 120.0  # seconds; the browser comes back, and an answer takes 90
RETRY_MS = 1500  # when a browser comes back to a stream that broke
COMMIT = (0.1, 0.3, 0.6, 1.0)  # seconds to wait for a row that Redis was quicker than


@dataclass(frozen=True)
class _Watcher:
    user: User
    answer_pk: UUID
    is_running: bool
    csrf_token: str


@login_not_required  # an EventSource would take the page to sign in for a broken stream, and ask for it without end
@require_GET
async def stream(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    """The stream of the answer `pk`; 404 where this user has none; without a session one message that says so."""
    watcher = await sync_to_async(_watcher)(request, pk)
    if watcher is None:
        ended = render_to_string("chat/_session_ended.html", {"pk": pk, "next": _page_of(request)}, request=request)
        return _response(_told(event("final", ended)))
    return _response(_whole(watcher))


def _response(parts: AsyncIterator[str]) -> StreamingHttpResponse:
    headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(parts, content_type="text/event-stream", headers=headers)


def _watcher(request: HttpRequest, pk: UUID) -> _Watcher | None:
    """Who watches which answer; None without a session. Gives the connection back, which a stream would hold."""
    try:
        user = request.user
        if not user.is_authenticated:
            return None
        answer = Answer.objects.visible_to(user).filter(pk=pk).first()
        if answer is None:
            raise Http404
        return _Watcher(user, pk, answer.is_running, get_token(request))
    finally:
        if not connections["default"].in_atomic_block:  # else a test's
            connections.close_all()


def _page_of(request: HttpRequest) -> str:
    """The path of the page that opened the stream, to come back to after signing in; "" where it is not ours."""
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}):
        return ""
    return urlsplit(page).path


async def _told(*parts: str) -> AsyncIterator[str]:
    for part in (*parts, event("done", "")):
        yield part


async def _whole(watcher: _Watcher) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    if watcher.is_running:
        drawn, until = _Drawn(watcher), time.monotonic() + LONGEST
        async with aclosing(follow(watcher.answer_pk)) as all_news:
            async for news in all_news:
                if news is not None and news.is_ended:
                    break
                if time.monotonic() > until:
                    return
                yield ": waiting\n\n" if news is None else drawn.frame(news)
            else:
                return  # too many watch it
    for pause in (*COMMIT, None):
        if final := await in_thread(_final, watcher):
            yield event("final", final)
            yield event("done", "")
        elif pause is not None:
            await asyncio.sleep(pause)
            continue
        return


class _Drawn:
    """What the browser has of the answer: blocks that stand, and a tail that each frame replaces."""

    def __init__(self, watcher: _Watcher) -> None:
        self._watcher = watcher
        self._stable: str | None = None  # None: the first frame replaces what an earlier connection drew
        self._tools: tuple[str, ...] = ()

    def frame(self, news: News) -> str:
        """The event that brings the browser to `news`."""
        stable, tail = split_stable(news.text)
        goes_on = self._stable is not None and stable.startswith(self._stable)
        new = stable[len(self._stable or "") :] if goes_on else stable
        with translation.override(self._watcher.user.language):
            part = {
                "pk": self._watcher.answer_pk,
                "how": "beforeend" if goes_on else "innerHTML",
                "blocks": render(new) if new else "",
                "draws_blocks": bool(new) or not goes_on,
                "tail": render_part(tail),
                "tools": news.tools,
                "draws_tools": not goes_on or news.tools != self._tools,
                "is_empty": not news.text.strip(),
            }
            html = render_to_string("chat/_frame.html", part)
        self._stable, self._tools = stable, news.tools
        return event("frame", html)


def _final(watcher: _Watcher) -> str:
    """The whole message as its page shows it; "" while the row says that it is not done."""
    answer = Answer.objects.visible_to(watcher.user).select_related("message").filter(pk=watcher.answer_pk).first()
    if answer is not None and answer.is_running:
        return ""
    turn = None if answer is None else selectors.turn_of(answer.message)
    language, zone = watcher.user.language, zone_of(watcher.user.timezone)
    with translation.override(language), timezone.override(zone):  # the middleware has already left
        return render_to_string("chat/_message.html", {"turn": turn, "csrf_token": watcher.csrf_token})


def event(name: str, data: str) -> str:
    """One server-sent event. A line of its data is whatever the format takes for one."""
    lines = re.split(r"\r\n|\r|\n", data)
    return "\n".join([f"event: {name}", *(f"data: {line}" for line in lines)]) + "\n\n"
