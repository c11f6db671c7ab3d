"""What an alert does, in one sentence of the reader's language."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from gpuadvisor.core import formats
from market.places import region_name

from .conditions import Conditions, OptimizationOpportunity, PricingChange

HOUR, DAY = 60, 24 * 60


def duration(minutes: int) -> str:
    """ "2 hours", "90 minutes", "3 days": in the largest unit that it fills."""
    if minutes and minutes % DAY == 0:
        return ngettext("%(n)d day", "%(n)d days", minutes // DAY) % {"n": minutes // DAY}
    if minutes and minutes % HOUR == 0:
        return ngettext("%(n)d hour", "%(n)d hours", minutes // HOUR) % {"n": minutes // HOUR}
    return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}


def plain(value: Decimal) -> str:
    """A number as somebody would type it."""
    return formats.number(value, max(0, -int(value.normalize().as_tuple().exponent)))


def sentence(conditions: Conditions, scope: str = "") -> str:
    """When it tells; `scope` names the portfolio, GPU or platform that it speaks of."""
    if isinstance(conditions, PricingChange):
        return _of_price(conditions, scope or conditions.platform)
    where = scope or _("Any of your GPUs")
    if isinstance(conditions, OptimizationOpportunity):
        amount = formats.money(conditions.threshold)
        return _("%(where)s: a suggestion is worth %(amount)s a month or more.") % {"where": where, "amount": amount}
    words = {
        "limit": _("%(where)s: rented less than %(threshold)s%%%(lasting)s."),
        "usual": _("%(where)s: rented %(threshold)s points less than usual%(lasting)s."),
        "comps": _("%(where)s: rented %(threshold)s points less than those it is compared with%(lasting)s."),
    }[conditions.against]
    lasting = _lasting(conditions.for_minutes)
    return words % {"where": where, "threshold": plain(conditions.threshold), "lasting": lasting}


def _of_price(conditions: PricingChange, platform: str) -> str:
    language = get_language() or "en"
    told = {
        "model": conditions.gpu_model,
        "platform": platform,
        "region": "" if conditions.region == "global" else f" ({region_name(conditions.region, language)})",
        "lasting": _lasting(conditions.for_minutes),
        "limit": formats.rate(conditions.threshold),
        "by": plain(conditions.threshold),
        "over": duration(conditions.over_hours * HOUR),
    }
    words = {
        ("limit", "up"): _("%(model)s on %(platform)s%(region)s: the median price is %(limit)s or more%(lasting)s."),
        ("limit", "down"): _("%(model)s on %(platform)s%(region)s: the median price is below %(limit)s%(lasting)s."),
        ("before", "up"): _(
            "%(model)s on %(platform)s%(region)s: the median price is %(by)s%% above that of %(over)s ago%(lasting)s."
        ),
        ("before", "down"): _(
            "%(model)s on %(platform)s%(region)s: the median price is %(by)s%% below that of %(over)s ago%(lasting)s."
        ),
        ("before", "both"): _(
            "%(model)s on %(platform)s%(region)s: the median price moved by %(by)s%% within %(over)s%(lasting)s."
        ),
    }[conditions.against, conditions.direction]
    return words % told


def _lasting(minutes: int) -> str:
    return "" if not minutes else _(" for %(time)s") % {"time": duration(minutes)}
