"""A host's fleet with what it did in a window, what it costs and what the platforms keep: read once for a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import clock
from market.models import GPUModel

from .economics import Window
from .fleet import Fleet, cost_missing, idle_watts, load_watts, usd_per_kwh
from .kpis import Costing, KpiSheet, More, Part, measures_of
from .lookups import Lookups
from .measures import Context, Spark
from .models import GPUConfiguration
from .results import Fee, Recent, Results, Unit, results


@dataclass(frozen=True)
class Reading:
    """What `read` found."""

    fleet: Fleet
    found: Results
    now: Window
    before: Window | None
    costings: Mapping[UUID, Costing]
    more: More = field(default_factory=More)

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
    fleet: Fleet,
    *,
    now: Window,
    before: Window | None = None,
    items: Sequence[GPUConfiguration] | None = None,
    charted: GPUModel | None = None,
) -> Reading:
    """What the fleet, or `items` of it, did in `now` and in `before`. `charted`: whose own rates a chart shows."""
    items = fleet.gpus if items is None else items
    fees = [
        Fee(slug, "", "", date.min, date.max, platform.fee_percentage) for slug, platform in fleet.platforms.items()
    ]
    moment = clock.now()
    units = [unit_of(item, charted) for item in items]
    found = results(
        units,
        now=now,
        before=before,
        today=fleet.today,
        fees=fees,
        hours_today=Decimal(moment.hour),
    )
    costings = {item.pk: _costing(item, fleet, found) for item in items}
    more = Lookups(items, units, window=now, now=moment, fees=fees, purchases={})
    return Reading(fleet, found, now, before, costings, more)


def unit_of(item: GPUConfiguration, charted: GPUModel | None) -> Unit:
    """What the sums need to know of it."""
    return Unit(
        pk=item.pk,
        quantity=item.quantity,
        load_watts=load_watts(item),
        idle_watts=idle_watts(item),
        usd_per_kwh=usd_per_kwh(item),
        first_day=item.added_at.astimezone(UTC).date(),
        is_active=item.is_active,
        is_charted=charted is not None and item.gpu_model_id == charted.pk,
    )


def _costing(item: GPUConfiguration, fleet: Fleet, found: Results) -> Costing:
    slugs = found.recent.get(item.pk, Recent()).platforms or tuple(sorted(item.platform_mappings))
    fees = [fleet.platforms[slug].fee_percentage for slug in slugs if slug in fleet.platforms]
    return Costing(
        idle_watts=idle_watts(item),
        load_watts=load_watts(item),
        usd_per_kwh=usd_per_kwh(item),
        fee_percentage=max((fee for fee in fees if fee is not None), default=None),
    )
