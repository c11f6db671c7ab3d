"""What a host's GPUs cost, in US dollars: a configuration's own entries, else those of its portfolio.

Source: docs/economics.md, "Cost profile".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q, Sum
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.accounts.zones import zone_of
from gpuadvisor.core import clock, formats
from gpuadvisor.core.figures import Figure
from market.currencies import DOLLAR, Rate, usd_rates

from . import tariffs
from .models import CostProfile, GPUConfiguration, Portfolio

Hours = tuple[Decimal | None, ...]
UNKNOWN: Hours = (None,) * tariffs.HOURS
UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Costs:
    """What one GPU configuration costs.

    Units: `price_per_kwh` and the prices of `bands` in `currency`; `overhead` a factor, 1 where nobody said any;
    `fixed_monthly_usd` of all the configuration, its share of the portfolio's included, None where none was entered;
    `purchase_price_usd` of one GPU. `usd_rate` is that of `currency`, None where nobody told one.
    """

    currency: str = DOLLAR
    price_per_kwh: Decimal | None = None
    bands: tuple[Mapping[str, Any], ...] = ()
    zone: ZoneInfo = UTC
    overhead: Decimal = Decimal(1)
    fixed_monthly_usd: Decimal | None = None
    fixed_is_allocated: bool = False
    fixed_is_unknown: bool = False  # some were entered in a currency whose rate nobody told: net is unknown
    purchase_price_usd: Decimal | None = None
    purchase_date: date | None = None
    usd_rate: Decimal | None = Decimal(1)
    usd_rate_day: date | None = None
    usd_rate_source: str = ""
    usd_rate_is_old: bool = False
    today: date = field(default=date.min, repr=False)

    @property
    def tariff_key(self) -> tuple[object, ...]:
        """Configurations with the same key pay the same price in every hour."""
        bands = tuple((tuple(b["days"]), b["from"], b["to"], str(b["price"])) for b in self.bands)
        return (self.currency, self.usd_rate, self.price_per_kwh, bands, self.zone.key if bands else "")

    @property
    def flat_usd(self) -> Decimal | None:
        """The one price in USD that holds at all hours; None where bands make it change, or where none is known."""
        if self.bands or self.price_per_kwh is None or self.usd_rate is None:
            return None
        return self.price_per_kwh * self.usd_rate

    @property
    def usd_per_kwh(self) -> Decimal | None:
        """The mean price in USD over today's hours; None where one of them has none."""
        if not self.bands:
            return self.flat_usd
        known = [price for price in self.hourly_usd(self.today) if price is not None]
        return sum(known, Decimal(0)) / tariffs.HOURS if len(known) == tariffs.HOURS else None

    def hourly_usd(self, day: date) -> Hours:
        """The price of each UTC hour of `day` in USD, at the newest rate that is known; None where none is."""
        if self.usd_rate is None:
            return UNKNOWN
        prices = tariffs.hourly_prices(day=day, price=self.price_per_kwh, bands=self.bands, zone=self.zone)
        return tuple(None if price is None else price * self.usd_rate for price in prices)


NONE = Costs()


def costs_of(items: Iterable[GPUConfiguration], *, today: date | None = None) -> dict[UUID, Costs]:
    """What each of these configurations costs now; those of which nobody told anything cost `Costs()`.

    At most four queries, however many there are, and one for `today` where the caller does not know it.
    """
    items = list(items)
    portfolios = {item.portfolio_id for item in items}
    shared: dict[UUID, CostProfile] = {}
    own: dict[UUID, CostProfile] = {}
    if portfolios:
        for profile in CostProfile.objects.filter(portfolio__in=portfolios):
            if profile.gpu_configuration_id:
                own[profile.gpu_configuration_id] = profile
            else:
                shared[profile.portfolio_id] = profile
    profiles = [*shared.values(), *own.values()]
    today = today or clock.today()
    rates = usd_rates({profile.currency for profile in profiles}, today)
    sharing = _units([pk for pk, profile in shared.items() if profile.fixed_monthly is not None])
    zones = _zones({pk for pk in portfolios if any(p.portfolio_id == pk and p.tariff_bands for p in profiles)})
    return {
        item.pk: merged(
            item,
            own.get(item.pk),
            shared.get(item.portfolio_id),
            rates=rates,
            units=sharing.get(item.portfolio_id, 0),
            zone=zones.get(item.portfolio_id, "UTC"),
            today=today,
        )
        for item in items
    }


