"""What is the matter now, what was, one of them, and the dashboard's panel."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import formats
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page

from .. import selectors, services
from ..forms import SnoozeForm
from ..models import Alert, Episode
from .common import address
from .switching import flip


@require_safe
def index(request: AppRequest) -> HttpResponse:
    """What goes on, the most money at risk first."""
    after = request.GET.get("after", "")
    matters, next_key = selectors.open_page(request.user, after)
    stakes = selectors.stakes(request.user)
    own = Alert.objects.visible_to(request.user)
    context = {
        "matters": matters,
        "stakes": stakes,
        "has_rules": bool(stakes.number) or own.watching().exists(),
        "are_off": not stakes.number and own.exists(),
        "here_url": address("index", after=after),
        "next_url": address("index", after=next_key) if next_key else "",
        "first_url": address("index") if after else "",
    }
    return render_page(request, "alerts/index.html", context, fragment="open")


@require_safe
def resolved(request: AppRequest) -> HttpResponse:
    after = request.GET.get("after", "")
    matters, next_key = selectors.resolved_episodes(request.user, after)
    context = {
        "matters": matters,
        "next_url": address("resolved", after=next_key) if next_key else "",
        "first_url": address("resolved") if after else "",
    }
    return render_page(request, "alerts/resolved.html", context)


@require_safe
def recent(request: AppRequest) -> HttpResponse:
    """What goes on, for the dashboard; a page of its own without JavaScript."""
    matters, more = selectors.open_episodes(request.user, selectors.PANEL_ROWS)
    return render_page(request, "alerts/recent.html", {"matters": matters, "more": more}, fragment="panel")


@require_safe
def episode(request: AppRequest, pk: UUID) -> HttpResponse:
    return _detail(request, _find(request, pk), SnoozeForm())


def _detail(request: AppRequest, row: Episode, form: SnoozeForm) -> HttpResponse:
    context = {
        "row": row,
        "detail": selectors.episode_detail(request.user, row),
        "events": selectors.events_of(row),
        "snooze_form": form,
    }
    return render_page(request, "alerts/episode.html", context, status=422 if form.errors else 200)


def _find(request: AppRequest, pk: UUID) -> Episode:
    return get_object_or_404(Episode.objects.visible_to(request.user).select_related("alert"), pk=pk)


@require_POST
def snooze(request: AppRequest, pk: UUID) -> HttpResponse:
    row = _find(request, pk)
    form = SnoozeForm(request.POST)
    if form.is_valid():
        until = form.moment()
        try:
            services.snooze(row, until=until)
        except DomainError as error:
            form.add_error("until", error.user_message)
        else:
            said = _("Snoozed until %(time)s.") % {"time": formats.moment(until)}
            return go_to(request, "alerts:episode", toast_text=said, pk=row.pk)
    return _detail(request, row, form)


wake = flip(
    _find,
    services.wake,
    "episode",
    done=gettext_lazy("The snooze is over."),
    already=gettext_lazy("It was not snoozed."),
    stays=True,
)
act = flip(
    _find,
    services.act_on,
    "episode",
    done=gettext_lazy("Noted."),
    already=gettext_lazy("That was noted already."),
    stays=True,
)
