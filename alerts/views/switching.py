"""Buttons that do one thing to one row of the host's own: pause, resume, wake, delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.db.models import Model
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from django_stubs_ext import StrOrPromise

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page

from .common import address, refused

M = TypeVar("M", bound=Model)
Find = Callable[[AppRequest, UUID], M]
View = Callable[..., HttpResponse]


def flip(
    find: Find[M],
    act: Callable[[M], bool],
    page: str,
    *,
    done: StrOrPromise,
    already: StrOrPromise,
    stays: bool = False,
) -> View:
    """A view that calls `act` and says whether that changed anything; on to `page`, the row's own where it `stays`."""

    @require_POST
    def view(request: AppRequest, pk: UUID) -> HttpResponse:
        try:
            said = str(done if act(find(request, pk)) else already)
        except DomainError as error:
            return refused(request, error.user_message, page)
        return go_to(request, f"alerts:{page}", toast_text=said, **({"pk": pk} if stays else {}))

    return view


def removal(find: Find[M], act: Callable[[M], None], page: str, *, text: StrOrPromise, done: StrOrPromise) -> View:
    """A view that asks before it deletes; `text` says what goes along."""

    @require_http_methods(["GET", "POST"])
    def view(request: AppRequest, pk: UUID) -> HttpResponse:
        row = find(request, pk)
        if request.method == "POST":
            act(row)
            return go_to(request, f"alerts:{page}", toast_text=str(done))
        context = {
            "title": _("Delete “%(name)s”?") % {"name": row},
            "lost": [text],
            "confirm": _("Delete"),
            "back": address(page),
        }
        return render_page(request, "ui/confirm.html", context)

    return view
