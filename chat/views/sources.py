"""Where a figure comes from, and the cards of what the advisor offers to change."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import toast, wants_fragment

from .. import selectors, services
from ..models import Message, Offer


@require_safe
def sources(request: AppRequest, pk: UUID) -> HttpResponse:
    """What one look-up found: each row with an anchor that the answer's figures link to."""
    message = get_object_or_404(
        Message.objects.visible_to(request.user).filter(role=Message.Role.TOOL).select_related("conversation"), pk=pk
    )
    looked = selectors.looked_of(message, request.user)
    context = {"message": message, "conversation": message.conversation, "looked": looked}
    return render(request, "chat/sources.html", context)


@require_POST
def offer_confirm(request: AppRequest, pk: UUID) -> HttpResponse:
    """Do what the stored card says: nothing of it comes from the page."""
    return _decide(request, pk, services.confirm)


@require_POST
def offer_decline(request: AppRequest, pk: UUID) -> HttpResponse:
    """Leave it as it is."""
    return _decide(request, pk, services.decline)


def _decide(request: AppRequest, pk: UUID, decision: Callable[[Offer], Offer]) -> HttpResponse:
    offer = get_object_or_404(Offer.objects.visible_to(request.user).select_related("user", "message"), pk=pk)
    try:
        offer = decision(offer)
    except DomainError as error:
        return toast(HttpResponse(error.user_message, status=422), error.user_message, level="warn")
    if wants_fragment(request):
        return render(request, "chat/_offer.html", {"offer": offer, "is_decided_now": True})
    conversation = Message.objects.values_list("conversation_id", flat=True).get(pk=offer.message_id)
    return HttpResponseRedirect(reverse("chat:conversation", kwargs={"pk": conversation}) + f"#offer-{offer.pk}")
