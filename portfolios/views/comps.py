"""Comp sets, and whether a move is the host's own or the market's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import formats
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page
from market import comps
from market.models import GPUModel
from market.sheets import download

from .. import comparing
from ..forms.comps import AssignForm, CompSetForm, initial_of
from ..models import CompSet, GPUConfiguration, Portfolio
from ..selectors import compsets as selectors
from ..selectors.me_or_market import Of, me_or_market
from ..selectors.sheets import period_of
from ..services import compsets as services
from ..services import refuse_read_only

COLUMNS = (
    *("kind", "name", "compared_with", "offers", "gpus", "median_usd_per_gpu_hour", "p10", "p90", "rented_price"),
    *("price_basis", "rented_percentage", "as_of"),
)


@require_GET
def list_comp_sets(request: AppRequest) -> HttpResponse:
    context = {
        "found": selectors.comp_sets(request.user),
        "most": services.MOST,
    }
    return render_page(request, "portfolios/compsets.html", context)


@require_GET
def csv_of_comp_sets(request: AppRequest) -> HttpResponse:
    """The host's comp sets and the automatic ones as a file."""
    found = selectors.comp_sets(request.user)
    rows = [("own", row.comp_set.name, row.words, row.comp) for row in found.mine]
    rows += [("automatic", "", row.words, row.comp) for row in found.automatic]
    return download("comp-sets", COLUMNS, (_cells(*row) for row in rows))


def _cells(kind: str, name: str, words: str, comp: comps.Comp | None) -> tuple[object, ...]:
    if comp is None:
        return (kind, name, words, *[None] * 8)
    prices = (comp.median, comp.p10, comp.p90, comp.rented_price, comp.price_basis)
    return (kind, name, words, comp.offers, comp.gpus, *prices, comp.rented_percentage, comp.as_of)


@require_http_methods(["GET", "POST"])
def create(request: AppRequest) -> HttpResponse:
    form = CompSetForm(request.POST if request.method == "POST" else None, user=request.user, initial=_initial(request))
    if _is_sent(request) and form.is_valid():
        try:
            services.create_comp_set(user=request.user, pk=form.cleaned_data["once"], **form.values())
        except DomainError as error:
            form.add_error("name" if error.code == "name" else None, error.user_message)
        else:
            return go_to(request, "portfolios:compset-list", toast_text=_("Comp set added."))
    return _form(request, form)


@require_http_methods(["GET", "POST"])
def edit(request: AppRequest, pk: UUID) -> HttpResponse:
    comp_set = _find(request, pk)
    form = CompSetForm(request.POST if request.method == "POST" else None, user=request.user, comp_set=comp_set)
    if _is_sent(request) and form.is_valid():
        try:
            services.edit_comp_set(comp_set=comp_set, **form.values())
        except DomainError as error:
            form.add_error("name" if error.code == "name" else None, error.user_message)
        else:
            return go_to(request, "portfolios:compset-list", toast_text=_("Saved."))
    return _form(request, form, comp_set)


def _is_sent(request: AppRequest) -> bool:
    """Whether the form is to be saved; the button “Count” only asks what would fit."""
    return request.method == "POST" and "count" not in request.POST


def _initial(request: AppRequest) -> dict[str, Any]:
    """What a new comp set begins with: the traits of the GPU, or the model, that a link names."""
    if (pk := _uuid(request.GET.get("gpu", ""))) is not None:
        gpu = selectors.active_gpus(request.user).filter(pk=pk).first()
        if gpu is not None:
            return initial_of(comparing.chosen([gpu])[gpu.pk].criteria)
    slug = request.GET.get("model", "").replace("\x00", "")[:80]
    name = GPUModel.objects.filter(slug=slug).values_list("name", flat=True).first() if slug else None
    return {"gpu_model": name} if name else {}


def _form(request: AppRequest, form: CompSetForm, comp_set: CompSet | None = None) -> HttpResponse:
    counts_only = request.method == "POST" and not _is_sent(request)
    if form.is_bound:
        criteria = form.criteria()
    else:
        asked = CompSetForm({**form.initial, "platform": form["platform"].value()}, user=request.user)
        criteria = asked.criteria()
    context = {
        "form": form,
        "comp_set": comp_set,
        "models": GPUModel.objects.all(),  # the whole list, for a browser without JavaScript
        **_counted(criteria),
    }
    status = 422 if form.is_bound and form.errors and not counts_only else 200
    return render_page(request, "portfolios/compset_form.html", context, fragment="form", status=status)


