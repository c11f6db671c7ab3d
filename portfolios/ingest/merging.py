"""Waiting batches become samples and daily rows: in order of receipt, in slices, each a transaction (R-055).

A slice that dies leaves nothing behind: its batches wait again. Two mergers never work at once, and a configuration is
held while its days change, so a figure typed meanwhile waits for its turn.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import count
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_months

from .. import caching, estimates, statements
from ..models import IngestBatch, MetricSample, PerformanceMetric
from ..settling import COLUMNS, Statement
from .days import Key, sampled_days
from .items import OLDEST

log = logging.getLogger(__name__)
LOCK = 5_201_605  # a number of our own among PostgreSQL's advisory locks
SLICE_ITEMS = 20_000
SLICE_DAYS = 2_000
RUN_SECONDS = 150.0  # a task ends at 240 s
KEPT = timedelta(days=30)
LEFT_OUT = "%d items of GPUs that were removed meanwhile were left out."

SAMPLE_KEY = ("gpu_configuration_id", "platform", "sampled_at")
SAMPLE_VALUES = (
    *("is_online", "listed_gpus", "rented_gpus", "hourly_rate", "gpu_revenue", "storage_revenue", "bandwidth_revenue"),
    *("watts", "order_type", "currency", "is_after_fee"),
)
SAMPLE_COLUMNS = (*SAMPLE_KEY, *SAMPLE_VALUES)
DAY_KEY = ("gpu_configuration_id", "platform", "metric_date")
DAY_COLUMNS = (*COLUMNS, "detailed_metrics")

# Of two samples of one quarter hour the later one stands. Rows that say nothing new are not written.
UPSERT_SAMPLES = f"""
with told as materialized (
    select distinct on ({", ".join(SAMPLE_KEY)}) batch, {", ".join(SAMPLE_COLUMNS)}
    from incoming_samples where gpu_configuration_id = any(%(gpus)s) order by {", ".join(SAMPLE_KEY)}, n desc
), stored as (
    insert into metric_samples as s (id, {", ".join(SAMPLE_COLUMNS)}, source, recorded_at)
    select uuidv7(), {", ".join(SAMPLE_COLUMNS)}, %(source)s, clock_timestamp() from told
    on conflict ({", ".join(SAMPLE_KEY)}) do update set
        {", ".join(f"{name} = excluded.{name}" for name in SAMPLE_VALUES)},
        source = excluded.source, recorded_at = excluded.recorded_at
    where ({", ".join(f"s.{name}" for name in SAMPLE_VALUES)})
        is distinct from ({", ".join(f"excluded.{name}" for name in SAMPLE_VALUES)})
    returning {", ".join(SAMPLE_KEY)}
)
select batch, gpu_configuration_id, platform, (sampled_at at time zone 'UTC')::date, count(*)
from stored join told using ({", ".join(SAMPLE_KEY)}) group by 1, 2, 3, 4
"""  # noqa: S608 - nothing but our own names
STORED_DAYS = f"""
select k.n, m.*
from unnest(%(gpus)s::uuid[], %(platforms)s::text[], %(days)s::date[]) with ordinality as k(gpu, platform, day, n)
cross join lateral (
    select {", ".join(DAY_COLUMNS)} from performance_metrics m
    where m.gpu_configuration_id = k.gpu and m.platform = k.platform and m.metric_date = k.day
      and m.metric_date between %(first)s and %(last)s
) m
"""  # noqa: S608
UPSERT_DAYS = f"""
insert into performance_metrics as m (id, {", ".join((*DAY_KEY, *DAY_COLUMNS))}, recorded_at, updated_at)
select uuidv7(), {", ".join((*DAY_KEY, *DAY_COLUMNS))}, clock_timestamp(), clock_timestamp() from incoming_days
on conflict ({", ".join(DAY_KEY)}) do update set
    {", ".join(f"{name} = excluded.{name}" for name in DAY_COLUMNS)}, updated_at = excluded.updated_at
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Waiting:
    """A batch on its way."""

    pk: UUID
    kind: str
    payload: list[Any]


def merge_waiting(*, seconds: float = RUN_SECONDS) -> int:
    """Merge what waits; the number of batches. Ends after about `seconds`, or at once where another merger works."""
    until = time.monotonic() + seconds
    today = clock.today()
    for model in (MetricSample, PerformanceMetric):
        ensure_months(model, today - OLDEST, today + timedelta(days=1))
    merged = 0
    while time.monotonic() < until:
        try:
            number = merge_slice()
        except (DataError, IntegrityError) as error:
            log.warning("a slice of posted batches was refused, they are tried one by one: %s", error)
            number = _one_by_one()
        if not number:
            break
        merged += number
    return merged


