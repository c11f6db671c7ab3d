"""Hold, expand or sell (F11); and plans, which count toward nothing until they are activated."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page
from market.models import GPUModel
from market.pages.overview import models

from .. import services
from ..forms import PlanForm
from ..models import GPUConfiguration, Portfolio
from ..planning import Subject, answer, asked_of_plan, subject_of_gpu, subject_of_model
from ..services.starting import MAX_PLANS

SLUG = re.compile(r"[a-z0-9-]{1,80}\Z")
OWN_SHOWN = 25


@require_GET
def plan(request: AppRequest) -> HttpResponse:
    """`?gpu=` own GPUs, `?model=` a model of the catalog, else the choice between them; all in the address."""
    subject = _subject(request)
    context: dict[str, Any] = {"subject": subject, "models": _models()}
    if subject is None:
        mine = GPUConfiguration.objects.visible_to(request.user).active().filter(portfolio__is_active=True)
        plans = Portfolio.objects.visible_to(request.user).filter(state=Portfolio.State.PLANNED)
        context["plans"] = plans.order_by("name", "pk")[:MAX_PLANS]
        context["own"] = mine.select_related("gpu_model", "portfolio").order_by("custom_name", "pk")[:OWN_SHOWN]
        return render_page(request, "portfolios/plan.html", context)
    form = PlanForm(request.GET, start=subject.start, is_owned=subject.gpu is not None)
    asked = form.asked() if form.is_valid() else None
    result = answer(subject, asked) if asked else None
    context |= {"form": form, "result": result, "asked": asked}
    if asked and result:
        context["save_address"] = _save_address(subject, form)
        context["expand_address"] = f"{reverse('portfolios:plan')}?{urlencode({'model': subject.model.slug})}"
    return render_page(request, "portfolios/plan.html", context, fragment="plan", status=200 if asked else 422)


def _subject(request: AppRequest) -> Subject | None:
    own, slug = request.GET.get("gpu", ""), request.GET.get("model", "")
    if own:
        try:
            key = UUID(own)
        except ValueError:
            raise Http404("no such GPU") from None
        rows = GPUConfiguration.objects.visible_to(request.user).active()
        return subject_of_gpu(get_object_or_404(rows.select_related("gpu_model", "portfolio__user"), pk=key))
    if slug:
        model = GPUModel.objects.filter(slug=slug).first() if SLUG.match(slug) else None
        if model is None:
            raise Http404("no such GPU model")
        return subject_of_model(model, request.user)
    return None


def _models() -> list[tuple[str, str]]:
    return sorted(((slug, name) for name, slug, *_rest in models()), key=lambda choice: choice[1].casefold())


def planned(portfolio: Portfolio) -> dict[str, Any]:
    """What comes out of a plan now, and where it is worked out again; nothing where it holds more than one kind of GPU.

    About fifteen queries.
    """
    gpus = list(portfolio.gpus.active().select_related("gpu_model", "portfolio__user")[:2])
    if len(gpus) != 1:
        return {}
    subject = subject_of_model(gpus[0].gpu_model, portfolio.user)
    form = PlanForm({}, start=asked_of_plan(gpus[0], subject.start))
    if not form.is_valid():
        return {}
    query = {"model": subject.model.slug} | {name: form.data[name] for name in form.fields}
    return {
        "plan": answer(subject, form.asked()),
        "plan_subject": subject,
        "plan_form": form,
        "plan_address": f"{reverse('portfolios:plan')}?{urlencode(query)}",
    }


def _save_address(subject: Subject, form: PlanForm) -> str:
    """Where these entries are saved as a plan."""
    told = {name: form.data.get(name, "") for name in form.fields}
    query = {"gpu": subject.model.slug, **{name: value for name, value in told.items() if value}, "as": "planned"}
    return f"{reverse('portfolios:calculator-save')}?{urlencode(query)}"


@require_POST
def activate(request: AppRequest, pk: UUID) -> HttpResponse:
    """The plan becomes a portfolio, where the host's plan has room."""
    portfolio = _plan(request, pk)
    try:
        services.activate_portfolio(portfolio=portfolio)
    except DomainError as error:
        context = {"title": _("“%s” stays a plan") % portfolio.name, "text": error.user_message}
        context |= {"back": reverse("portfolios:list"), "back_text": _("Back to your portfolios")}
        return render_page(request, "portfolios/refused.html", context, status=422)
    return go_to(request, "portfolios:detail", toast_text=_("“%s” is active.") % portfolio.name, pk=portfolio.pk)


@require_http_methods(["GET", "POST"])
def delete(request: AppRequest, pk: UUID) -> HttpResponse:
    """Asks, then deletes a plan."""
    portfolio = _plan(request, pk)
    back = reverse("portfolios:detail", kwargs={"pk": portfolio.pk})
    if request.method == "POST":
        try:
            services.delete_plan(portfolio=portfolio)
        except DomainError as error:
            context = {"title": _("“%s” was not deleted") % portfolio.name, "text": error.user_message}
            context |= {"back": back, "back_text": _("Back")}
            return render_page(request, "portfolios/refused.html", context, status=422)
        return go_to(request, "portfolios:list", toast_text=_("“%s” is deleted.") % portfolio.name)
    question: dict[str, Any] = {
        "title": _("Delete the plan “%s”?") % portfolio.name,
        "lost": [_("Its GPUs and costs go with it, for good."), _("No figure of yours changes: plans count nowhere.")],
        "confirm": _("Delete"),
        "back": back,
    }
    return render_page(request, "ui/confirm.html", question)


def _plan(request: AppRequest, pk: UUID) -> Portfolio:
    rows = Portfolio.objects.visible_to(request.user).filter(state=Portfolio.State.PLANNED)
    return get_object_or_404(rows, pk=pk)
