"""Whom each GPU configuration is compared with: the host's own choice, else its own traits, widened where thin."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from gpuadvisor.core import clock
from market import comps
from market.comps import Comp, Criteria, Machine, size_of
from market.models import CompDay, Platform
from market.places import continent_of, region_name
from market.selectors import current_origin
from market.selectors.now import LEADER

from .economics import Window
from .kpis import Comparison
from .models import CompSet, GPUConfiguration

LEAST_OFFERS = 5
SLICE = 2_000  # GPU configurations looked at together when all hosts' are
SIZE_WORDS = {
    "1-3": gettext_lazy("1 to 3 GPUs"),
    "4-7": gettext_lazy("4 to 7 GPUs"),
    "8+": gettext_lazy("8 GPUs and more"),
}
Why = Literal["own", "default", "automatic"]
# What a comp set gives up, in this order, while fewer than five offers fit.
STEPS: tuple[tuple[str, str | Promise], ...] = (
    ("region", gettext_lazy("region")),
    ("is_datacenter", gettext_lazy("data center")),
    ("is_verified", gettext_lazy("verification")),
    ("size", gettext_lazy("size")),
)


@dataclass(frozen=True)
class Chosen:
    """Whom one GPU configuration is compared with. `comp_set` None: chosen by its traits, less what is `widened`.

    `comp` is what they come to now, None where nobody tells.
    """

    criteria: Criteria
    comp_set: CompSet | None
    words: str
    why: Why = "automatic"
    widened: tuple[str, ...] = ()
    comp: Comp | None = None
    elsewhere: str = ""  # the platform that it is mapped to, where those compared with stand on another

    @property
    def note(self) -> str:
        """What was given up so that at least five offers fit; empty where nothing."""
        if self.elsewhere and not self.widened:
            return _("%(platform)s tells too few single offers to compare with.") % {"platform": self.elsewhere}
        if not self.widened:
            return ""
        return _("Fewer than 5 offers fit all of its traits: %(traits)s may differ.") % {
            "traits": ", ".join(self.widened)
        }


def chosen(items: Sequence[GPUConfiguration], *, names: Mapping[str, str] | None = None) -> dict[UUID, Chosen]:
    """Whom each of `items` (with their GPU models and portfolios) is compared with; the number of queries is constant.

    `names`: what platforms are called, where the caller knows.
    """
    if not items:
        return {}
    own, defaults = _comp_sets(items)
    names = dict(Platform.objects.values_list("slug", "name")) if names is None else names
    picks: dict[UUID, tuple[Why, CompSet | None, list[tuple[Criteria, tuple[str, ...]]]]] = {}
    by_traits = []
    for item in items:
        mine = own.get(item.comp_set_id) if item.comp_set_id else None
        default = defaults.get((item.portfolio.user_id, item.gpu_model_id))
        if mine is not None and mine.gpu_model_id == item.gpu_model_id:
            picks[item.pk] = ("own", mine, [(criteria_of(mine, item.gpu_model.name), ())])
        elif default is not None:
            picks[item.pk] = ("default", default, [(criteria_of(default, item.gpu_model.name), ())])
        else:
            by_traits.append(item)
    machines = _machines(by_traits)
    for item in by_traits:
        picks[item.pk] = ("automatic", None, list(_candidates(item, machines)))
    found = comps.comps_now(criteria for _why, _set, some in picks.values() for criteria, _widened in some)
    result = {}
    for pk, (why, comp_set, some) in picks.items():
        criteria, widened = _first_that_fits(some, found)
        words = comp_set.name if comp_set else words_of(criteria, names)
        first = some[0][0].platform
        elsewhere = names.get(first, first) if first != criteria.platform else ""
        result[pk] = Chosen(criteria, comp_set, words, why, widened, found.get(criteria), elsewhere)
    return result


def criteria_of(comp_set: CompSet, gpu_model: str) -> Criteria:
    """What a host's comp set asks for."""
    return Criteria(
        gpu_model,
        comp_set.platform,
        comp_set.size,
        comp_set.is_verified,
        comp_set.is_datacenter,
        comp_set.region,
    )


def words_of(criteria: Criteria, names: Mapping[str, str], *, with_model: bool = True) -> str:
    """Criteria in words: “RTX 4090 on Vast.ai, 4 to 7 GPUs, verified, Europe”."""
    platform = names.get(criteria.platform, criteria.platform)
    head = _("%(gpu)s on %(platform)s") % {"gpu": criteria.gpu_model, "platform": platform}
    return ", ".join([head if with_model else platform, *_traits(criteria)])


