"""The rows of the dashboard's tables: one per GPU configuration, one per portfolio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext as _

from gpuadvisor.core import formats
from gpuadvisor.core.figures import Figure
from market.selectors import MarketNow

from .. import economics, estimates, measures
from ..economics import Position, PricePosition
from ..fleet import cost_missing
from ..kpis import KpiSheet
from ..measures import Spark
from ..models import GPUConfiguration, Portfolio
from ..reading import Reading
from ..results import Recent, Sums

FRESH_DAYS = 2  # what was so the day before yesterday says little of now


@dataclass(frozen=True)
class State:
    """A word and a color that always go together."""

    text: str
    level: str = ""


@dataclass(frozen=True)
class GPULine:
    """One GPU configuration: what it does, what it earned today, where its rate stands in the market."""

    pk: UUID
    name: str
    model: str
    model_slug: str
    quantity: int
    portfolio: str
    portfolio_pk: UUID
    platforms: str
    rate: Figure
    rate_note: str
    floor: Figure
    utilization: Figure
    today_revenue: Figure
    today_utilization: Figure
    revenue: Figure
    net: Figure
    week: Spark
    state: State
    market: MarketNow | None
    position: PricePosition

    @property
    def meter(self) -> str:
        """The utilization as an attribute of HTML takes it: no decimal comma."""
        return "" if self.utilization.value is None else f"{self.utilization.value:.1f}"

    # Words of the cells: here, since a sentence in a template costs several times as much and a page has dozens.
    @property
    def market_note(self) -> str:
        return _rented(self.market.rented_percentage, 0) if self.market else ""

    @property
    def today_note(self) -> str:
        return _rented(self.today_utilization.value, 1)

    @property
    def net_note(self) -> str:
        if not self.revenue.is_known:
            return ""
        if not self.net.is_known:
            return self.net.missing
        return _("of %(revenue)s") % {"revenue": formats.figure(self.revenue)}


@dataclass(frozen=True)
class PortfolioLine:
    """One active portfolio with its results."""

    pk: UUID
    name: str
    gpus: int
    estimated_monthly_revenue: Figure
    sheet: KpiSheet
    is_read_only: bool


def _rented(share: Decimal | None, places: int) -> str:
    return "" if share is None else _("%(share)s rented") % {"share": formats.percent(share, places)}


def known(value: Decimal | None, unit: str, missing: str) -> Figure:
    """A measured figure, or an unknown one that says what is missing."""
    return Figure.unknown(unit, missing) if value is None else Figure(value, unit)


def position_words(position: PricePosition, recent: Recent, floor: Figure, today: date) -> str:
    """Where the rate stands in the market, whether it pays the energy, and its day where that was not lately."""
    words = []
    distance = position.percent_of_median
    if distance is not None:
        by = formats.percent(abs(distance), 0)
        if by == formats.percent(0, 0):
            words.append(_("at the median"))
        else:
            words.append((_("%(by)s above median") if distance > 0 else _("%(by)s below median")) % {"by": by})
    if position.position in (Position.BELOW, Position.ABOVE):
        words.append(_("under p10") if position.position == Position.BELOW else _("over p90"))
    if recent.rate is not None and floor.value is not None and recent.rate < floor.value:
        words.append(_("under its floor of %(rate)s") % {"rate": formats.money(floor.value)})
    if recent.rate_day is not None and (today - recent.rate_day).days >= FRESH_DAYS:
        words.append(_("of %(day)s") % {"day": formats.day(recent.rate_day)})
    return ", ".join(words)


def state_of(item: GPUConfiguration, recent: Recent, today: date) -> State:
    """What the latest rented share says, or the latest revenue where no share is told; nothing where both are old."""
    if not item.is_active:
        return State(_("Removed"))
    if recent.first_day is None:
        return State(_("No data"))
    if recent.share is not None and recent.share_day and (today - recent.share_day).days < FRESH_DAYS:
        return State(_("Rented"), "ok") if recent.share > 0 else State(_("Idle"), "bad")
    if earned := [revenue for revenue in recent.week[-FRESH_DAYS:] if revenue is not None]:
        return State(_("Earning"), "ok") if earned[-1] > 0 else State(_("Idle"), "bad")
    return State(_("No recent data"), "warn")


def _floor(value: Decimal | None) -> Figure:
    if value is None:
        return Figure.unknown("USD/GPU-h", _("Needs watts, the electricity price and the platform’s fee."))
    return Figure.estimate(value, "USD/GPU-h", _("from watts under load, electricity price and the platform’s fee"))


def _net_missing(item: GPUConfiguration, sums: Sums) -> str:
    if not sums.days:
        return _("Enter or import daily figures.")
    if not sums.energy.known:
        return cost_missing([item]) or _("Enter utilization.")
    return _("Enter the platform’s fee.") if sums.revenue.known else _("Enter revenue.")


def gpu_line(item: GPUConfiguration, reading: Reading, price: MarketNow | None) -> GPULine:
    """The table's row of one GPU configuration."""
    fleet, found, costing = reading.fleet, reading.found, reading.costings[item.pk]
    recent, sums = found.recent.get(item.pk, Recent()), found.now[item.pk]
    slugs = recent.platforms or tuple(sorted(item.platform_mappings))
    no_today, no_rows = _("Enter or import today’s figures."), _("Enter or import daily figures.")
    if price is not None and price.is_hidden:
        price = None
    position = economics.price_position(
        rate=recent.rate,
        p10=price.p10 if price else None,
        median=price.median if price else None,
        p90=price.p90 if price else None,
    )
    floor = _floor(costing.floor)
    return GPULine(
        pk=item.pk,
        name=item.custom_name or item.gpu_model.name,
        model=item.gpu_model.name,
        model_slug=item.gpu_model.slug,
        quantity=item.quantity,
        portfolio=item.portfolio.name,
        portfolio_pk=item.portfolio_id,
        platforms=", ".join(fleet.platform_name(slug) for slug in slugs),
        rate=known(recent.rate, "USD/GPU-h", _("Enter the hourly rate with the daily figures.")),
        rate_note=position_words(position, recent, floor, fleet.today),
        floor=floor,
        utilization=known(sums.utilization, "%", no_rows),
        today_revenue=known(recent.today_revenue, "USD", no_today),
        today_utilization=known(recent.today_share, "%", no_today),
        revenue=measures.figure(sums.revenue, missing=no_rows),
        net=measures.figure(
            sums.net,
            missing=_net_missing(item, sums),
            method=_("revenue less fees, energy and fixed costs"),
        ),
        week=recent.week,
        state=state_of(item, recent, fleet.today),
        market=price,
        position=position,
    )


def portfolio_line(portfolio: Portfolio, items: Sequence[GPUConfiguration], reading: Reading) -> PortfolioLine:
    """The table's row of one portfolio, which holds `items`."""
    return PortfolioLine(
        pk=portfolio.pk,
        name=portfolio.name,
        gpus=sum(item.quantity for item in items if item.is_active),
        estimated_monthly_revenue=estimates.figure(portfolio),
        sheet=reading.sheet(items),
        is_read_only=portfolio.is_read_only,
    )
