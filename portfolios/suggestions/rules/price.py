"""The price: by idleness where a GPU is idle against the market, else by the gap to what the market recommends."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core import formats

from ...economics import floor_rate
from .. import pricing
from ..facts import WINDOW_DAYS, ZERO, CompFact, GPUFact
from ..findings import Advice, Answer, Bar, Row, Silence
from ..pricing import Impact, Recommended
from ..steps import price_steps
from .wording import LEAST_OFFERS, evidence_words, signed

LEAST_GAP = Decimal(5)  # percent between the recommended rate and the present one
LEAST_DAYS = 7
LEAST_IMPACT = Decimal(1)  # USD per month
WELL_BELOW = Decimal("0.8")  # of the others' rented share
WELL_BELOW_POINTS = Decimal(10)


def floor_of(gpu: GPUFact) -> Decimal | None:
    """K8: below this a rented GPU earns less than an idle one."""
    if gpu.idle_watts is None or gpu.load_watts is None:
        return None
    return floor_rate(
        idle_watts=gpu.idle_watts,
        load_watts=gpu.load_watts,
        usd_per_kwh=gpu.usd_per_kwh,
        fee_percentage=gpu.fee,
        overhead=gpu.overhead,
    )


def price_answer(gpu: GPUFact) -> Answer:
    """The one advice on the price: by idleness where it is idle against the market, else by the gap alone."""
    silent = _no_price_advice(gpu)
    return silent or _idle(gpu) or _rate(gpu)


def _no_price_advice(gpu: GPUFact) -> Silence | None:
    """What both price rules need."""
    comp = gpu.comp
    words = {"platform": gpu.platform_name, "n": LEAST_OFFERS, "days": LEAST_DAYS}
    if gpu.rate is None or not gpu.rate:
        return Silence(_("No rate is on record for it in the last 30 days: enter a daily result with its rate."))
    if not gpu.sets_price:
        return Silence(_("%(platform)s sets the on-demand price itself.") % words, is_fine=True)
    if comp is None or comp.median is None or not comp.median:
        return Silence(_("No market to compare with: nobody tells prices of this model at the moment."))
    if not comp.is_for_advice:
        return Silence(_("The market figures are older than 12 hours: no advice rests on them."))
    if comp.platform != gpu.platform:
        return Silence(_("Its comp set is on another platform: prices there are no measure of the price here."))
    if comp.offers is not None and comp.offers < LEAST_OFFERS:
        return Silence(_("Fewer than %(n)d offers to compare with: they tell nothing.") % words)
    if gpu.fee is None:
        return Silence(_("The fee of %(platform)s is unknown: enter yours.") % words)
    floor = floor_of(gpu)
    if floor is not None and comp.p90 is not None and floor > comp.p90:
        return Silence(_("Its floor lies above what nearly all others ask: no price earns more than staying idle."))
    return None


def is_well_below(share: Decimal | None, comp_share: Decimal | None) -> bool:
    """Whether the own rented share is well below that of the others."""
    return (
        share is not None
        and comp_share is not None
        and share < comp_share * WELL_BELOW
        and comp_share - share >= WELL_BELOW_POINTS
    )


def _idle(gpu: GPUFact) -> Answer | None:
    """Idle against the market, or wholly idle for hours: lower towards the market, less the ladder's discount."""
    comp = _comp(gpu)
    rate, share = gpu.rate or ZERO, gpu.share
    discount = pricing.idle_discount(gpu.idle_hours)
    below = is_well_below(share, comp.rented) and gpu.known_days >= LEAST_DAYS
    if not discount and not (below and rate > (comp.median or ZERO)):
        return None
    way = _recommended(gpu, discount)
    if way.rate >= rate:
        if discount:
            return Silence(
                _("Idle for %(hours)s hours, though priced no higher than the market recommends: the price is not why.")
                % {"hours": formats.number(gpu.idle_hours, 0)}
            )
        return None
    if gpu.usd_per_kwh is None:
        return Silence(_("It asks more and is rented less, but without the electricity price its floor is unknown."))
    if discount and not below and not (share is None or comp.rented is None or share < comp.rented):
        return Silence(_("Idle for now, but over two weeks rented as often as the others."), is_fine=True)
    return _price_advice(gpu, "idle", discount, way)