def _traits(criteria: Criteria) -> list[str]:
    words = []
    if criteria.size:
        words.append(str(SIZE_WORDS.get(criteria.size, criteria.size)))
    if criteria.is_verified is not None:
        words.append(_("verified") if criteria.is_verified else _("not verified"))
    if criteria.is_datacenter is not None:
        words.append(_("in a data center") if criteria.is_datacenter else _("not in a data center"))
    if criteria.region:
        words.append(region_name(criteria.region, get_language() or "en"))
    return words


def _comp_sets(
    items: Sequence[GPUConfiguration],
) -> tuple[dict[UUID, CompSet], dict[tuple[UUID, UUID], CompSet]]:
    """The comp sets that these GPUs name, and the hosts' defaults by host and GPU model; one query."""
    users = {item.portfolio.user_id for item in items}
    named = {item.comp_set_id for item in items if item.comp_set_id}
    rows = CompSet.objects.filter(user__in=users).filter(models.Q(is_default=True) | models.Q(pk__in=named))
    own, defaults = {}, {}
    for row in rows:
        own[row.pk] = row
        if row.is_default:
            defaults[row.user_id, row.gpu_model_id] = row
    return own, defaults


def _ids(item: GPUConfiguration) -> Iterator[tuple[str, str]]:
    """Platform and id of the machines that it is mapped to."""
    for platform, identifiers in item.platform_mappings.items():
        if isinstance(identifiers, dict):
            yield from ((platform, str(value)) for value in identifiers.values() if value)


def _machines(items: Iterable[GPUConfiguration]) -> dict[tuple[str, str], Machine]:
    """What the market last told of the machines that `items` are mapped to."""
    asked: dict[str, set[str]] = {}
    for item in items:
        for platform, one in _ids(item):
            asked.setdefault(platform, set()).add(one)
    origin = current_origin() if asked else None
    return comps.machines_seen(asked, origin) if origin else {}


def _candidates(
    item: GPUConfiguration, machines: Mapping[tuple[str, str], Machine]
) -> Iterator[tuple[Criteria, tuple[str, ...]]]:
    """From all of its traits to none; on the platform where its machine stands, or is mapped to, then on the leader."""
    seen = next(
        (
            machine
            for one in _ids(item)
            if (machine := machines.get(one)) is not None and machine.gpu_model == item.gpu_model.name
        ),
        None,
    )
    platforms = [seen.platform] if seen else sorted(item.platform_mappings, key=lambda slug: slug != LEADER)
    for platform in dict.fromkeys([*platforms, LEADER]):
        criteria = Criteria(item.gpu_model.name, platform, size_of(item.quantity))
        if seen is not None and platform == seen.platform:
            criteria = Criteria(item.gpu_model.name, platform, seen.size, seen.verified, seen.datacenter, seen.country)
        yield from _wider(criteria)


def _wider(criteria: Criteria) -> Iterator[tuple[Criteria, tuple[str, ...]]]:
    widened: tuple[str, ...] = ()
    yield criteria, widened
    for name, words in STEPS:
        value: Any = getattr(criteria, name)
        if not value and value is not False:
            continue
        widened = (*widened, str(words))
        if name == "region" and (continent := continent_of(criteria.region)):
            yield replace(criteria, region=continent), widened
        given_up: dict[str, Any] = {name: "" if isinstance(value, str) else None}
        criteria = replace(criteria, **given_up)
        yield criteria, widened


def _first_that_fits(
    candidates: Sequence[tuple[Criteria, tuple[str, ...]]], found: Mapping[Criteria, Comp]
) -> tuple[Criteria, tuple[str, ...]]:
    """The narrowest with at least five offers, else that with most; a bare series only where nobody tells machines."""
    for criteria, widened in candidates:
        comp = found.get(criteria)
        if comp is not None and not comp.is_series and (comp.offers or 0) >= LEAST_OFFERS:
            return criteria, widened

    def worth(pair: tuple[Criteria, tuple[str, ...]]) -> tuple[bool, bool, int]:
        comp = found.get(pair[0])
        return (
            comp is not None and bool(comp.offers or comp.is_series),
            comp is not None and comp.rented_percentage is not None,
            (comp.offers or 0) if comp is not None else 0,
        )

    return max(candidates, key=worth)


# What the KPIs ask for.


def comparisons(picked: Mapping[UUID, Chosen], window: Window, *, now: datetime) -> dict[UUID, Comparison]:
    """The comparison of each of `picked`: list prices now, and the means of the window's days (K12, K13).

    Where the comp set has too few days yet, those of its GPU model and platform alone stand in, as `words` say.
    """
    means = means_of([one.criteria for one in picked.values()], [window])
    found = {}
    for pk, pick in picked.items():
        if pick.comp is None:
            continue
        mean = means[pick.criteria][0]
        is_wider = mean.is_wide and pick.criteria != pick.criteria.wide
        words = _("%(set)s; before now, all offers of the model") % {"set": pick.words} if is_wider else pick.words
        age = Decimal(max(0, (now - pick.comp.as_of).total_seconds())) / 3600
        found[pk] = Comparison(
            words=words,
            prices=pick.comp.prices,
            offers=pick.comp.offers or 0,
            rented_percentage=mean.rented_percentage,
            yield_rate=mean.yield_rate,
            age_hours=Decimal(0) if pick.comp.is_for_advice else max(age, Decimal(13)),
        )
    return found


