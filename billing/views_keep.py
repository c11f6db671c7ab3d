"""What a host keeps of what a smaller plan has no room for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_stubs_ext import StrOrPromise

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page

from . import banner, shrinking
from .models import Subscription
from .plans import GRACE_DAYS, LIMITS, PLANS, Limit

SHOWN = 100  # rows of one limit on a page, beside those that are kept
CLOSED = {"alerts": gettext_lazy("Paused")}  # else read-only


@dataclass(frozen=True)
class Line:
    """One row to choose. `is_kept`: its box is ticked; `word` what it is now, "" where it is as ever."""

    row: shrinking.Row
    is_kept: bool
    word: StrOrPromise


@dataclass(frozen=True)
class Choice:
    """The rows of one limit on the page. `more`: rows that the next page begins after, by key."""

    what: str
    limit: Limit
    part: shrinking.Part
    lines: list[Line]
    more: UUID | None


@never_cache
@require_http_methods(["GET", "POST"])
def keep(request: AppRequest) -> HttpResponse:
    """Before the grace ends and after: what counts, what closes and when, and which rows the host keeps."""
    what, error = "", ""
    ticked: list[UUID] = []
    if request.method == "POST":
        what = request.POST.get("what", "")
        try:
            ticked = _keys(request.POST.getlist("keep"))
            shrinking.choose(request.user, what, ticked)
        except DomainError as refused:
            error = refused.user_message
        else:
            banner.forget(request.user.pk)
            return go_to(request, "billing:keep", toast_text=_("Saved: “%s”.") % LIMITS[what].title)
    subscription = Subscription.objects.filter(user=request.user).only("grace_until").first()
    choices = []
    for part in shrinking.parts(request.user):
        if part.is_over:
            sent = ticked if error and part.what == what else None
            choices.append(_choice(part, after=request.GET.get(part.what, ""), ticked=sent))
    context: dict[str, Any] = {
        "choices": choices,
        "grace_until": subscription.grace_until if subscription else None,
        "grace_days": GRACE_DAYS,
        "plan": PLANS[request.user.subscription_tier],
        "error": error,
    }
    return render_page(request, "billing/keep.html", context, status=422 if error else 200)


def _keys(texts: list[str]) -> list[UUID]:
    """Raises: DomainError for what is no key."""
    try:
        return [UUID(text) for text in texts]
    except ValueError:
        raise DomainError(_("One of these is not there any more: look at the list again."), code="gone") from None


def _choice(part: shrinking.Part, *, after: str, ticked: list[UUID] | None = None) -> Choice:
    """All in order of age; of many what is kept comes first on each page, then the others, the newest first."""
    kept = set(part.fits if ticked is None else ticked)
    rows, more = part.rows, None
    if len(rows) > SHOWN:
        others = [row for row in reversed(rows) if row.pk not in kept]
        begin = next((at + 1 for at, row in enumerate(others) if str(row.pk) == after), 0)
        page = others[begin : begin + SHOWN]
        more = page[-1].pk if page and begin + SHOWN < len(others) else None
        rows = [row for row in rows if row.pk in kept] + page
    word = CLOSED.get(part.what, gettext_lazy("Read-only"))
    lines = [Line(row, row.pk in kept, word if row.is_closed else "") for row in rows]
    return Choice(part.what, LIMITS[part.what], part, lines, more)
