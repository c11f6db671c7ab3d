"""Suggestions: the list, one of them with all that it rests on, and what the host decides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core import clock, formats
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to, render_page, toast, wants_fragment
from market.sheets import download

from ..forms.suggestions import DoneForm, RejectForm
from ..models import OptimizationSuggestion, Portfolio
from ..paging import PAGE_SIZE
from ..suggestions import service
from ..suggestions.findings import Silence
from ..suggestions.gather import facts_of, in_use
from ..suggestions.selectors import (
    STATES,
    in_state,
    interval_of,
    line_of,
    page_of,
    paused,
    proofs_of,
    suggestions_of,
    waterfall_of,
)
from ..suggestions.selectors import next_steps as next_steps_of

PANEL_ROWS = 3
NEXT_CHECK = timedelta(days=1)
COLUMNS = (
    *("title", "type", "state", "confidence", "usd_per_month", "low", "high", "portfolio", "gpu", "platform"),
    *("from_rate", "to_rate", "description", "reject_reason", "created_at", "expires_at", "implemented_at"),
)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _address(**query: object) -> str:
    kept = {name: str(value) for name, value in query.items() if value}
    return reverse("portfolios:suggestions") + (f"?{urlencode(kept)}" if kept else "")


@require_safe
def suggestions(request: AppRequest) -> HttpResponse:
    """What to change, the most dollars a month first; `?state=` and `?portfolio=` choose others, `?csv=1` a file."""
    state = request.GET.get("state", "open")
    state = state if state in STATES else "open"
    portfolio = _uuid(request.GET.get("portfolio", ""))
    rows = in_state(request.user, state, portfolio=portfolio)
    if request.GET.get("csv"):
        return download("suggestions", COLUMNS, (_cells(row) for row in rows))
    if service.is_due(request.user) and not request.user.is_demo:
        service.nudge(request.user)
    page, next_key = page_of(rows, request.GET.get("after", ""))
    resting = paused(page)
    kept = {"state": state if state != "open" else "", "portfolio": portfolio or ""}
    made_at = service.made_at(request.user)
    context = {
        "lines": [line_of(row, is_paused=row.pk in resting) for row in page],
        "state": state,
        "tabs": [
            (name, label, _address(**kept | {"state": name if name != "open" else ""}))
            for name, label in STATES.items()
        ],
        "portfolios": Portfolio.objects.visible_to(request.user).active().order_by("name", "pk"),
        "portfolio": portfolio,
        "made_at": made_at,
        "next_at": made_at + NEXT_CHECK if made_at else None,
        "has_gpus": bool(page) or in_use(request.user).exists(),
        "csv_url": _address(**kept, csv=1),
        "next_url": _address(**kept, after=next_key) if next_key else "",
        "first_url": _address(**kept) if request.GET.get("after") else "",
        "snoozes": service.SNOOZES,
    }
    return render_page(request, "portfolios/suggestions.html", context, fragment="list")


def _cells(row: OptimizationSuggestion) -> tuple[object, ...]:
    gpu = row.gpu_configuration
    return (
        *(row.title, row.suggestion_type, row.state, row.confidence_level, row.estimated_impact, row.impact_low),
        *(row.impact_high, row.portfolio.name, (gpu.custom_name or gpu.gpu_model.name) if gpu else None, row.platform),
        *(row.from_rate, row.to_rate, row.description, row.reject_reason, row.created_at, row.expires_at),
        row.implemented_at,
    )


@require_safe
def quiet(request: AppRequest) -> HttpResponse:
    """Why nothing is suggested for the other GPU configurations: each with the reason of each rule."""
    items = in_use(request.user).order_by("pk")
    if (after := _uuid(request.GET.get("after", ""))) is not None:
        items = items.filter(pk__gt=after)
    page = list(items[: PAGE_SIZE + 1])
    facts = facts_of(request.user, page[:PAGE_SIZE])
    past = service.past_of(request.user, facts, clock.now())
    names = {"price": _("Rate"), "platform": _("Platform"), "power_limit": _("Power limit")}
    rows = []
    for fact in facts:
        answers = service.answers_of(fact, past)
        reasons = [
            (
                names[name],
                answer.reason if isinstance(answer, Silence) else _("Suggested."),
                isinstance(answer, Silence),
            )
            for name, answer in answers.items()
        ]
        rows.append((fact, reasons))
    here = reverse("portfolios:suggestions-quiet")
    context = {
        "rows": rows,
        "next_url": f"{here}?after={page[PAGE_SIZE - 1].pk}" if len(page) > PAGE_SIZE else "",
        "first_url": here if after else "",
    }
    return render_page(request, "portfolios/suggestions_quiet.html", context)


@require_safe
def detail(request: AppRequest, pk: UUID) -> HttpResponse:
    return _detail(request, _find(request, pk))


def _find(request: AppRequest, pk: UUID) -> OptimizationSuggestion:
    rows = suggestions_of(request.user).select_related("portfolio", "gpu_configuration__gpu_model")
    return get_object_or_404(rows.select_related("gpu_configuration__portfolio"), pk=pk)


def _detail(request: AppRequest, row: OptimizationSuggestion, *, forms: dict[str, Any] | None = None) -> HttpResponse:
    states = OptimizationSuggestion.State
    is_open = row.state == states.OPEN and (row.expires_at is None or row.expires_at > clock.now())
    earlier = (
        suggestions_of(request.user)
        .filter(
            portfolio=row.portfolio_id,
            gpu_configuration=row.gpu_configuration_id,
            platform=row.platform,
            suggestion_type__in=_same(row.suggestion_type),
        )
        .exclude(pk=row.pk)
        .select_related("portfolio", "gpu_configuration__gpu_model")
        .order_by("-pk")[:10]
    )
    context = {
        "row": row,
        "line": line_of(row, is_paused=bool(paused([row]))),
        "interval": interval_of(row),
        "bars": waterfall_of(row),
        "proofs": proofs_of(row),
        "steps": [(f"step-{at}", step) for at, step in enumerate(row.implementation_steps, 1)],
        "is_open": is_open,
        "is_live": (is_open or row.state in (states.ACCEPTED, states.SNOOZED)) and not row.portfolio.is_read_only,
        "state_words": STATES["open" if is_open else "expired" if row.state == states.OPEN else row.state],
        "earlier": [(one, STATES[one.state]) for one in earlier],
        "changes": row.price_changes.order_by("changed_at"),
        "snoozes": service.SNOOZES,
        "reject_form": RejectForm(),
        "done_form": DoneForm(suggestion=row),
        **(forms or {}),
    }
    return render_page(request, "portfolios/suggestion.html", context, status=422 if forms else 200)


def _same(kind: str) -> list[str]:
    from ..suggestions.findings import PRICE_TYPES

    return list(PRICE_TYPES) if kind in PRICE_TYPES else [kind]


def _decide(
    request: AppRequest, row: OptimizationSuggestion, act: Callable[[], bool], said: str, *, back: bool = False
) -> HttpResponse:
    """Do it, once; to the dashboard's panel goes the panel again, a refusal is one plain sentence."""
    is_panel = wants_fragment(request) and request.htmx.target == "next-steps"
    try:
        is_new = act()
    except DomainError as error:
        if is_panel:
            return toast(_panel(request), error.user_message, level="warn")
        context = {
            "title": _("Nothing was changed"),
            "text": error.user_message,
            "back": reverse("portfolios:suggestions"),
            "back_text": _("Back to the suggestions"),
        }
        return render_page(request, "portfolios/refused.html", context, status=422)
    text = said if is_new else _("That was done already.")
    if is_panel:
        return toast(_panel(request), text)
    if back:
        return go_to(request, "portfolios:suggestions", toast_text=text)
    return go_to(request, "portfolios:suggestion", toast_text=text, pk=row.pk)


