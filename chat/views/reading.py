"""The advisor's pages that only read: the list, one conversation, and the line beside its button."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import Resolver404, resolve
from django.views.decorators.http import require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.http import wants_fragment

from .. import selectors
from ..models import Conversation
from .page import conversation_context, key_of, show, show_new, side


@require_safe
def index(request: AppRequest) -> HttpResponse:
    """A new conversation beside the list; for htmx the list alone, as `?q=`, `?archived=` and `?after=` narrow it."""
    if wants_fragment(request):
        return render(request, "chat/_threads.html", side(request) | {"conversation": {"pk": _open_beside(request)}})
    return show_new(request)


def _open_beside(request: AppRequest) -> UUID | None:
    """The conversation on the page that asks for the list, to mark it there."""
    try:
        found = resolve(urlsplit(request.htmx.current_url or "").path)
    except Resolver404:
        return None
    return found.kwargs.get("pk") if found.view_name == "chat:conversation" else None


@require_safe
def conversation(request: AppRequest, pk: UUID) -> HttpResponse:
    """One conversation from its end; for htmx the messages before `?before=`."""
    found = get_object_or_404(Conversation.objects.visible_to(request.user), pk=pk)
    before = key_of(request.GET.get("before", ""))
    if before is not None and wants_fragment(request):
        thread = selectors.thread(found, before, is_demo=request.user.is_demo)
        context = {"conversation": found, "thread": thread, "is_demo": request.user.is_demo}
        return render(request, "chat/_turns.html", context)
    return show(request, found)


@require_safe
def meter(request: AppRequest, pk: UUID) -> HttpResponse:
    """The line beside the button, asked for while an answer is on its way and, with the list, when it ends."""
    found = get_object_or_404(Conversation.objects.visible_to(request.user), pk=pk)
    context = conversation_context(request, found) | {"is_asked": True}
    if wants_fragment(request):
        if context["composer"].running is None:
            is_new = found.message_count == 1 and not found.is_renamed and context["composer"].has_model
            context |= side(request, is_archived=found.is_archived)
            context["is_titled_soon"] = is_new and "again" not in request.GET  # the model names it after its answer
        return render(request, "chat/_foot.html", context)
    return render(request, "chat/meter.html", context)
