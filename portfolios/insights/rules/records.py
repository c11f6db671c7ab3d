"""Rules about what is on record, and about being there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from gpuadvisor.core import formats

from ..facts import HOURS, HUNDRED, MONTH_DAYS, ZERO, Facts, GPUFact
from ..findings import Evidence, Finding, Missing, Money, Outcome, Rule, Verdict, gathered
from ..outages import Outage, outages_of
from ..worth import downtime_cost, per_month

COVERAGE_DAYS = 14
EVENTS = 3  # outages told one by one
FIGURES = {
    "utilization_percentage": gettext_lazy("utilization"),
    "hourly_rate": gettext_lazy("hourly rate"),
    "daily_revenue": gettext_lazy("daily revenue"),
    "uptime_hours": gettext_lazy("uptime"),
}


def _own_page(gpu: GPUFact) -> tuple[str, str]:
    return ("portfolios:gpu", str(gpu.pk))


def _about(gpu: GPUFact, finding: Finding) -> Finding:
    return replace(finding, gpu=gpu.pk, portfolio=gpu.portfolio)


def _coverage(facts: Facts, threshold: Decimal) -> Outcome:
    return gathered(_covered(facts, gpu, threshold) for gpu in facts.gpus)


def _covered(facts: Facts, gpu: GPUFact, threshold: Decimal) -> Verdict:
    last = facts.today - timedelta(days=1)
    first = max(gpu.first_day, last - timedelta(days=COVERAGE_DAYS - 1))
    expected = (last - first).days + 1
    if expected < 1:
        return Missing(_("Nothing is expected yet: it was added today."))
    days = [day for day in gpu.days if first <= day.day <= last]
    if not days and gpu.last_day is None:
        return None  # without any result another rule speaks
    observed = sum((day.observed for day in days), ZERO)
    share = observed / (expected * HOURS) * HUNDRED
    if share >= threshold:
        return None
    return _about(
        gpu,
        Finding(
            title=_("%(gpu)s has gaps: %(share)s on record") % {"gpu": gpu.name, "share": formats.percent(share, 0)},
            description=ngettext(
                "Of the last %(n)d day. What is missing is unknown, never 0: totals are too low by what the gaps"
                " earned, and comparisons leave them out.",
                "Of the last %(n)d days. What is missing is unknown, never 0: totals are too low by what the gaps"
                " earned, and comparisons leave them out.",
                expected,
            )
            % {"n": expected},
            otherwise="medium" if share < HUNDRED / 2 else "low",
            evidence=(
                Evidence(_("On record"), share, "%", link=_own_page(gpu)),
                Evidence(_("Hours on record"), observed, "h"),
                Evidence(_("Hours expected"), expected * HOURS, "h"),
            ),
        ),
    )


def _silent(facts: Facts, threshold: Decimal) -> Outcome:
    return gathered(_silence(facts, gpu, threshold) for gpu in facts.gpus)


def _silence(facts: Facts, gpu: GPUFact, threshold: Decimal) -> Verdict:
    since = (facts.today - (gpu.last_day or gpu.first_day)).days
    if since < threshold:
        return None
    if gpu.last_day is None:
        text = _("It was added on %(day)s and has no daily figure yet.") % {"day": formats.day(gpu.first_day)}
    else:
        text = _("The last one is of %(day)s. Import the days since, or send them through the API.") % {
            "day": formats.day(gpu.last_day)
        }
    return _about(
        gpu,
        Finding(
            title=ngettext("No result of %(gpu)s for %(n)d day", "No result of %(gpu)s for %(n)d days", since)
            % {"gpu": gpu.name, "n": since},
            description=text,
            otherwise="medium",
            evidence=(
                Evidence(_("Days without a result"), since, "", link=_own_page(gpu)),
                Evidence(_("Last result"), gpu.last_day.isoformat() if gpu.last_day else None),
            ),
        ),
    )


def _downtime(facts: Facts, threshold: Decimal) -> Outcome:
    return gathered(_down(gpu, threshold) for gpu in facts.gpus)


def _down(gpu: GPUFact, threshold: Decimal) -> Verdict:
    """F9: hours offline, at what an available hour earned, and what renters left out afterwards."""
    told = [day for day in gpu.days if day.uptime is not None]
    if not told:
        return Missing(_("Enter uptime, or send samples."))
    found = outages_of(gpu.days, quantity=gpu.quantity, comp_shares=gpu.comp_shares, seed=str(gpu.pk))
    hours = sum((one.hours for one in found), ZERO)
    if not hours:
        return None
    if gpu.yield_rate is None:
        return Missing(_("Needs days with both revenue and utilization."))
    offline = downtime_cost(outage_hours=hours, yield_rate=gpu.yield_rate) or ZERO
    rate = gpu.rented_rate or ZERO
    value, low, high = (
        sum((Decimal(str(getattr(one.short, end))) for one in found if one.short), ZERO) * rate
        for end in ("value", "low", "high")
    )
    days = len(told)
    month = per_month(amount=offline + value, days=days)
    if month is None or month < threshold:
        return None
    spread = gpu.interval([float((day.offline or ZERO) * gpu.quantity) for day in told], "outage")
    ends = (
        (
            Decimal(str(end)) * gpu.yield_rate * MONTH_DAYS + short / days * MONTH_DAYS
            for end, short in ((spread.low, low), (spread.high, high))
        )
        if spread
        else ()
    )
    return _about(
        gpu,
        Finding(
            title=_("%(gpu)s was offline for %(hours)s")
            % {"gpu": gpu.name, "hours": formats.quantity(hours, "GPU-h", 0)},
            description=" ".join([_offline_words(offline), _after_words(found, value)]),
            impact=Money.of(month, *ends),
            evidence=(
                Evidence(_("Hours offline"), hours, "GPU-h", link=_own_page(gpu)),
                Evidence(_("Days with uptime on record"), days),
                Evidence(_("Revenue per available hour"), gpu.yield_rate, "USD/GPU-h"),
                Evidence(
                    _("Shortfall in the 14 days after"), value if any(one.is_judged for one in found) else None, "USD"
                ),
                *_events(found, gpu.yield_rate, rate),
            ),
        ),
    )


def _offline_words(offline: Decimal) -> str:
    return _("At what it earns per available hour that cost %(lost)s in the days on record.") % {
        "lost": formats.money(offline)
    }


def _after_words(found: Sequence[Outage], short: Decimal) -> str:
    """What became of the rentals afterwards, beside those compared with."""
    if not any(one.is_judged for one in found):
        return _(
            "Whether renters came back at once, nobody can tell: that needs a week of utilization before and after."
        )
    if not short:
        return _("Afterwards it was rented as before, beside the GPUs it is compared with.")
    return _(
        "In the 14 days after it was rented less than before, beside the GPUs it is compared with: %(lost)s more."
    ) % {"lost": formats.money(short)}


def price_of(outage: Outage, yield_rate: Decimal, rate: Decimal) -> Decimal:
    """What it cost in USD (F9): its hours at `yield_rate`, and those that renters left out afterwards at `rate`."""
    return outage.hours * yield_rate + (Decimal(str(outage.short.value)) * rate if outage.short else ZERO)


def _events(found: Sequence[Outage], yield_rate: Decimal, rate: Decimal) -> list[Evidence]:
    """The dearest outages, each with its price."""
    priced = [(price_of(one, yield_rate, rate), one) for one in found]
    return [
        Evidence(
            _("Outage of %(day)s, %(hours)s")
            % {"day": formats.day(one.first), "hours": formats.quantity(one.hours, "GPU-h", 0)},
            lost,
            "USD",
        )
        for lost, one in sorted(priced, key=lambda pair: (-pair[0], pair[1].first))[:EVENTS]
    ]


def _one_platform(facts: Facts, threshold: Decimal) -> Outcome:
    earned: dict[str, Decimal] = {}
    names: dict[str, str] = {}
    for gpu in facts.gpus:
        for one in gpu.platforms:
            earned[one.slug] = earned.get(one.slug, ZERO) + (one.revenue or ZERO)
            names[one.slug] = one.name
    whole = sum(earned.values(), ZERO)
    if not whole:
        return gathered([Missing(_("Enter or import daily revenue."))])
    slug = max(earned, key=lambda name: (earned[name], name))
    share = earned[slug] / whole * HUNDRED
    if share < threshold:
        return gathered([None])
    return gathered(
        [
            Finding(
                title=_("%(share)s of your revenue comes from %(platform)s")
                % {"share": formats.percent(share, 0), "platform": names[slug]},
                description=_(
                    "Platforms close, change their fees and have outages. A second one that takes new hosts makes that"
                    " bearable, where one exists for your GPUs."
                ),
                subject=slug,
                evidence=tuple(
                    Evidence(_("Revenue at %(platform)s, 30 days") % {"platform": names[name]}, earned[name], "USD")
                    for name in sorted(earned, key=lambda name: -earned[name])[:10]
                ),
            )
        ]
    )


def _conflicts(facts: Facts, threshold: Decimal) -> Outcome:
    return gathered(_conflict(gpu, threshold) for gpu in facts.gpus)


def _conflict(gpu: GPUFact, threshold: Decimal) -> Verdict:
    if not gpu.days:
        return Missing(_("Enter or import daily figures."))
    apart = [day for day in gpu.days if day.conflicts]
    if not apart or len(apart) < threshold:
        return None
    named = Counter(name for day in apart for name in day.conflicts)
    return _about(
        gpu,
        Finding(
            title=_("Samples and statements of %(gpu)s disagree") % {"gpu": gpu.name},
            description=ngettext(
                "On %(n)d day figures that were told differ from those sampled by more than 2%%. The sampled ones"
                " count where they cover half of the day.",
                "On %(n)d days figures that were told differ from those sampled by more than 2%%. The sampled ones"
                " count where they cover half of the day.",
                len(apart),
            )
            % {"n": len(apart)},
            otherwise="medium" if len(apart) > 3 else "low",
            evidence=(
                Evidence(_("Days that disagree"), len(apart), "", link=_own_page(gpu)),
                Evidence(_("Last of them"), apart[-1].day.isoformat()),
                *(
                    Evidence(_("Days on which %(figure)s differs") % {"figure": FIGURES.get(name, name)}, count)
                    for name, count in named.most_common(3)
                ),
            ),
        ),
    )


RULES = (
    Rule(
        name="downtime",
        title=gettext_lazy("Downtime and its price"),
        about=gettext_lazy(
            "Hours in which a GPU was offline, at what an available hour earns, and rentals that did not come back."
        ),
        check=_downtime,
        metric_type="reliability",
        fix="portfolios:gpu",
        fix_label=gettext_lazy("Look at its days"),
        threshold=Decimal(5),
        threshold_means=gettext_lazy("Tell me from this much a month."),
        unit="USD",
        highest=Decimal(100_000),
    ),
    Rule(
        name="coverage",
        title=gettext_lazy("Coverage too low"),
        about=gettext_lazy("Less of the last 14 days is on record than figures need to be trusted."),
        check=_coverage,
        metric_type="reliability",
        fix="portfolios:metric-import",
        fix_key="account",
        fix_label=gettext_lazy("Import figures"),
        threshold=Decimal(80),
        threshold_means=gettext_lazy("Tell me below this share."),
        unit="%",
        lowest=Decimal(1),
    ),
    Rule(
        name="no-result",
        title=gettext_lazy("No result for days"),
        about=gettext_lazy("A GPU in use has had no daily figure lately."),
        check=_silent,
        metric_type="reliability",
        fix="portfolios:metric-add",
        fix_label=gettext_lazy("Enter figures"),
        threshold=Decimal(3),
        threshold_means=gettext_lazy("Tell me after this many days."),
        unit="days",
        lowest=Decimal(1),
        highest=Decimal(365),
    ),
    Rule(
        name="conflict",
        title=gettext_lazy("Samples against statements"),
        about=gettext_lazy("What you or the platform stated for a day differs from what was sampled."),
        check=_conflicts,
        metric_type="reliability",
        fix="portfolios:gpu",
        fix_label=gettext_lazy("Look at the days"),
        threshold=Decimal(1),
        threshold_means=gettext_lazy("Tell me from this many days in 30."),
        unit="days",
        lowest=Decimal(1),
        highest=Decimal(30),
    ),
    Rule(
        name="one-platform",
        title=gettext_lazy("One platform only"),
        about=gettext_lazy("Nearly all of the revenue depends on one platform."),
        check=_one_platform,
        metric_type="revenue",
        fix="market:platforms",
        fix_key="account",
        fix_label=gettext_lazy("See other platforms"),
        threshold=Decimal(95),
        threshold_means=gettext_lazy("Tell me from this share of the revenue."),
        unit="%",
        lowest=Decimal(50),
    ),
)
