"""The page "Privacy": all that is held taken along, or deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from billing.models import Subscription
from billing.visits import is_live
from gpuadvisor.accounts import consents
from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import audit, clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page, wants_fragment

from ..models import Export
from . import erasing, exporting, links, selectors
from .forms import DeleteForm
from .tables import TABLES

BLOCK = 256 * 1024


@require_safe
def index(request: AppRequest) -> HttpResponse:
    """What the host may take along or have deleted, and what staff did."""
    return _page(request)


def _page(request: AppRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    user, now = request.user, clock.now()
    rows = selectors.exports_of(user)
    context: dict[str, Any] = {
        "exports": [(row, selectors.is_takeable(row, now)) for row in rows],
        "open_export": next((row for row in rows if row.state in exporting.OPEN), None),
        "a_day": exporting.A_DAY,
        "problem": problem,
    }
    if not wants_fragment(request):
        context |= {
            "erasure": erasing.open_of(user),
            "why_not": erasing.why_not(user),
            "consent": None if user.is_demo else consents.open_of(user.pk),
            "deeds": [] if user.is_demo else selectors.deeds(user),
        }
    return render_page(request, "operations/privacy.html", context, fragment="exports", status=status)


@require_POST
def export(request: AppRequest) -> HttpResponse:
    """Begin an export; one that is being made goes on."""
    try:
        exporting.ask(request.user)
    except DomainError as error:
        return _page(request, problem=error.user_message, status=409)
    return go_to(
        request, "privacy:index", toast_text=_("Your export is being made. A mail tells you when it is ready.")
    )


@require_http_methods(["GET", "HEAD", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator] # password or passkey, whatever the session says
def delete(request: AppRequest) -> HttpResponse:
    """Say what goes and what stays, and let the account be deleted in seven days."""
    user = request.user
    if erasing.open_of(user):
        return go_to(request, "privacy:index")
    form = DeleteForm(request.POST if request.method == "POST" else None, user=user)
    status, reason = 200, erasing.why_not(user)
    if form.is_valid() and not reason:
        try:
            erasing.ask(user)
        except DomainError as error:
            reason, status = error.user_message, 409
        else:
            return go_to(request, "privacy:index", toast_text=_("Your account will be deleted in seven days."))
    elif request.method == "POST":
        status = 409 if reason else 422
    plan = Subscription.objects.filter(user=user).first()
    context = {
        "form": form,
        "why_not": reason,
        "is_paying": plan is not None and is_live(plan),
        "plan": plan,
        "until": clock.now() + erasing.UNDO,
        "days": settings.BACKUP_DAYS,
        "kept": dict.fromkeys(
            table.why for table in TABLES if table.is_kept and table.owner not in ("by", "decided_by")
        ),
    }
    return render_page(request, "operations/privacy_delete.html", context, fragment="form", status=status)


@require_POST
def undo(request: AppRequest) -> HttpResponse:
    """Take the deletion back."""
    row = erasing.open_of(request.user)
    if row is not None:
        erasing.undo(row)
    return go_to(request, "privacy:index", toast_text=_("Your account stays. Nothing was deleted."))


@require_POST
def consent(request: AppRequest) -> HttpResponse:
    """Let staff read what the host says to the advisor, for seven days."""
    consents.give(request.user)
    return go_to(request, "privacy:index", toast_text=_("Staff may read it for seven days."))


@require_POST
def consent_end(request: AppRequest) -> HttpResponse:
    """Take that back."""
    consents.take_back(request.user)
    return go_to(request, "privacy:index", toast_text=_("Staff cannot read it any more."))


@login_not_required  # whoever reads the mails of the account
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def keep(request: HttpRequest, token: str) -> HttpResponse:
    """The link of the mail: ask, and with the button take the deletion back."""
    row = links.erasure_of(token)
    is_kept = request.method == "POST" and row is not None and erasing.undo(row)
    context = {
        "erasure": row,
        "is_kept": is_kept,
        "is_worthless": row is None or (request.method == "POST" and not is_kept),
    }
    return render(request, "operations/privacy_keep.html", context, status=404 if context["is_worthless"] else 200)


# -- The file ----------------------------------------------------------------------------------------------------------
@require_GET
async def download(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    """The file, for its owner alone, while its day lasts. Served by ASGI: a slow reader holds no page thread."""
    path, row = await sync_to_async(_file)(request, pk)
    headers = {
        "Content-Disposition": f'attachment; filename="gpu-advisor-{row.asked_at:%Y-%m-%d}.zip"',
        "Content-Length": str(path.stat().st_size),
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex",
    }
    return StreamingHttpResponse(_blocks(path), content_type="application/zip", headers=headers)


def _file(request: HttpRequest, pk: UUID) -> tuple[Path, Export]:
    """Where it lies; its owner's look is written down. Gives the connection back."""
    try:
        if is_watched(request):
            raise Http404
        row = get_object_or_404(Export.objects.filter(user=request.user.pk), pk=pk)
        path = exporting.path_of(row.pk)
        if not selectors.is_takeable(row) or not path.is_file():
            raise Http404
        audit.record(user=row.user, action="privacy.export-taken", details={"export": str(row.pk)})
        return path, row
    finally:
        if not connections["default"].in_atomic_block:  # else a test's
            connections.close_all()


def is_watched(request: HttpRequest) -> bool:
    """Whether a member of staff looks on as the host: this file is the host's alone."""
    return bool(getattr(request, "impersonation", None) or getattr(request, "impersonator", None))


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while block := await asyncio.to_thread(file.read, BLOCK):
            yield block
    finally:
        await asyncio.to_thread(file.close)
