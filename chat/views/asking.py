"""Sending a question, and what can be done about its answer."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import advising
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import toast, wants_fragment

from .. import selectors, services
from ..forms import AskForm
from ..models import Answer, Conversation, Message
from .page import conversation_context, show, show_new, side

LONGEST_KEY = 200


def to_answer(request: AppRequest, answer: Answer) -> HttpResponse:
    """On to the conversation, at its answer."""
    conversation = Message.objects.values_list("conversation_id", flat=True).get(pk=answer.message_id)
    url = reverse("chat:conversation", kwargs={"pk": conversation}) + f"#answer-{answer.pk}"
    return HttpResponseClientRedirect(url) if wants_fragment(request) else HttpResponseRedirect(url)


def status_of(error: DomainError) -> int:
    """409 where another answer is on its way or the conversation is gone, else 422."""
    return 409 if isinstance(error, services.StillAnswering) or error.code == "gone" else 422


@require_POST
def ask(request: AppRequest) -> HttpResponse:
    """Begin a conversation with a question."""
    form = AskForm(request.POST, user=request.user)
    status, code = 422, ""
    if form.is_valid():
        try:
            return to_answer(
                request,
                services.ask(user=request.user, text=form.cleaned_data["text"], once=form.cleaned_data["once"]),
            )
        except DomainError as error:
            form.add_error(None, error.user_message)
            status, code = status_of(error), error.code
    return show_new(request, form, status=status, code=code)


@require_POST
def ask_in(request: AppRequest, pk: UUID) -> HttpResponse:
    """Go on with a conversation; to htmx the question, its empty answer and a fresh box."""
    conversation = get_object_or_404(Conversation.objects.visible_to(request.user), pk=pk)
    form = AskForm(request.POST, user=request.user)
    status, code = 422, ""
    if form.is_valid():
        try:
            answer = services.ask(
                user=request.user,
                text=form.cleaned_data["text"],
                conversation=conversation,
                once=form.cleaned_data["once"],
            )
        except DomainError as error:
            form.add_error(None, error.user_message)
            status, code = status_of(error), error.code
        else:
            return _sent(request, conversation, answer) if wants_fragment(request) else to_answer(request, answer)
    if wants_fragment(request):
        context = conversation_context(request, conversation, form, code=code)
        response = render(request, "chat/_composer.html", context, status=status)
        return reswap(retarget(response, "#composer"), "outerHTML")
    return show(request, conversation, form, status=status, code=code)


def _sent(request: AppRequest, conversation: Conversation, answer: Answer) -> HttpResponse:
    conversation.refresh_from_db()
    context = conversation_context(request, conversation) | {
        "turns": selectors.turns_of([answer.question, answer.message], holds_last=True),
        "is_sent": True,
        **side(request),  # it is the newest now, and archived no more
    }
    return render(request, "chat/_sent.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def why(request: AppRequest, kind: str, key: str) -> HttpResponse:
    """A new conversation with one figure, insight or suggestion as its subject; it begins when the host sends it."""
    subject = advising.subject(request.user, kind, key) if len(key) <= LONGEST_KEY else None
    if subject is None:
        raise Http404
    if request.method != "POST":
        return show_new(request, AskForm(user=request.user, initial={"text": subject.question}), subject=subject)
    form = AskForm(request.POST, user=request.user)
    status, code = 422, ""
    if form.is_valid():
        try:
            return to_answer(
                request,
                services.ask(
                    user=request.user,
                    text=form.cleaned_data["text"],
                    subject=(kind, key),
                    once=form.cleaned_data["once"],
                ),
            )
        except DomainError as error:
            form.add_error(None, error.user_message)
            status, code = status_of(error), error.code
    return show_new(request, form, subject=subject, status=status, code=code)


@require_safe
def answer(request: AppRequest, pk: UUID) -> HttpResponse:
    """One answer with its question: an address to keep; for htmx the answer alone."""
    found = get_object_or_404(
        Answer.objects.visible_to(request.user).select_related("message__conversation", "question"), pk=pk
    )
    if wants_fragment(request):
        return render(request, "chat/_message.html", {"turn": selectors.turn_of(found.message)})
    context = {
        "conversation": found.message.conversation,
        "turns": selectors.turns_of(
            [found.question, found.message],
            holds_last=False,
            is_demo=request.user.is_demo,
            is_closed=found.message.conversation.closed_by_plan_at is not None,
        ),
        "running": found.is_running,
    }
    return render(request, "chat/answer.html", context)


@require_POST
def stop(request: AppRequest, pk: UUID) -> HttpResponse:
    """End an answer with the text so far."""
    found = get_object_or_404(Answer.objects.visible_to(request.user), pk=pk)
    services.stop(found)
    if wants_fragment(request):
        return HttpResponse(status=204)  # the stream brings what became of it
    return to_answer(request, found)


@require_POST
def retry(request: AppRequest, pk: UUID) -> HttpResponse:
    """Ask for the newest answer again, where it failed or was stopped."""
    answers = Answer.objects.visible_to(request.user).select_related("user", "message__conversation")
    found = answers.filter(pk=pk).first()
    if found is None:  # a second click finds the new answer in place of the old one
        return to_answer(request, get_object_or_404(answers.filter(question__answers=pk).order_by("-pk")[:1]))
    try:
        return to_answer(request, services.retry(found))
    except DomainError as error:
        status = status_of(error)
        if wants_fragment(request):
            return toast(HttpResponse(status=status), error.user_message, level="warn")
        form = AskForm(request.POST, user=request.user)
        form.is_valid()
        form.errors.clear()
        form.add_error(None, error.user_message)
        return show(request, found.message.conversation, form, status=status, code=error.code)