@dataclass(frozen=True)
class ToldPrice:
    """The price of electricity as somebody typed it, and the currency in which the next one is asked for."""

    currency: str
    price_per_kwh: Decimal | None = None


def told(user: User, portfolio: Portfolio | None = None, gpu: GPUConfiguration | None = None) -> ToldPrice:
    """The own price of a GPU configuration, or of a portfolio; the currency is theirs, else the host's preference."""
    own = shared = None
    if portfolio:
        profiles = CostProfile.objects.filter(portfolio=portfolio).filter(
            Q(gpu_configuration=None) | Q(gpu_configuration=gpu)
        )
        by_gpu = {profile.gpu_configuration_id: profile for profile in profiles}
        shared, own = by_gpu.get(None), by_gpu.get(gpu.pk) if gpu else None
    mine = own if gpu else shared
    last = own or shared
    currency = last.currency if last else preferred_currency(user)
    return ToldPrice(currency, mine.price_per_kwh if mine else None)


def preferred_currency(user: User) -> str:
    """The currency of a new cost profile: the host's preference, where its rate is known."""
    wanted = str(user.preferences.get("currency") or DOLLAR)
    return wanted if wanted in usd_rates([wanted], clock.today()) else DOLLAR


def merged(
    item: GPUConfiguration,
    own: CostProfile | None,
    shared: CostProfile | None,
    *,
    rates: Mapping[str, Rate],
    units: int,
    zone: str,
    today: date,
) -> Costs:
    """The configuration's own entries, else the portfolio's. The tariff (price, bands, zone) is inherited as a whole.

    Units: `units` GPUs share the portfolio's fixed costs.
    """
    tariff = tariff_of(own, shared)
    currency = tariff.currency if tariff else DOLLAR
    rate = rates.get(currency)
    overhead = first_said(own, shared, "overhead_percentage")
    priced = next((p for p in (own, shared) if p and p.purchase_price is not None), None)
    fixed = _fixed(item, own, shared, rates, units)
    return Costs(
        currency=currency,
        price_per_kwh=tariff.price_per_kwh if tariff else None,
        bands=tuple(tariff.tariff_bands) if tariff else (),
        zone=zone_of((tariff.timezone if tariff else "") or (shared.timezone if shared else "") or zone),
        overhead=Decimal(1) if overhead is None else 1 + overhead / 100,
        fixed_monthly_usd=fixed.usd,
        fixed_is_allocated=fixed.is_allocated,
        fixed_is_unknown=fixed.is_unknown,
        purchase_price_usd=_in_usd(priced, priced.purchase_price, rates) if priced else None,
        purchase_date=first_said(own, shared, "purchase_date"),
        usd_rate=rate.usd_per_unit if rate else (Decimal(1) if currency == DOLLAR else None),
        usd_rate_day=rate.day if rate and currency != DOLLAR else None,
        usd_rate_source=rate.source if rate else "",
        usd_rate_is_old=bool(rate and rate.is_old),
        today=today,
    )


def tariff_of(own: CostProfile | None, shared: CostProfile | None) -> CostProfile | None:
    """The profile whose price and bands hold; None where neither says any."""
    return next((p for p in (own, shared) if p and (p.price_per_kwh is not None or p.tariff_bands)), None)


def first_said(own: CostProfile | None, shared: CostProfile | None, name: str) -> Any:
    """The configuration's own entry, else the portfolio's, else None."""
    values = (getattr(profile, name) for profile in (own, shared) if profile)
    return next((value for value in values if value is not None), None)