@require_POST
def accept(request: AppRequest, pk: UUID) -> HttpResponse:
    row = _find(request, pk)
    said = _("Accepted. Carry it out and mark it done.")
    return _decide(request, row, lambda: service.accept(row), said)


@require_POST
def snooze(request: AppRequest, pk: UUID) -> HttpResponse:
    row = _find(request, pk)
    days = request.POST.get("days", "1")
    number = int(days) if days in {str(one) for one in service.SNOOZES} else 0
    said = _("Put off until %(day)s.") % {"day": formats.day(clock.now() + timedelta(days=number))}
    return _decide(request, row, lambda: service.snooze(row, days=number), said, back=True)


@require_POST
def reject(request: AppRequest, pk: UUID) -> HttpResponse:
    row = _find(request, pk)
    form = RejectForm(request.POST)
    if not form.is_valid():
        return _detail(request, row, forms={"reject_form": form})
    said = _("Rejected: nothing like it for 30 days.")
    return _decide(request, row, lambda: service.reject(row, reason=form.text()), said, back=True)


@require_POST
def done(request: AppRequest, pk: UUID) -> HttpResponse:
    row = _find(request, pk)
    form = DoneForm(request.POST, suggestion=row)
    if not form.is_valid():
        return _detail(request, row, forms={"done_form": form})
    to_rate = form.cleaned_data.get("to_rate")
    said = _("Marked as done: quiet for 10 days, so that the change can show.")
    return _decide(request, row, lambda: service.mark_done(row, to_rate=to_rate), said)


@require_safe
def next_steps(request: AppRequest) -> HttpResponse:
    """What to do next: at most three, for the dashboard; a page of its own without JavaScript."""
    return _panel(request)


def _panel(request: AppRequest) -> HttpResponse:
    rows = next_steps_of(request.user, PANEL_ROWS + 1)
    made_at = service.made_at(request.user)
    if service.is_due(request.user) and not request.user.is_demo:
        service.nudge(request.user)
    context = {
        "lines": [line_of(row) for row in rows[:PANEL_ROWS]],
        "more": len(rows) > PANEL_ROWS,
        "next_at": made_at + NEXT_CHECK if made_at else None,
    }
    return render_page(request, "portfolios/next_steps.html", context, fragment="panel")
