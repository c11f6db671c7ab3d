"""What Stripe billed, to look at."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core import formats
from gpuadvisor.core.admin import ReadOnlyAdmin

from ..invoices import written
from ..models import Invoice, PlanNotice


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """Read-only: refunds, credits and answers to a dispute are made at Stripe and follow from there."""

    list_display = ("billed_at", "number", "user", "tier", "status", "total_", "paid_", "refunded_", "paid_at", "page")
    list_filter = ("status", "tier", "currency", "billed_at")
    search_fields = ("number", "invoice_id__exact", "customer__exact", "user__email")
    search_help_text = _("A number, the whole id of an invoice (in_…) or a customer (cus_…), or an e-mail address.")
    list_select_related = ("user",)
    date_hierarchy = "billed_at"
    ordering = ("-billed_at",)

    @admin.display(description=_("total"), ordering="total")
    def total_(self, row: Invoice) -> str:
        return written(row.total, row)

    @admin.display(description=_("paid"), ordering="paid")
    def paid_(self, row: Invoice) -> str:
        return written(row.paid, row)

    @admin.display(description=_("refunded"), ordering="refunded")
    def refunded_(self, row: Invoice) -> str:
        return written(row.refunded, row) if row.refunded else formats.DASH

    @admin.display(description=_("at Stripe"))
    def page(self, row: Invoice) -> str:
        return format_html('<a href="{}" rel="noreferrer">{}</a>', row.url, _("Open")) if row.url else formats.DASH


@admin.register(PlanNotice)
class PlanNoticeAdmin(ReadOnlyAdmin):
    """Which mails about plans went out, and what each was about."""

    list_display = ("at", "user", "kind", "about")
    list_filter = ("kind", "at")
    search_fields = ("user__email", "about__exact")
    list_select_related = ("user",)
    ordering = ("-at",)
