"""Market rows into the database: one statement per table, conflicts resolved there, nothing written that is the same.

Who may overwrite whom (R-017): live before imported before simulated; of two live sources the platform's leader before
its stand-ins, of those the lower rank; of one source the later observation before the earlier.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db import connection, transaction

from gpuadvisor.core.ids import uuid7

from . import stats

Key = tuple[str, str, str, datetime]

MARKET_COLUMNS = {
    "gpu_model": "text",
    "platform": "text",
    "region": "text",
    "average_price": "numeric",
    "min_price": "numeric",
    "max_price": "numeric",
    "median_price": "numeric",
    "p10_price": "numeric",
    "p90_price": "numeric",
    "average_utilization": "numeric",
    "active_instances": "int",
    "gpu_count": "int",
    "offer_count": "int",
    "demand_indicators": "jsonb",
    "origin": "text",
    "data_timestamp": "timestamptz",
}
SNAPSHOT_COLUMNS = {
    "gpu_model": "text",
    "platform": "text",
    "region": "text",
    "data_timestamp": "timestamptz",
    "source": "text",
    "external_id": "text",
    "price_per_hour": "numeric",
    "instance_type": "text",
    "availability_zone": "text",
    "spot_instance": "boolean",
    "additional_features": "jsonb",
    "snapshot_time": "timestamptz",
}
BATCH = 10_000
COPY_ROWS = 500
LOOK_BACK = "35 days"  # an offer that has not changed for so long is written again
SPLIT_KEYS = ("split_from", "verified_gpus", "datacenter_gpus", "by_size")  # what another document of a source adds


@dataclass(frozen=True, slots=True)
class MarketRow:
    """One row of MarketData to be. `indicators` holds at least the source and, in ISO 8601, `observed_at`."""

    gpu_model: str
    platform: str
    region: str
    moment: datetime
    origin: str
    figures: stats.Figures
    indicators: dict[str, Any] = field(default_factory=dict)

    def values(self) -> tuple[Any, ...]:
        f = self.figures
        return (
            *(self.gpu_model, self.platform, self.region),
            *(f.average, f.minimum, f.maximum, f.median, f.p10, f.p90, f.rented_percentage),
            *(f.gpus_rented, f.gpu_count, f.offer_count, self.indicators, self.origin, self.moment),
        )


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """One row of PricingSnapshot to be, hung on the market row of (gpu_model, platform, region, moment).

    Where that has no figures of its own, since every offer was refused, it hangs on the last one before.
    """

    gpu_model: str
    platform: str
    region: str
    moment: datetime
    source: str
    external_id: str
    price: Decimal
    at: datetime
    instance_type: str = ""
    zone: str = ""
    is_spot: bool = False
    features: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SplitRow:
    """How another document of a stand-in divides the GPUs of its row. `gpus` is what it counts, for comparison."""

    gpu_model: str
    platform: str
    region: str
    moment: datetime
    gpus: int | None
    split: dict[str, Any]


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """One refused row of a document. `price` None: the row could not even be read."""

    platform: str
    rule: str
    subject: str
    gpu_model: str
    price: Decimal | None
    reason: str
    fragment: str


def _incoming(columns: dict[str, str]) -> str:
    """Rows of one JSON parameter: a tenth of the time that arrays of text take to be quoted."""
    return f"jsonb_to_recordset(%s::jsonb) as i({', '.join(f'{name} {kind}' for name, kind in columns.items())})"


@lru_cache(maxsize=1024)
def _as_text(value: Any) -> str:
    """A moment, or an amount, as PostgreSQL reads it; the moments of a document are the same thousands of times."""
    return str(value)


def _batches(columns: dict[str, str], rows: Sequence[MarketRow]) -> Iterable[str]:
    for start in range(0, len(rows), BATCH):
        part = [dict(zip(columns, row.values(), strict=True)) for row in rows[start : start + BATCH]]
        yield json.dumps(part, default=_as_text)


def rank(table: str) -> str:
    return f"case {table}.origin when 'live' then 2 when 'imported' then 1 else 0 end"


def lock(source: str) -> None:
    """Let nobody else store documents of `source` until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"market:{source}"])