def _rate(gpu: GPUFact) -> Answer:
    """The gap between what the market recommends and the present rate."""
    comp = _comp(gpu)
    rate, share = gpu.rate or ZERO, gpu.share
    way = _recommended(gpu, ZERO)
    gap = pricing.gap(rate=rate, recommended=way.rate)
    words = {"gap": formats.percent(abs(gap)), "rate": formats.rate(way.rate)}
    if abs(gap) <= LEAST_GAP:
        return Silence(_("Its rate is within 5%% of what the market recommends (%(rate)s).") % words, is_fine=True)
    if gap > 0:
        if is_well_below(share, comp.rented):
            return Silence(
                _("%(gap)s below what the market recommends, but rented less than others: a raise would not help.")
                % words
            )
    else:
        if share is None:
            return Silence(_("Its rented share is unknown: enter utilization to learn whether a lower rate would pay."))
        if comp.rented is None:
            return Silence(_("The market tells no rented share: nobody knows whether a lower rate would pay."))
        if share >= comp.rented:
            return Silence(
                _("It is rented as often as the others at a rate %(gap)s above theirs: keep it.")
                % {"gap": formats.percent(abs(gap))},
                is_fine=True,
            )
        if gpu.usd_per_kwh is None:
            return Silence(_("Without the electricity price nobody knows how low you may go: enter it."))
    return _price_advice(gpu, "rate", ZERO, way)


def _comp(gpu: GPUFact) -> CompFact:
    assert gpu.comp is not None  # noqa: S101 - `_no_price_advice` was asked before
    return gpu.comp


def _recommended(gpu: GPUFact, discount: Decimal) -> Recommended:
    comp = _comp(gpu)
    return pricing.recommended_rate(
        median=comp.median or ZERO,
        rented_price=comp.rented_price,
        p90=comp.p90,
        floor=floor_of(gpu),
        discount=discount,
    )


def _price_advice(gpu: GPUFact, kind: str, discount: Decimal, way: Recommended) -> Answer:
    comp, rate, share, floor = _comp(gpu), gpu.rate or ZERO, gpu.share, floor_of(gpu)
    fee = gpu.fee or ZERO
    adjusted, discounted, recommended = way.adjusted, way.discounted, way.rate
    step = pricing.next_rate(rate=rate, recommended=recommended, floor=floor)
    stepped, to_rate = step.exact, step.typed
    if to_rate == rate:
        return Silence(_("The next step would be smaller than a cent."), is_fine=True)
    impact = pricing.price_impact(
        rate=rate,
        to_rate=to_rate,
        recommended=recommended,
        share=share,
        comp_share=comp.rented,
        quantity=gpu.quantity,
        fee_percentage=fee,
        extra_cost=gpu.extra_cost or ZERO,
        p10=comp.p10,
        p90=comp.p90,
    )
    if impact is None:
        return Silence(
            _("Neither your rented share nor the market's is known: nobody can tell what a change would bring.")
        )
    if impact.value < LEAST_IMPACT:
        return Silence(
            _("%(to)s instead of %(rate)s would bring less than %(least)s a month.")
            % {"to": formats.rate(to_rate), "rate": formats.rate(rate), "least": formats.money(LEAST_IMPACT, places=0)},
            is_fine=True,
        )
    median = comp.median or ZERO
    bars = [Bar(_("Median of the comp set"), median)]
    if adjusted != median:
        bars.append(Bar(_("Towards what rented machines ask, a tenth at most"), adjusted - median, True))
    if discounted != adjusted:
        bars.append(
            Bar(_("Idle ladder, %(off)s off") % {"off": formats.percent(discount, 0)}, discounted - adjusted, True)
        )
    if recommended != discounted:
        label = _("Floor: below it idle earns more") if recommended > discounted else _("Cap: nine in ten ask less")
        bars.append(Bar(label, recommended - discounted, True))
    bars.append(Bar(_("Recommended by the market"), recommended))
    if stepped != recommended:
        bars.append(Bar(_("Step limit: a tenth of the present rate"), stepped - recommended, True))
    if to_rate != stepped:
        bars.append(Bar(_("Rounded"), to_rate - stepped, True))
    bars.append(Bar(_("Suggested"), to_rate))
    level = pricing.confidence_level(
        offers=comp.offers,
        days=gpu.known_days,
        coverage=gpu.coverage,
        shares_known=share is not None and comp.rented is not None,
    )
    if level == "high" and impact.low < -impact.value:
        level = "medium"  # it may cost more than it should bring
    return Advice(
        kind=kind,
        title=_title(gpu, rate, to_rate, impact),
        description=_why(gpu, kind, recommended, discount),
        steps=price_steps(gpu, to_rate),
        impact=impact,
        confidence=level,
        confidence_words=evidence_words(comp.offers, gpu),
        method=_price_method(gpu, share, to_rate > rate),
        unit="USD/GPU-h",
        waterfall=tuple(bars),
        rows=_price_rows(gpu, comp, floor),
        portfolio=gpu.portfolio,
        gpu=gpu.pk,
        platform=gpu.platform,
        from_rate=rate,
        to_rate=to_rate,
        cannot=_("Running rentals keep the price at which they began: a new price is that of new rentals only."),
    )


