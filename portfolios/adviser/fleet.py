"""Portfolios and GPU configurations, as their lists show them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gpuadvisor.accounts.models import User
from gpuadvisor.core.advising import Arguments, Cell, Result, Row, Tool
from market import selectors as market

from ..fleet import read_fleet
from ..kpis import BY_NAME, KpiSheet
from ..models import GPUConfiguration, Portfolio
from ..reading import read
from ..selectors import places
from ..selectors.lines import GPULine, gpu_line
from ..selectors.sheets import chosen, windows_of
from ..views.addresses import address
from .common import ROWS, Period, PortfolioName, capped, changes, find_portfolio, of_figure, plain, rests_on, title

SHOWN = ("net", "revenue", "occupancy")


class PortfoliosAsked(Arguments):
    period: Period = "7d"


def portfolios(user: User, asked: PortfoliosAsked) -> Result:
    found = places.portfolio_list(user, asked.period, sort="net", limit=None)
    rows, left_out = capped(_portfolio(row, found.before) for row in found.rows)
    as_of = next((row.sheet.as_of for row in found.rows if row.sheet), None)
    return Result(rows, as_of, url=address("list", period=asked.period), left_out=left_out)


def _portfolio(row: places.PortfolioRow, before: str) -> Row:
    state = Portfolio.State(row.portfolio.state).label
    cells = {
        "state": plain(_("State"), str(state)),
        "gpus": plain(_("GPUs"), row.gpus, "GPU", missing=_("Add a GPU.")),
        "watts": of_figure(_("Draw under load"), row.watts),
        "estimated_month": of_figure(_("Estimated revenue of a month"), row.estimate),
        **_sheet(row.sheet, before),
    }
    if row.trend:
        told = [value for value in row.trend if value is not None]
        if told:
            cells["lowest_day"] = plain(_("Revenue of the lowest of the last 7 days"), min(told), "USD")
            cells["highest_day"] = plain(_("Revenue of the highest of the last 7 days"), max(told), "USD")
    return Row(str(row.portfolio.pk), title(row.portfolio.name), cells, address("detail", row.portfolio.pk))


def _sheet(sheet: KpiSheet | None, before: str) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    missing = _("It counts in no figure: it is not active, or has no GPU.")
    for name in SHOWN:
        label, unit = BY_NAME[name].label, BY_NAME[name].unit
        if sheet is None:
            cells[name] = plain(label, None, unit, missing=missing)
            continue
        measure = sheet.measures[name]
        cells[name] = of_figure(label, measure.figure)
        cells |= rests_on(name, label, measure)
        cells |= changes(name, label, measure, before)
    return cells


Sort = Literal["most_net", "least_net", "most_rented", "least_rented", "most_revenue"]


class GPUsAsked(Arguments):
    portfolio: PortfolioName = ""
    period: Period = "7d"
    sort: Sort = "most_net"


def gpus(user: User, asked: GPUsAsked) -> Result:
    portfolio = find_portfolio(user, asked.portfolio)
    fleet = read_fleet(user)
    items = [item for item in chosen(fleet, portfolio, None) if item.is_active]
    now, before = windows_of(asked.period, fleet)
    reading = read(user, fleet, now=now, before=before, items=items)
    prices = market.market_now({item.gpu_model.name for item in items})
    lines = [gpu_line(item, reading, prices.get(item.gpu_model.name)) for item in items]
    lines.sort(key=_order(asked.sort))
    by_pk = {item.pk: item for item in items}
    rows = tuple(_gpu(line, by_pk[line.pk]) for line in lines[:ROWS])
    url = address("detail", portfolio.pk) if portfolio else address("dashboard", period=asked.period)
    return Result(rows, reading.found.as_of, url=url, left_out=max(0, len(lines) - ROWS))


def _order(sort: Sort) -> Callable[[GPULine], Any]:
    """The most or the least first; what is unknown last."""
    of: dict[str, Callable[[GPULine], Decimal | None]] = {
        "net": lambda line: line.net.value,
        "rented": lambda line: line.utilization.value,
        "revenue": lambda line: line.revenue.value,
    }
    which, _sep, name = sort.partition("_")
    sign = -1 if which == "most" else 1

    def key(line: GPULine) -> tuple[bool, Decimal, Any]:
        value = of[name](line)
        return value is None, sign * (value or Decimal(0)), line.pk

    return key


def _gpu(line: GPULine, item: GPUConfiguration) -> Row:
    now = line.market
    no_market = _("No current market figures for this GPU.")
    as_of = now.as_of if now else None
    cells = {
        "model": plain(_("Model"), line.model),
        "quantity": plain(_("GPUs"), line.quantity, "GPU"),
        "portfolio": plain(_("Portfolio"), title(line.portfolio)),
        "platform": plain(_("Platform"), line.platforms or None, missing=_("Enter or import daily figures.")),
        "state": plain(_("State"), line.state.text),
        "rate": of_figure(_("Rate"), line.rate),
        "floor": of_figure(_("Floor"), line.floor),
        "occupancy": of_figure(_("Occupancy"), line.utilization),
        "revenue": of_figure(_("Revenue"), line.revenue),
        "net": of_figure(_("Net"), line.net),
        "market_median": plain(
            _("Market median"), now.median if now else None, "USD/GPU-h", missing=no_market, as_of=as_of
        ),
        "market_rented": plain(
            _("Market rented"), now.rented_percentage if now else None, "%", missing=no_market, as_of=as_of
        ),
        "price_position": plain(
            _("Rate against the market median"),
            line.position.percent_of_median,
            "%",
            missing=no_market if now is None else _("Enter the hourly rate with the daily figures."),
            as_of=as_of,
        ),
    }
    if line.rate_note:
        cells["rate_note"] = plain(_("Rate in words"), line.rate_note)
    return Row(str(line.pk), title(line.name), cells, address("gpu", line.pk))


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "portfolios",
        gettext_lazy("Your portfolios"),
        "The host's portfolios, most net first: state, GPUs, net, revenue and occupancy with their change, estimated"
        " revenue of a month.",
        portfolios,
        PortfoliosAsked,
    ),
    Tool(
        "gpus",
        gettext_lazy("Your GPUs"),
        "GPU configurations in use, the first 30: quantity, platform, state, rate, floor, occupancy, revenue, net, and"
        " the rate against the market median.",
        gpus,
        GPUsAsked,
    ),
)
