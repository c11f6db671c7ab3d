"""The doorway for what a platform reports, and the host's page about it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page
from portfolios.paging import page_by_key

from ..forms_incoming import SecretForm
from ..incoming import inboxes, matching, receiving
from ..models import HostEvent
from .common import address, refused

WORDS = {
    204: "",
    400: "This is no event.",
    401: "Not signed as it should be.",
    404: "There is nothing at this address.",
    413: "At most 64 kB.",
    429: "Too many events.",
}


@login_not_required
@csrf_exempt  # the signature is the proof
@never_cache
@require_POST
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """Take one event: thin, for the sender waits ten seconds and tries again."""
    if _length(request) > receiving.MOST_BYTES:
        return _said(receiving.Answer(413))
    inbox = inboxes.of_token(token)
    if inbox is None:
        return _said(receiving.Answer(404))
    try:
        body = request.body
    except UnreadablePostError:
        return _said(receiving.Answer(400))
    timestamp, signature = (request.headers.get(f"X-Vast-{name}", "") for name in ("Timestamp", "Signature-256"))
    return _said(receiving.receive(inbox, timestamp=timestamp, signature=signature, body=body))


def _length(request: HttpRequest) -> int:
    """Of the body, in bytes; the server reads no further than that."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # as Django takes it: then no body is read


def _said(answer: receiving.Answer) -> HttpResponse:
    headers = {"Retry-After": str(answer.wait)} if answer.wait else {}
    return HttpResponse(WORDS[answer.status], status=answer.status, content_type="text/plain", headers=headers)


@require_http_methods(["GET", "POST"])
def incoming(request: AppRequest) -> HttpResponse:
    """The address with how to use it, and what came last; a POST keeps the secret."""
    form = SecretForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            inboxes.set_secret(request.user, form.cleaned_data["secret"])
        except DomainError as error:
            return refused(request, error.user_message, "incoming")
        said = _("Secret kept. Send a test from Vast.ai: it shows below.")
        return go_to(request, "alerts:incoming", toast_text=said)
    after = request.GET.get("after", "")
    rows = HostEvent.objects.filter(user=request.user).select_related("gpu_configuration__gpu_model")
    page, next_key = page_by_key(rows, after)
    placed = matching.placed(page)
    inbox = inboxes.inbox_of(request.user)
    context = {
        "inbox": inbox,
        "inbox_address": inboxes.address_of(inbox) if inbox else "",
        "has_secret": bool(inbox and inboxes.secret_of(inbox)),
        "refused_at": inboxes.refused_at(inbox) if inbox else None,
        "form": form,
        "events": [(one, matching.title_of(one), placed.get(str(one.pk))) for one in page],
        "next_url": address("incoming", after=next_key) if next_key else "",
        "first_url": address("incoming") if after else "",
    }
    return render_page(request, "alerts/incoming.html", context, status=422 if form.errors else 200)


@require_POST
def switch_on(request: AppRequest) -> HttpResponse:
    inboxes.switch_on(request.user)
    return go_to(request, "alerts:incoming", toast_text=_("The address is on. Give it to Vast.ai."))


@require_POST
def renew(request: AppRequest) -> HttpResponse:
    try:
        inboxes.renew(request.user)
    except DomainError as error:
        return refused(request, error.user_message, "incoming")
    said = _("This is the new address. The old one takes nothing any more.")
    return go_to(request, "alerts:incoming", toast_text=said)


@require_POST
def switch_off(request: AppRequest) -> HttpResponse:
    done = inboxes.switch_off(request.user)
    return go_to(request, "alerts:incoming", toast_text=_("Switched off.") if done else _("It was off already."))