def _upsert_sql() -> str:
    """The whole rule of who overwrites whom, in one statement. What a split added to a stand-in's row stays with it."""
    columns = list(MARKET_COLUMNS)
    changing = [c for c in columns if c not in ("gpu_model", "platform", "region", "data_timestamp")]
    picked = ", ".join(f"i.{c}" for c in columns)
    old, new = "market_data.demand_indicators", "excluded.demand_indicators"
    split = ", ".join(f"'{key}', {old}->'{key}'" for key in SPLIT_KEYS)
    merged = f"""{new} || case when {old} ? 'split_from' and {old}->>'source' = {new}->>'source'
        then jsonb_strip_nulls(jsonb_build_object({split})) else '{{}}'::jsonb end"""
    value = {c: f"excluded.{c}" for c in changing} | {"demand_indicators": f"({merged})"}
    sets = ", ".join(f"{c} = {value[c]}" for c in changing)
    return f"""
        insert into market_data as market_data (id, {", ".join(columns)}, created_at)
        select uuidv7(), {picked}, clock_timestamp() from {_incoming(MARKET_COLUMNS)}
        on conflict (gpu_model, platform, region, data_timestamp) do update set {sets}
        where ({", ".join(f"market_data.{c}" for c in changing)})
              is distinct from ({", ".join(value[c] for c in changing)})
          and ({rank("excluded")} > {rank("market_data")}
               or ({rank("excluded")} = {rank("market_data")}
                   and (({old}->>'source' is not distinct from {new}->>'source'
                         and coalesce({new}->>'observed_at', '') >= coalesce({old}->>'observed_at', ''))
                        or {old}->>'source' = any(%s)
                        or ({old} ? 'stands_in_for' and not {new} ? 'stands_in_for'))))
    """  # noqa: S608 - column names are ours


def upsert_market(rows: Sequence[MarketRow], *, over: Sequence[str] = ()) -> int:
    """Write market rows; the number that were new or different. Keys must not repeat within `rows`.

    `over`: sources whose rows give way to these, as those of a lesser stand-in do.
    """
    written = 0
    with connection.cursor() as cursor:
        for batch in _batches(MARKET_COLUMNS, rows):
            cursor.execute(_upsert_sql(), [batch, list(over)])
            written += cursor.rowcount
    return written