def _counted(criteria: comps.Criteria | None) -> dict[str, Any]:
    """What criteria come to now, in words and figures."""
    if criteria is None:
        return {"comp": None, "count_words": _("Choose a GPU model to see how many offers fit.")}
    comp = comps.comps_now([criteria]).get(criteria)
    if comp is None:
        return {"comp": None, "count_words": _("Nobody tells of such offers.")}
    if comp.is_series:
        return {"comp": comp, "count_words": _("This platform tells no single offers: its own figures stand in.")}
    words = ngettext("%(n)s offer fits", "%(n)s offers fit", comp.offers or 0) % {"n": formats.number(comp.offers)}
    if comp.is_thin:
        words = _("%(words)s: too few to tell anything; widen it.") % {"words": words}
    return {"comp": comp, "count_words": words}


@require_GET
def count(request: AppRequest) -> HttpResponse:
    """How many offers fit what the form says so far."""
    form = CompSetForm(request.GET, user=request.user)
    return render_page(request, "portfolios/compset_count.html", _counted(form.criteria()))


@require_http_methods(["GET", "POST"])
def delete(request: AppRequest, pk: UUID) -> HttpResponse:
    comp_set = _find(request, pk)
    if request.method == "POST":
        name = comp_set.name
        services.delete_comp_set(comp_set=comp_set)
        return go_to(request, "portfolios:compset-list", toast_text=_("“%s” was deleted.") % name)
    gpus = comp_set.gpus.count()
    lost = [_("Its GPUs are compared with the default of their model again, or by their own traits.")] if gpus else []
    context = {
        "title": _("Delete “%s”?") % comp_set.name,
        "lost": [*lost, _("Nothing else refers to it; your figures stay.")],
        "confirm": _("Delete"),
        "back": reverse("portfolios:compset-list"),
    }
    return render_page(request, "ui/confirm.html", context)


@require_POST
def default(request: AppRequest, pk: UUID) -> HttpResponse:
    """Use it for every GPU of its model, or with `off` no longer."""
    comp_set = _find(request, pk)
    services.set_default(comp_set=comp_set, is_default="off" not in request.POST)
    return go_to(request, "portfolios:compset-list", toast_text=_("Saved."))


@require_http_methods(["GET", "POST"])
def assign(request: AppRequest, pk: UUID) -> HttpResponse:
    mine = GPUConfiguration.objects.visible_to(request.user).select_related("gpu_model", "portfolio__user")
    gpu = get_object_or_404(mine, pk=pk)
    refuse_read_only(gpu.portfolio)
    form = AssignForm(request.POST if request.method == "POST" else None, gpu=gpu, user=request.user)
    if form.is_valid():
        try:
            services.assign_comp_set(gpu=gpu, comp_set=form.cleaned_data["comp_set"])
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            return go_to(request, "portfolios:gpu", toast_text=_("Saved."), pk=gpu.pk)
    context = {"form": form, "gpu": gpu, "pick": comparing.chosen([gpu])[gpu.pk]}
    status = 422 if form.errors else 200
    return render_page(request, "portfolios/compset_assign.html", context, fragment="form", status=status)


def _find(request: AppRequest, pk: UUID) -> CompSet:
    return get_object_or_404(CompSet.objects.filter(user=request.user).select_related("gpu_model", "user"), pk=pk)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@require_GET
def split(request: AppRequest) -> HttpResponse:
    """Is it me or the market: of all portfolios, of ?portfolio= or of ?gpu=; for htmx the panel alone."""
    portfolio = _named(request, "portfolio")
    gpu = _named(request, "gpu")
    period = period_of(request.GET.get("period"))
    of: Of = "revenue" if request.GET.get("of") == "revenue" else "occupancy"
    title: str = ""
    if portfolio is not None:
        title = get_object_or_404(Portfolio.objects.visible_to(request.user), pk=portfolio).name
    if gpu is not None:
        mine = GPUConfiguration.objects.visible_to(request.user).select_related("gpu_model")
        title = str(get_object_or_404(mine, pk=gpu))
    context = {
        "split": me_or_market(request.user, period, portfolio=portfolio, gpu=gpu, of=of),
        "subject": title,
        "gpu": gpu,
        "portfolio": portfolio,
        "of": of,
        "period": period,
        "periods": [("today", _("Today")), ("7d", _("7 days")), ("30d", _("30 days")), ("90d", _("90 days"))],
        "figures": [("occupancy", _("Occupancy")), ("revenue", _("Revenue"))],
    }
    return render_page(request, "portfolios/me_or_market.html", context, fragment="panel")


def _named(request: AppRequest, name: str) -> UUID | None:
    """The id that the query gives. Raises: Http404 for what is none."""
    text = request.GET.get(name, "")
    if not text:
        return None
    pk = _uuid(text)
    if pk is None:
        raise Http404
    return pk
