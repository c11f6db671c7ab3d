"""What was known before a document: the last rows, those of seven days ago, and every offer that still stood."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from . import quality, stats
from .cells import Counted, Earlier, Model, Series, Teller, bucket
from .places import GLOBAL
from .sources.base import Adapter
from .storage import SnapshotRow

LOOK_BACK = timedelta(days=35)  # an offer that has not changed for so long is written again
WEEK = timedelta(days=7)
LEAST_REACH = timedelta(hours=1)
COUNT = re.compile(r"\d+x ")
# What moves a little at every look: a change of these alone is not worth a row.
VOLATILE = frozenset({"inet_down_mbps", "inet_up_mbps", "disk_gb", "ports"})
RELIABILITY_STEP = 0.01


@dataclass(frozen=True, slots=True)
class Stored:
    """One offer as last stored. Units: `units` ten-thousandths of a USD per GPU-hour."""

    external_id: str
    is_spot: bool
    units: int
    instance_type: str
    zone: str
    kept: str  # its features as JSON: most offers have not changed, and of those nobody reads them

    @property
    def features(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kept)
        return found

    @property
    def gpu(self) -> str:
        return COUNT.sub("", self.instance_type, count=1)

    @property
    def counts(self) -> bool:
        return '"refused"' not in self.kept or "refused" not in self.features

    @property
    def is_gone(self) -> bool:
        return '"gone"' in self.kept and "gone" in self.features

    def counted(self) -> Counted:
        features = self.features
        pricing = "spot" if self.is_spot else "reserved" if features.get("reserved") else features.get("cloud")
        return Counted(
            external_id=self.external_id,
            units=self.units,
            gpus=features.get("gpus", 1),
            rented=features.get("rented"),
            country=self.zone,
            pricing=pricing or "on_demand",
            basis=features.get("basis", "ask"),
            verified=features.get("verified"),
            datacenter=features.get("datacenter"),
            stock=features.get("stock", ""),
        )


Key = tuple[str, bool]  # the id of an offer, and whether it is a bid
Offers = dict[Key, Stored]


def offers_before(source: str, moment: datetime) -> Offers:
    """Every offer of `source` that stood right before `moment`.

    It steps backwards through the unique index: the first row that it meets of each offer is its last one.
    """
    columns = "external_id, spot_instance, price_per_hour, instance_type, availability_zone, additional_features"
    picked = ", ".join(f"p.{name}" for name in columns.split(", "))
    step = f"""
        select {picked} from pricing_snapshots p
        where p.source = %(source)s and p.snapshot_time < %(moment)s and p.snapshot_time > %(since)s"""  # noqa: S608
    order = "order by p.external_id desc, p.spot_instance desc, p.snapshot_time desc limit 1"
    sql = f"""
        with recursive offer({columns}) as (
            ({step} {order})
            union all
            select n.* from offer cross join lateral (
                {step} and (p.external_id, p.spot_instance) < (offer.external_id, offer.spot_instance) {order}) n)
        select external_id, spot_instance, (price_per_hour * 10000)::int, instance_type, availability_zone,
            additional_features::text
        from offer where not additional_features ? 'gone'
    """  # noqa: S608 - nothing but our own names
    with connection.cursor() as cursor:
        cursor.execute(sql, {"source": source, "moment": moment, "since": moment - LOOK_BACK})
        return {(row[0], row[1]): Stored(*row) for row in cursor.fetchall()}


def changes(
    adapter: Adapter,
    snapshots: Sequence[SnapshotRow],
    before: Mapping[Key, Stored],
    at: datetime,
    unreadable: Mapping[str, str],
    *,
    is_partial: bool = False,
) -> list[SnapshotRow]:
    """The offers worth a row: new or changed ones, and a last mark for those that are not told any more.

    `unreadable`: offers that the document tells without making sense; they have not left. In a document that
    `is_partial` nobody is known to have left: who is not told does not count in its figures, and is not marked as gone.
    """
    changed, there = [], set()
    for row in snapshots:
        key = (row.external_id, row.is_spot)
        there.add(key)
        if (old := before.get(key)) is None or _differs(old, row):
            changed.append(row)
    for key, old in before.items():
        if key in there:
            continue
        why = unreadable.get(old.external_id) or ("truncated" if is_partial else "")
        then = old.features
        mark: dict[str, Any] = {"refused": why} if why else {"gone": True}
        if "platform" in then:
            mark["platform"] = then["platform"]
        if mark != then:
            changed.append(_marked(adapter, old, mark, at))
    return changed


def _differs(old: Stored, row: SnapshotRow) -> bool:
    if (old.units, old.instance_type, old.zone) != (stats.units(row.price), row.instance_type, row.zone):
        return True
    then = old.features
    return then != row.features and _essence(then, row.features) != _essence(row.features)


def _essence(features: Mapping[str, Any], newer: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What of an offer's features makes a new row; a reliability near to that of `newer` is taken for the same."""
    kept = {key: value for key, value in features.items() if key not in VOLATILE}
    if newer is not None:
        then, now = kept.get("reliability"), newer.get("reliability")
        if then is not None and now is not None and abs(now - then) < RELIABILITY_STEP:
            kept["reliability"] = now
    return kept


