"""The log: each message with its attempts, or why it was held back."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page
from portfolios.paging import as_uuid

from .. import selectors, services
from ..models import Alert, AlertDelivery, AlertLog
from .common import address, refused

MOST_OFFERED = 200


@require_safe
def log(request: AppRequest) -> HttpResponse:
    """Newest first; `?alert=` and `?status=` choose."""
    after, status = request.GET.get("after", ""), request.GET.get("status", "")
    status = status if status in AlertLog.Status.values else ""
    alert = as_uuid(request.GET.get("alert", ""))
    rows, next_key = selectors.log(request.user, after, alert=alert, status=status)
    kept = {"alert": alert or "", "status": status}
    context = {
        "rows": rows,
        "alerts": Alert.objects.visible_to(request.user).order_by("name", "pk")[:MOST_OFFERED],
        "alert": alert,
        "status": status,
        "statuses": AlertLog.Status.choices,
        "next_url": address("log", **kept, after=next_key) if next_key else "",
        "first_url": address("log", **kept) if after else "",
    }
    return render_page(request, "alerts/log.html", context, fragment="list")


@require_safe
def entry(request: AppRequest, pk: UUID) -> HttpResponse:
    """One trigger with all that was tried."""
    row = get_object_or_404(selectors.log_entries(request.user), pk=pk)
    context = {
        "row": row,
        "deliveries": [*row.deliveries.all(), *row.digests.all()],
        "folded": row.folded.order_by("triggered_at")[:50],
    }
    return render_page(request, "alerts/log_entry.html", context)


@require_POST
def resend(request: AppRequest, pk: UUID) -> HttpResponse:
    delivery = get_object_or_404(AlertDelivery.objects.visible_to(request.user), pk=pk)
    try:
        is_sent = services.resend(delivery)
    except DomainError as error:
        return refused(request, error.user_message, "channels")
    said = _("It is on its way again.") if is_sent else _("Only what was given up is sent again.")
    if delivery.log_id:
        return go_to(request, "alerts:log-entry", toast_text=said, pk=delivery.log_id)
    return go_to(request, "alerts:channel", toast_text=said, pk=delivery.channel_id)
