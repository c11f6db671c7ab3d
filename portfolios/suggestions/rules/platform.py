"""The platform: another open one that would leave more of a day (F7), for one GPU configuration or for several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core import formats

from ...economics import HOURS_PER_DAY, hour_net
from .. import pricing
from ..facts import HUNDRED, MONTH_DAYS, ZERO, GPUFact, PlaceFact
from ..findings import Advice, Answer, Bar, Row, Silence
from ..pricing import Impact
from ..steps import move_steps
from .wording import LEAST_OFFERS, evidence_words, signed

PLATFORM_MARGIN = Decimal(15)  # percent more per GPU-day
PLATFORM_MARGIN_USD = Decimal("0.20")


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
    own = day_of(gpu, gpu.rate, gpu.share, gpu.fee)
    market = day_of(gpu, here_place.price, here_place.rented, gpu.fee) if here_place else None
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
        and (day := day_of(gpu, one.price, one.rented, one.fee)) is not None
    ]
    if not others:
        return Silence(_("No other open platform tells price, rented share and fee of this model."), is_fine=True)
    there, place = max(others, key=lambda pair: (pair[0], pair[1].slug))
    if there - here < max(abs(here) * PLATFORM_MARGIN / HUNDRED, PLATFORM_MARGIN_USD):
        return Silence(_("No other open platform would bring at least 15% more per GPU and day."), is_fine=True)
    return _platform_advice(gpu, place, own=own, market=market, here=here, there=there)


def day_of(gpu: GPUFact, price: Decimal | None, share: Decimal | None, fee: Decimal | None) -> Decimal | None:
    """What one GPU leaves in a day after fee and energy (F7), in USD; None where a part is unknown."""
    hour = hour_net(
        rate=price,
        share=share,
        fee_percentage=fee,
        idle_watts=gpu.idle_watts,
        load_watts=gpu.load_watts,
        usd_per_kwh=gpu.usd_per_kwh,
        overhead=gpu.overhead,
    )
    return None if hour is None else HOURS_PER_DAY * hour


def _platform_advice(
    gpu: GPUFact, place: PlaceFact, *, own: Decimal | None, market: Decimal | None, here: Decimal, there: Decimal
) -> Advice:
    days = MONTH_DAYS * gpu.quantity
    cheap = day_of(gpu, place.low_price, place.rented, place.fee)
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
        confidence_words=evidence_words(place.offers, gpu)
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
