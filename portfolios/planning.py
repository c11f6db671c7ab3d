"""What a decision to hold, buy or sell starts from: a host's own GPUs, or a model of the market, in USD and months."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, formats
from gpuadvisor.core.charts import Line, Series
from gpuadvisor.core.figures import Figure
from market.models import GPUModel

from . import economics, estimates, fleet, investment, projection
from .calculator import DEFAULT_USD_PER_KWH, MONTH_DAYS, MONTH_HOURS, middle_name
from .costs import Costs, costs_of, costs_of_portfolio
from .estimates import MarketView
from .fees import fee_on, fee_spans
from .hardware import PLAN_NUMBERS
from .investment import Prospect
from .models import GPUConfiguration, Portfolio

WEAK, STRONG = Decimal("0.8"), Decimal("1.2")
RECENT_DAYS = 30
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is decided on. Units: USD; `price` one GPU, `fixed` a month for all; percent; None: unknown.

    `trend`, a month; `depreciation`, `discount`, a year.
    """

    cards: int
    price: Decimal | None
    kwh: Decimal
    fixed: Decimal | None
    fee: Decimal | None
    rented: Decimal | None
    trend: Decimal
    depreciation: Decimal = investment.DEPRECIATION_PERCENTAGE
    discount: Decimal = investment.DISCOUNT_PERCENTAGE


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose decision it is: own GPUs (`gpu`) or a model, with what stands in the fields before anybody typed.

    `revenue`: USD of 30 days, of all own GPUs; None for a model: there the rate and the share tell it.
    """

    model: GPUModel
    gpu: GPUConfiguration | None
    start: Asked
    rate: Decimal | None
    revenue: Figure
    trend_words: str
    price_words: str
    shares: tuple[Decimal, Decimal, Decimal] | None
    shares_words: str
    view: MarketView | None
    idle_watts: Decimal | None
    load_watts: Decimal | None
    overhead: Decimal

    @property
    def rate_name(self) -> str:
        return middle_name(self.view.now) if self.view else ""


def subject_of_gpu(gpu: GPUConfiguration) -> Subject:
    """Own GPUs: revenue from their projection, costs as they are entered."""
    today = clock.today()
    item, said = estimates.project([gpu], today=today)[gpu.pk]
    costs = costs_of([gpu])[gpu.pk]
    recent = gpu.metrics.filter(metric_date__gt=today - timedelta(days=RECENT_DAYS))
    view = estimates.views_of([gpu.gpu_model.name]).get(gpu.gpu_model.name)
    shares = [row.utilization_percentage for row in recent if row.utilization_percentage is not None]
    own_share = sum(shares, Decimal(0)) / len(shares) if shares else None
    platform = next(iter(recent.order_by("-metric_date").values_list("platform", flat=True)[:1]), None)
    market_share = view.now.rented_percentage if view else None
    rented = own_share if own_share is not None else market_share
    history = estimates.histories_of([gpu], today).get(gpu.pk, [])
    trend, words = _trend(history, view, seed=str(gpu.pk))
    start = Asked(
        cards=gpu.quantity,
        price=gpu.gpu_model.market_price_estimate,
        kwh=_first(costs.usd_per_kwh, DEFAULT_USD_PER_KWH),
        fixed=costs.fixed_monthly_usd,
        fee=_fee(gpu.portfolio.user, platform or (view.now.platform if view else "")),
        rented=None if rented is None else min(Decimal(100), rented.quantize(CENT)),
        trend=trend,
    )
    revenue = (
        Figure.unknown("USD", _("Enter daily figures: neither they nor the market tell a price and a rented share."))
        if said.value is None
        else Figure.estimate(Decimal(str(said.value)).quantize(CENT), "USD", estimates.method_words(said.method))
    )
    three, three_words = _shares(view, rented)
    return Subject(
        model=item.gpu_model,
        gpu=gpu,
        start=start,
        rate=_rate(view),
        revenue=revenue,
        trend_words=words,
        price_words=_price_words(costs, gpu.portfolio.name),
        shares=three,
        shares_words=three_words,
        view=view,
        idle_watts=fleet.idle_watts(gpu),
        load_watts=fleet.load_watts(gpu),
        overhead=costs.overhead,
    )


def subject_of_model(model: GPUModel, user: User) -> Subject:
    """A model that is not owned yet: the market's price and share, with the host's electricity and fees."""
    view = estimates.views_of([model.name]).get(model.name)
    trend, words = _trend([], view)
    rented = view.now.rented_percentage if view else None
    costs, place = _usual_costs(user)
    three, three_words = _shares(view, rented)
    return Subject(
        model=model,
        gpu=None,
        start=Asked(
            cards=1,
            price=model.market_price_estimate,
            kwh=_first(costs.usd_per_kwh, DEFAULT_USD_PER_KWH),
            fixed=None,
            fee=_fee(user, view.now.platform if view else ""),
            rented=rented,
            trend=trend,
        ),
        rate=_rate(view),
        revenue=Figure.unknown("USD", _("Nobody tells a price of this model now.")),
        trend_words=words,
        price_words=_price_words(costs, place),
        shares=three,
        shares_words=three_words,
        view=view,
        idle_watts=model.idle_watts,
        load_watts=model.base_power_consumption,
        overhead=Decimal(1),
    )


def asked_of_plan(gpu: GPUConfiguration, start: Asked) -> Asked:
    """What a plan was worked out with: its costs and its configuration; what it does not tell stands at `start`."""
    costs = costs_of([gpu])[gpu.pk]
    kept = gpu.portfolio.configuration
    return replace(
        start,
        cards=gpu.quantity,
        price=costs.purchase_price_usd,
        kwh=_first(costs.usd_per_kwh, start.kwh),
        fixed=costs.fixed_monthly_usd,
        **{name: Decimal(str(kept[f"plan_{name}"])) for name in PLAN_NUMBERS if f"plan_{name}" in kept},
    )


def _first(value: Decimal | None, other: Decimal) -> Decimal:
    return other if value is None else value


def _fee(user: User, platform: str) -> Decimal | None:
    today = clock.today()
    span = fee_on(fee_spans(user, today, today), platform, today)
    return span.percentage if span else None


def _usual_costs(user: User) -> tuple[Costs, str]:
    """What the host's oldest portfolio costs of which a price of electricity is known, and its name."""
    told = Portfolio.objects.visible_to(user).active().filter(cost_profiles__gpu_configuration=None)
    told = told.exclude(cost_profiles__price_per_kwh=None, cost_profiles__tariff_bands=[])
    for portfolio in told.order_by("created_at", "pk")[:5]:
        costs = costs_of_portfolio(portfolio)
        if costs.usd_per_kwh is not None:
            return costs, portfolio.name
    return Costs(), ""


