"""What the dashboard shows: a host's results beside the market, read with as many queries for 500 GPUs as for one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import formats
from gpuadvisor.core.charts import Band, Line, Series
from gpuadvisor.core.figures import Figure
from market import selectors as market
from market.models import GPUModel
from market.selectors import MarketNow

from .. import economics, measures
from ..economics import Total, Window
from ..fleet import Fleet, cost_missing, read_fleet, usd_per_kwh
from ..kpis import KpiSheet
from ..measures import FULL_DAY, Measure, Spark
from ..models import GPUConfiguration
from ..reading import Reading, read
from ..results import CHART_DAYS, SPARK_DAYS, Day, Results, Sums
from .health import Health, health
from .lines import GPULine, PortfolioLine, gpu_line, portfolio_line
from .sheets import DEFAULT_PERIOD, PERIODS

PAGE_SIZE = 25
PORTFOLIOS_SHOWN = 12
CHARTS_OFFERED = 8
NOTHING = Day(Sums(), None)
POPULAR = ("RTX 5090", "RTX 4090", "RTX 3090", "RTX A6000", "RTX 6000 Ada", "L40S", "A100 SXM4 80GB", "H100 SXM")


@dataclass(frozen=True)
class Step:
    """One line of the set-up list, and the page that does it."""

    text: str
    url: str
    is_done: bool


@dataclass(frozen=True)
class PriceChart:
    """The market of one GPU model with the host's own rate in it."""

    slug: str
    model: str
    note: str
    series: Series


@dataclass(frozen=True)
class Popular:
    """A GPU model with its market, for a host who has no GPUs yet."""

    name: str
    slug: str
    market: MarketNow


@dataclass(frozen=True)
class Dashboard:
    """Everything on the page. `whole` is None while no active portfolio has a GPU."""

    period: str
    window: Window
    before: str
    as_of: datetime | None
    whole: KpiSheet | None
    health: Health | None
    today_net: Measure
    today_revenue: Figure
    portfolios: tuple[PortfolioLine, ...]
    portfolio_count: int
    gpus: tuple[GPULine, ...]
    gpu_count: int
    unit_count: int
    first_shown: int
    next_after: UUID | None
    add_gpu_url: str
    models: tuple[tuple[str, str], ...]
    chart: PriceChart | None
    steps: tuple[Step, ...]
    popular: tuple[Popular, ...]
    market_origin: str
    market_as_of: datetime | None
    market_is_stale: bool

    @property
    def last_shown(self) -> int:
        return self.first_shown + len(self.gpus) - 1

    @property
    def steps_done(self) -> int:
        return sum(step.is_done for step in self.steps)

    @property
    def next_step(self) -> Step | None:
        return next((step for step in self.steps if not step.is_done), None)

    @property
    def has_portfolio(self) -> bool:
        return self.steps[0].is_done


def dashboard(
    user: User, period: str = DEFAULT_PERIOD, *, gpu: str = "", after: UUID | None = None, limit: int | None = PAGE_SIZE
) -> Dashboard:
    """The page of `user`. `gpu` is the slug of the chart's model, `after` the GPU behind which the table goes on.

    Figures count active portfolios, and removed GPUs for the days on which they earned.
    """
    fleet = read_fleet(user)
    now, before = economics.windows(last=fleet.today, days=PERIODS[period])
    charted = next((model for model in fleet.models if model.slug == gpu), next(iter(fleet.models), None))
    reading = read(user, fleet, now=now, before=before, charted=charted)
    found = reading.found
    listed = [item for item in fleet.gpus if item.is_active or item.pk in found.recent]
    pks = [item.pk for item in listed]
    start = pks.index(after) + 1 if after in pks else 0
    shown = listed[start : start + limit] if limit else listed[start:]

    popular = {} if fleet.gpus else dict(GPUModel.objects.filter(name__in=POPULAR).values_list("name", "slug"))
    names = {item.gpu_model.name for item in shown} | set(popular) | ({charted.name} if charted else set())
    prices = {name: price for name, price in market.market_now(names).items() if not price.is_hidden}
    whole = reading.sheet(fleet.gpus, _sparks(reading)) if fleet.gpus else None
    return Dashboard(
        period=period,
        window=now,
        before=reading.words,
        as_of=found.as_of,
        whole=whole,
        health=health(reading, whole.value("coverage") if whole else None),
        today_net=_today_net(reading),
        today_revenue=_today_revenue(fleet, found),
        portfolios=_portfolio_lines(reading),
        portfolio_count=len(fleet.active),
        gpus=tuple(gpu_line(item, reading, prices.get(item.gpu_model.name)) for item in shown),
        gpu_count=len(listed),
        unit_count=sum(item.quantity for item in listed if item.is_active),
        first_shown=start + 1 if shown else 0,
        next_after=shown[-1].pk if shown and start + len(shown) < len(listed) else None,
        add_gpu_url=_add_gpu_url(fleet),
        models=tuple((model.name, model.slug) for model in fleet.models),
        chart=_chart(charted, prices.get(charted.name), fleet, found) if charted else None,
        steps=_steps(fleet, found),
        popular=tuple(
            Popular(name, popular[name], prices[name]) for name in POPULAR if name in popular and name in prices
        ),
        market_origin=next((price.origin for price in prices.values()), ""),
        market_as_of=min((price.as_of for price in prices.values()), default=None),
        market_is_stale=any(price.is_stale for price in prices.values()),
    )