def merge_splits(source: str, splits: Sequence[SplitRow]) -> int:
    """Let what `source` divides stand in the stand-in's rows of its quarter hour; the number that were different."""
    if not splits:
        return 0
    rows = [
        {
            "gpu_model": s.gpu_model,
            "platform": s.platform,
            "region": s.region,
            "data_timestamp": s.moment,
            "split": s.split | {"split_from": source},
        }
        for s in splits
    ]
    columns = {
        "gpu_model": "text",
        "platform": "text",
        "region": "text",
        "data_timestamp": "timestamptz",
        "split": "jsonb",
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            update market_data m set demand_indicators = m.demand_indicators || i.split
            from {_incoming(columns)}
            where m.gpu_model = i.gpu_model and m.platform = i.platform and m.region = i.region
              and m.data_timestamp = i.data_timestamp and m.origin = 'live' and m.demand_indicators ? 'stands_in_for'
              and m.demand_indicators is distinct from m.demand_indicators || i.split
            """,  # noqa: S608 - nothing but our own names
            [json.dumps(rows, default=str)],
        )
        return int(cursor.rowcount)


def upsert_snapshots(rows: Sequence[SnapshotRow]) -> int:
    """Write offers; the number that were new or different. One that no market row stands for yet is left out.

    They come by COPY: thousands of them with twenty features each take half the time that JSON takes.
    """
    if not rows:
        return 0
    columns = ", ".join(f"{name} {kind}" for name, kind in SNAPSHOT_COLUMNS.items())
    sql = f"""
        with cell as (select distinct gpu_model, platform, region, data_timestamp from incoming_offers),
        home as materialized (
            select cell.*, m.id from cell cross join lateral (
                select d.id from market_data d
                where d.gpu_model = cell.gpu_model and d.platform = cell.platform and d.region = cell.region
                  and d.data_timestamp <= cell.data_timestamp
                  and d.data_timestamp > cell.data_timestamp - interval '{LOOK_BACK}'
                order by d.data_timestamp desc limit 1) m)
        insert into pricing_snapshots as s (id, market_data_id, source, external_id, price_per_hour, instance_type,
            availability_zone, spot_instance, additional_features, snapshot_time)
        select uuidv7(), home.id, i.source, i.external_id, i.price_per_hour, i.instance_type, i.availability_zone,
            i.spot_instance, i.additional_features, i.snapshot_time
        from incoming_offers i join home using (gpu_model, platform, region, data_timestamp)
        on conflict (source, external_id, spot_instance, snapshot_time) do update set
            market_data_id = excluded.market_data_id, price_per_hour = excluded.price_per_hour,
            instance_type = excluded.instance_type, availability_zone = excluded.availability_zone,
            additional_features = excluded.additional_features
        where (s.market_data_id, s.price_per_hour, s.instance_type, s.availability_zone, s.additional_features)
              is distinct from (excluded.market_data_id, excluded.price_per_hour, excluded.instance_type,
                                excluded.availability_zone, excluded.additional_features)
    """  # noqa: S608 - nothing but our own names
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"create temp table if not exists incoming_offers ({columns}) on commit drop")
        cursor.execute("truncate incoming_offers")
        with cursor.copy("copy incoming_offers from stdin") as copy:
            for start in range(0, len(rows), COPY_ROWS):
                copy.write("".join(map(_copied, rows[start : start + COPY_ROWS])))
        cursor.execute(sql)
        return int(cursor.rowcount)


def _copied(row: SnapshotRow) -> str:
    """One line of COPY's text format, in the order of SNAPSHOT_COLUMNS."""
    line = "\t".join(
        (
            *(row.gpu_model, row.platform, row.region, _as_text(row.moment), row.source, _plain(row.external_id)),
            *(str(row.price), _plain(row.instance_type), _plain(row.zone), "t" if row.is_spot else "f"),
            *(json.dumps(row.features, default=str), _as_text(row.at)),
        )
    )
    return line.replace("\\", "\\\\") + "\n"


def _plain(text: str) -> str:
    """Text without the characters that divide COPY's lines and columns."""
    return text if text.isprintable() else "".join(c for c in text if c.isprintable())


def upsert_trends(keys: Sequence[Key]) -> int:
    """Let the day's trend of each series stand on its latest market row of the best origin; the number written.

    `keys` are the rows just written; one that another row of its day outranks changes nothing.
    """
    later = f"({rank('o')}, o.data_timestamp) > ({rank('m')}, m.data_timestamp)"
    sql = f"""
        insert into utilization_trends as t (id, market_data_id, gpu_model, platform, region, utilization_rate,
            demand_score, seasonal_factors, trend_date, recorded_at)
        select i.id, m.id, m.gpu_model, m.platform, m.region, m.average_utilization,
            (m.demand_indicators->>'demand_score')::smallint, '{{}}'::jsonb,
            (m.data_timestamp at time zone 'UTC')::date, clock_timestamp()
        from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
            as i(id, gpu_model, platform, region, data_timestamp)
        join market_data m on m.gpu_model = i.gpu_model and m.platform = i.platform and m.region = i.region
            and m.data_timestamp = i.data_timestamp
        where not exists (
            select 1 from market_data o
            where o.gpu_model = i.gpu_model and o.platform = i.platform and o.region = i.region
              and o.data_timestamp >= date_trunc('day', i.data_timestamp, 'UTC')
              and o.data_timestamp < date_trunc('day', i.data_timestamp, 'UTC') + interval '1 day'
              and {later})
        on conflict (gpu_model, platform, region, trend_date) do update set
            market_data_id = excluded.market_data_id, utilization_rate = excluded.utilization_rate,
            demand_score = excluded.demand_score, recorded_at = excluded.recorded_at
        where (t.market_data_id, t.utilization_rate, t.demand_score)
              is distinct from (excluded.market_data_id, excluded.utilization_rate, excluded.demand_score)
    """  # noqa: S608
    written = 0
    with connection.cursor() as cursor:
        for start in range(0, len(keys), BATCH):
            part = keys[start : start + BATCH]
            columns = [list(column) for column in zip(*part, strict=True)]
            cursor.execute(sql, [[uuid7() for _key in part], *columns])
            written += cursor.rowcount
    return written


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A spelling that one document used `times` times and no alias knows."""

    spelling: str
    vram_gb: Decimal | None
    reason: str
    times: int


def record_unknown(source: str, names: Sequence[UnknownName], at: datetime) -> None:
    """Count spellings for staff; a document counted once is not counted again."""
    if not names:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            insert into unknown_gpu_names as u
                (id, source, spelling, vram_gb, reason, times, first_seen_at, last_seen_at)
            select i.id, %s, i.spelling, i.vram_gb, i.reason, i.times, %s, %s
            from unnest(%s::uuid[], %s::text[], %s::numeric[], %s::text[], %s::int[])
                as i(id, spelling, vram_gb, reason, times)
            on conflict (source, spelling, vram_gb) do update set
                times = u.times + excluded.times, last_seen_at = excluded.last_seen_at, reason = excluded.reason
            where u.last_seen_at < excluded.last_seen_at
            """,
            [
                *(
                    source,
                    at,
                    at,
                    [uuid7() for _name in names],
                    [n.spelling for n in names],
                    [n.vram_gb for n in names],
                ),
                *([n.reason for n in names], [n.times for n in names]),
            ],
        )
