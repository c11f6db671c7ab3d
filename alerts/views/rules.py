"""Rules: the list, the form with its preview, pause, delete, the recommended ones."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing import limits
from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page, wants_fragment
from market.models import GPUModel
from portfolios.paging import as_uuid

from .. import preview as previewing
from .. import selectors, services, shrinking
from ..conditions import Conditions, parse
from ..forms import FORMS, RuleForm
from ..models import Alert
from ..models.rules import Type
from .common import address
from .switching import flip, removal

STARTS: dict[str, dict[str, Any]] = {
    "utilization_drop": {"threshold": 60},
    "pricing_change": {"gpu_model": "RTX 4090", "threshold": 10, "direction": "down"},
    "optimization_opportunity": {"threshold": 20, "severity": "info"},
}


@require_safe
def rules(request: AppRequest) -> HttpResponse:
    """What the host is told of, with what became of it."""
    after = request.GET.get("after", "")
    page, next_key = selectors.rules(request.user, after)
    usage = limits.usage(request.user, "alerts")
    context = {
        "rules": page,
        "usage": usage,
        "has_closed": any(one.alert.closed_by_plan_at for one in page),
        "recommended": selectors.recommended_left(request.user),
        "effect_days": selectors.EFFECT_DAYS,
        "loses": LOSES,
        "next_url": address("rules", after=next_key) if next_key else "",
        "first_url": address("rules") if after else "",
    }
    return render_page(request, "alerts/rules.html", context)


@require_http_methods(["GET", "POST"])
def new(request: AppRequest) -> HttpResponse:
    """The types to choose from; `?type=` opens the form of one, `?copy=` fills it in from another alert."""
    like = None
    if (key := as_uuid(request.GET.get("copy", ""))) is not None:
        like = get_object_or_404(Alert.objects.visible_to(request.user), pk=key)
    kind = like.alert_type if like else request.GET.get("type", "")
    usage = limits.usage(request.user, "alerts")
    # Looking at a form that cannot be sent is for the demo only.
    is_refused = usage.is_full and request.method == "GET" and not request.user.is_demo
    if not kind or is_refused:
        return render_page(
            request,
            "alerts/rule_types.html",
            {"usage": usage, "is_refused": is_refused, "to_delete": usage.used - (usage.limit or 0) + 1},
        )
    if kind not in FORMS:
        raise Http404
    conditions = selectors.conditions_of(like) if like else parse(kind, _start(request, kind))
    form = FORMS[kind](
        request.POST if request.method == "POST" else None, user=request.user, conditions=conditions, alert=like
    )
    if request.method == "GET":
        name = _("Copy of %(name)s") % {"name": like.name} if like else ""
        form.initial["name"] = name[:100] if like else dict(Type.choices)[Type(kind)]
    if _is_sent(request) and form.is_valid():
        try:
            services.create_alert(user=request.user, alert_type=kind, pk=form.cleaned_data["once"], **form.values())
        except DomainError as error:
            form.add_error(None, error.user_message)
        else:
            return go_to(request, "alerts:rules", toast_text=_("Rule added."))
    return _form(request, form)


def _start(request: AppRequest, kind: str) -> dict[str, Any]:
    """What a new rule begins with; a link from a GPU's or a model's page names it."""
    start = dict(STARTS[kind])
    if kind == "pricing_change":
        asked = request.GET.get("model", "").replace("\x00", "")[:80]
        mine = selectors.recommended(request.user)
        common = next((one["conditions"].gpu_model for one in mine if one["alert_type"] == kind), None)
        found = GPUModel.objects.filter(slug=asked).values_list("name", flat=True).first() if asked else None
        if name := found or common:
            start["gpu_model"] = name
    elif (gpu := as_uuid(request.GET.get("gpu", ""))) is not None:
        start |= {"scope": "gpu", "scope_id": gpu}
    return start


@require_http_methods(["GET", "POST"])
def edit(request: AppRequest, pk: UUID) -> HttpResponse:
    alert = _find(request, pk)
    form = FORMS[alert.alert_type](
        request.POST if request.method == "POST" else None,
        user=request.user,
        conditions=selectors.conditions_of(alert) or parse(alert.alert_type, STARTS[alert.alert_type]),
        alert=alert,
    )
    if _is_sent(request) and form.is_valid():
        services.change_alert(alert, **form.values())
        return go_to(request, "alerts:rules", toast_text=_("Saved."))
    return _form(request, form, alert)


def _is_sent(request: AppRequest) -> bool:
    """Whether the form is to be saved; the button “Preview” only asks how often it would have fired."""
    return request.method == "POST" and "preview" not in request.POST


def _form(request: AppRequest, form: RuleForm, alert: Alert | None = None) -> HttpResponse:
    usage = limits.usage(request.user, "alerts")
    context: dict[str, Any] = {
        "form": form,
        "alert": alert,
        "type_label": dict(Type.choices)[Type(form.alert_type)],
        "models": GPUModel.objects.order_by("name") if "gpu_model" in form.fields else (),
        "holds": shrinking.holds(usage.limit) if alert and alert.closed_by_plan_at else "",
        "usage": None if alert else usage,
    }
    if request.method == "POST" and "preview" in request.POST and form.is_valid():
        context |= _shown(request, form.conditions)
    return render_page(request, "alerts/rule_form.html", context, fragment="form", status=422 if form.errors else 200)


@require_safe
def preview(request: AppRequest) -> HttpResponse:
    """What the filled-in form would have told; without htmx the form itself."""
    kind = request.GET.get("type", "")
    if kind not in FORMS:
        raise Http404
    data = request.GET.copy()
    data.setdefault("name", "-")
    form = FORMS[kind](data, user=request.user)
    context: dict[str, Any] = {"form": form, "models": (), "type_label": dict(Type.choices)[Type(kind)]}
    if form.is_valid():
        context |= _shown(request, form.conditions)
    else:
        context["is_unfinished"] = True
    template = "alerts/_preview_answer.html" if wants_fragment(request) else "alerts/preview.html"
    return render_page(request, template, context)


def _shown(request: AppRequest, conditions: Conditions | None) -> dict[str, Any]:
    if conditions is None:
        return {}
    names = selectors.scope_names(request.user, [conditions])
    made = previewing.preview(request.user, conditions)
    return {"shown": selectors.shown(made, conditions, names), "words": selectors.words_of(conditions, names)}


@require_POST
def recommend(request: AppRequest) -> HttpResponse:
    """The recommended rules on one click, as far as the plan has room."""
    made = services.create_recommended(user=request.user, wanted=selectors.recommended(request.user))
    if not made:
        return go_to(request, "alerts:rules", toast_text=_("Nothing was added: they are there, or your plan is full."))
    text = ngettext("%(n)d rule added.", "%(n)d rules added.", made) % {"n": made}
    return go_to(request, "alerts:rules", toast_text=text)


def _find(request: AppRequest, pk: UUID) -> Alert:
    return get_object_or_404(Alert.objects.visible_to(request.user), pk=pk)


LOSES = gettext_lazy("Its episodes and its log go with it.")
pause = flip(
    _find,
    services.pause_alert,
    "rules",
    done=gettext_lazy("Paused."),
    already=gettext_lazy("It was paused already."),
)
resume = flip(
    _find,
    services.resume_alert,
    "rules",
    done=gettext_lazy("Watching again."),
    already=gettext_lazy("It was on already."),
)
delete = removal(_find, services.delete_alert, "rules", text=LOSES, done=gettext_lazy("Rule deleted."))
