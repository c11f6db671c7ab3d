"""What "ask why" beside a figure of the fleet points at. A key that is malformed, or of another host, is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gpuadvisor.accounts.models import User
from gpuadvisor.core.advising import Resolver, Subject

from .. import selectors
from ..insights.selectors import insights_of
from ..kpis import BY_NAME
from ..models import GPUConfiguration, Portfolio
from ..suggestions.selectors import suggestions_of
from .common import name_of, title

LONGEST = 160
PERIODS = {
    "today": gettext_lazy("today"),
    "7d": gettext_lazy("over the last 7 days"),
    "30d": gettext_lazy("over the last 30 days"),
    "90d": gettext_lazy("over the last 90 days"),
}

USUAL = ("occupancy", "rented_rate", "revenue", "net", "uptime", "coverage")
MARKET = ("occupancy", "rented_rate", "yield_rate", "occupancy_index", "yield_index", "price_percentile", "uptime")
COSTS = ("energy", "fixed", "platform_take", "rented_rate", "occupancy", "net", "coverage")
MADE_OF = {  # the KPIs that explain one; of the others the usual ones do
    "net": ("revenue", "fee", "energy", "fixed", "occupancy", "rented_rate", "uptime", "coverage"),
    "margin": ("revenue", "fee", "energy", "fixed", "net", "occupancy", "rented_rate", "coverage"),
    **dict.fromkeys(("floor_rate", "break_even_rate", "break_even_electricity", "payback_left"), COSTS),
    **dict.fromkeys(("fee", "platform_take"), ("revenue", "fee", "platform_take", "rented_rate", "occupancy")),
    **dict.fromkeys(("price_percentile", "occupancy_index", "yield_index", "time_to_rent"), MARKET),
}
OF_GPU = ("net", "revenue", "occupancy", "rented_rate", "yield_rate", "floor_rate", "price_percentile", "uptime")


def _uuid(words: str) -> UUID | None:
    try:
        return UUID(words) if len(words) == len(str(UUID(int=0))) else None
    except ValueError:
        return None


def _portfolio(user: User, words: str) -> Portfolio | None:
    key = _uuid(words)
    return Portfolio.objects.visible_to(user).active().filter(pk=key).first() if key else None


def _gpu(user: User, words: str) -> GPUConfiguration | None:
    key = _uuid(words)
    mine = GPUConfiguration.objects.visible_to(user).filter(portfolio__is_active=True).select_related("gpu_model")
    return mine.filter(pk=key).first() if key else None


def kpi(user: User, key: str) -> Subject | None:
    """`<name>`, `<name>:<portfolio>` or `<name>:gpu:<uuid>`, each with `:<period>` behind it or not."""
    name, *rest = key[:LONGEST].split(":")
    if name not in BY_NAME:
        return None
    period = rest.pop() if rest and rest[-1] in selectors.PERIODS else selectors.DEFAULT_PERIOD
    figures = list(dict.fromkeys((name, *MADE_OF.get(name, USUAL))))
    arguments: dict[str, Any] = {"period": period, "compare": True, "figures": figures}
    whose = ""
    match rest:
        case []:
            pass
        case ["gpu", pk]:
            if (gpu := _gpu(user, pk)) is None:
                return None
            arguments["gpu"], whose = str(gpu.pk), name_of(gpu)
        case [pk]:
            if (portfolio := _portfolio(user, pk)) is None:
                return None
            arguments["portfolio"], whose = str(portfolio.pk), portfolio.name
        case _:
            return None
    words = {"kpi": BY_NAME[name].label, "period": PERIODS[period], "whose": title(whose)}
    heading = _("%(kpi)s of %(whose)s") % words if whose else str(words["kpi"])
    if whose:
        question = _("Why is “%(kpi)s” of %(whose)s what it is %(period)s, and what moved it?") % words
    else:
        question = _("Why is “%(kpi)s” what it is %(period)s, and what moved it?") % words
    return Subject(title(heading), question, "kpis", arguments)


def insight(user: User, key: str) -> Subject | None:
    pk = _uuid(key)
    row = insights_of(user).filter(pk=pk).first() if pk else None
    if row is None:
        return None
    question = _("Why do you tell me “%s”, and what should I do about it?") % title(row.title)
    return Subject(title(row.title), question, "insights", {"insight": str(row.pk)})


def suggestion(user: User, key: str) -> Subject | None:
    pk = _uuid(key)
    row = suggestions_of(user).filter(pk=pk).first() if pk else None
    if row is None:
        return None
    question = _("Why do you suggest “%s”, and how sure are you?") % title(row.title)
    return Subject(title(row.title), question, "suggestions", {"suggestion": str(row.pk)})


def gpu(user: User, key: str) -> Subject | None:
    item = _gpu(user, key)
    if item is None:
        return None
    name = title(name_of(item))
    arguments = {
        "gpu": str(item.pk),
        "period": selectors.DEFAULT_PERIOD,
        "compare": True,
        "figures": [*OF_GPU, "coverage"],
    }
    return Subject(name, _("How is %s doing, and is its rate right?") % name, "kpis", arguments)


def me_or_market(user: User, key: str) -> Subject | None:
    """`<period>` or `<period>:<portfolio>`."""
    period, *rest = key[:LONGEST].split(":")
    if period not in selectors.PERIODS or len(rest) > 1:
        return None
    arguments = {"period": period}
    heading = _("Me or the market")
    if rest:
        portfolio = _portfolio(user, rest[0])
        if portfolio is None:
            return None
        arguments["portfolio"] = str(portfolio.pk)
        heading = _("Me or the market: %s") % portfolio.name
    question = _("Why did my occupancy move %(period)s: is it me or the market?") % {"period": PERIODS[period]}
    return Subject(title(heading), question, "me_or_market", arguments)


SUBJECTS: Mapping[str, Resolver] = {
    "kpi": kpi,
    "insight": insight,
    "suggestion": suggestion,
    "gpu": gpu,
    "me_or_market": me_or_market,
}
