"""Rules that put a fleet beside its market."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from gpuadvisor.core import formats

from ...economics import hour_net
from ..facts import HUNDRED, ZERO, CompFact, Facts, GPUFact, PlatformFact
from ..findings import Evidence, Finding, Missing, Money, Outcome, Rule, Verdict, gathered, per_gpu, scaled
from ..worth import idle_cost, kept_share

NEEDED_DAYS = 7
RATE_DAYS = 7  # a rate that nobody told for longer says nothing of now
NEEDED_OFFERS = 5
ONE = Decimal(1)


def _rate(gpu: GPUFact) -> PlatformFact | None:
    """The platform whose list rate speaks for this GPU: its main one, where a rate was told lately."""
    main = gpu.main
    if main is None or main.rate is None or main.rate_day is None or gpu.last_day is None:
        return None
    return main if (gpu.last_day - main.rate_day).days < RATE_DAYS else None


def _comp(gpu: GPUFact) -> CompFact | Missing:
    comp = gpu.comp
    if comp is None or not comp.is_for_advice:
        return Missing(_("No current market of this GPU model is known."))
    if comp.offers < NEEDED_OFFERS:
        return Missing(_("Fewer than 5 offers are like this one."))
    return comp


def _own_page(gpu: GPUFact) -> tuple[str, str]:
    return ("portfolios:gpu", str(gpu.pk))


def _idle(gpu: GPUFact, threshold: Decimal) -> Verdict:
    comp = _comp(gpu)
    if isinstance(comp, Missing):
        return comp
    if comp.rented is None:
        return Missing(_("The market does not tell how much of it is rented."))
    if len(gpu.shares) < NEEDED_DAYS or gpu.occupancy is None:
        return Missing(_("Needs 7 days with utilization."))
    own, theirs, shares = gpu.beside or (gpu.occupancy, comp.rented, gpu.shares)
    gap = theirs - own
    spread = gpu.interval(shares, "occupancy beside the market")
    assert spread is not None  # noqa: S101 - there are shares
    low, high = float(theirs) - spread.high, float(theirs) - spread.low
    if gap < threshold or low <= 0:
        return None

    def worth(points: Decimal) -> Decimal | None:
        return idle_cost(
            gap=points,
            hours=gpu.month_hours,
            rate=gpu.rented_rate or comp.median,
            fee_percentage=gpu.fee,
            idle_watts=gpu.idle_watts,
            load_watts=gpu.load_watts,
            usd_per_kwh=gpu.price,
        )

    return Finding(
        title=_("%(gpu)s is rented less than its market") % {"gpu": gpu.name},
        description=_(
            "It was rented for %(own)s of its hours, the GPUs like it for %(market)s. Its rate, its reliability or what"
            " it offers beside the GPU makes the difference."
        )
        % {"own": formats.percent(own, 0), "market": formats.percent(theirs, 0)},
        impact=Money.of(worth(gap), worth(Decimal(str(low))), worth(Decimal(str(high)))),
        otherwise="medium",
        market=(comp.platform,),
        evidence=(
            Evidence(_("Own rented share"), own, "%", link=_own_page(gpu)),
            Evidence(_("Days it rests on"), len(shares)),
            Evidence(
                (_("Rented share of %(comp)s, same days") if gpu.beside else _("Rented share of %(comp)s, now"))
                % {"comp": comp.words},
                theirs,
                "%",
                comp.as_of,
            ),
            Evidence(_("Offers compared with"), comp.offers),
            Evidence(_("Rate that the gain is worked out with"), gpu.rented_rate or comp.median, "USD/GPU-h"),
        ),
    )


def _above(gpu: GPUFact, threshold: Decimal) -> Verdict:
    comp, listed = _comp(gpu), _rate(gpu)
    if isinstance(comp, Missing):
        return comp
    if listed is None or listed.rate is None:
        return Missing(_("Enter the rate of the last 7 days."))
    if comp.p90 is None:
        return Missing(_("The market does not tell its upper end."))
    if listed.rate <= comp.p90 * (1 + threshold / HUNDRED):
        return None
    own_share, rented = gpu.beside[:2] if gpu.beside else (gpu.occupancy, comp.rented)
    if own_share is not None and rented is not None and own_share >= rented:
        return None  # rented as often as the others: it is worth its price

    def at(rate: Decimal | None, share: Decimal | None) -> Decimal | None:
        hour = hour_net(
            rate=rate,
            share=share,
            fee_percentage=gpu.fee,
            idle_watts=gpu.idle_watts,
            load_watts=gpu.load_watts,
            usd_per_kwh=gpu.price,
        )
        return None if hour is None else hour * gpu.month_hours

    market = at(comp.median, rented)
    own_rate = gpu.rented_rate or listed.rate
    own = at(own_rate, own_share)
    spread = gpu.interval(gpu.shares, "occupancy")
    low_own, high_own = (
        (at(own_rate, Decimal(str(spread.low))), at(own_rate, Decimal(str(spread.high)))) if spread else (None, None)
    )
    gain = None if market is None or own is None else market - own
    impact = None
    if market is not None and gain is not None and gain > 0:
        impact = Money.of(
            gain,
            None if high_own is None else market - high_own,
            None if low_own is None else market - low_own,
        )
    return Finding(
        title=_("%(gpu)s asks more than nine in ten like it") % {"gpu": gpu.name},
        description=_(
            "Its rate of %(rate)s lies over the p90 of %(p90)s, and it is not rented more often than the others. A new"
            " rate touches new rentals only."
        )
        % {"rate": formats.rate(listed.rate), "p90": formats.rate(comp.p90)},
        impact=impact,
        otherwise="medium",
        market=(comp.platform,),
        evidence=(
            Evidence(_("Own rate"), listed.rate, "USD/GPU-h", link=_own_page(gpu)),
            Evidence(_("p90 of %(comp)s") % {"comp": comp.words}, comp.p90, "USD/GPU-h", comp.as_of),
            Evidence(_("Median"), comp.median, "USD/GPU-h", comp.as_of),
            Evidence(_("Own rented share"), own_share, "%"),
            Evidence(_("Rented share of the market"), rented, "%", comp.as_of),
            Evidence(_("Offers compared with"), comp.offers),
        ),
    )


def _below(gpu: GPUFact, threshold: Decimal) -> Verdict:
    comp, listed = _comp(gpu), _rate(gpu)
    if isinstance(comp, Missing):
        return comp
    if listed is None or listed.rate is None:
        return Missing(_("Enter the rate of the last 7 days."))
    if comp.p10 is None:
        return Missing(_("The market does not tell its lower end."))
    if listed.rate >= comp.p10 * (1 - threshold / HUNDRED):
        return None
    kept = kept_share(gpu.fee)
    per_point = None if kept is None else (comp.p10 - listed.rate) * kept * gpu.month_hours / HUNDRED
    impact = None
    if per_point is not None and gpu.occupancy is not None:
        impact = Money.of(gpu.occupancy * per_point, *scaled(gpu.interval(gpu.shares, "occupancy"), per_point))
    return Finding(
        title=_("%(gpu)s asks less than nine in ten like it") % {"gpu": gpu.name},
        description=_(
            "Its rate of %(rate)s lies under the p10 of %(p10)s. At p10 it would still be among the cheapest. A new"
            " rate touches new rentals only."
        )
        % {"rate": formats.rate(listed.rate), "p10": formats.rate(comp.p10)},
        impact=impact,
        otherwise="medium",
        market=(comp.platform,),
        evidence=(
            Evidence(_("Own rate"), listed.rate, "USD/GPU-h", link=_own_page(gpu)),
            Evidence(_("p10 of %(comp)s") % {"comp": comp.words}, comp.p10, "USD/GPU-h", comp.as_of),
            Evidence(_("Median"), comp.median, "USD/GPU-h", comp.as_of),
            Evidence(_("Own rented share"), gpu.occupancy, "%"),
            Evidence(_("Offers compared with"), comp.offers),
        ),
    )


def _elsewhere(gpu: GPUFact, threshold: Decimal) -> Verdict:
    """F7: what a GPU-hour leaves on another platform that is open, beside what it leaves now."""

    def left(price: Decimal | None, share: Decimal | None, fee: Decimal | None) -> Decimal | None:
        return hour_net(
            rate=price,
            share=share,
            fee_percentage=fee,
            idle_watts=gpu.idle_watts,
            load_watts=gpu.load_watts,
            usd_per_kwh=gpu.price,
        )

    own = left(gpu.rented_rate, gpu.occupancy, gpu.fee)
    spread = gpu.interval(gpu.shares, "occupancy")
    if own is None or spread is None or len(gpu.shares) < NEEDED_DAYS:
        return Missing(_("Needs 7 days with revenue and utilization, the fee and the energy cost."))
    mine = {platform.slug for platform in gpu.platforms}
    others = [
        (worth, place)
        for place in gpu.places
        if place.slug not in mine
        and place.is_open
        and (worth := left(place.price, place.rented, place.fee)) is not None
    ]
    if not others:
        return Missing(_("No other open platform tells its price, its rented share and its fee."))
    best, place = max(others, key=lambda one: (one[0], one[1].slug))
    ends = [left(gpu.rented_rate, Decimal(str(end)), gpu.fee) or ZERO for end in (spread.high, spread.low)]
    if best - own < abs(own) * threshold / HUNDRED or best <= max(own, ends[0]):
        return None
    return Finding(
        title=_("%(platform)s would pay more for %(gpu)s") % {"platform": place.name, "gpu": gpu.name},
        description=_(
            "A GPU that does there as the others do leaves %(other)s an hour after fee and energy; here it leaves"
            " %(own)s. Look at payout delay and minimum payout before you move."
        )
        % {"other": formats.money(best, places=3), "own": formats.money(own, places=3)},
        impact=Money.of(
            (best - own) * gpu.month_hours, (best - ends[0]) * gpu.month_hours, (best - ends[1]) * gpu.month_hours
        ),
        evidence=(
            Evidence(_("Left of an hour now"), own, "USD/GPU-h", link=_own_page(gpu)),
            Evidence(_("Left of an hour at %(platform)s") % {"platform": place.name}, best, "USD/GPU-h", place.as_of),
            Evidence(_("Median price there"), place.price, "USD/GPU-h", place.as_of),
            Evidence(_("Rented share there"), place.rented, "%", place.as_of),
            Evidence(_("Fee there"), place.fee, "%"),
        ),
        subject=place.slug,
        market=(place.slug,),
    )


def _models(facts: Facts) -> dict[str, list[GPUFact]]:
    found = defaultdict(list)
    for gpu in facts.gpus:
        found[gpu.model].append(gpu)
    return found


def _falling(facts: Facts, threshold: Decimal) -> Outcome:
    return gathered(_falls(facts, model, gpus, threshold) for model, gpus in _models(facts).items())


def _falls(facts: Facts, model: str, gpus: list[GPUFact], threshold: Decimal) -> Verdict:
    ahead = facts.forecasts.get(model)
    if ahead is None or not ahead.now:
        return Missing(_("There is no price forecast of this GPU model yet."))
    fall = (ahead.now - ahead.value) / ahead.now
    if fall * HUNDRED < threshold or ahead.high >= ahead.now:
        return None
    known = [gpu.monthly_revenue for gpu in gpus if gpu.monthly_revenue is not None]
    revenue = sum(known, ZERO) if known else None
    impact = None
    if revenue is not None:
        impact = Money.of(
            -revenue * fall, *(-revenue * (ahead.now - end) / ahead.now for end in (ahead.low, ahead.high))
        )
    words = ngettext("in %(n)d day", "in %(n)d days", ahead.days) % {"n": ahead.days}
    return Finding(
        title=_("The price of the %(model)s is expected to fall") % {"model": model},
        description=_(
            "From %(now)s to %(then)s %(when)s. Nothing holds the market up; a long rental at today’s rate would."
        )
        % {"now": formats.rate(ahead.now), "then": formats.rate(ahead.value), "when": words},
        impact=impact,
        evidence=(
            Evidence(_("Median now"), ahead.now, "USD/GPU-h", ahead.as_of),
            Evidence(_("Expected %(when)s") % {"when": words}, ahead.value, "USD/GPU-h", ahead.as_of),
            Evidence(_("At least, in 80 of 100 cases"), ahead.low, "USD/GPU-h", ahead.as_of),
            Evidence(_("At most, in 80 of 100 cases"), ahead.high, "USD/GPU-h", ahead.as_of),
            Evidence(_("Own revenue with it, a month"), revenue, "USD"),
        ),
        subject=model,
        market=(ahead.platform,),
    )


def _uneven(facts: Facts, threshold: Decimal) -> Outcome:
    return gathered(_apart(facts, threshold))


def _apart(facts: Facts, threshold: Decimal) -> Iterator[Verdict]:
    listed: dict[tuple[str, str], list[tuple[Decimal, GPUFact, PlatformFact]]] = defaultdict(list)
    for gpu in facts.gpus:
        platform = _rate(gpu)
        if platform is not None and platform.rate is not None:
            listed[gpu.model, platform.slug].append((platform.rate, gpu, platform))
    for (model, slug), rates in sorted(listed.items()):
        low, high = (end(rates, key=lambda one: one[0]) for end in (min, max))
        if len(rates) < 2 or (high[0] - low[0]) / high[0] * HUNDRED < threshold:
            yield None
            continue
        yield Finding(
            title=_("Your %(model)s have different rates at %(platform)s") % {"model": model, "platform": low[2].name},
            description=_(
                "From %(low)s to %(high)s. Where the machines are alike, renters take the cheaper one first, and the"
                " other stands idle."
            )
            % {"low": formats.rate(low[0]), "high": formats.rate(high[0])},
            evidence=tuple(
                Evidence(gpu.name, rate, "USD/GPU-h", link=_own_page(gpu))
                for rate, gpu, _platform in sorted(rates, key=lambda one: -one[0])[:10]
            ),
            subject=f"{model}:{slug}"[:120],
        )
    if not listed:
        yield Missing(_("Enter the rate of the last 7 days."))


RULES = (
    Rule(
        name="idle",
        title=gettext_lazy("Idle against the market"),
        about=gettext_lazy("A GPU is rented less of its hours than the GPUs it is compared with."),
        check=per_gpu(_idle),
        metric_type="utilization",
        fix="portfolios:gpu",
        fix_label=gettext_lazy("Look at its rate"),
        threshold=Decimal(15),
        threshold_means=gettext_lazy("Tell me from this many points below the market’s rented share."),
        unit="points",
        lowest=ONE,
    ),
    Rule(
        name="rate-above",
        title=gettext_lazy("Rate above the market’s band"),
        about=gettext_lazy("A GPU asks more than p90 of those it is compared with, and is not rented more often."),
        check=per_gpu(_above),
        metric_type="market_position",
        fix="portfolios:gpu",
        fix_label=gettext_lazy("Look at its rate"),
        threshold=ZERO,
        threshold_means=gettext_lazy("Tell me from this far above p90."),
        unit="%",
        highest=Decimal(500),
    ),
    Rule(
        name="rate-below",
        title=gettext_lazy("Rate below the market’s band"),
        about=gettext_lazy("A GPU asks less than p10 of those it is compared with."),
        check=per_gpu(_below),
        metric_type="market_position",
        fix="portfolios:gpu",
        fix_label=gettext_lazy("Look at its rate"),
        threshold=ZERO,
        threshold_means=gettext_lazy("Tell me from this far below p10."),
        unit="%",
    ),
    Rule(
        name="platform",
        title=gettext_lazy("A platform that would pay more"),
        about=gettext_lazy("Another open platform leaves more of a GPU-hour after its fee and the energy."),
        check=per_gpu(_elsewhere),
        metric_type="revenue",
        fix="market:platforms",
        fix_key="account",
        fix_label=gettext_lazy("Compare the platforms"),
        threshold=Decimal(10),
        threshold_means=gettext_lazy("Tell me from this much more than now."),
        unit="%",
        highest=Decimal(1000),
    ),
    Rule(
        name="market-falling",
        title=gettext_lazy("Market price expected to fall"),
        about=gettext_lazy("The forecast of a GPU model’s median price, with all of its interval, lies below today’s."),
        check=_falling,
        metric_type="market_position",
        fix="market:index",
        fix_key="account",
        fix_label=gettext_lazy("Look at the market"),
        threshold=Decimal(5),
        threshold_means=gettext_lazy("Tell me from a fall of this much."),
        unit="%",
        lowest=ONE,
    ),
    Rule(
        name="uneven-rates",
        title=gettext_lazy("Same GPU, different rates"),
        about=gettext_lazy("GPUs of one model are offered at different rates on the same platform."),
        check=_uneven,
        metric_type="market_position",
        fix="portfolios:list",
        fix_key="account",
        fix_label=gettext_lazy("Look at the rates"),
        threshold=Decimal(10),
        threshold_means=gettext_lazy("Tell me where the lowest lies this far below the highest."),
        unit="%",
        lowest=ONE,
    ),
)
