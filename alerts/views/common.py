"""What the views of alerts share."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.http import render_page


def address(name: str, **query: object) -> str:
    """A page of alerts with what of `query` is not empty."""
    kept = {key: str(value) for key, value in query.items() if value}
    return reverse(f"alerts:{name}") + (f"?{urlencode(kept)}" if kept else "")


def refused(request: AppRequest, text: str, back: str) -> HttpResponse:
    """A rule said no: one plain sentence and the way back."""
    context = {"title": _("Nothing was changed"), "text": text, "back": address(back), "back_text": _("Back")}
    return render_page(request, "portfolios/refused.html", context, status=422)