def merge_slice(*, most: int = SLICE_ITEMS) -> int:
    """Merge the batches that came first, `most` items or one batch, all or nothing; the number of batches."""
    with transaction.atomic():
        if not _only_merger():
            return 0
        batches = _first_batches(most)
        if batches:
            _merge(batches)
        return len(batches)


def _one_by_one(most: int = 20) -> int:
    """After a slice was refused: a batch that is at fault is closed with its error, so that it holds nobody up."""
    done = 0
    while done < most:
        with transaction.atomic():
            batches = _first_batches(0) if _only_merger() else []
            if not batches:
                break
            try:
                with transaction.atomic():
                    _merge(batches)
            except (DataError, IntegrityError) as error:
                log.exception("a posted batch cannot be merged: %s", batches[0].pk)
                reason = str(error).splitlines()[0]
                IngestBatch.objects.filter(pk=batches[0].pk).update(
                    merged_at=clock.now(), rows_changed=0, error=f"Not merged: {reason}"[:500]
                )
        done += 1
    return done


def _only_merger() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _first_batches(most: int) -> list[Waiting]:
    """What came first, `most` items together, one batch at least."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, kind, payload::text from ("
            "  select *, sum(item_count) over (order by received_at, id) as items from ("
            "    select * from ingest_batches where merged_at is null order by received_at, id limit 500) first"
            ") counted where items <= greatest(%s, item_count) order by received_at, id",
            [most],
        )
        return [Waiting(pk, kind, json.loads(payload)) for pk, kind, payload in cursor]


@dataclass(frozen=True, slots=True)
class Held:
    """A configuration that is locked until the slice ends."""

    quantity: int
    portfolio: UUID
    user: UUID


def _merge(batches: Sequence[Waiting]) -> None:
    spoken = [_gpus_of(batch) for batch in batches]
    held = _hold(set().union(*spoken))
    left_out = [
        sum(_gpu_of(batch, item) not in held for item in batch.payload) if gpus - held.keys() else 0
        for batch, gpus in zip(batches, spoken, strict=True)
    ]
    changed = [0] * len(batches)
    days: set[Key] = set()
    for number, gpu, platform, day, rows in _store_samples(batches, list(held)):
        changed[number] += rows
        days.add((gpu, platform, day))
    told = _statements(batches, held)
    waiting = sorted(days | told.keys(), key=lambda key: (key[0], key[2], key[1]))
    with connection.cursor() as cursor:
        _make_incoming(cursor, "incoming_days", ", ".join((*DAY_KEY, *DAY_COLUMNS)), "performance_metrics")
        for start in range(0, len(waiting), SLICE_DAYS):
            keys = waiting[start : start + SLICE_DAYS]
            lines = list(_settled_days(keys, days, told, held, changed))
            if lines:
                with cursor.copy("copy incoming_days from stdin") as copy:
                    copy.write("".join(lines))
        cursor.execute(UPSERT_DAYS)
    touched = {held[key[0]] for key in waiting}
    _close(batches, changed, left_out)
    estimates.refresh({one.portfolio for one in touched})
    caching.bump(*{one.user for one in touched})


def _make_incoming(cursor: CursorWrapper, name: str, columns: str, table: str) -> None:
    """An empty temporary table of these columns of `table`: made once for a connection, emptied by each commit."""
    cursor.execute("select to_regclass(%s)", [f"pg_temp.{name}"])
    if cursor.fetchone()[0] is None:
        cursor.execute(
            f"create temp table {name} on commit delete rows as select {columns} from {table} with no data"  # noqa: S608
        )
    else:
        cursor.execute(f"delete from {name}")  # noqa: S608 - empty, but for two slices within one transaction


def _gpus_of(batch: Waiting) -> set[UUID]:
    if batch.kind == IngestBatch.Kind.SAMPLES:
        return {UUID(text) for text in {line[:36] for line in batch.payload}}
    return {UUID(text) for text in {item["gpu"] for item in batch.payload}}


def _gpu_of(batch: Waiting, item: Any) -> UUID:
    return _uuid(item[:36] if batch.kind == IngestBatch.Kind.SAMPLES else item["gpu"])


@lru_cache(maxsize=10_000)
def _uuid(text: str) -> UUID:
    return UUID(text)


def _hold(gpus: Collection[UUID]) -> dict[UUID, Held]:
    """Lock the configurations that are in use, in one order for all; what is stored of a removed one stays."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select g.id, g.quantity, g.portfolio_id, p.user_id"
            " from gpu_configurations g join portfolios p on p.id = g.portfolio_id"
            " where g.id = any(%s) and g.is_active order by g.id for no key update of g",
            [list(gpus)],
        )
        return {pk: Held(*row) for pk, *row in cursor}


