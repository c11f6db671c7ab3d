"""What hosts do to their conversations: name, pin, archive, delete, and what the advisor remembers of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page

from .. import selectors, services
from ..forms import PreferencesForm, RenameForm
from ..models import Conversation, Message
from .page import lost_with

BOTH = ["GET", "HEAD", "POST"]


def _find(request: AppRequest, pk: UUID) -> Conversation:
    return get_object_or_404(Conversation.objects.visible_to(request.user), pk=pk)


@require_http_methods(BOTH)
def rename(request: AppRequest, pk: UUID) -> HttpResponse:
    """A title of the host's own."""
    conversation = _find(request, pk)
    form = RenameForm(request.POST if request.method == "POST" else None, initial={"title": conversation.title})
    if form.is_valid():
        try:
            services.rename(conversation, form.cleaned_data["title"])
        except DomainError as error:
            form.add_error("title", error.user_message)
        else:
            return go_to(request, "chat:conversation", pk=conversation.pk, toast_text=_("Renamed."))
    status = 422 if form.errors else 200
    return render_page(request, "chat/rename.html", {"conversation": conversation, "form": form}, status=status)


@require_POST
def pin(request: AppRequest, pk: UUID) -> HttpResponse:
    """Keep it at the top of the list, or no longer: `on` is 1 or 0, so that a second click changes nothing."""
    conversation = _find(request, pk)
    is_pinned = request.POST.get("on", "1") != "0"
    services.pin(conversation, is_pinned=is_pinned)
    text = _("Pinned: it stays on top of the list.") if is_pinned else _("No longer pinned.")
    return go_to(request, "chat:conversation", pk=conversation.pk, toast_text=text)


@require_POST
def archive(request: AppRequest, pk: UUID) -> HttpResponse:
    """Out of the list; it still counts towards the plan."""
    conversation = _find(request, pk)
    services.archive(conversation)
    return go_to(request, "chat:conversation", pk=conversation.pk, toast_text=_("Archived."))


@require_POST
def restore(request: AppRequest, pk: UUID) -> HttpResponse:
    """Back into the list."""
    conversation = _find(request, pk)
    services.restore(conversation)
    return go_to(request, "chat:conversation", pk=conversation.pk, toast_text=_("Restored."))


@require_http_methods(BOTH)
def delete(request: AppRequest, pk: UUID) -> HttpResponse:
    """All of it, for good; it frees one of the plan's conversations."""
    conversation = _find(request, pk)
    if request.method == "POST":
        services.delete_conversation(conversation)
        return go_to(request, "chat:index", toast_text=_("Conversation deleted."))
    return render(request, "chat/delete.html", {"conversation": conversation, "lost": lost_with(conversation)})


@require_http_methods(BOTH)
def message_delete(request: AppRequest, pk: UUID) -> HttpResponse:
    """A question together with its answer."""
    message = get_object_or_404(
        Message.objects.visible_to(request.user).filter(role__in=selectors.SPOKEN).select_related("conversation"),
        pk=pk,
    )
    context: dict[str, Any] = {"message": message, "conversation": message.conversation}
    if request.method != "POST":
        return render(request, "chat/message_delete.html", context)
    try:
        services.delete_message(message)
    except services.StillAnswering as error:
        return render(request, "chat/message_delete.html", context | {"error": error.user_message}, status=409)
    return go_to(request, "chat:conversation", pk=message.conversation_id, toast_text=_("Deleted."))


@require_http_methods(BOTH)
def memory(request: AppRequest, pk: UUID) -> HttpResponse:
    """What the advisor remembers: the summary to read, the host's wishes to edit or take out."""
    conversation = _find(request, pk)
    kept = selectors.remembered(conversation)
    form = PreferencesForm(lines=[wish.text for wish in kept.wishes])
    if request.method == "POST":
        form = PreferencesForm(request.POST)
        if "forget" in request.POST:
            gone = request.POST["forget"]
            services.set_preferences(conversation, [wish.text for wish in kept.wishes if wish.text != gone])
            return go_to(request, "chat:memory", pk=conversation.pk, toast_text=_("Forgotten."))
        if form.is_valid():
            try:
                services.set_preferences(conversation, form.cleaned_data["lines"].splitlines())
            except DomainError as error:
                form.add_error("lines", error.user_message)
            else:
                return go_to(request, "chat:memory", pk=conversation.pk, toast_text=_("Saved."))
    context = {"conversation": conversation, "kept": kept, "form": form, "is_demo": request.user.is_demo}
    return render_page(request, "chat/memory.html", context, status=422 if form.errors else 200)
