"""A host's fleet with what it did in a window, what it costs and what the platforms keep: read once for a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.accounts.models import User
from market.models import GPUModel

from . import economics
from .costs import Costs
from .economics import Window
from .fees import FeeSpan, fee_on, fee_spans
from .fleet import Fleet, cost_missing, idle_watts, load_watts
from .kpis import Costing, KpiSheet, Part, measures_of
from .lookups import Lookups, Purchase
from .measures import Context, Spark
from .models import GPUConfiguration, OrderType
from .results import Fee, Recent, Results, Tariff, Unit, results


@dataclass(frozen=True)
class Reading:
    """What `read` found."""

    fleet: Fleet
    found: Results
    now: Window
    before: Window | None
    costings: Mapping[UUID, Costing]
    more: Lookups

    @property
    def words(self) -> str:
        """What the window before is called."""
        if self.now.days == 1:
            return _("yesterday") if self.now.last == self.fleet.today else _("the day before")
        return ngettext("the %(n)d day before", "the %(n)d days before", self.now.days) % {"n": self.now.days}

    def context(self, items: Sequence[GPUConfiguration]) -> Context:
        is_pending = self.now.days > 1 and self.fleet.today in self.now and awaits_today(items, self.found)
        return Context(self.words, self.found.as_of, is_pending=is_pending)

    def starts(self) -> list[date]:
        """The days, in order, from which on each active GPU configuration should tell."""
        return sorted(self.start(item) for item in self.fleet.gpus if item.is_active and item.pk in self.found.now)

    def start(self, item: GPUConfiguration) -> date:
        """The day from which on it should tell: that on which it was added, or that of its first row read."""
        added = item.added_at.astimezone(UTC).date()
        return min(added, self.found.recent.get(item.pk, Recent()).first_day or added)

    def part(self, item: GPUConfiguration) -> Part:
        """One GPU configuration as the KPIs see it."""
        return Part(
            now=self.found.now[item.pk],
            before=self.found.before[item.pk],
            gpus=item.quantity,
            is_active=item.is_active,
            rate=self.found.recent.get(item.pk, Recent()).rate,
            costing=self.costings[item.pk],
            pk=item.pk,
            more=self.more,
        )

    def sheet(self, items: Sequence[GPUConfiguration], sparks: dict[str, Spark] | None = None) -> KpiSheet:
        """The KPIs of these GPU configurations together."""
        parts = [self.part(item) for item in items]
        context = self.context(items)
        made = measures_of(parts, context, cost_missing=cost_missing(items), sparks=sparks)
        days = sum(part.now.days for part in parts)
        expected = sum(part.now.expected for part in parts)
        return KpiSheet(self.now, self.words, self.found.as_of, made, days, expected)


def awaits_today(items: Iterable[GPUConfiguration], found: Results) -> bool:
    """Whether one of `items` that has rows has none for today yet."""
    return any(
        item.is_active and (recent := found.recent.get(item.pk)) is not None and not recent.has_today for item in items
    )


def read(
    user: User,
    fleet: Fleet,
    *,
    now: Window,
    before: Window | None = None,
    items: Sequence[GPUConfiguration] | None = None,
    charted: GPUModel | None = None,
    since: date | None = None,
) -> Reading:
    """What the fleet of `user`, or `items` of it, did in both windows. `charted`: whose own rates a chart shows.

    `since`: the day from which on single days are asked for, where that lies before both windows.
    """
    items = fleet.gpus if items is None else items
    last = max(fleet.today, now.last)
    first = min(day for day in (now.first, before and before.first, since, fleet.today) if day)
    platforms = fleet.platforms.values()
    spans = fee_spans(user, first, last, platforms=platforms)
    fees = fees_of(spans)
    units = [unit_of(item, fleet.costs[item.pk], charted) for item in items]
    found = results(
        units,
        now=now,
        before=before,
        today=fleet.today,
        fees=fees,
        hours_today=Decimal(fleet.now.hour),
        since=since,
    )
    now_spans = [span for span in spans if span.first <= fleet.today <= span.last]
    costings = {
        item.pk: _costing(item, fleet.costs[item.pk], found.recent.get(item.pk, Recent()), now_spans, fleet.today)
        for item in items
    }
    more = Lookups(
        items,
        units,
        window=now,
        now=fleet.now,
        names={slug: platform.name for slug, platform in fleet.platforms.items()},
        fees=lambda first: fees_of(fee_spans(user, first, last, platforms=platforms)),
        purchases=_purchases(items, fleet),
    )
    return Reading(fleet, found, now, before, costings, more)


def fees_of(spans: Sequence[FeeSpan]) -> list[Fee]:
    """The spans as the statement takes them: one for a platform that keeps the same of everything all the time."""
    by_platform: dict[str, list[FeeSpan]] = {}
    for span in spans:
        by_platform.setdefault(span.platform, []).append(span)
    kinds = len(OrderType) * len({span.currency for span in spans})
    fees: list[Fee] = []
    for platform, theirs in by_platform.items():
        if len({(span.first, span.last, span.percentage) for span in theirs}) == 1 and len(theirs) == kinds:
            fees.append(Fee(platform, "", "*", theirs[0].first, theirs[0].last, theirs[0].percentage))
        else:
            fees += [
                Fee(platform, span.order_type, span.currency, span.first, span.last, span.percentage) for span in theirs
            ]
    return fees


def unit_of(item: GPUConfiguration, costs: Costs, charted: GPUModel | None = None) -> Unit:
    """What the sums need to know of it."""
    return Unit(
        pk=item.pk,
        quantity=item.quantity,
        load_watts=load_watts(item),
        idle_watts=idle_watts(item),
        usd_per_kwh=costs.flat_usd,
        tariff=Tariff(costs.tariff_key, costs.hourly_usd) if costs.bands else None,
        overhead=costs.overhead,
        fixed_daily=_fixed_daily(costs),
        fixed_is_unknown=costs.fixed_is_unknown,
        first_day=item.added_at.astimezone(UTC).date(),
        is_active=item.is_active,
        is_charted=charted is not None and item.gpu_model_id == charted.pk,
    )


def _fixed_daily(costs: Costs) -> Decimal | None:
    monthly = costs.fixed_monthly_usd
    return None if monthly is None else economics.fixed_daily(monthly=monthly)


def _costing(item: GPUConfiguration, costs: Costs, recent: Recent, spans: Sequence[FeeSpan], today: date) -> Costing:
    """What it costs now; of several platforms the highest fee counts."""
    found = [fee_on(spans, slug, today) for slug in recent.platforms or tuple(sorted(item.platform_mappings))]
    fees = [span.percentage for span in found if span is not None and span.percentage is not None]
    return Costing(
        idle_watts=idle_watts(item),
        load_watts=load_watts(item),
        usd_per_kwh=costs.usd_per_kwh,
        overhead=costs.overhead,
        fee_percentage=max(fees, default=None),
        fixed_daily=_fixed_daily(costs),
        is_allocated=costs.fixed_is_allocated,
    )


def _purchases(items: Iterable[GPUConfiguration], fleet: Fleet) -> dict[UUID, Purchase]:
    found: dict[UUID, Purchase] = {}
    for item in items:
        costs = fleet.costs[item.pk]
        if item.is_active and costs.purchase_price_usd is not None:
            found[item.pk] = Purchase(costs.purchase_price_usd * item.quantity, costs.purchase_date)
    return found