def _store_samples(batches: Sequence[Waiting], gpus: list[UUID]) -> list[tuple[int, UUID, str, date, int]]:
    """Write the samples; for each batch (by place) and day how many rows are new or different."""
    payloads = [batch.payload if batch.kind == IngestBatch.Kind.SAMPLES else [] for batch in batches]
    return store_lines(payloads, gpus, source="api") if any(payloads) else []


def store_lines(
    payloads: Sequence[Sequence[str]], gpus: list[UUID], *, source: str
) -> list[tuple[int, UUID, str, date, int]]:
    """Write samples that stand as lines of COPY, in the order of SAMPLE_COLUMNS, of these configurations alone.

    Returns: for each payload (by place), configuration, platform and day, how many rows are new or different.
    """
    with connection.cursor() as cursor:
        _make_incoming(cursor, "incoming_samples", f"0 as batch, 0 as n, {', '.join(SAMPLE_COLUMNS)}", "metric_samples")
        n = count()
        with cursor.copy("copy incoming_samples from stdin") as copy:
            for number, payload in enumerate(payloads):
                copy.write("".join([f"{number}\t{next(n)}\t{line}\n" for line in payload]))
        cursor.execute(UPSERT_SAMPLES, {"gpus": gpus, "source": source})
        return cursor.fetchall()  # type: ignore[no-any-return]


def _statements(batches: Sequence[Waiting], held: Mapping[UUID, Held]) -> dict[Key, list[tuple[int, dict[str, Any]]]]:
    """What the batches state of each day, with the place of the batch, in order of receipt."""
    told: dict[Key, list[tuple[int, dict[str, Any]]]] = {}
    for number, batch in enumerate(batches):
        if batch.kind != IngestBatch.Kind.METRICS:
            continue
        for item in batch.payload:
            gpu = _uuid(item["gpu"])
            if gpu in held:
                key = (gpu, item["platform"], date.fromisoformat(item["day"]))
                told.setdefault(key, []).append((number, item))
    return told


def _settled_days(
    keys: Sequence[Key],
    sampled: AbstractSet[Key],
    told: Mapping[Key, list[tuple[int, dict[str, Any]]]],
    held: Mapping[UUID, Held],
    changed: list[int],
) -> Iterator[str]:
    """The days that are new or different, as lines for COPY; `changed` counts the statements that changed one."""
    stored = _stored_days(keys)
    samples = sampled_days(keys)
    for key in keys:
        row = stored.get(key)
        statement = statements.statement_of(row)
        is_due = key in sampled or row is None
        for number, item in told.get(key, ()):
            later = (statement or Statement("api")).updated(
                statements.read_figures(item["figures"]) | item["traits"], "api", more=item.get("more")
            )
            if not statement or (later.figures, later.traits, later.more) != (
                statement.figures,
                statement.traits,
                statement.more,
            ):
                statement, is_due = later, True
                changed[number] += 1
        if not is_due:
            continue
        columns = statements.settled(row, statement, samples.get(key), held[key[0]].quantity)
        if columns is not None and columns != row:
            yield "\t".join([*map(_copied, key), *(_copied(columns[name]) for name in DAY_COLUMNS)]) + "\n"


def _stored_days(keys: Sequence[Key]) -> dict[Key, dict[str, Any]]:
    """The stored rows of these days, by column."""
    gpus, platforms, days = zip(*keys, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            STORED_DAYS,
            {
                "gpus": list(gpus),
                "platforms": list(platforms),
                "days": list(days),
                "first": min(days),
                "last": max(days),
            },
        )
        found = {}
        for place, *values in cursor:
            row = dict(zip(DAY_COLUMNS, values, strict=True))
            row["detailed_metrics"] = json.loads(row["detailed_metrics"])
            found[keys[place - 1]] = row
        return found


def _copied(value: Any) -> str:
    """A value in COPY's text format."""
    if value is None:
        return "\\N"
    if isinstance(value, list):
        return "{" + ",".join("NULL" if one is None else str(one) for one in value) + "}"
    if isinstance(value, dict):
        return json.dumps(value).replace("\\", "\\\\")
    return str(value)


def _close(batches: Sequence[Waiting], changed: Sequence[int], left_out: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "update ingest_batches b set merged_at = clock_timestamp(), payload = '[]', rows_changed = v.rows,"
            " error = v.error from unnest(%s::uuid[], %s::int[], %s::text[]) as v(id, rows, error) where b.id = v.id",
            [
                [batch.pk for batch in batches],
                list(changed),
                [LEFT_OUT % number if number else "" for number in left_out],
            ],
        )


def purge() -> int:
    """Delete batches that were merged more than 30 days ago, their idempotency keys with them; their number."""
    old = IngestBatch.objects.filter(merged_at__isnull=False, received_at__lt=clock.now() - KEPT)
    return old.delete()[0]