def _title(gpu: GPUFact, rate: Decimal, to_rate: Decimal, impact: Impact) -> str:
    return _("%(name)s: %(from)s → %(to)s, %(impact)s/month") % {
        "name": gpu.name,
        "from": formats.money(rate, places=4),
        "to": formats.rate(to_rate),
        "impact": signed(impact.value),
    }


def _why(gpu: GPUFact, kind: str, recommended: Decimal, discount: Decimal) -> str:
    comp, share = _comp(gpu), gpu.share
    words = {
        "comp": comp.words,
        "n": formats.number(comp.offers) if comp.offers is not None else "–",
        "recommended": formats.rate(recommended),
        "rate": formats.rate(gpu.rate),
        "hours": formats.number(gpu.idle_hours, 0),
        "off": formats.percent(discount, 0),
        "share": formats.percent(share, 0),
        "theirs": formats.percent(comp.rented, 0),
    }
    parts = []
    if kind == "idle" and discount:
        parts.append(
            _("It has been idle for %(hours)s hours: the idle ladder takes %(off)s off the market's rate.") % words
        )
    elif kind == "idle":
        parts.append(
            _("It is rented %(share)s of the time, the others %(theirs)s, and it asks more than most.") % words
        )
    parts.append(
        _("From those compared with (%(comp)s, %(n)s offers) follows %(recommended)s; yours asks %(rate)s.") % words
    )
    if kind == "rate" and share is not None and comp.rented is not None:
        parts.append(_("You are rented %(share)s of the time, they %(theirs)s.") % words)
    return " ".join(parts)


def _price_method(gpu: GPUFact, share: Decimal | None, is_raise: bool) -> str:
    parts = [_("A month of 30 days after the platform's fee.")]
    if is_raise:
        parts.append(
            _(
                "Expected: where you are rented more often than the others, the share falls towards theirs as the rate"
                " nears theirs. Best: it falls as slowly as the spread of prices up to p90 allows. Worst: rented hours"
                " fall as fast as the price rises."
            )
        )
    else:
        parts.append(
            _(
                "Expected: your share rises towards that of the others as the rate nears theirs. Best: it reaches"
                " theirs at once. Worst: nobody comes, and what is rented earns less."
            )
        )
    if share is None:
        parts.append(_("Your own share is unknown: that of the others was taken."))
    if gpu.extra_cost is None:
        parts.append(_("Energy is left out: the electricity price or the watts are unknown."))
    return " ".join(parts)


def _price_rows(gpu: GPUFact, comp: CompFact, floor: Decimal | None) -> tuple[Row, ...]:
    mine = ("portfolios:gpu", str(gpu.pk))
    return (
        Row(_("Your last rate"), gpu.rate, "USD/GPU-h", link=mine),
        Row(_("Seen on"), gpu.rate_day.isoformat() if gpu.rate_day else None, "day", link=mine),
        Row(_("Your rented share, %(days)d days") % {"days": WINDOW_DAYS}, gpu.share, "%", link=mine),
        Row(_("Offers in the comp set"), comp.offers, "", comp.as_of),
        Row(_("Median of the comp set"), comp.median, "USD/GPU-h", comp.as_of),
        Row(_("10 of 100 ask less than"), comp.p10, "USD/GPU-h", comp.as_of),
        Row(_("90 of 100 ask less than"), comp.p90, "USD/GPU-h", comp.as_of),
        Row(_("List price of rented machines"), comp.rented_price, "USD/GPU-h", comp.as_of),
        Row(_("Rented share of the comp set"), comp.rented, "%", comp.as_of),
        Row(_("Floor rate"), floor, "USD/GPU-h", link=("portfolios:gpu-costs", str(gpu.pk))),
        Row(_("Platform fee"), gpu.fee, "%", link=("portfolios:fees", "")),
    )
