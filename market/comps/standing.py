"""Which machines stand on offer now, by the last snapshots of the source that leads their platform."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from django.core.cache import caches
from django.db import connection
from django.utils import timezone

from market.cache import FRESH_SECONDS, version
from market.sources import SIMULATED, SOURCES

from .criteria import Criteria, Weighed, size_of

Origin = Literal["live", "simulated"]
Place = tuple[str, str]  # platform, GPU model
LOOK_BACK = timedelta(days=35)  # an offer that has not changed for so long is written again
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Offer:
    """One machine on offer. Units: `units` ten-thousandths of a USD per GPU-hour. None: the source does not tell."""

    units: int
    gpus: int
    rented: int | None
    country: str
    verified: bool | None
    datacenter: bool | None

    def fits(self, criteria: Criteria) -> bool:
        return criteria.fits(gpus=self.gpus, country=self.country, verified=self.verified, datacenter=self.datacenter)

    @property
    def weighed(self) -> Weighed:
        return self.units, self.gpus, self.rented


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine as last seen: what it is, and whether it still stands on offer."""

    platform: str
    external_id: str
    gpu_model: str
    gpus: int
    country: str
    verified: bool | None
    datacenter: bool | None

    @property
    def size(self) -> str:
        return size_of(self.gpus)


@lru_cache(maxsize=64)
def leader(platform: str, origin: Origin) -> str:
    """The source whose offers of a platform count: its leader, or the invented market; empty where it tells none."""
    if origin == "simulated":
        return SIMULATED
    return next(
        (
            name
            for name, source in SOURCES.items()
            if source.platform == platform and source.keeps_snapshots and not source.stands_in_for
        ),
        "",
    )


# By the moments of each model alone, and a probe of the index for each offer: a machine that has spoken as another
# model since stands there. What is a bid, a prepaid offer or a price of a list is no machine to compare with.
STANDING = """
with place as (
    select * from unnest(%(platforms)s::text[], %(models)s::text[], %(sources)s::text[]) as p(platform, gpu, source)
), moments as materialized (
    select place.*, d.id from place cross join lateral (
        select d.id from market_data d
        where d.gpu_model = place.gpu and d.platform = place.platform and d.region = 'global'
          and d.data_timestamp between %(start)s and %(end)s offset 0) d
)
select platform, gpu, (price_per_hour * 10000)::int, coalesce((features->>'gpus')::numeric, 1)::int,
    (features->>'rented')::numeric::int, availability_zone, (features->>'verified')::boolean,
    (features->>'datacenter')::boolean
from (
    select distinct on (m.source, s.external_id) m.platform, m.gpu, m.source, s.external_id, s.snapshot_time,
        s.price_per_hour, s.availability_zone, s.additional_features as features
    from moments m cross join lateral (
        select * from pricing_snapshots o
        where o.market_data_id = m.id and o.source = m.source and not o.spot_instance
          and o.snapshot_time between %(start)s and %(end)s
        offset 0) s
    order by m.source, s.external_id, s.snapshot_time desc
) last
where not features ?| array['refused', 'gone', 'reserved'] and coalesce(features->>'basis', 'ask') = 'ask'
  and coalesce(features->>'platform', platform) = platform
  and not exists (
    select 1 from pricing_snapshots later
    where later.source = last.source and later.external_id = last.external_id and not later.spot_instance
      and later.snapshot_time > last.snapshot_time and later.snapshot_time between %(start)s and %(end)s
    offset 0)
"""


def standing(places: Iterable[Place], origin: Origin) -> dict[Place, tuple[Offer, ...]]:
    """The machines on offer of each model and platform; one query for all that the cache does not hold.

    What is kept is outdated with the next refresh.
    """
    wanted = [place for place in dict.fromkeys(places) if leader(place[0], origin)]
    if not wanted:
        return {}
    prefix = f"comps:{connection.settings_dict['NAME']}:{version()}:{origin}"
    keys = {place: f"{prefix}:{'|'.join(place)}".replace(" ", "_") for place in wanted}
    kept = caches["pages"].get_many(list(keys.values()))
    found = {place: tuple(Offer(*row) for row in kept[key]) for place, key in keys.items() if key in kept}
    missing = [place for place in wanted if place not in found]
    if missing:
        asked = _ask(missing, origin)
        caches["pages"].set_many({keys[place]: rows for place, rows in asked.items()}, FRESH_SECONDS)
        found |= {place: tuple(Offer(*row) for row in rows) for place, rows in asked.items()}
    return found


def _ask(places: Collection[Place], origin: Origin) -> dict[Place, list[tuple[Any, ...]]]:
    here = timezone.now()
    rows: dict[Place, list[tuple[Any, ...]]] = {place: [] for place in places}
    with connection.cursor() as cursor:
        cursor.execute(
            STANDING,
            {
                "platforms": [platform for platform, _gpu in places],
                "models": [gpu for _platform, gpu in places],
                "sources": [leader(platform, origin) for platform, _gpu in places],
                "start": here - LOOK_BACK,
                "end": here + HOUR,
            },
        )
        for platform, gpu, *offer in cursor.fetchall():
            rows[platform, gpu].append(tuple(offer))
    return rows


def spoke_at(sources: Collection[str]) -> dict[str, datetime]:
    """When each source last gave a document: until then what it told is known to hold."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select s.source, r.at from unnest(%s::text[]) as s(source) cross join lateral (
                select case when status = 'unchanged' then started_at else coalesce(observed_at, started_at) end as at
                from source_runs where source = s.source and status in ('ok', 'unchanged')
                order by started_at desc limit 1) r
            """,
            [list(sources)],
        )
        return dict(cursor.fetchall())


def machines_seen(ids: Mapping[str, Collection[str]], origin: Origin) -> dict[tuple[str, str], Machine]:
    """What the sources last told of these machines, by platform and id; those that nobody told of are missing.

    One query: a probe of the unique index for each.
    """
    asked = [
        (leader(platform, origin), platform, one)
        for platform, some in ids.items()
        if leader(platform, origin)
        for one in some
    ]
    if not asked:
        return {}
    sources, platforms, external = (list(column) for column in zip(*asked, strict=True))
    here = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select m.platform, m.external_id, last.instance_type, last.availability_zone, last.features
            from unnest(%(sources)s::text[], %(platforms)s::text[], %(ids)s::text[]) as m(source, platform, external_id)
            cross join lateral (
                select o.instance_type, o.availability_zone, o.additional_features as features
                from pricing_snapshots o
                where o.source = m.source and o.external_id = m.external_id and not o.spot_instance
                  and o.snapshot_time between %(start)s and %(end)s and o.additional_features ? 'gpus'
                  and coalesce(o.additional_features->>'platform', m.platform) = m.platform
                order by o.snapshot_time desc limit 1) last
            """,
            {
                "sources": sources,
                "platforms": platforms,
                "ids": external,
                "start": here - LOOK_BACK,
                "end": here + HOUR,
            },
        )
        rows = cursor.fetchall()
    return {(row[0], row[1]): _machine(row) for row in rows}


def _machine(row: Sequence[Any]) -> Machine:
    platform, external_id, instance_type, country, features = row
    told: dict[str, Any] = json.loads(features) if isinstance(features, str) else features
    return Machine(
        platform=platform,
        external_id=external_id,
        gpu_model=instance_type.partition("x ")[2] or instance_type,
        gpus=int(Decimal(str(told.get("gpus", 1)))),
        country=country,
        verified=told.get("verified"),
        datacenter=told.get("datacenter"),
    )