def _price_words(costs: Costs, place: str) -> str:
    """Where the price of electricity that stands in the field is from."""
    if costs.usd_per_kwh is None:
        return _("The electricity price starts at the mean of households in the United States.")
    words = _("The electricity price starts at that of your portfolio “%(name)s”.") % {"name": place}
    if costs.bands:
        words += " " + _("It is the mean of today's hours.")
    if costs.currency != "USD" and costs.usd_rate_day:
        words += " " + _("Converted from %(currency)s at the rate of %(day)s.") % {
            "currency": costs.currency,
            "day": formats.moment(costs.usd_rate_day),
        }
    return words


def _rate(view: MarketView | None) -> Decimal | None:
    return view.now.price if view else None


def _trend(history: Sequence[float | None], view: MarketView | None, *, seed: str = "") -> tuple[Decimal, str]:
    """Percent a month, and where it is from."""
    own = investment.trend(history, seed=seed)
    if own is not None:
        is_steady = own == investment.STEADY
        return own, _("your own days show no trend") if is_steady else _(
            "half of what your last 28 days differ from the 28 before"
        )
    told = view.forecasts.get(("price", 30)) if view else None
    if view is not None and told is not None:
        if view.now.price is None or told.low <= view.now.price <= told.high:
            return Decimal(0), _("the market's forecast does not tell whether prices rise or fall")
        moved = projection.drift(1.0, None, view.drift("price", view.now.price)) - 1
        percent = max(Decimal(-5), min(Decimal(5), Decimal(str(100 * moved)).quantize(Decimal("0.1"))))
        return percent, _("the market's price forecast")
    return Decimal(0), _("nobody knows: taken as steady")


