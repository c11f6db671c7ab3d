"""Quiet hours, and maintenance windows of portfolios."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page
from portfolios.models import MaintenanceWindow

from .. import services
from ..forms import QuietHoursForm, WindowForm
from ..models import QuietHours

MOST_SHOWN = 100


@require_http_methods(["GET", "POST"])
def quiet(request: AppRequest) -> HttpResponse:
    """Both forms; a POST sets the quiet hours."""
    form = QuietHoursForm(request.POST if request.method == "POST" else None, hours=_hours(request))
    if form.is_valid():
        services.set_quiet_hours(user=request.user, **form.cleaned_data)
        return go_to(request, "alerts:quiet", toast_text=_("Saved."))
    return _page(request, hours_form=form)


@require_POST
def off(request: AppRequest) -> HttpResponse:
    services.end_quiet_hours(user=request.user)
    return go_to(request, "alerts:quiet", toast_text=_("Quiet hours are off."))


@require_POST
def window_add(request: AppRequest) -> HttpResponse:
    form = WindowForm(request.POST, user=request.user)
    if form.is_valid():
        data = form.cleaned_data
        names = ("portfolio", "starts_at", "ends_at", "note")
        try:
            services.add_window(pk=data["once"], **{name: data[name] for name in names})
        except DomainError as error:
            form.add_error(error.code if error.code in form.fields else None, error.user_message)
        else:
            return go_to(request, "alerts:quiet", toast_text=_("Window added."))
    return _page(request, window_form=form)


@require_POST
def window_delete(request: AppRequest, pk: UUID) -> HttpResponse:
    services.delete_window(get_object_or_404(MaintenanceWindow.objects.visible_to(request.user), pk=pk))
    return go_to(request, "alerts:quiet", toast_text=_("Window deleted."))


def _hours(request: AppRequest) -> QuietHours | None:
    return QuietHours.objects.filter(user=request.user).first()


def _page(
    request: AppRequest, *, hours_form: QuietHoursForm | None = None, window_form: WindowForm | None = None
) -> HttpResponse:
    hours = _hours(request)
    coming = MaintenanceWindow.objects.visible_to(request.user).filter(ends_at__gt=clock.now())
    context = {
        "hours": hours,
        "hours_form": hours_form or QuietHoursForm(hours=hours),
        "window_form": window_form or WindowForm(user=request.user),
        "windows": coming.select_related("portfolio").order_by("starts_at", "pk")[:MOST_SHOWN],
        "now": clock.now(),
    }
    is_wrong = bool((hours_form and hours_form.errors) or (window_form and window_form.errors))
    return render_page(request, "alerts/quiet.html", context, status=422 if is_wrong else 200)