class _Fixed(NamedTuple):
    usd: Decimal | None = None
    is_allocated: bool = False
    is_unknown: bool = False


def _fixed(
    item: GPUConfiguration,
    own: CostProfile | None,
    shared: CostProfile | None,
    rates: Mapping[str, Rate],
    units: int,
) -> _Fixed:
    """Its own fixed costs and its share of the portfolio's by GPUs; a removed one has none any more."""
    if not item.is_active:
        return _Fixed()
    parts = []
    if own and own.fixed_monthly is not None:
        parts.append(_in_usd(own, own.fixed_monthly, rates))
    has_share = bool(shared and shared.fixed_monthly is not None and units)
    if has_share and shared:
        amount = _in_usd(shared, shared.fixed_monthly, rates)
        parts.append(None if amount is None else amount * item.quantity / units)
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return _Fixed(None, has_share, is_unknown=True)
    return _Fixed(sum(known, Decimal(0)) if known else None, has_share)


def _in_usd(profile: CostProfile, amount: Decimal | None, rates: Mapping[str, Rate]) -> Decimal | None:
    rate = rates.get(profile.currency)
    return None if amount is None or rate is None else amount * rate.usd_per_unit


def _units(portfolios: Iterable[UUID]) -> dict[UUID, int]:
    """How many GPUs of each portfolio are in use."""
    asked = list(portfolios)
    if not asked:
        return {}
    rows = GPUConfiguration.objects.active().filter(portfolio__in=asked).order_by()
    return dict(rows.values("portfolio").annotate(n=Sum("quantity")).values_list("portfolio", "n"))


def _zones(portfolios: Iterable[UUID]) -> dict[UUID, str]:
    """The time zone of each portfolio's host."""
    asked = list(portfolios)
    if not asked:
        return {}
    return dict(User.objects.filter(portfolios__in=asked).values_list("portfolios", "timezone"))


def costs_of_portfolio(portfolio: Portfolio) -> Costs:
    """What the portfolio's own entries say; fixed costs for all of it."""
    return costs_of_portfolios([portfolio])[portfolio.pk]


def costs_of_portfolios(portfolios: Sequence[Portfolio]) -> dict[UUID, Costs]:
    """The same of several, which were read with their hosts, in as many queries as for one."""
    rows = CostProfile.objects.filter(portfolio__in=portfolios, gpu_configuration=None)
    profiles = {profile.portfolio_id: profile for profile in rows}
    today = clock.today()
    rates = usd_rates({profile.currency for profile in profiles.values()}, today) if profiles else {}
    found = {}
    for portfolio in portfolios:
        profile = profiles.get(portfolio.pk)
        zone = portfolio.user.timezone if profile and profile.tariff_bands else "UTC"
        found[portfolio.pk] = merged(
            GPUConfiguration(quantity=1), None, profile, rates=rates, units=1, zone=zone, today=today
        )
    return found


def price_figure(costs: Costs) -> Figure:
    """The price of a kilowatt-hour: told in dollars, or made into them with the rate that is named."""
    price, missing = costs.usd_per_kwh, _("Enter it to know energy cost and net.")
    if price is None:
        if costs.usd_rate is None:
            missing = _("No rate of %(currency)s is known.") % {"currency": costs.currency}
        elif costs.bands:
            missing = _("Its tariff leaves hours without a price.")
        return Figure.unknown("USD/kWh", missing)
    method = _("mean over today's hours") if costs.bands else ""
    if costs.usd_rate_day:
        words = {"currency": costs.currency, "source": costs.usd_rate_source}
        words["day"] = formats.full_day(costs.usd_rate_day)
        rate = _("in %(currency)s at the rate of %(day)s, %(source)s") % words
        if costs.usd_rate_is_old:
            rate = _("%(rate)s, which is old") % {"rate": rate}
        method = f"{method}, {rate}" if method else rate
    return Figure(price, "USD/kWh", method=method)
