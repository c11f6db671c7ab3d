"""What every page of the advisor shows: the list of conversations beside one of them, or beside a new one."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.accounts.models import AppRequest, User
from gpuadvisor.core import formats
from gpuadvisor.core.advising import Subject
from gpuadvisor.core.http import render_page

from .. import selectors, suggested
from ..forms import AskForm, RenameForm, SearchForm
from ..models import Conversation


def key_of(text: str) -> UUID | None:
    """The key that a query names; None where it is none."""
    with suppress(ValueError):
        return UUID(text)
    return None


def side(request: AppRequest, *, is_archived: bool = False) -> dict[str, Any]:
    """The list of conversations as the query narrows it, or as it was narrowed where a question was sent."""
    form = SearchForm(request.POST if request.method == "POST" else request.GET)
    words = form.cleaned_data["q"] if form.is_valid() else ""
    is_archived = is_archived or "archived" in request.GET
    page = selectors.threads(
        request.user, words=words, is_archived=is_archived, after=key_of(request.GET.get("after", ""))
    )
    kept = {name: value for name, value in (("q", words), ("archived", "1" if is_archived else "")) if value}
    more = urlencode({**kept, "after": page.next_key}) if page.next_key else ""
    return {
        "threads": page,
        "words": words,
        "is_archived": is_archived,
        "more_url": f"{reverse('chat:index')}?{more}" if more else "",
        "is_next_page": bool(request.GET.get("after")),
    }


def _suggested(user: User) -> list[tuple[str, AskForm]]:
    """Questions worth asking now, each with a form of its own."""
    return [(one.text, AskForm(user=user, auto_id=False)) for one in suggested.questions(user, 4)]


def lost_with(conversation: Conversation) -> list[str]:
    """What goes with a conversation, line by line."""
    count = conversation.message_count
    asked = ngettext("%(n)s question and its answer", "%(n)s questions and their answers", count)
    return [
        asked % {"n": formats.number(count, 0)},
        _("what the advisor remembers of it"),
        _("the sources of the figures in it"),
    ]


def show_new(
    request: AppRequest,
    form: AskForm | None = None,
    *,
    subject: Subject | None = None,
    status: int = 200,
    code: str = "",
) -> HttpResponse:
    """The page of a new conversation, about `subject` where "ask why" brought the host here."""
    state = selectors.composer(request.user)
    context = {
        **side(request),
        "form": form or AskForm(user=request.user),
        "composer": state,
        "subject": subject,
        "looked": selectors.looked_up_for(request.user, subject) if subject else None,
        "code": code,
        "suggested": [] if subject or request.user.is_demo else _suggested(request.user),
        "ask_url": request.path if subject else reverse("chat:ask"),
        "draft_key": f"{request.user.pk}:{request.path if subject else 'new'}",
        "is_demo": request.user.is_demo,
    }
    return render_page(request, "chat/index.html", context, status=status)


def show(
    request: AppRequest,
    conversation: Conversation,
    form: AskForm | None = None,
    *,
    status: int = 200,
    code: str = "",
    rename_form: RenameForm | None = None,
) -> HttpResponse:
    """One conversation from its end, or the page of messages before `?before=`."""
    before = key_of(request.GET.get("before", ""))
    context = {
        **conversation_context(request, conversation, form, code=code),
        **side(request, is_archived=conversation.is_archived),
        "thread": selectors.thread(conversation, before, is_demo=request.user.is_demo),
        "before": before,
        "lost": lost_with(conversation),
        "rename_form": rename_form or RenameForm(initial={"title": conversation.title}),
    }
    return render_page(request, "chat/conversation.html", context, status=status)


def conversation_context(
    request: AppRequest, conversation: Conversation, form: AskForm | None = None, *, code: str = ""
) -> dict[str, Any]:
    """What the box under a conversation is drawn from."""
    return {
        "conversation": conversation,
        "form": form or AskForm(user=request.user),
        "composer": selectors.composer(request.user, conversation),
        "code": code,
        "ask_url": reverse("chat:ask-in", kwargs={"pk": conversation.pk}),
        "draft_key": f"{request.user.pk}:{conversation.pk}",
        "new_key": f"{request.user.pk}:new",
        "is_demo": request.user.is_demo,
    }