def _shares(view: MarketView | None, rented: Decimal | None) -> tuple[tuple[Decimal, Decimal, Decimal] | None, str]:
    """The rented share in weak, expected and strong demand, percent, and where it is from."""
    if rented is None:
        return None, ""
    forecast = view.forecasts.get(("rented", 30)) or view.forecasts.get(("rented", 7)) if view else None
    if forecast is not None and forecast.value:
        low, high = (rented * bound / forecast.value for bound in (forecast.low, forecast.high))
        words = _("the interval of the market's forecast of %(day)s") % {"day": formats.day(forecast.made_at.date())}
    else:
        low, high, words = rented * WEAK, rented * STRONG, _("a fifth less and a fifth more")
    return (low.quantize(CENT), rented.quantize(CENT), min(Decimal(100), high).quantize(CENT)), words


@dataclass(frozen=True, slots=True)
class Month:
    """30 days of all cards in one case of demand, USD; None is unknown. `payback`: months, None: never."""

    name: str
    rented: Decimal | None
    revenue: Decimal | None
    fee: Decimal | None
    energy: Decimal | None
    net: Decimal | None
    payback: Figure


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes out: the month now, three cases of demand, and what selling in each month would be worth."""

    trend_words: str
    month: Month
    net: Figure
    cases: tuple[Month, ...]
    prospect: Prospect | None
    payback_price: Figure
    resale_price: Decimal | None
    chart: Series | None
    missing: str

    @property
    def revenue(self) -> Figure:
        return _figure(self.month.revenue, "USD", self.net.method, self.missing)

    @property
    def payback_range(self) -> tuple[Decimal, Decimal] | None:
        """Shortest and longest payback of the cases; None where one never pays back."""
        known = [case.payback.value for case in self.cases]
        months = [value for value in known if value is not None]
        return (min(months), max(months)) if months and len(months) == len(known) else None


def answer(subject: Subject, asked: Asked) -> Answer:
    """Net of a month, payback in three cases of demand, and the month in which selling is worth most."""
    missing = _missing(subject, asked)
    month = _month(_("Now"), subject, asked, asked.rented, own=subject.gpu is not None)
    names = (_("Weak demand"), _("Expected"), _("Strong demand"))
    shares = _scaled(subject, asked)
    cases = (
        tuple(_month(name, subject, asked, share) for name, share in zip(names, shares, strict=True)) if shares else ()
    )
    if month.net is None or asked.price is None:
        prospect = None
    else:
        prospect = investment.prospect(
            monthly_net=month.net,
            trend_percentage=asked.trend,
            price=asked.price * asked.cards,
            depreciation_percentage=asked.depreciation,
            discount_percentage=asked.discount,
        )
    per_card = None if month.net is None else month.net / asked.cards
    price = None if per_card is None else investment.payback_price(monthly_net=per_card, trend_percentage=asked.trend)
    return Answer(
        trend_words=_trend_words(asked.trend),
        month=month,
        net=_figure(month.net, "USD", _method(subject), missing),
        cases=cases,
        prospect=prospect,
        payback_price=_figure(
            price,
            "USD",
            _("what one card leaves in 12 months"),
            missing or _("At no price: nothing is left each month."),
        ),
        resale_price=asked.price,
        chart=_chart(prospect) if prospect else None,
        missing=missing,
    )


def _trend_words(trend: Decimal) -> str:
    """What the answer takes net to do, in a sentence."""
    words = {"percent": formats.percent(abs(trend), 1), "months": investment.GROWTH_MONTHS}
    if trend > 0:
        return _("This takes net to rise by %(percent)s a month for %(months)d months, then to stay.") % words
    if trend < 0:
        return _("This takes net to fall by %(percent)s each month.") % words
    return _("This takes net to stay as it is now.")


def _method(subject: Subject) -> str:
    return subject.revenue.method if subject.gpu is not None else _("the market as it is now")


def _figure(value: Decimal | None, unit: str, method: str, missing: str) -> Figure:
    return Figure.unknown(unit, missing) if value is None else Figure.estimate(value, unit, method)


def _scaled(subject: Subject, asked: Asked) -> tuple[Decimal, Decimal, Decimal] | None:
    """The three shares around what was typed."""
    if asked.rented is None:
        return None
    if subject.shares is None or not subject.shares[1]:
        low, high = asked.rented * WEAK, asked.rented * STRONG
    else:
        low, high = (asked.rented * bound / subject.shares[1] for bound in (subject.shares[0], subject.shares[2]))
    return low.quantize(CENT), asked.rented, min(Decimal(100), high).quantize(CENT)


def _month(name: str, subject: Subject, asked: Asked, rented: Decimal | None, *, own: bool = False) -> Month:
    """30 days of all cards. Own GPUs earn what is projected, and in other demand as much more as more is rented."""
    hours = economics.rented_hours(utilization_percentage=rented)
    hours = None if hours is None else hours * MONTH_DAYS
    revenue = None
    if subject.gpu is not None and subject.revenue.value is not None:
        base = subject.revenue.value * asked.cards / subject.gpu.quantity
        if own:
            revenue = base
        elif rented is not None and asked.rented:
            revenue = base * rented / asked.rented
    elif subject.rate is not None and hours is not None:
        revenue = asked.cards * subject.rate * hours
    fee = economics.platform_fee(revenue=revenue, fee_percentage=asked.fee)
    energy = economics.energy_cost(
        quantity=asked.cards,
        idle_watts=subject.idle_watts,
        load_watts=subject.load_watts,
        rented_hours=hours,
        usd_per_kwh=asked.kwh,
        hours=MONTH_HOURS,
        overhead=subject.overhead,
    )
    net = economics.net(revenue=revenue, fee=fee, energy=energy, fixed=asked.fixed or Decimal(0))
    months = None
    if net is not None and asked.price is not None:
        months = investment.payback(price=asked.price * asked.cards, monthly_net=net, trend_percentage=asked.trend)
    no_payback = _("Never at this rate.") if net is not None and asked.price is not None else _missing(subject, asked)
    return Month(name, rented, revenue, fee, energy, net, _figure(months, "months", "", no_payback))


def _missing(subject: Subject, asked: Asked) -> str:
    """What would make the answer known, the first thing first; empty where nothing is missing."""
    if subject.gpu is not None and not subject.revenue.is_known:
        return subject.revenue.missing
    if subject.gpu is None and subject.rate is None:
        return _("Nobody tells a price of this model now.")
    if asked.rented is None:
        return _("How much is rented is unknown: enter a share.")
    if asked.fee is None:
        return _("The platform's fee is unknown: enter it.")
    if subject.idle_watts is None or not subject.load_watts:
        return _("What this card draws is unknown.")
    if asked.price is None:
        return _("Enter what a card costs or would fetch.")
    return ""


def _chart(prospect: Prospect) -> Series:
    """What selling after each month would be worth today, and what the cards alone would fetch then."""
    today = clock.today()
    return Series(
        [_month_later(today, month) for month in range(len(prospect.values))],
        lines=[
            Line(_("Keep, then sell: worth today"), [value.quantize(CENT) for value in prospect.values], "mine"),
            Line(_("Resale at that time"), [value.quantize(CENT) for value in prospect.resales], "median"),
        ],
    )


def _month_later(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
