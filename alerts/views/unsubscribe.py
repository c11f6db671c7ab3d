"""The page behind the link in every alert mail; mail programs post to it in one click (RFC 8058)."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from .. import unsubscribe
from ..models import Channel


@login_not_required
@csrf_exempt  # the signed link is the proof, and a mail program has no cookie
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """Ask first, for programs open links by themselves; stop on POST."""
    channel = unsubscribe.channel_of(token)
    if channel is None:
        raise Http404
    if request.method == "POST":
        unsubscribe.stop(channel)
        channel.state = Channel.State.PAUSED
    is_stopped = channel.state != Channel.State.ACTIVE
    return render(request, "alerts/unsubscribe.html", {"channel": channel, "is_stopped": is_stopped})
