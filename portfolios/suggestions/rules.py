"""The rules: what is known of one GPU configuration in, a suggestion or the reason for silence out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core import formats

from ..economics import floor_rate
from . import pricing
from .facts import HUNDRED, MONTH_DAYS, WINDOW_DAYS, ZERO, CompFact, GPUFact, PlaceFact
from .findings import Advice, Answer, Bar, Row, Silence
from .pricing import Impact, Recommended
from .steps import move_steps, power_steps, price_steps

LEAST_GAP = Decimal(5)  # percent between the recommended rate and the present one
LEAST_OFFERS = 5
LEAST_DAYS = 7
LEAST_IMPACT = Decimal(1)  # USD per month
WELL_BELOW = Decimal("0.8")  # of the others' rented share
WELL_BELOW_POINTS = Decimal(10)
PLATFORM_MARGIN = Decimal(15)  # percent more per GPU-day
PLATFORM_MARGIN_USD = Decimal("0.20")
LIMIT = Decimal("0.8")  # of board power
LIMIT_WORTH = Decimal("0.9")  # a card that draws less than this part of its board power is limited already
LEAST_SAVING = Decimal(2)
LEAST_LOSS = Decimal(2)  # percent of the rented revenue that may be lost before a power limit does not pay


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
        confidence_words=_sure(comp.offers, gpu),
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


def signed(value: Decimal) -> str:
    """USD with their sign, whole from ten on."""
    text = formats.money(abs(value), places=0 if abs(value) >= 10 else 2)
    return f"+{text}" if value >= 0 else f"−{text}"


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


def _sure(offers: int | None, gpu: GPUFact) -> str:
    return _("%(n)s offers, %(days)s of %(window)s days with a rented share, %(coverage)s of the hours on record.") % {
        "n": formats.number(offers) if offers is not None else _("unknown number of"),
        "days": formats.number(gpu.known_days),
        "window": formats.number(WINDOW_DAYS),
        "coverage": formats.percent(gpu.coverage, 0),
    }


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


def platform_answer(gpu: GPUFact) -> Answer:
    """Another open platform that would bring more per GPU-day after fee and energy (F7)."""
    here_place = next((one for one in gpu.places if one.slug == gpu.platform), None)
    words = {"platform": gpu.platform_name}
    if not gpu.platform:
        return Silence(_("It is on no platform yet: enter a daily result."))
    if gpu.usd_per_kwh is None or gpu.idle_watts is None or gpu.load_watts is None:
        return Silence(_("Platforms are compared after energy: enter the electricity price and watts."))
    if gpu.fee is None:
        return Silence(_("The fee of %(platform)s is unknown: enter yours.") % words)
    own = _day(gpu, gpu.rate, gpu.share, gpu.fee)
    market = _day(gpu, here_place.price, here_place.rented, gpu.fee) if here_place else None
    known = [value for value in (own, market) if value is not None]
    if not known:
        return Silence(_("What a GPU brings on %(platform)s is unknown: it tells no rented share.") % words)
    here = max(known)
    others = [
        (day, one)
        for one in gpu.places
        if one.slug != gpu.platform
        and one.is_open
        and one.is_for_advice
        and (one.offers is None or one.offers >= LEAST_OFFERS)
        and (day := _day(gpu, one.price, one.rented, one.fee)) is not None
    ]
    if not others:
        return Silence(_("No other open platform tells price, rented share and fee of this model."), is_fine=True)
    there, place = max(others, key=lambda pair: (pair[0], pair[1].slug))
    if there - here < max(abs(here) * PLATFORM_MARGIN / HUNDRED, PLATFORM_MARGIN_USD):
        return Silence(_("No other open platform would bring at least 15% more per GPU and day."), is_fine=True)
    return _platform_advice(gpu, place, own=own, market=market, here=here, there=there)


def _day(gpu: GPUFact, price: Decimal | None, share: Decimal | None, fee: Decimal | None) -> Decimal | None:
    return pricing.day_net(
        price=price,
        share=share,
        fee_percentage=fee,
        idle_watts=gpu.idle_watts,
        load_watts=gpu.load_watts,
        usd_per_kwh=gpu.usd_per_kwh,
        overhead=gpu.overhead,
    )


def _platform_advice(
    gpu: GPUFact, place: PlaceFact, *, own: Decimal | None, market: Decimal | None, here: Decimal, there: Decimal
) -> Advice:
    days = MONTH_DAYS * gpu.quantity
    cheap = _day(gpu, place.low_price, place.rented, place.fee)
    worst = there - here if cheap is None else cheap - here
    least = min(value for value in (own, market) if value is not None)
    impact = Impact((there - here) * days, min(worst, there - here) * days, (there - least) * days)
    level = pricing.confidence_level(
        offers=place.offers, days=gpu.known_days, coverage=gpu.coverage, shares_known=own is not None
    )
    level = "medium" if level == "high" else level  # how this machine does there, nobody knows yet
    hours = Decimal(24)
    gross = hours * (place.price or ZERO) * (place.rented or ZERO) / HUNDRED
    fee = gross * (place.fee or ZERO) / HUNDRED
    words = {
        "name": gpu.name,
        "there": place.name,
        "here": gpu.platform_name,
        "impact": signed(impact.value),
        "there_day": formats.money(there),
        "here_day": formats.money(here),
    }
    return Advice(
        kind="platform",
        title=_("%(name)s: %(there)s instead of %(here)s, %(impact)s/month") % words,
        description=_(
            "A GPU of this model leaves %(there_day)s a day on %(there)s after fee and energy where it does as the"
            " others do, %(here_day)s on %(here)s."
        )
        % words,
        steps=move_steps(place.slug, place.name, place.website, gpu.name),
        impact=impact,
        confidence=level,
        confidence_words=_sure(place.offers, gpu)
        + " "
        + _("Never more than medium: how this machine does there, nobody knows yet."),
        method=_(
            "Per GPU and day: price × 24 h × rented share × (1 − fee) − energy, each platform by its own figures. Here"
            " the better of your own result and the market's counts. Worst: only the price of its cheapest tenth there."
        ),
        unit="USD",
        waterfall=(
            Bar(_("Rented at the median there"), gross),
            Bar(_("Platform fee"), -fee, True),
            Bar(_("Energy"), there - gross + fee, True),
            Bar(_("Left there, per GPU and day"), there),
            Bar(_("Left here, per GPU and day"), here),
        ),
        rows=(
            Row(_("Median price there"), place.price, "USD/GPU-h", place.as_of),
            Row(_("Rented share there"), place.rented, "%", place.as_of),
            Row(_("Offers there"), place.offers, "", place.as_of),
            Row(_("Fee there"), place.fee, "%", link=("portfolios:fees", "")),
            Row(_("Your own day here"), own, "USD", link=("portfolios:gpu", str(gpu.pk))),
            Row(_("The market's day here"), market, "USD", place.as_of),
        ),
        portfolio=gpu.portfolio,
        gpu=gpu.pk,
        platform=gpu.platform,
        target=place.slug,
        cannot=_("Running rentals stay where they are until they end. A new machine has no standing there yet."),
        extra={"there": place.name, "here": gpu.platform_name, "website": place.website, "name": gpu.name},
    )


def power_answer(gpu: GPUFact) -> Answer:
    """A lower power limit: what it would save, and how few rented hours may be lost before it does not pay."""
    if not gpu.is_nvidia or gpu.board_watts is None or gpu.load_watts is None:
        return Silence(_("No figure of ours says what a lower power limit does to this model."), is_fine=True)
    if gpu.usd_per_kwh is None:
        return Silence(_("Without the electricity price nobody knows what a lower power limit saves: enter it."))
    if gpu.has_power_limit and not gpu.is_measured:
        return Silence(_("It has a power limit already."), is_fine=True)
    if gpu.load_watts < gpu.board_watts * LIMIT_WORTH:
        return Silence(_("It draws less than nine tenths of its board power under load already."), is_fine=True)
    if gpu.share is None:
        return Silence(_("Its rented share is unknown: enter utilization to learn what a lower power limit saves."))
    limit = (gpu.board_watts * LIMIT).quantize(Decimal(1))
    whole = pricing.power_saving(
        load_watts=gpu.load_watts,
        limit_watts=limit,
        rented_percentage=gpu.share,
        quantity=gpu.quantity,
        usd_per_kwh=gpu.usd_per_kwh,
        overhead=gpu.overhead,
    )
    half = whole / 2
    impact = Impact(whole, half, whole) if gpu.is_measured else Impact(half, ZERO, whole)
    if impact.value < LEAST_SAVING:
        return Silence(_("A lower power limit would save less than $2 a month."), is_fine=True)
    revenue = None
    if gpu.rate is not None and gpu.fee is not None:
        kept = (gpu.rate * (1 - gpu.fee / HUNDRED)) * 24 * MONTH_DAYS * gpu.quantity * gpu.share / HUNDRED
        revenue = impact.value / kept * HUNDRED if kept else None
    if revenue is not None and revenue < LEAST_LOSS:
        return Silence(
            _("A lower power limit would save less than 2% of what it earns: a few lost rentals would cost more."),
            is_fine=True,
        )
    words = {
        "name": gpu.name,
        "limit": formats.quantity(limit, "W", 0),
        "load": formats.quantity(gpu.load_watts, "W", 0),
        "impact": signed(impact.value),
        "share": formats.percent(revenue),
    }
    draw = (
        _("It draws %(load)s under load as you measured; %(limit)s are 80%% of its board power.")
        if gpu.is_measured
        else _("Its board power is %(load)s; %(limit)s are 80%% of that.")
    )
    lines = [draw % words]
    if revenue is not None:
        lines.append(_("It pays as long as you lose less than %(share)s of your rented revenue by it.") % words)
    how = (
        _("Your measured draw, at the share of hours that it was rented; worst: half of it, for lighter loads.")
        if gpu.is_measured
        else _(
            "Half of what the board power would save: renters do not load a card fully all the time. Nothing measured."
        )
    )
    return Advice(
        kind="power_limit",
        title=_("%(name)s: power limit %(limit)s instead of %(load)s, %(impact)s/month") % words,
        description=" ".join(lines),
        steps=power_steps(limit),
        impact=impact,
        confidence="medium" if gpu.is_measured else "low",
        confidence_words=_("The draw is measured.") if gpu.is_measured else _("The draw is that of the catalog."),
        method=how
        + " "
        + _(
            "Assumed: four fifths of the board power keep nearly all of the speed. That was measured for one card, an"
            " RTX 3090 (280 of 350 W kept at least 95%); yours may lose more. What slower cards lose in rentals is not"
            " in the figure."
        ),
        unit="W",
        waterfall=(
            Bar(_("Under load now"), gpu.load_watts),
            Bar(_("Less by the limit"), limit - gpu.load_watts, True),
            Bar(_("With the limit"), limit),
        ),
        rows=(
            Row(_("Board power"), gpu.board_watts, "W"),
            Row(_("Draw under load"), gpu.load_watts, "W", link=("portfolios:gpu-edit", str(gpu.pk))),
            Row(_("Your rented share, %(days)d days") % {"days": WINDOW_DAYS}, gpu.share, "%"),
            Row(_("Electricity price"), gpu.usd_per_kwh, "USD/kWh", link=("portfolios:gpu-costs", str(gpu.pk))),
        ),
        portfolio=gpu.portfolio,
        gpu=gpu.pk,
        platform="",
        cannot=_("Do it while no rental runs: a renter has paid for the card as it was listed."),
    )


RULES: dict[str, Callable[[GPUFact], Answer]] = {
    "price": price_answer,
    "platform": platform_answer,
    "power_limit": power_answer,
}


def together(advices: Sequence[Advice]) -> list[Advice]:
    """Moves of several configurations of one portfolio between the same platforms as one suggestion for it."""
    moves: dict[tuple[object, str, str], list[Advice]] = {}
    rest: list[Advice] = []
    for one in advices:
        if one.kind == "platform":
            moves.setdefault((one.portfolio, one.platform, one.target), []).append(one)
        else:
            rest.append(one)
    for same in moves.values():
        rest += same if len(same) == 1 else [_joined(same)]
    return rest


def _joined(same: Sequence[Advice]) -> Advice:
    impact = Impact(*(sum((getattr(one.impact, end) for one in same), ZERO) for end in ("value", "low", "high")))
    first = same[0]
    names = ", ".join(str(one.extra["name"]) for one in same)
    words = {**first.extra, "impact": signed(impact.value), "n": len(same), "names": names}
    levels: Iterable[str] = (one.confidence for one in same)
    return replace(
        first,
        title=_("%(n)s GPU configurations: %(there)s instead of %(here)s, %(impact)s/month") % words,
        description=_("%(names)s would each leave more on %(there)s after fee and energy.") % words,
        steps=move_steps(first.target, str(words["there"]), str(words["website"]), _("them")),
        impact=impact,
        confidence="medium" if all(level == "medium" for level in levels) else "low",
        unit="USD",
        waterfall=(
            *(Bar(str(one.extra["name"]), one.impact.value, True) for one in same),
            Bar(_("Together, per month"), impact.value),
        ),
        rows=tuple(row for one in same for row in (Row(str(one.extra["name"]), one.impact.value, "USD"), *one.rows)),
        gpu=None,
    )
