"""Insights, the check-up of a fleet, and their settings."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gpuadvisor.accounts.models import AppRequest
from gpuadvisor.core.http import go_to, render_page
from market.sheets import download

from ..analysis import service as analysis
from ..forms.insights import RuleForm
from ..insights import insights_open, pages, service
from ..insights.findings import Rule
from ..insights.rules import BY_NAME, RULES
from ..insights.selectors import insights_of
from ..models import Insight
from ..paging import PAGE_SIZE, page_by_key

PANEL_ROWS = 3
COLUMNS = (
    *("title", "rule", "priority", "usd_per_month", "low", "high", "portfolio", "gpu", "description"),
    *("told_at", "expires_at"),
)


def _from_key(cards: list[pages.Card], after: str) -> tuple[list[pages.Card], str]:
    """The page of the list after the card `after`, and the key after which the next begins."""
    at = next((at + 1 for at, card in enumerate(cards) if card.key == after), 0)
    page = cards[at : at + PAGE_SIZE]
    return page, page[-1].key if page and at + PAGE_SIZE < len(cards) else ""


@require_safe
def insights(request: AppRequest) -> HttpResponse:
    """What holds now, the most dollars a month first."""
    book = analysis.book_of(request.user)
    cards = pages.cards_of(insights_open(request.user))
    page, next_key = _from_key(cards, request.GET.get("after", ""))
    context = {
        "cards": page,
        "count": len(cards),
        "is_first_look": not book.rows,
        "generated_at": book.generated_at,
        "is_fresh": book.is_fresh,
        "has_gpus": bool(cards) or _has_gpus(request),
        "next_url": f"?after={next_key}" if next_key else "",
        "first_url": reverse("portfolios:insights") if request.GET.get("after") else "",
    }
    return render_page(request, "portfolios/insights.html", context, fragment="list")


def _has_gpus(request: AppRequest) -> bool:
    from ..models import GPUConfiguration

    return GPUConfiguration.objects.visible_to(request.user).active().filter(portfolio__is_active=True).exists()


@require_safe
def insights_csv(request: AppRequest) -> HttpResponse:
    rows = [
        (
            *(row.title, row.insight_type, row.priority_level, row.impact_estimate, row.impact_low, row.impact_high),
            row.portfolio.name if row.portfolio else None,
            row.gpu_configuration.custom_name if row.gpu_configuration else None,
            *(row.description, row.created_at, row.expires_at),
        )
        for row in insights_open(request.user)
    ]
    return download("insights", COLUMNS, rows)


@require_safe
def history(request: AppRequest) -> HttpResponse:
    """What was told before: superseded, no longer so, dismissed."""
    closed = (
        insights_of(request.user)
        .exclude(status=Insight.Status.OPEN)
        .select_related("portfolio", "gpu_configuration__gpu_model", "gpu_configuration__portfolio")
    )
    page, next_key = page_by_key(closed, request.GET.get("after", ""))
    context = {
        "lines": [pages.line_of(row) for row in page],
        "next_url": f"?after={next_key}" if next_key else "",
        "first_url": reverse("portfolios:insights-history") if request.GET.get("after") else "",
    }
    return render_page(request, "portfolios/insights_history.html", context)


@require_POST
def dismiss(request: AppRequest, pk: UUID) -> HttpResponse:
    insight = get_object_or_404(insights_of(request.user), pk=pk)
    is_new = service.dismiss(insight)
    text = _("Dismissed for 30 days, unless it matters more by then.") if is_new else _("It was closed already.")
    return go_to(request, "portfolios:insights", toast_text=text)


@require_safe
def panel(request: AppRequest) -> HttpResponse:
    """The most important insights, for the dashboard."""
    book = analysis.book_of(request.user)
    cards = pages.cards_of(insights_open(request.user))
    context = {
        "cards": cards[:PANEL_ROWS],
        "count": len(cards),
        "more": max(0, len(cards) - PANEL_ROWS),
        "is_first_look": not book.rows,
        "generated_at": book.generated_at,
    }
    return render_page(request, "portfolios/insights_panel.html", context)


# -- Check-up ----------------------------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
def checkup(request: AppRequest) -> HttpResponse:
    """Every rule with what it found; a POST sets one of them."""
    settings = service.settings_of(request.user)
    sent: RuleForm | None = None
    if request.method == "POST":
        rule = BY_NAME.get(request.POST.get("rule", ""))
        if rule is None:
            return go_to(request, "portfolios:checkup", toast_text=_("There is no such rule."))
        sent = RuleForm(request.POST, rule=rule)
        if sent.is_valid():
            service.set_rule(request.user, **sent.values())
            if not analysis.make(request.user):
                analysis.nudge(request.user.pk)
            return go_to(request, "portfolios:checkup", toast_text=_("Saved: “%(rule)s”.") % {"rule": rule.title})

    def form_of(rule: Rule) -> RuleForm:
        if sent is not None and sent.rule is rule:
            return sent
        setting = settings.get(rule.name, service.Setting())
        own = rule.threshold if setting.threshold is None else setting.threshold
        return RuleForm(rule=rule, is_on=setting.is_on, threshold=own if rule.unit else None)

    book = analysis.book_of(request.user)
    checks = pages.checks_of(request.user, book.rows)
    order = {"failed": 0, "unknown": 1, "passed": 2, "off": 3}
    context = {
        "rows": [(check, form_of(check.rule)) for check in sorted(checks, key=lambda one: order[one.state])],
        "counts": {state: sum(check.state == state for check in checks) for state in order},
        "number": len(RULES),
        "generated_at": book.generated_at,
        "is_fresh": book.is_fresh,
        "is_first_look": not book.rows,
        "open_rule": sent.rule.name if sent is not None else "",
    }
    return render_page(request, "portfolios/checkup.html", context, status=422 if sent is not None else 200)
