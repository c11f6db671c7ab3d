"""Rules about energy and costs."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from gpuadvisor.core import formats

from ..facts import HOURS, MONTH_DAYS, ZERO, Facts, GPUFact
from ..findings import Evidence, Finding, Missing, Money, Outcome, Rule, Verdict, gathered, per_gpu
from ..worth import WATTS_PER_KILOWATT, day_nets

NEEDED_DAYS = 7


def _costs_page(gpu: GPUFact) -> tuple[str, str]:
    return ("portfolios:gpu-costs", str(gpu.pk))


def _missing_costs(gpu: GPUFact) -> Missing | None:
    if gpu.price is None:
        return Missing(_("Set the electricity price."))
    if gpu.idle_watts is None or gpu.load_watts is None:
        return Missing(_("Enter idle and load watts."))
    if gpu.fee is None:
        return Missing(_("Enter the platform’s fee."))
    return None


def _energy(gpu: GPUFact, threshold: Decimal) -> Verdict:
    """F5: hours of the day in which what comes in is expected to stay below the energy drawn."""
    missing = _missing_costs(gpu)
    if missing:
        return missing
    if gpu.occupancy is None or len(gpu.shares) < NEEDED_DAYS:
        return Missing(_("Needs 7 days with revenue and utilization."))
    if not gpu.occupancy:
        return None  # an unrented box is another rule's
    if gpu.rented_rate is None:
        return Missing(_("Needs 7 days with revenue and utilization."))
    shares = [gpu.occupancy if share is None else share for share in gpu.shares_by_hour or (None,) * HOURS]

    def lost(rate: Decimal) -> tuple[int, Decimal]:
        """How many hours lose, and what they lose in a month."""
        nets = day_nets(
            shares=shares,
            rate=rate,
            fee_percentage=gpu.fee,
            idle_watts=gpu.idle_watts,
            load_watts=gpu.load_watts,
            prices=gpu.prices,
        )
        below = [-net for net in nets if net is not None and net < 0]
        return len(below), sum(below, ZERO) * gpu.quantity * MONTH_DAYS

    hours, loss = lost(gpu.rented_rate)
    if not hours or hours < threshold:
        return None
    rates = [float(day.earned / day.rented) for day in gpu.earning if day.earned is not None and day.rented]
    spread = gpu.interval(rates, "rate")
    ends = [lost(Decimal(str(end)))[1] for end in (spread.high, spread.low)] if spread else []
    source = _("own, from samples") if gpu.shares_by_hour else _("own, the same at all hours")
    return Finding(
        title=ngettext(
            "In %(n)d hour of the day %(gpu)s costs more energy than it earns",
            "In %(n)d hours of the day %(gpu)s costs more energy than it earns",
            hours,
        )
        % {"n": hours, "gpu": gpu.name},
        description=_(
            "In these hours the rented share times the rate, after the fee, stays below the electricity. A higher floor"
            " for interruptible rentals, a power limit, or sleep in these hours avoids it."
        ),
        impact=Money.of(loss, *ends),
        otherwise="medium",
        evidence=(
            Evidence(_("Hours of the day that lose"), hours, "h"),
            Evidence(_("Rented at"), gpu.rented_rate, "USD/GPU-h", link=("portfolios:gpu", str(gpu.pk))),
            Evidence(_("Rented share (%(source)s)") % {"source": source}, gpu.occupancy, "%"),
            Evidence(_("Dearest hour"), max(price for price in gpu.prices if price is not None), "USD/kWh"),
            Evidence(_("Load"), gpu.load_watts, "W", link=_costs_page(gpu)),
            Evidence(_("Idle"), gpu.idle_watts, "W", link=_costs_page(gpu)),
        ),
    )


def _sleep(gpu: GPUFact, threshold: Decimal) -> Verdict:
    """F5: a box that nobody rents, and that the market would not pay for either."""
    days = max(1, int(threshold))
    lately = gpu.days[-days:]
    if len(lately) < days or any(day.share is None for day in lately):
        return Missing(_("Needs the utilization of the last days."))
    if any(day.rented for day in lately):
        return None
    missing = _missing_costs(gpu)
    if missing:
        return missing
    comp = gpu.comp
    if comp is None or not comp.is_for_advice or comp.median is None or comp.rented is None:
        return Missing(_("No current market of this GPU model is known."))
    nets = day_nets(
        shares=(comp.rented,) * HOURS,
        rate=comp.median,
        fee_percentage=gpu.fee,
        idle_watts=gpu.idle_watts,
        load_watts=gpu.load_watts,
        prices=gpu.prices,
    )
    expected = sum((net for net in nets if net is not None), ZERO)
    if expected >= 0 or gpu.idle_watts is None or gpu.price is None:
        return None
    saved = gpu.idle_watts / WATTS_PER_KILOWATT * gpu.price * HOURS * gpu.quantity * MONTH_DAYS
    return Finding(
        title=_("%(gpu)s stands unrented and should sleep") % {"gpu": gpu.name},
        description=ngettext(
            "Nobody rented it for %(n)d day, and at the market’s price and rented share its energy would cost more than"
            " it brings in.",
            "Nobody rented it for %(n)d days, and at the market’s price and rented share its energy would cost more"
            " than it brings in.",
            days,
        )
        % {"n": days},
        impact=Money.of(saved),
        market=(comp.platform,),
        evidence=(
            Evidence(_("Expected of a day per GPU"), expected, "USD"),
            Evidence(_("Median price"), comp.median, "USD/GPU-h", comp.as_of),
            Evidence(_("Rented share of the market"), comp.rented, "%", comp.as_of),
            Evidence(_("Idle"), gpu.idle_watts, "W", link=_costs_page(gpu)),
            Evidence(_("Electricity"), gpu.price, "USD/kWh", link=_costs_page(gpu)),
        ),
    )


def _unpriced(facts: Facts, threshold: Decimal) -> Outcome:
    return gathered(_portfolio_price(gpus) for gpus in _by_portfolio(facts))


def _by_portfolio(facts: Facts) -> list[list[GPUFact]]:
    found: dict[object, list[GPUFact]] = {}
    for gpu in facts.gpus:
        found.setdefault(gpu.portfolio, []).append(gpu)
    return list(found.values())


def _portfolio_price(gpus: list[GPUFact]) -> Verdict:
    without = [gpu for gpu in gpus if gpu.price is None]
    if not without:
        return None
    return Finding(
        title=_("%(portfolio)s has no electricity price") % {"portfolio": gpus[0].portfolio_name},
        description=_("What its GPUs cost to run, and so what they leave, stays unknown until you set it."),
        otherwise="medium",
        portfolio=gpus[0].portfolio,
        evidence=(
            Evidence(_("GPU configurations without a price"), len(without)),
            Evidence(_("GPU configurations"), len(gpus)),
        ),
    )


def _watts(gpu: GPUFact, threshold: Decimal) -> Verdict:
    if gpu.idle_watts is None or gpu.load_watts is None:
        what = _("under load") if gpu.load_watts is None else _("while idle")
        return Finding(
            title=_("Nobody knows what %(gpu)s draws %(when)s") % {"gpu": gpu.name, "when": what},
            description=_("Without it the energy cost, and what is left after it, stays unknown."),
            otherwise="medium",
            evidence=(Evidence(_("Load"), gpu.load_watts, "W"), Evidence(_("Idle"), gpu.idle_watts, "W")),
        )
    if gpu.is_measured:
        return None
    return Finding(
        title=_("The power of %(gpu)s is estimated, not measured") % {"gpu": gpu.name},
        description=_(
            "The energy cost rests on the maker’s board power. Read a wattmeter once under load, or send watts with"
            " your samples."
        ),
        evidence=(Evidence(_("Load"), gpu.load_watts, "W"), Evidence(_("Idle"), gpu.idle_watts, "W")),
    )


def _fees(facts: Facts, threshold: Decimal) -> Outcome:
    used: dict[str, tuple[str, Decimal | None, Decimal, int]] = {}
    for gpu in facts.gpus:
        for one in gpu.platforms:
            _n, _f, revenue, count = used.get(one.slug, ("", None, ZERO, 0))
            used[one.slug] = (one.name, one.fee, revenue + (one.revenue or ZERO), count + 1)
    if not used:
        return gathered([Missing(_("Enter or import daily figures."))])
    return gathered(_fee(slug, *told) for slug, told in sorted(used.items()))


def _fee(slug: str, name: str, fee: Decimal | None, revenue: Decimal, count: int) -> Verdict:
    if fee is not None:
        return None
    return Finding(
        title=_("The fee of %(platform)s is unknown") % {"platform": name},
        description=_("What you have left after it, and so your net, stays unknown. Enter what it keeps."),
        otherwise="medium",
        subject=slug,
        evidence=(
            Evidence(_("Revenue there in 30 days"), revenue, "USD"),
            Evidence(_("GPU configurations there"), count),
        ),
    )


def _payback(gpu: GPUFact, threshold: Decimal) -> Verdict:
    if gpu.purchase_price is None:
        return Missing(_("Enter the purchase price."))
    if gpu.monthly_net is None:
        return Missing(_("Needs the net of the last 90 days."))
    if gpu.monthly_net > threshold:
        return None
    return Finding(
        title=_("%(gpu)s never pays itself back at this rate") % {"gpu": gpu.name},
        description=_("A month leaves %(net)s after fees, energy and fixed costs, by the last 90 days.")
        % {"net": formats.money(gpu.monthly_net)},
        impact=Money.of(-gpu.monthly_net) if gpu.monthly_net < 0 else None,
        otherwise="high",
        evidence=(
            Evidence(_("Net a month"), gpu.monthly_net, "USD", link=("portfolios:gpu", str(gpu.pk))),
            Evidence(_("Purchase price"), gpu.purchase_price * gpu.quantity, "USD", link=_costs_page(gpu)),
            Evidence(_("Fixed costs a month"), gpu.fixed_monthly, "USD", link=_costs_page(gpu)),
        ),
    )


RULES = (
    Rule(
        name="energy",
        title=gettext_lazy("Energy above revenue, hour by hour"),
        about=gettext_lazy("In some hours of the day the electricity costs more than the hour is expected to earn."),
        check=per_gpu(_energy),
        metric_type="power",
        fix="portfolios:gpu-costs",
        fix_label=gettext_lazy("Check its costs"),
        threshold=Decimal(1),
        threshold_means=gettext_lazy("Tell me from this many hours of the day."),
        unit="h",
        lowest=Decimal(1),
        highest=Decimal(24),
    ),
    Rule(
        name="sleep",
        title=gettext_lazy("Unrented box that should sleep"),
        about=gettext_lazy("Nobody rents a GPU, and at the market’s price it would not pay its electricity."),
        check=per_gpu(_sleep),
        metric_type="power",
        fix="portfolios:gpu",
        fix_label=gettext_lazy("Look at the GPU"),
        threshold=Decimal(3),
        threshold_means=gettext_lazy("Tell me after this many days without a rental."),
        unit="days",
        lowest=Decimal(1),
        highest=Decimal(30),
    ),
    Rule(
        name="power-price",
        title=gettext_lazy("No electricity price"),
        about=gettext_lazy("A portfolio has GPUs whose electricity price nobody set."),
        check=_unpriced,
        metric_type="power",
        fix="portfolios:costs",
        fix_key="portfolio",
        fix_label=gettext_lazy("Set the price"),
    ),
    Rule(
        name="watts",
        title=gettext_lazy("Power not measured"),
        about=gettext_lazy("What a GPU draws under load or while idle is unknown, or only the maker’s figure."),
        check=per_gpu(_watts),
        metric_type="power",
        fix="portfolios:gpu-edit",
        fix_label=gettext_lazy("Enter the watts"),
    ),
    Rule(
        name="fee",
        title=gettext_lazy("Fee unknown"),
        about=gettext_lazy("A platform that you earn on keeps a share that nobody told us."),
        check=_fees,
        metric_type="profitability",
        fix="portfolios:fees",
        fix_key="account",
        fix_label=gettext_lazy("Enter the fee"),
    ),
    Rule(
        name="payback",
        title=gettext_lazy("Never paid back at this rate"),
        about=gettext_lazy("What a GPU leaves in a month does not pay for what it cost."),
        check=per_gpu(_payback),
        metric_type="profitability",
        fix="portfolios:gpu-costs",
        fix_label=gettext_lazy("Check its costs"),
        threshold=ZERO,
        threshold_means=gettext_lazy("Tell me where a month leaves no more than this."),
        unit="USD",
        highest=Decimal(100_000),
    ),
)
