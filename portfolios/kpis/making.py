"""From sums to the KPIs as a host reads them: with quality, method, what is missing and how they moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import formats
from gpuadvisor.core.figures import Figure

from .. import economics, measures
from ..economics import Total
from ..measures import Context, Measure, Spark
from ..results import Sums
from .names import BY_NAME, KPIS, Measures
from .parts import Part

ZERO = Decimal(0)
MONTH_DAYS = 30


def measures_of(
    parts: Sequence[Part], context: Context, *, cost_missing: str = "", sparks: dict[str, Spark] | None = None
) -> Measures:
    """Every KPI of these GPU configurations together, made when asked for; `cost_missing` says what energy lacks."""
    making = _Making(parts, context, cost_missing, sparks or {})
    return Measures({kpi.name: _maker(making, kpi.name) for kpi in KPIS})


def _maker(making: _Making, name: str) -> Callable[[], Measure]:
    def make() -> Measure:
        measure: Measure = getattr(making, name)()
        return replace(measure, name=name, coverage=making.sums.coverage)

    return make


def _mean(values: Iterable[tuple[int | Decimal, Decimal | None]]) -> Decimal | None:
    """The mean of what is known, weighed."""
    known = [(weight, value) for weight, value in values if value is not None and weight > 0]
    weights = sum((weight for weight, _value in known), ZERO)
    return sum((weight * value for weight, value in known), ZERO) / weights if weights else None


@dataclass(frozen=True)
class _Making:
    """One method for each KPI."""

    parts: Sequence[Part]
    context: Context
    cost_missing: str
    sparks: dict[str, Spark]

    @cached_property
    def sums(self) -> Sums:
        return Sums.sum([part.now for part in self.parts])

    @cached_property
    def past(self) -> Sums:
        return Sums.sum([part.before for part in self.parts])

    @cached_property
    def pairs(self) -> list[measures.Pair]:
        return [part.pair for part in self.parts]

    @cached_property
    def active(self) -> list[Part]:
        return [part for part in self.parts if part.is_active]

    # What is missing, in words that say what to do.

    @property
    def no_rows(self) -> str:
        return _("Enter or import daily figures.")

    @property
    def no_share(self) -> str:
        return _("Enter utilization.") if self.sums.days else self.no_rows

    @property
    def no_revenue(self) -> str:
        return _("Enter revenue.") if self.sums.days else self.no_rows

    @property
    def no_fee(self) -> str:
        return _("Enter the platform’s fee.") if self.sums.revenue.known else self.no_revenue

    @property
    def no_energy(self) -> str:
        return (self.cost_missing or _("Enter utilization.")) if self.sums.days else self.no_rows

    @property
    def no_net(self) -> str:
        if not self.sums.energy.known:
            return self.no_energy
        return self.no_fee if not self.sums.fee.known else _("Needs revenue, fee and energy of the same day.")

    @property
    def no_comparison(self) -> str:
        if any(part.comparison for part in self.active):
            return _("Too few current offers to compare with.")
        return _("Nothing to compare with yet.")

    # Shapes that several share.

    def _money(self, name: str, *, missing: str, method: str = "") -> Measure:
        return measures.money(
            self.pairs,
            lambda sums: getattr(sums, name),
            self.context,
            missing=missing,
            method=method,
            spark=self.sparks.get(name, ()),
        )

    def _share(self, name: str, now: Decimal | None, before: Decimal | None, missing: str, method: str = "") -> Measure:
        long, short, shift = measures.points(now, before, self.context)
        return Measure(measures.known(now, BY_NAME[name].unit, missing, self.context, method), long, short, shift=shift)

    def _rate(self, name: str, now: Decimal | None, before: Decimal | None, missing: str, method: str = "") -> Measure:
        long, short, shift = measures.rate_change(now, before, self.context)
        return Measure(measures.known(now, BY_NAME[name].unit, missing, self.context, method), long, short, shift=shift)

    def _left_out(self, known: int, all_parts: int) -> str:
        """How many GPU configurations a mean leaves out, in words; empty where none, or where all are unknown."""
        if not known or known == all_parts:
            return ""
        words = ngettext(
            "without %(n)s of %(all)s GPU configuration", "without %(n)s of %(all)s GPU configurations", all_parts
        )
        return words % {"n": formats.number(all_parts - known), "all": formats.number(all_parts)}

    @property
    def grossed(self) -> str:
        """How revenue was estimated; empty where it was told before the fee."""
        return _("from what was left after the platform’s fee") if self.sums.grossed else ""

    # The KPIs.

    def occupancy(self) -> Measure:
        return measures.utilization(
            self.pairs, self.context, missing=self.no_share, spark=self.sparks.get("occupancy", ())
        )

    def calendar_occupancy(self) -> Measure:
        return self._share(
            "calendar_occupancy", self.sums.calendar_utilization, self.past.calendar_utilization, self.no_share
        )

    def rented_rate(self) -> Measure:
        missing = self._no_rate(_("Nothing was rented."), self.sums.rented)
        return self._rate("rented_rate", self.sums.rented_rate, self.past.rented_rate, missing, self.grossed)

    def yield_rate(self) -> Measure:
        missing = self._no_rate(_("Nothing was offered."), self.sums.available)
        return self._rate("yield_rate", self.sums.yield_rate, self.past.yield_rate, missing, self.grossed)

    def _no_rate(self, nothing: str, hours: Decimal) -> str:
        if self.sums.shares and self.sums.revenue.known and not hours:
            return nothing
        return _("Needs days with both revenue and utilization.")

    def revenue(self) -> Measure:
        missing = self.no_revenue
        if self.sums.grossed and not self.sums.revenue.known:
            missing = _("Enter the platform’s fee.")
        measure = self._money("revenue", missing=missing, method=self.grossed)
        return replace(measure, note=self._with_parts(measure.note))

    def revenue_per_gpu_day(self) -> Measure:
        now, before = (
            economics.revenue_per_gpu_day(revenue=sums.revenue.value, gpu_days=sums.gpu_days)
            for sums in (self.sums, self.past)
        )
        measure = self._rate("revenue_per_gpu_day", now, before, self.no_revenue, self.grossed)
        return replace(measure, note=self._with_parts(measures.lacking([part.now.revenue for part in self.parts])))

    def _with_parts(self, note: str) -> str:
        """The note of a revenue, with on how many days one of its parts was not told."""
        days = self.sums.unparted
        if not days:
            return note
        words = ngettext(
            "without storage or bandwidth on %(n)s day", "without storage or bandwidth on %(n)s days", days
        ) % {"n": formats.number(days)}
        return ", ".join(filter(None, (note, words)))

    def platform_take(self) -> Measure:
        now, before = (
            economics.platform_take(fee=sums.fee.value, revenue=sums.charged) for sums in (self.sums, self.past)
        )
        nothing = _("Nothing was earned.") if self.sums.fee.known else self.no_fee
        return self._share("platform_take", now, before, nothing, _("from the platforms’ known fees"))

    def fee(self) -> Measure:
        return self._money("fee", missing=self.no_fee, method=_("from the platforms’ known fees"))

    def energy(self) -> Measure:
        method = _("from watts and rented hours")
        if self.sums.metered:
            is_whole = self.sums.metered == self.sums.energy.known
            method = "" if is_whole else _("measured in part, the rest from watts and rented hours")
        return self._money("energy", missing=self.no_energy, method=method)

    def fixed(self) -> Measure:
        entered = replace(self, parts=[part for part in self.parts if part.costing.fixed_daily is not None])
        if not entered.parts:
            return Measure(Figure.unknown("USD", _("No fixed costs entered."), self.context.as_of))
        is_allocated = any(part.costing.is_allocated for part in entered.parts)
        return entered._money(
            "fixed",
            missing=self.no_rows,
            method=_("allocated by GPUs, of the days on record") if is_allocated else _("of the days on record"),
        )

    def net(self) -> Measure:
        of = self.sums.netted if self._is_of_a_part else None
        return replace(self._money("net", missing=self.no_net, method=self._net_method()), of=of)

    @property
    def _is_of_a_part(self) -> bool:
        """Whether net rests on a part of the revenue."""
        return bool(self.sums.net.known) and self.sums.netted != self.sums.revenue.value

    def _net_method(self) -> str:
        """What net was made of; it names the revenue that it rests on where that is not all of it."""
        fixed = [part.costing.fixed_daily is not None for part in self.parts]
        words = _("revenue less fees, energy and fixed costs")
        if not any(fixed):
            words = _("revenue less fees and energy; no fixed costs entered")
        elif any(part.costing.is_allocated for part in self.parts):
            words = _("revenue less fees, energy and fixed costs, shared ones allocated by GPUs")
        if not self._is_of_a_part:
            return words
        return _("%(words)s; of %(revenue)s revenue") % {"words": words, "revenue": formats.money(self.sums.netted)}

    def margin(self) -> Measure:
        now, before = (economics.margin(net=sums.net.value, revenue=sums.netted) for sums in (self.sums, self.past))
        nothing = _("Nothing was earned.") if self.sums.net.known else self.no_net
        return self._share("margin", now, before, nothing, _("net ÷ the revenue that it rests on"))

    def floor_rate(self) -> Measure:
        floors = [(part.gpus, part.costing.floor) for part in self.active]
        known = sum(floor is not None for _gpus, floor in floors)
        method = _("from watts under load, electricity price and the platform’s fee")
        if len(floors) > 1:
            method = _("mean of the GPUs’ floors, each from watts, electricity price and fee")
        missing = _("Needs watts, the electricity price and the platform’s fee.")
        value = measures.known(_mean(floors), "USD/GPU-h", missing, self.context, method)
        return Measure(value, note=self._left_out(known, len(floors)))

    def break_even_rate(self) -> Measure:
        """Costs of all ÷ what is kept of their rented hours: each rate weighs as its hours after the fee."""
        rates = [(self._kept_hours(part), self._break_even(part)) for part in self.active]
        known = sum(rate is not None for _hours, rate in rates)
        missing = _("Needs rented hours, watts, the electricity price and the platform’s fee.")
        method = _("energy and fixed costs ÷ rented hours, the fee on top")
        value = measures.known(_mean(rates), "USD/GPU-h", missing, self.context, method)
        return Measure(value, note=self._left_out(known, len(rates)))

    def _kept_hours(self, part: Part) -> Decimal:
        """Rented hours of a day of all its GPUs, less those that go for the fee."""
        share, fee = part.now.utilization, part.costing.fee_percentage
        return ZERO if share is None or fee is None else part.gpus * share * (100 - fee)

    def _break_even(self, part: Part) -> Decimal | None:
        costing = part.costing
        return economics.break_even_rate(
            idle_watts=costing.idle_watts,
            load_watts=costing.load_watts,
            usd_per_kwh=costing.usd_per_kwh,
            fee_percentage=costing.fee_percentage,
            utilization_percentage=part.now.utilization,
            fixed_daily=(costing.fixed_daily or ZERO) / part.gpus,
            overhead=costing.overhead,
        )

    def break_even_electricity(self) -> Measure:
        now, before = (
            economics.break_even_electricity(
                revenue=sums.spare if sums.spare_kwh else None, fee=ZERO, kwh=sums.spare_kwh
            )
            for sums in (self.sums, self.past)
        )
        missing = _("Needs revenue, the platform’s fee and the kWh drawn.")
        method = _("what is left before energy ÷ kWh")
        return self._rate("break_even_electricity", now, before, missing, method)

    def payback_left(self) -> Measure:
        lives = [part.lifetime for part in self.active if part.lifetime is not None]
        if not lives:
            return Measure(Figure.unknown("months", _("Enter what the GPUs cost."), self.context.as_of))
        lately = [life.lately.average for life in lives]
        known = [(life, mean) for life, mean in zip(lives, lately, strict=True) if mean is not None]
        monthly = MONTH_DAYS * sum((mean for _life, mean in known), ZERO) if known else None
        left = economics.payback_left(
            price=sum((life.price for life, _mean in known), ZERO) if known else None,
            earned=Total.sum(life.earned for life, _mean in known).value,
            monthly_net=monthly,
        )
        missing = _("Never at this rate.") if monthly is not None and monthly <= 0 else _("Needs days with net.")
        method = _("price less net so far ÷ a month’s net of the last 90 days")
        figure = measures.known(left, "months", missing, self.context, method)
        return Measure(figure, note=self._left_out(len(known), len(self.active)))

    def uptime(self) -> Measure:
        missing = _("Enter uptime.") if self.sums.days else self.no_rows
        measure = self._share("uptime", self.sums.uptime, self.past.uptime, missing)
        return replace(measure, note=measures.lacking([part.now.up for part in self.parts]))

    def platform_reliability(self) -> Measure:
        return Measure(Figure.unknown("", _("Comes with a connection to the platform.")))

    def price_percentile(self) -> Measure:
        places = [
            (
                part.gpus,
                economics.price_percentile(rate=part.rate, prices=part.comparison.prices if part.comparison else ()),
            )
            for part in self.active
        ]
        known = sum(place is not None for _gpus, place in places)
        sets = {(one.words, one.prices): one.offers for part in self.active if (one := part.comparison)}
        offers = sum(sets.values())  # those of one comp set are counted once, however many GPUs look at it
        missing = self.no_comparison
        if any(part.comparison for part in self.active) and not any(part.rate is not None for part in self.active):
            missing = _("Enter the hourly rate with the daily figures.")
        method = ngettext("among %(n)s offer", "among %(n)s offers", offers) % {"n": formats.number(offers)}
        if len(places) > 1:
            method = _("mean of the GPUs’ places, %(among)s") % {"among": method}
        value = measures.known(_mean(places), "", missing, self.context, method)
        return Measure(value, note=self._left_out(known, len(places)))

    def occupancy_index(self) -> Measure:
        """Rented hours ÷ those that the compared would have rented of the same offered hours."""
        compared = [
            (part, share)
            for part in self.parts
            if part.comparison and part.now.shares and (share := part.comparison.rented_percentage) is not None
        ]
        offered = sum((part.now.available for part, _share in compared), ZERO)
        index = economics.occupancy_index(
            occupancy=economics.occupancy(
                rented_hours=sum((part.now.rented for part, _share in compared), ZERO), available_hours=offered
            ),
            rented_percentage=_mean((part.now.available, share) for part, share in compared),
            age_hours=self._age(part for part, _share in compared),
        )
        return self._index(index, len(compared))

    def yield_index(self) -> Measure:
        """GPU revenue ÷ what the compared would have made of the same offered hours."""
        compared = [
            (part, theirs)
            for part in self.parts
            if part.comparison and part.now.available_earning and (theirs := part.comparison.yield_rate) is not None
        ]
        offered = sum((part.now.available_earning for part, _theirs in compared), ZERO)
        index = economics.yield_index(
            yield_rate=economics.revenue_per_available_hour(
                revenue=sum((part.now.earned for part, _theirs in compared), ZERO), available_hours=offered
            ),
            rented_percentage=Decimal(100),
            rented_price=_mean((part.now.available_earning, theirs) for part, theirs in compared),
            age_hours=self._age(part for part, _theirs in compared),
        )
        return self._index(index, len(compared))

    def _age(self, parts: Iterable[Part]) -> Decimal:
        return max((part.comparison.age_hours for part in parts if part.comparison), default=ZERO)

    def _index(self, index: Decimal | None, compared: int) -> Measure:
        missing = self.no_share if not self.sums.shares else self.no_comparison
        if compared and index is None:
            missing = _("The market’s figures are older than 12 hours.")
        figure = measures.known(index, "", missing, self.context, _("100 is the market"))
        return Measure(figure, note=self._left_out(compared, sum(bool(part.now.shares) for part in self.parts)))

    def time_to_rent(self) -> Measure:
        told = [part.spells for part in self.parts if part.spells is not None]
        waiting = economics.time_to_rent(spells=(spell for spells in told for spell in spells))
        if waiting.median is not None:
            words = ngettext("median of %(n)s idle spell", "median of %(n)s idle spells", waiting.spells)
            return Measure(Figure.estimate(waiting.median, "h", words % {"n": formats.number(waiting.spells)}))
        if waiting.shortest is not None and waiting.longest is not None:
            words = ngettext(
                "%(low)s to %(high)s in %(n)s spell", "%(low)s to %(high)s in %(n)s spells", waiting.spells
            )
            missing = words % {
                "low": formats.quantity(waiting.shortest, "h"),
                "high": formats.quantity(waiting.longest, "h"),
                "n": formats.number(waiting.spells),
            }
        elif told:
            missing = _("No idle spell ended with a rental yet.")
        else:
            missing = _("Needs 15-minute samples.")
        return Measure(Figure.unknown("h", missing))

    def pace(self) -> Measure:
        return Measure(Figure.unknown("%", _("Needs the rentals’ end dates, which come with a connection.")))

    def coverage(self) -> Measure:
        return self._share("coverage", self.sums.coverage, self.past.coverage, _("Nothing expected yet."))
