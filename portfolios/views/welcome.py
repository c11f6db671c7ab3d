"""The first steps of a new host: four questions, one a screen, each of which may be skipped."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from gpuadvisor.accounts.models import AppRequest, User
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page
from market.models import GPUModel

from .. import entries, services
from ..forms import WelcomeGoalForm, WelcomeGPUForm, WelcomePlatformForm, WelcomePowerForm
from ..models import GPUConfiguration
from ..services.starting import first_portfolio

STEPS = ("welcome", "welcome-power", "welcome-platform", "welcome-goal")


@require_http_methods(["GET", "POST"])
def gpus(request: AppRequest) -> HttpResponse:
    """Step 1, filled in from the calculator; what was told before is changed, not doubled."""
    gpu, remembered = _first_gpu(request), entries.recall(request)
    form = WelcomeGPUForm(
        request.POST if request.method == "POST" else None,
        user=request.user,
        gpu=gpu,
        initial={} if gpu else _from_calculator(remembered),
    )
    if form.is_valid():
        found = form.cleaned_data
        try:
            services.put_first_gpus(
                user=request.user,
                name=_("My GPUs"),
                gpu_model=found["gpu_model"],
                quantity=found["quantity"],
                once=found["once"],
            )
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            return go_to(request, "portfolios:welcome-power")
    return _page(
        request,
        1,
        form,
        title=_("Which GPUs do you have?"),
        text=_("One kind is enough to begin; more can follow."),
        skip="portfolios:welcome-power" if gpu else "portfolios:welcome-goal",
        skip_text=_("Skip this") if gpu else _("I have no GPUs yet"),
        models=GPUModel.objects.all(),
        is_prefilled=bool(remembered) and gpu is None,
    )


@require_http_methods(["GET", "POST"])
def power(request: AppRequest) -> HttpResponse:
    """Step 2: the price of electricity and what a card draws."""
    gpu = _first_gpu(request)
    if gpu is None:
        return go_to(request, "portfolios:welcome")
    kwh = entries.recall(request).get("kwh", "")
    form = WelcomePowerForm(request.POST if request.method == "POST" else None, gpu=gpu, kwh=kwh)
    if form.is_valid():
        try:
            services.put_power(gpu=gpu, **form.values())
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            response = go_to(request, "portfolios:welcome-platform")
            entries.forget(response)
            return response
    return _page(
        request,
        2,
        form,
        title=_("What does power cost you?"),
        text=_("Net is what is left after the fee and power. What you do not know stays as estimated."),
        skip="portfolios:welcome-platform",
        back="portfolios:welcome",
    )


@require_http_methods(["GET", "POST"])
def platform(request: AppRequest) -> HttpResponse:
    """Step 3: under which name a platform knows them, or a file of results."""
    gpu = _first_gpu(request)
    if gpu is None:
        return go_to(request, "portfolios:welcome")
    form = WelcomePlatformForm(request.POST if request.method == "POST" else None, gpu=gpu)
    if form.is_valid():
        try:
            services.edit_gpu(
                gpu=gpu,
                gpu_model=gpu.gpu_model,
                quantity=gpu.quantity,
                custom_name=gpu.custom_name,
                hardware_details=gpu.hardware_details,
                platform_mappings=form.mappings(),
            )
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            return go_to(request, "portfolios:welcome-goal")
    return _page(
        request,
        3,
        form,
        title=_("Where do you rent them out?"),
        text=_("A platform's identifier lets a file of results find these GPUs. No key, no password."),
        skip="portfolios:welcome-goal",
        back="portfolios:welcome-power",
        import_url=reverse("portfolios:metric-import"),
    )


@require_http_methods(["GET", "POST"])
def goal(request: AppRequest) -> HttpResponse:
    """Step 4: what brings the host here; then the dashboard."""
    form = WelcomeGoalForm(
        request.POST if request.method == "POST" else None, initial={"goal": request.user.preference("goal")}
    )
    if form.is_valid():
        return _done(request, {"goal": form.cleaned_data["goal"]} if form.cleaned_data["goal"] else {})
    has_gpu = _first_gpu(request) is not None
    remembered = {} if has_gpu else entries.recall(request)
    return _page(
        request,
        4,
        form,
        title=_("What brings you here?"),
        text=_("It decides what comes first on your pages. You can change everything later."),
        skip="",
        back="portfolios:welcome-platform" if has_gpu else "portfolios:welcome",
        kept_url=f"{reverse('portfolios:calculator-save')}?{entries.address(remembered)}&as=planned"
        if _from_calculator(remembered)
        else "",
    )


@require_POST
def leave(request: AppRequest) -> HttpResponse:
    """Out at any step; what was told so far stays."""
    return _done(request, {})


def _done(request: AppRequest, chosen: dict[str, Any]) -> HttpResponse:
    user = User.objects.get(pk=request.user.pk)
    user.preferences = {**user.preferences, **chosen, "welcomed": True}
    user.save(update_fields=["preferences"])
    response = go_to(request, "portfolios:dashboard")
    if _first_gpu(request) is not None:
        entries.forget(response)  # else what was calculated is not kept anywhere yet
    return response


def _page(request: AppRequest, step: int, form: Any, **context: Any) -> HttpResponse:
    context |= {
        "form": form,
        "step": step,
        "steps": len(STEPS),
        "skip_text": context.get("skip_text", _("Skip this")),
        "skip_url": reverse(context["skip"]) if context["skip"] else "",
        "back_url": reverse(context["back"]) if context.get("back") else "",
    }
    status = 422 if form.errors else 200
    return render_page(request, "portfolios/welcome.html", context, fragment="step", status=status)


def _first_gpu(request: AppRequest) -> GPUConfiguration | None:
    """The first GPUs of the first portfolio: those that these steps ask about."""
    portfolio = first_portfolio(request.user)
    if portfolio is None:
        return None
    return portfolio.gpus.active().select_related("gpu_model", "portfolio").order_by("added_at", "pk").first()


def _from_calculator(remembered: dict[str, str]) -> dict[str, Any]:
    name = GPUModel.objects.filter(slug=remembered.get("gpu", "")).values_list("name", flat=True).first()
    return {"gpu_model": name, "quantity": remembered.get("cards", "1")} if name else {}
