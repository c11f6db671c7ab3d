"""Channels: addresses with their health, added, tested, changed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page

from .. import channels as kinds
from .. import selectors, services
from ..forms import ChannelForm, ChannelSettingsForm
from ..models import AlertDelivery, Channel
from .common import refused
from .switching import flip, removal

RECENT = 10
SHOWN_ONCE = "alerts.secret"


@require_safe
def channels(request: AppRequest) -> HttpResponse:
    rows = [(one, selectors.channel_state(one), _label(one)) for one in selectors.channels(request.user)]
    return render_page(request, "alerts/channels.html", {"channels": rows, "kinds": _kinds(), "loses": LOSES})


def _kinds() -> list[tuple[str, Any, Any]]:
    return [(name, module.LABEL, module.HELP) for name, module in kinds.kinds().items()]


def _label(channel: Channel) -> Any:
    return kinds.kind(channel.kind).LABEL if channel.kind in kinds.KINDS else channel.kind


@require_http_methods(["GET", "POST"])
def new(request: AppRequest) -> HttpResponse:
    """A further address; `?kind=` names its kind."""
    kind = request.GET.get("kind", "email")
    if kind not in kinds.KINDS:
        raise Http404
    form = ChannelForm(request.POST if request.method == "POST" else None, user=request.user, kind=kind)
    if form.is_valid():
        data = form.cleaned_data
        names = ("name", "address", "least_severity", "digest")
        try:
            channel, secret = services.create_channel(
                user=request.user,
                kind=kind,
                pk=data["once"],
                for_all=data.get("for_all", False),
                **{name: data[name] for name in names},
            )
        except kinds.ChannelError as error:
            form.add_error("address", str(error))
        except DomainError as error:
            form.add_error("address" if error.code == "address" else None, error.user_message)
        else:
            _keep(request, channel, secret)
            return go_to(
                request,
                "alerts:channel",
                toast_text=_("Channel added. Send a test to see that it works."),
                pk=channel.pk,
            )
    context = {"form": form, "kind": kind, "kinds": _kinds(), "label": kinds.kind(kind).LABEL}
    return render_page(request, "alerts/channel_form.html", context, status=422 if form.errors else 200)


def _keep(request: AppRequest, channel: Channel, secret: str) -> None:
    """Show the secret on the next page of the channel, and never again."""
    if secret:
        request.session[SHOWN_ONCE] = [str(channel.pk), secret]


@require_http_methods(["GET", "POST"])
def channel(request: AppRequest, pk: UUID) -> HttpResponse:
    """One address: its settings, its health, what was sent last."""
    row = _find(request, pk)
    start = {"name": row.name, "least_severity": row.least_severity, "digest": row.digest}
    form = ChannelSettingsForm(request.POST if request.method == "POST" else None, initial=start)
    if form.is_valid():
        services.change_channel(row, **form.cleaned_data)
        return go_to(request, "alerts:channels", toast_text=_("Saved."))
    secret = ""
    kept = request.session.get(SHOWN_ONCE)
    if request.method == "GET" and kept and kept[0] == str(row.pk):
        secret = kept[1]
        del request.session[SHOWN_ONCE]
    sent = AlertDelivery.objects.filter(channel=row).prefetch_related("tries").order_by("-created_at", "-pk")
    context = {
        "row": row,
        "form": form,
        "state": selectors.channel_state(row),
        "label": _label(row),
        "has_secret": row.kind in kinds.KINDS and kinds.kind(row.kind).has_secret,
        "secret": secret,
        "overlap_until": row.old_secret_until if row.old_secret_until and row.old_secret_until > clock.now() else None,
        "alerts": row.alerts.order_by("name", "pk"),
        "sent": sent[:RECENT],
    }
    return render_page(request, "alerts/channel.html", context, status=422 if form.errors else 200)


@require_POST
def test(request: AppRequest, pk: UUID) -> HttpResponse:
    row = _find(request, pk)
    try:
        services.send_test(row)
    except DomainError as error:
        return refused(request, error.user_message, "channels")
    said = _("A test is on its way. Its answer stands under “Sent last” in a moment.")
    return go_to(request, "alerts:channel", toast_text=said, pk=row.pk)


@require_POST
def rotate(request: AppRequest, pk: UUID) -> HttpResponse:
    row = _find(request, pk)
    try:
        _keep(request, row, services.rotate_secret(row))
    except DomainError as error:
        return refused(request, error.user_message, "channels")
    return go_to(request, "alerts:channel", toast_text=_("New secret made. The old one holds for 24 hours."), pk=row.pk)


def _find(request: AppRequest, pk: UUID) -> Channel:
    return get_object_or_404(Channel.objects.visible_to(request.user), pk=pk)


LOSES = gettext_lazy("Nothing is sent there any more; what waits for it is dropped.")
pause = flip(
    _find,
    services.pause_channel,
    "channels",
    done=gettext_lazy("Paused."),
    already=gettext_lazy("It was paused already."),
)
resume = flip(
    _find,
    services.resume_channel,
    "channels",
    done=gettext_lazy("It is on again."),
    already=gettext_lazy("It was on already."),
)
delete = removal(_find, services.delete_channel, "channels", text=LOSES, done=gettext_lazy("Channel deleted."))
