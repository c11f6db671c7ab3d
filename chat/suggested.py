"""Questions worth asking now, made of today's own facts; the rules answer each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Q, Sum
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from market import selectors as market
from market.selectors.overview import past
from portfolios.models import GPUConfiguration, PerformanceMetric
from portfolios.suggestions.selectors import in_state

WEEK = 7
DROP = Decimal(5)  # percent of a week's revenue that is worth a question
MOVE = Decimal(3)  # percent of a market's price
LOOKED_AT = 200  # GPU configurations
MODELS = 5
POPULAR = "RTX 4090"


@dataclass(frozen=True)
class Suggested:
    """A question to offer. `kind` says which fact it comes from."""

    text: str
    kind: str


@dataclass(frozen=True)
class _Week:
    """One GPU configuration's last full week beside the one before. Units: USD; days on record."""

    name: str
    now: Decimal | None
    before: Decimal | None
    days: int

    @property
    def lost(self) -> Decimal:
        return (self.before or Decimal(0)) - (self.now or Decimal(0)) if self.now is not None else Decimal(0)


def questions(user: User, limit: int = 4) -> list[Suggested]:
    """Up to `limit` questions, those of today's facts first; as many queries for one GPU as for a thousand."""
    gpus = list(
        GPUConfiguration.objects.visible_to(user)
        .active()
        .filter(portfolio__is_active=True)
        .order_by("pk")
        .values_list("pk", "custom_name", "gpu_model__name")[:LOOKED_AT]
    )
    if not gpus:
        return _of_the_market()[:limit]
    weeks = _weeks({pk: name or model for pk, name, model in gpus})
    found = [
        *_drop(weeks),
        *_advice(user),
        *_gap(weeks),
        *_move(sorted({model for _pk, _name, model in gpus})[:MODELS]),
    ]
    first = gpus[0][1] or gpus[0][2]
    standing = [
        Suggested(_("How am I doing?"), "doing"),
        Suggested(_("What should I do next?"), "next"),
        Suggested(_("Where would %(gpu)s earn more?") % {"gpu": first}, "elsewhere"),
        Suggested(_("Which GPU earns the least?"), "least"),
        Suggested(_("What does my power cost?"), "power"),
        Suggested(_("What should I charge?"), "charge"),
    ]
    texts: set[str] = set()
    unique = [one for one in [*found, *standing] if not (one.text in texts or texts.add(one.text))]  # type: ignore[func-returns-value]
    return unique[:limit]


def _of_the_market() -> list[Suggested]:
    return [
        Suggested(_("How is the market of the %(model)s?") % {"model": POPULAR}, "market"),
        Suggested(_("What is occupancy?"), "term"),
        Suggested(_("What can you tell me?"), "help"),
        Suggested(_("What is a floor?"), "term"),
    ]


def _weeks(names: dict[UUID, str]) -> list[_Week]:
    """The last seven full days of each GPU configuration and the seven before, in one query."""
    today = clock.today()
    middle, first = today - timedelta(days=WEEK), today - timedelta(days=2 * WEEK)
    is_now = Q(metric_date__gte=middle)
    rows = (
        PerformanceMetric.objects.filter(
            gpu_configuration__in=list(names), metric_date__gte=first, metric_date__lt=today
        )
        .values("gpu_configuration_id")
        .order_by("gpu_configuration_id")
        .annotate(
            now=Sum("daily_revenue", filter=is_now),
            before=Sum("daily_revenue", filter=~is_now),
            days=Count("metric_date", filter=is_now, distinct=True),
        )
    )
    by_pk = {row["gpu_configuration_id"]: row for row in rows}
    found = []
    for pk, name in names.items():
        row = by_pk.get(pk)
        found.append(_Week(name, row["now"], row["before"], row["days"]) if row else _Week(name, None, None, 0))
    return found


def _drop(weeks: list[_Week]) -> Iterator[Suggested]:
    """The GPU that lost the most against the week before, where it is worth a question."""
    worst = max(weeks, key=lambda week: week.lost)
    if worst.before and worst.lost / worst.before * 100 >= DROP:
        yield Suggested(_("Why did %(gpu)s earn less than last week?") % {"gpu": worst.name}, "drop")
    elif sum(week.lost for week in weeks) < 0:
        yield Suggested(_("Why did I earn more than last week?"), "rise")


def _advice(user: User) -> Iterator[Suggested]:
    """The open suggestion with the most money: a rate that stands off the market, or something else."""
    row = in_state(user).first()
    if row is None:
        return
    gpu = row.gpu_configuration
    if gpu is not None and row.to_rate is not None:
        name = gpu.custom_name or gpu.gpu_model.name
        if row.from_rate is not None and row.from_rate > row.to_rate:
            yield Suggested(_("Is %(gpu)s priced above the market?") % {"gpu": name}, "above")
        else:
            yield Suggested(_("What should I charge for %(gpu)s?") % {"gpu": name}, "charge")
        return
    yield Suggested(_("What should I do next?"), "suggestion")


def _gap(weeks: list[_Week]) -> Iterator[Suggested]:
    """A GPU that earned before and lacks days of the last week."""
    gaps = [week for week in weeks if week.days < WEEK - 1 and (week.before or week.now)]
    if gaps:
        worst = min(gaps, key=lambda week: week.days)
        yield Suggested(_("Which data of %(gpu)s is missing?") % {"gpu": worst.name}, "gap")


def _move(models: list[str]) -> Iterator[Suggested]:
    """The own model whose market moved the most in a week."""
    places = {name: place for name, place in market.market_now(models).items() if not place.is_hidden and place.price}
    then = past(list(places.values()), (WEEK,))
    moves = []
    for name, place in places.items():
        (before,) = then.get(place, (None,))
        if before is not None and before.price and place.price:
            moves.append(((place.price - before.price) / before.price * 100, name))
    if not moves:
        return
    percent, name = max(moves, key=lambda move: abs(move[0]))
    if percent <= -MOVE:
        yield Suggested(_("Is the market of the %(model)s falling?") % {"model": name}, "market")
    elif percent >= MOVE:
        yield Suggested(_("Is the market of the %(model)s rising?") % {"model": name}, "market")
