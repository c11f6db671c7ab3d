"""Why GPUs are rented less: the platform, the market or the host's own machine; and what of it is whose (R-044).

Worked out over sets, for what is told only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection

from portfolios import attribution, comparing
from portfolios.attribution import CENT, ZERO, Cause, State
from portfolios.models import GPUConfiguration

from .. import readings

RECENT = timedelta(minutes=45)
OTHERS = 1_000  # the newest GPU configurations stand for all hosts: their last quarters are asked by the index
MOST = Decimal("0.6")  # of the other hosts' machines on a platform: then it is down for all
ALL_OWN = Decimal("0.8")
LEAST_HOSTS = 2
LEAST_OWN = 2
HALF = Decimal("0.5")  # of the fall: what gave more than that is the cause
MARKET_DAYS_OLD = 2
LATEST = """
select distinct on (s.gpu_configuration_id, s.platform) s.platform, p.user_id, s.gpu_configuration_id,
       s.is_online is false
  from (select id from gpu_configurations where id = any(%(gpus)s)
        union select c.id from gpu_configurations c join portfolios p on p.id = c.portfolio_id
               where p.user_id = any(%(users)s)
        union (select id from gpu_configurations where is_active order by id desc limit %(others)s)) one
  join gpu_configurations g on g.id = one.id join portfolios p on p.id = g.portfolio_id
  join metric_samples s on s.gpu_configuration_id = g.id and s.sampled_at > %(since)s and s.sampled_at <= %(until)s
 order by s.gpu_configuration_id, s.platform, s.sampled_at desc
"""


@dataclass(frozen=True)
class Fallen:
    """A GPU configuration of which something is told. Units: `value` 0-100, the share that is rented."""

    item: GPUConfiguration
    value: Decimal | None
    is_offline: bool
    at: datetime


@dataclass(frozen=True)
class Split:
    """What a fall costs against the mean of 28 days, and whose it is. Units: USD a day, below 0 where it is lost.

    `me` and `market` add up to `total` exactly.
    """

    me: Decimal
    market: Decimal

    @property
    def total(self) -> Decimal:
        return self.me + self.market

    def stored(self) -> dict[str, str]:
        return {"me": str(self.me), "market": str(self.market), "total": str(self.total)}


@dataclass(frozen=True)
class Why:
    """`key` tells apart what has one cause: the platform that is down, the model whose market fell."""

    cause: str = "unknown"
    key: str = ""
    split: Split | None = None


def together(splits: Iterable[Split | None]) -> dict[str, str]:
    """The split of several things, as an episode stores it; empty where nothing is known."""
    known = [one for one in splits if one is not None]
    if not known:
        return {}
    return Split(sum((one.me for one in known), ZERO), sum((one.market for one in known), ZERO)).stored()


def of_shares(fallen: Sequence[Fallen]) -> dict[UUID, Why]:
    """The cause of each, in a constant number of queries."""
    if not fallen:
        return {}
    moves = _moves(fallen)
    down = _platforms_down([one for one in fallen if one.is_offline])
    rates = readings.rates([one.item.pk for one in fallen], max(one.at for one in fallen))
    found = {}
    for one in fallen:
        move, rate = moves.get(one.item.pk), rates.get(one.item.pk)
        split = None if move is None or rate is None else _split(move, Decimal(one.item.quantity * 24) * rate / 100)
        if one.is_offline:
            platform = down.get(one.item.pk)
            why = Why("platform", platform, split) if platform else Why("machine", "offline", split)
        elif move is None or move.whole >= 0:
            why = Why(split=split)
        elif move[Cause.MARKET] <= move.whole * HALF:
            why = Why("market", one.item.gpu_model.name[:80], split)
        else:
            why = Why("machine", "", split)
        found[one.item.pk] = why
    return found


def _split(move: attribution.Attribution, money: Decimal) -> Split:
    """Points of occupancy as money: what a rented share of one percent brings a day."""
    total, market = ((value * money).quantize(CENT) for value in (move.whole, move[Cause.MARKET]))
    return Split(total - market, market)


def _moves(fallen: Sequence[Fallen]) -> dict[UUID, attribution.Attribution]:
    """Each share beside its own mean of 28 days, and what those compared with did meanwhile."""
    last = max(one.at for one in fallen).date()
    first = min(one.at for one in fallen).date()
    usual = readings.usual_shares([one.item.pk for one in fallen], first, last)
    picks = comparing.chosen([one.item for one in fallen])
    span = timedelta(days=readings.USUAL_DAYS + MARKET_DAYS_OLD)
    days = comparing.shares_by_day({one.criteria for one in picks.values()}, first - span, last)
    found = {}
    for one in fallen:
        own, market = usual.get((one.item.pk, one.at.date())), days[picks[one.item.pk].criteria]
        theirs = _market(market, one.at.date())
        if own is None or theirs is None or one.value is None:
            continue
        now = State(ZERO, ZERO, theirs[1]) if one.is_offline else State(one.value, Decimal(1), theirs[1])
        found[one.item.pk] = attribution.occupancy_move(now=now, before=State(own, Decimal(1), theirs[0]))
    return found


def _market(days: Mapping[date, Decimal], today: date) -> tuple[Decimal, Decimal] | None:
    """The rented share of those compared with: the mean of the weeks before, and now; None where one is unknown."""
    edge = today - timedelta(days=MARKET_DAYS_OLD)
    newest = max((day for day in days if edge <= day <= today), default=None)
    before = [share for day, share in days.items() if day < edge]
    if newest is None or len(before) < readings.LEAST_USUAL_DAYS:
        return None
    return sum(before, ZERO) / len(before), days[newest]


def _platforms_down(fallen: Sequence[Fallen]) -> dict[UUID, str]:
    """The platform of each that is offline, where it is down: for the other hosts too.

    Where nobody else is seen: where this host's machines there fell together while another platform of theirs goes on.
    """
    if not fallen:
        return {}
    until = max(one.at for one in fallen)
    with connection.cursor() as cursor:
        cursor.execute(
            LATEST,
            {
                "gpus": [one.item.pk for one in fallen],
                "users": list({one.item.portfolio.user_id for one in fallen}),
                "others": OTHERS,
                "since": until - RECENT,
                "until": until,
            },
        )
        rows = cursor.fetchall()
    seen: dict[tuple[str, UUID], list[bool]] = defaultdict(list)
    platforms: dict[UUID, list[str]] = defaultdict(list)
    for platform, user, gpu, is_offline in rows:
        seen[platform, user].append(is_offline)
        if is_offline:
            platforms[gpu].append(platform)
    return {
        one.item.pk: platform
        for one in fallen
        for platform in platforms[one.item.pk][:1]
        if _is_down(platform, one.item.portfolio.user_id, seen)
    }


def _is_down(platform: str, user: UUID, seen: Mapping[tuple[str, UUID], Sequence[bool]]) -> bool:
    others = [states for (name, host), states in seen.items() if name == platform and host != user]
    if len(others) >= LEAST_HOSTS:
        return sum(map(sum, others)) >= MOST * sum(map(len, others))
    own = seen.get((platform, user), ())
    elsewhere = [
        state for (name, host), states in seen.items() if host == user and name != platform for state in states
    ]
    goes_on = bool(elsewhere) and not all(elsewhere)
    return len(own) >= LEAST_OWN and sum(own) >= ALL_OWN * len(own) and goes_on