def _sparks(reading: Reading) -> dict[str, Spark]:
    """Sums and shares day by day, a week at least; a day with too little on record is a gap."""
    parts: dict[str, Callable[[Sums], Total]] = {
        "revenue": lambda sums: sums.revenue,
        "energy": lambda sums: sums.energy,
        "net": lambda sums: sums.net,
        "occupancy": lambda sums: sums.use,
    }
    fleet, found = reading.fleet, reading.found
    days = [fleet.today - timedelta(days=age) for age in range(max(reading.now.days, SPARK_DAYS) - 1, -1, -1)]
    sums = [found.days[day].sums if day in found.days else Sums() for day in days]
    sparks: dict[str, Spark] = {}
    for name, part in parts.items():
        starts = _starts(reading, part)
        is_full = [part(one).known >= bisect_right(starts, day) * FULL_DAY for day, one in zip(days, sums, strict=True)]
        values = [one.utilization if name == "occupancy" else part(one).value for one in sums]
        sparks[name] = tuple(value if full else None for value, full in zip(values, is_full, strict=True))
    return sparks


def _starts(reading: Reading, part: Callable[[Sums], Total]) -> list[date]:
    """The days, in order, from which on each GPU configuration that tells this figure should tell it."""
    found = reading.found
    return sorted(
        reading.start(item)
        for item in reading.fleet.gpus
        if item.is_active and (part(found.now[item.pk]).known or part(found.before[item.pk]).known)
    )


def _today_net(reading: Reading) -> Measure:
    """Net of today so far, with that of yesterday beside it."""
    fleet, days = reading.fleet, reading.found.days
    today, yesterday = (days.get(fleet.today - timedelta(days=age), NOTHING).sums for age in (0, 1))
    if today.net.value is None:
        missing = _("Enter or import today’s figures.")
        if today.days:
            missing = cost_missing(fleet.gpus) or _("Needs revenue, fee and energy of today.")
        figure = Figure.unknown("USD", missing, reading.found.as_of)
    else:
        figure = Figure.estimate(today.net.value, "USD", _("of what is on record so far"), reading.found.as_of)
    note = ""
    if yesterday.net.value is not None:
        note = _("yesterday %(amount)s") % {"amount": formats.money(yesterday.net.value)}
    return Measure(figure, note=note, name="net")


def _today_revenue(fleet: Fleet, found: Results) -> Figure:
    sums = found.days.get(fleet.today, NOTHING).sums
    return measures.figure(sums.revenue, missing=_("Enter or import today’s figures."), as_of=found.as_of)


def _portfolio_lines(reading: Reading) -> tuple[PortfolioLine, ...]:
    fleet = reading.fleet
    items: dict[UUID, list[GPUConfiguration]] = {}
    for item in fleet.gpus:
        items.setdefault(item.portfolio_id, []).append(item)
    return tuple(
        portfolio_line(portfolio, items.get(portfolio.pk, []), reading) for portfolio in fleet.active[:PORTFOLIOS_SHOWN]
    )


def _chart(model: GPUModel, price: MarketNow | None, fleet: Fleet, found: Results) -> PriceChart:
    """The last 30 days, one point a day; a day that nobody recorded stays a gap in its line."""
    days = [fleet.today - timedelta(days=age) for age in range(CHART_DAYS - 1, -1, -1)]
    points: dict[date, market.HistoryPoint] = {}
    note = _("No current market figures for this GPU.")
    if price is not None:
        history = market.market_history(
            model.name,
            since=datetime.combine(days[0], datetime.min.time(), UTC),
            until=datetime.combine(fleet.today + timedelta(days=1), datetime.min.time(), UTC),
            platform=price.platform,
            origin=price.origin,
        )
        points = {point.at.astimezone(UTC).date(): point for point in history}
        words = {"simulated": _("%(platform)s, on-demand; simulated market"), "live": _("%(platform)s, on-demand")}
        note = words[price.origin] % {"platform": fleet.platform_name(price.platform)}
    own = [found.days[day].rate if day in found.days else None for day in days]
    seen: Sequence[market.HistoryPoint | None] = [points.get(day) for day in days]
    series = Series(
        times=days,
        lines=[
            Line(_("Market median"), [point.median if point else None for point in seen], "median"),
            *([Line(_("Your rate"), own, "mine")] if any(rate is not None for rate in own) else []),
        ],
        bands=[
            Band(
                _("Market p10–p90"),
                [point.p10 if point else None for point in seen],
                [point.p90 if point else None for point in seen],
            )
        ],
    )
    return PriceChart(model.slug, model.name, note, series)


def _add_gpu_url(fleet: Fleet) -> str:
    """The form of the only portfolio that may be written to; with several, their list."""
    found = [portfolio for portfolio in fleet.portfolios if not portfolio.is_read_only]
    if len(found) == 1:
        return reverse("portfolios:gpu-add", kwargs={"pk": found[0].pk})
    return reverse("portfolios:list") if fleet.portfolios else reverse("portfolios:create")


def _steps(fleet: Fleet, found: Results) -> tuple[Step, ...]:
    """What a new host does first."""
    active = [item for item in fleet.gpus if item.is_active]
    create = reverse("portfolios:create")
    price_url = entry_url = _add_gpu_url(fleet)
    unpriced = next((item for item in active if usd_per_kwh(item) is None), None)
    if unpriced:
        price_url = reverse("portfolios:edit", kwargs={"pk": unpriced.portfolio_id})
    elif fleet.portfolios and not active:
        price_url = reverse("portfolios:edit", kwargs={"pk": fleet.portfolios[0].pk})
    silent = next((item for item in active if item.pk not in found.recent), None)
    if silent:
        entry_url = reverse("portfolios:metric-add", kwargs={"pk": silent.pk})
    return (
        Step(_("Add a portfolio"), create, bool(fleet.portfolios)),
        Step(_("Add a GPU"), _add_gpu_url(fleet), bool(active)),
        Step(_("Set the electricity price"), price_url, bool(active) and unpriced is None),
        Step(_("Enter or import daily figures"), entry_url, bool(found.recent)),
    )