@dataclass(frozen=True)
class Mean:
    """Those compared with, over one window. Units: `rented_percentage` 0-100; USD per offered GPU-hour; USD per GPU-h.

    `days` of the window are known. `is_wide`: the days are those of all offers of the GPU model on the platform.
    """

    rented_percentage: Decimal | None = None
    yield_rate: Decimal | None = None
    median: Decimal | None = None
    days: int = 0
    is_wide: bool = False


def means_of(criterias: Collection[Criteria], windows: Sequence[Window]) -> dict[Criteria, tuple[Mean, ...]]:
    """The means of each window, all of the same breadth: the comp set's own where it knows half the days of each.

    One query; of the origin that speaks.
    """
    origin = current_origin()
    if not criterias or not windows or origin is None:
        return {one: (Mean(),) * len(windows) for one in criterias}
    wide = {one: one.wide for one in criterias}
    first, last = min(one.first for one in windows), max(one.last for one in windows)
    stored = comps.comp_days({*criterias, *wide.values()}, first, last, origin)
    by_criteria: dict[Criteria, dict[date, CompDay]] = {}
    for (criteria, day), row in stored.items():
        by_criteria.setdefault(criteria, {})[day] = row
    found = {}
    for one in criterias:
        own = tuple(_mean(by_criteria.get(one, {}), window) for window in windows)
        if one != wide[one] and not all(_knows_half(mean, window) for mean, window in zip(own, windows, strict=True)):
            broad = tuple(replace(_mean(by_criteria.get(wide[one], {}), window), is_wide=True) for window in windows)
            if sum(mean.days for mean in broad) > sum(mean.days for mean in own):
                own = broad
        found[one] = own
    return found


def shares_by_day(criterias: Collection[Criteria], first: date, last: date) -> dict[Criteria, dict[date, Decimal]]:
    """The rented share (0-100) of each known day: the comp set's own where it knows half of them, else its model's."""
    origin = current_origin()
    if not criterias or origin is None:
        return {one: {} for one in criterias}
    shares: dict[Criteria, dict[date, Decimal]] = {}
    for (criteria, day), row in comps.comp_days(
        {*criterias, *(one.wide for one in criterias)}, first, last, origin
    ).items():
        if row.rented_percentage is not None:
            shares.setdefault(criteria, {})[day] = row.rented_percentage
    half = ((last - first).days + 1) / 2

    def best(one: Criteria) -> dict[date, Decimal]:
        own, wide = shares.get(one, {}), shares.get(one.wide, {})
        return own if len(own) >= half or len(own) >= len(wide) else wide

    return {one: best(one) for one in criterias}


def _knows_half(mean: Mean, window: Window) -> bool:
    return mean.days * 2 >= window.days


def _mean(days: Mapping[date, CompDay], window: Window) -> Mean:
    told = [row for day, row in days.items() if day in window and row.rented_percentage is not None]
    share, yields, _hours = comps.mean(told)
    medians = [row.median_price for row in told if row.median_price is not None]
    median = sum(medians, Decimal(0)) / len(medians) if medians else None
    return Mean(share, yields, median, len(told))


# What the job stores days of.


def criterias_in_use() -> set[Criteria]:
    """Whom anybody is compared with: every host's comp sets, and what the active GPU configurations look at."""
    found = {criteria_of(row, row.gpu_model.name) for row in CompSet.objects.select_related("gpu_model")}
    after: UUID | None = None
    names = dict(Platform.objects.values_list("slug", "name"))
    while True:
        rows = (
            GPUConfiguration.objects.active()
            .filter(portfolio__is_active=True)
            .select_related("gpu_model", "portfolio")
            .order_by("pk")
        )
        items = list(rows.filter(pk__gt=after)[:SLICE] if after else rows[:SLICE])
        found |= {one.criteria for one in chosen(items, names=names).values()}
        if len(items) < SLICE:
            return found | {one.wide for one in found}
        after = items[-1].pk


def make_days(*, now: datetime | None = None, seconds: float = 60.0) -> comps.DayReport:
    """Store the days of all that are in use, of the origin that speaks."""
    origin = current_origin()
    if origin is None:
        return comps.DayReport()
    today = (now or clock.now()).date()
    return comps.make_comp_days(
        sorted(criterias_in_use(), key=lambda one: one.key),
        today=today,
        origin=origin,
        seconds=seconds,
    )