def _marked(adapter: Adapter, old: Stored, mark: dict[str, Any], at: datetime) -> SnapshotRow:
    return SnapshotRow(
        gpu_model=old.gpu,
        platform=adapter.platform or old.features.get("platform", ""),
        region=GLOBAL,
        moment=bucket(at),
        source=adapter.name,
        external_id=old.external_id,
        price=stats.usd(old.units),
        at=at,
        instance_type=old.instance_type,
        zone=old.zone,
        is_spot=old.is_spot,
        features=mark,
    )


def earlier(
    teller: Teller,
    platforms: Collection[str],
    at: datetime,
    every: timedelta,
    offers: Iterable[tuple[Model, Stored]],
    *,
    gpu: str = "",
) -> Earlier:
    """What stood before a document of `at` on these platforms, of one GPU model or of all; two queries."""
    moment = bucket(at)
    standing: dict[Model, dict[str, tuple[int, str]]] = {}
    for model, offer in offers:
        if offer.counts and not offer.is_spot:
            standing.setdefault(model, {})[offer.external_id] = (offer.units, offer.zone)
    return Earlier(
        last=_last_cells(teller, platforms, moment, max(LEAST_REACH, 2 * every + timedelta(minutes=15)), gpu),
        week=_a_week_ago(teller, platforms, moment, max(LEAST_REACH, every / 2), gpu),
        offers=standing,
    )


def _last_cells(
    teller: Teller, platforms: Collection[str], moment: datetime, reach: timedelta, gpu: str
) -> dict[Series, quality.Cell]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select distinct on (gpu_model, platform, region) gpu_model, platform, region,
                demand_indicators->>'source', median_price,
                case when demand_indicators->>'price_basis' = 'list' then null else offer_count end, gpu_count,
                (demand_indicators->>'available_gpus')::int, average_utilization,
                (demand_indicators->>'spot_median')::numeric
            from market_data
            where origin = %s and platform = any(%s) and data_timestamp >= %s and data_timestamp < %s
              and (%s = '' or gpu_model = %s)
            order by gpu_model, platform, region, data_timestamp desc
            """,
            [teller.origin, list(platforms), moment - reach, moment, gpu, gpu],
        )
        rows = cursor.fetchall()
    return {
        row[:3]: quality.Cell(
            source=row[3],
            median=row[4],
            offers=row[5],
            gpus=row[6],
            available=row[7],
            rented_percentage=row[8],
            spot_median=row[9],
        )
        for row in rows
    }


def _a_week_ago(
    teller: Teller, platforms: Collection[str], moment: datetime, reach: timedelta, gpu: str
) -> dict[Series, tuple[Decimal | None, Decimal | None]]:
    """Share and price of each series of the same source at the moment nearest to seven days before."""
    then = moment - WEEK
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select distinct on (gpu_model, platform, region) gpu_model, platform, region,
                average_utilization, coalesce(median_price, average_price)
            from market_data
            where origin = %s and platform = any(%s) and demand_indicators->>'source' = %s
              and data_timestamp between %s and %s and (%s = '' or gpu_model = %s)
            order by gpu_model, platform, region, abs(extract(epoch from data_timestamp - %s)), data_timestamp
            """,
            [teller.origin, list(platforms), teller.source, then - reach, then + reach, gpu, gpu, then],
        )
        return {row[:3]: (row[3], row[4]) for row in cursor.fetchall()}


def levels(
    sources: Collection[str], platforms: Collection[str], at: datetime, reach: timedelta
) -> dict[Model, dict[str, Decimal]]:
    """What each GPU model cost at its last moment before `at`, by type of pricing; of all but spot median and average.

    An offer that was refused left no figure: so this looks back further than to the last document.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select p.platform, g.name, last.median_price, last.demand_indicators->>'spot_median',
                last.demand_indicators->>'secure_price', last.demand_indicators->>'community_price', last.average_price
            from unnest(%s::text[]) as p(platform) cross join gpu_models g cross join lateral (
                select m.median_price, m.average_price, m.demand_indicators from market_data m
                where m.gpu_model = g.name and m.platform = p.platform and m.region = 'global' and m.origin = 'live'
                  and m.data_timestamp >= %s and m.data_timestamp < %s and m.demand_indicators->>'source' = any(%s)
                order by m.data_timestamp desc limit 1) last
            """,
            [list(platforms), at - reach, bucket(at), list(sources)],
        )
        rows = cursor.fetchall()
    found: dict[Model, dict[str, Decimal]] = {}
    for platform, gpu, median, spot, secure, community, average in rows:
        told = {
            "median": median,
            "average": average,
            "on_demand": median if secure is None and community is None else None,
            "spot": spot,
            "secure": secure,
            "community": community,
        }
        found[platform, gpu] = {kind: Decimal(price) for kind, price in told.items() if price is not None}
    return found


def model_of(adapter: Adapter, offer: Stored) -> Model:
    """The platform and GPU model of a stored offer."""
    return adapter.platform or offer.features.get("platform", ""), offer.gpu
