"""The revenue page: by month and plan, with a chart, the table and its CSV."""

from __future__ import annotations

import csv
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from gpuadvisor.core.money import amount

from .. import selectors_revenue
from ..plans import PLANS
from ..selectors_revenue import Revenue

PERIODS = (12, 24, 36)
TIERS = ("individual", "professional", "enterprise")
COLUMNS = (
    *("month", "mrr_start", "new", "expansion", "moved_in", "contraction", "churned", "moved_out", "mrr_end"),
    *("paying_start", "lost", "paying_end", "account_churn_percentage", "mrr_churn_percentage"),
    *("trials_begun", "trials_converted", "invoices_paid", "cash_paid", "cash_refunded", "cash_net"),
)


def may_see(request: HttpRequest) -> bool:
    """A superuser, or who was given the right."""
    return bool(request.user.has_perm("billing.view_revenue"))


def page(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """Raises: PermissionDenied."""
    if not may_see(request):
        raise PermissionDenied
    asked = request.GET.get("months", "")
    count = int(asked) if asked in map(str, PERIODS) else PERIODS[0]
    tier = request.GET.get("tier", "")
    tier = tier if tier in TIERS else ""
    found = selectors_revenue.revenue(count, tier)
    if request.GET.get("csv"):
        return _csv(found)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Revenue"),
        "opts": model_admin.opts,
        "revenue": found,
        "periods": [(each, _query(each, tier), each == count) for each in PERIODS],
        "plans": [
            (_("All plans"), _query(count, ""), not tier),
            *((PLANS[each].title, _query(count, each), each == tier) for each in TIERS),
        ],
        "csv_url": _query(count, tier, csv="1"),
    }
    return TemplateResponse(request, "admin/billing/revenue.html", context)


def _query(count: int, tier: str, **more: str) -> str:
    return "?" + urlencode({"months": count, **({"tier": tier} if tier else {}), **more})


def _csv(found: Revenue) -> HttpResponse:
    """Numbers and months alone: nothing that a spreadsheet could run."""
    name = f"revenue-{found.tier or 'all'}.csv"
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(answer)
    writer.writerow(COLUMNS)
    for row in reversed(found.rows):
        month, cash = row.month, row.cash
        rates = ("" if rate is None else f"{rate:.2f}" for rate in (month.account_churn, month.money_churn))
        writer.writerow(
            [
                f"{month.month:%Y-%m}",
                *map(amount, (month.start, month.new, month.expansion, month.moved_in)),
                *map(amount, (month.contraction, month.churned, month.moved_out, month.end)),
                *(month.paying_at_start, month.lost, month.paying_at_end, *rates, month.trials, month.converted),
                *(cash.invoices, *map(amount, (cash.paid, cash.refunded, cash.net))),
            ]
        )
    return answer
