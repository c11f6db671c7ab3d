"""What the host's power, rooms and platforms cost, as the pages of costs and fees show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gpuadvisor.accounts.models import User
from gpuadvisor.core.advising import Cell, Result, Row, Tool
from market.currencies import DOLLAR

from ..costs import Costs, costs_of_portfolios, price_figure
from ..fees import FeeSpan, fee_on, fee_spans
from ..fleet import Fleet, read_fleet
from ..models import CostProfile, GPUConfiguration, OrderType, PerformanceMetric
from ..views.addresses import address
from .common import ROWS, Where, name_of, of_figure, plain, title, where

HUNDRED = Decimal(100)
LATELY = timedelta(days=30)


def costs(user: User, asked: Where) -> Result:
    """Tariff and fixed costs: of portfolios and of GPUs with their own, or of one GPU; today's fee of each platform.

    The fees of all platforms are told where none is in use yet.
    """
    portfolio, gpu = where(user, asked)
    fleet = read_fleet(user)
    rows: list[Row] = []
    if gpu is not None:
        (item,) = [one for one in fleet.gpus if one.pk == gpu.pk]
        rows.append(_row(str(gpu.pk), name_of(gpu), fleet.costs[item.pk], fleet, address("gpu-costs", gpu.pk)))
        items = [item]
    else:
        found = [portfolio] if portfolio else fleet.active
        for one in found:
            one.user = user
        told = costs_of_portfolios(found)
        rows += [_row(str(p.pk), p.name, told[p.pk], fleet, address("costs", p.pk)) for p in found]
        items = [item for item in fleet.gpus if portfolio is None or item.portfolio_id == portfolio.pk]
        rows += _own(items, fleet)
    used = _platforms(items, fleet)
    spans = fee_spans(user, fleet.today, fleet.today, platforms=fleet.platforms.values())
    fees = [_fee(slug, spans, fleet, is_used=slug in used) for slug in _order(used, fleet)]
    kept = max(ROWS - len(fees), 1)
    notes = (_("Fees are percent of what the renter pays, of on-demand rentals in USD."),)
    url = rows[0].url if len(rows) == 1 else address("fees")
    return Result((*rows[:kept], *fees), fleet.now, notes, url, max(0, len(rows) - kept))


def _own(items: Sequence[GPUConfiguration], fleet: Fleet) -> list[Row]:
    """Those GPU configurations that keep costs of their own beside their portfolio's."""
    told = CostProfile.objects.filter(gpu_configuration__in=[item.pk for item in items])
    keys = set(told.values_list("gpu_configuration", flat=True))
    return [
        _row(str(item.pk), name_of(item), fleet.costs[item.pk], fleet, address("gpu-costs", item.pk))
        for item in items
        if item.pk in keys and item.is_active
    ]


def _row(key: str, name: str, costs: Costs, fleet: Fleet, url: str) -> Row:
    entered = _("None entered.")
    cells: dict[str, Cell] = {
        "usd_per_kwh": of_figure(_("Electricity price"), price_figure(costs)),
        "fixed_monthly": plain(
            _("Fixed costs per month"),
            costs.fixed_monthly_usd,
            "USD/month",
            missing=_("No rate of its currency is known.") if costs.fixed_is_unknown else entered,
            is_estimated=costs.fixed_is_allocated,
        ),
        "overhead": plain(_("Machine overhead"), (costs.overhead - 1) * HUNDRED, "%"),
        "purchase_price": plain(
            _("Purchase price of one GPU"), costs.purchase_price_usd, "USD", missing=_("Enter what the GPUs cost.")
        ),
    }
    if costs.bands:
        hours = costs.hourly_usd(fleet.today)
        known = [price for price in hours if price is not None]
        missing = _("Its tariff leaves hours without a price.")
        cells["usd_per_kwh_now"] = plain(_("Electricity now"), hours[fleet.now.hour], "USD/kWh", missing=missing)
        if known:
            cells["usd_per_kwh_lowest"] = plain(_("Cheapest hour of today"), min(known), "USD/kWh")
            cells["usd_per_kwh_highest"] = plain(_("Dearest hour of today"), max(known), "USD/kWh")
    if costs.currency != DOLLAR:
        price = costs.price_per_kwh
        cells["price_told"] = plain(
            _("Electricity price as entered"), price, f"{costs.currency}/kWh", missing=_("Its tariff has bands.")
        )
        cells["usd_rate"] = plain(
            _("US dollars for 1 %(currency)s") % {"currency": costs.currency},
            costs.usd_rate,
            "USD",
            missing=_("No rate of %(currency)s is known.") % {"currency": costs.currency},
        )
    return Row(key, title(name), cells, url)


def _platforms(items: Iterable[GPUConfiguration], fleet: Fleet) -> set[str]:
    """Where they are listed, and where the figures of late come from."""
    active = [item for item in items if item.is_active]
    told = PerformanceMetric.objects.filter(
        gpu_configuration__in=[item.pk for item in active], metric_date__gt=fleet.today - LATELY
    )
    slugs = set(told.order_by().values_list("platform", flat=True).distinct())
    return slugs | {slug for item in active for slug in item.platform_mappings}


def _order(used: set[str], fleet: Fleet) -> list[str]:
    """Those in use, else every platform on which somebody may host, by name."""
    slugs = used & fleet.platforms.keys()
    if not slugs:
        slugs = {slug for slug, platform in fleet.platforms.items() if platform.status in ("active", "legacy")}
    return sorted(slugs, key=fleet.platform_name)


def _fee(slug: str, spans: list[FeeSpan], fleet: Fleet, *, is_used: bool) -> Row:
    """Its fee today; that of interruptible rentals only where it differs."""
    missing = _("The fee of this platform is unknown: enter yours.")
    span = fee_on(spans, slug, fleet.today)
    cells = {"fee": plain(_("Platform fee"), span.percentage if span else None, "%", missing=missing)}
    if span is not None:
        cells["source"] = plain(_("Who says so"), _("you") if span.source == "yours" else _("our catalog"))
    if not is_used:
        cells["used"] = plain(_("Used by you"), _("no"))
    for kind in OrderType:
        other = fee_on(spans, slug, fleet.today, kind.value)
        if other is not None and span is not None and other.percentage != span.percentage:
            label = _("Platform fee, %(kind)s") % {"kind": kind.label}
            cells[f"fee_{kind.value}"] = plain(label, other.percentage, "%", missing=missing)
    return Row(f"fee_{slug}", title(fleet.platform_name(slug)), cells, address("fees"))


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "costs",
        gettext_lazy("Your costs"),
        "Electricity price, fixed costs, overhead and purchase price, as entered, and today's platform fees. What they"
        " came to: `kpis`.",
        costs,
        Where,
    ),
)
