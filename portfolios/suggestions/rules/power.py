"""The power limit: what a lower one would save, and how few rented hours may be lost for it."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core import formats

from .. import pricing
from ..facts import HUNDRED, MONTH_DAYS, WINDOW_DAYS, ZERO, GPUFact
from ..findings import Advice, Answer, Bar, Row, Silence
from ..pricing import Impact
from ..steps import power_steps
from .wording import signed

LIMIT = Decimal("0.8")  # of board power
LIMIT_WORTH = Decimal("0.9")  # a card that draws less than this part of its board power is limited already
LEAST_SAVING = Decimal(2)
LEAST_LOSS = Decimal(2)  # percent of the rented revenue that may be lost before a power limit does not pay


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
