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
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper

from gpuadvisor.core import clock
from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.nudge import nudge
from gpuadvisor.core.partitions import ensure_months

from .. import caching, estimates, statements
from ..models import IngestBatch, MetricSample, PerformanceMetric
from ..settling import COLUMNS, Statement
from ..signals import figures_merged
from .days import Key, sampled_days
from .items import OLDEST

log = logging.getLogger(__name__)
LOCK = 5_201_605  # a number of our own among PostgreSQL's advisory locks
SLICE_ITEMS = 20_000
SLICE_DAYS = 2_000
RUN_SECONDS = 150.0  # a task ends at 240 s
BUSY_AFTER = 10.0  # seconds until those are asked again who were busy
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

# Of two samples of one quarter hour the later one stands. Rows that say nothing new are not written. A row's id is the
# slice's with the row's number for its last digits, since PostgreSQL's own would cost a third of the whole; its moment
# tells by microseconds which batch it came with, so that nothing must be joined to learn that.
UPSERT_SAMPLES = f"""
with told as (
    select distinct on ({", ".join(SAMPLE_KEY)}) batch, {", ".join(SAMPLE_COLUMNS)}
    from incoming_samples where gpu_configuration_id = any(%(gpus)s)
    order by {", ".join(SAMPLE_KEY)}, batch desc, n desc
), stored as (
    insert into metric_samples as s (id, {", ".join(SAMPLE_COLUMNS)}, source, recorded_at)
    select (%(prefix)s || lpad(to_hex(row_number() over ()), 12, '0'))::uuid, {", ".join(SAMPLE_COLUMNS)}, %(source)s,
        statement_timestamp() + batch * interval '1 microsecond'
    from told
    on conflict ({", ".join(SAMPLE_KEY)}) do update set
        {", ".join(f"{name} = excluded.{name}" for name in SAMPLE_VALUES)},
        source = excluded.source, recorded_at = excluded.recorded_at
    where ({", ".join(f"s.{name}" for name in SAMPLE_VALUES)})
        is distinct from ({", ".join(f"excluded.{name}" for name in SAMPLE_VALUES)})
    returning {", ".join(SAMPLE_KEY)}, recorded_at
)
select extract(microseconds from recorded_at - statement_timestamp())::int, gpu_configuration_id, platform, day, rows
from (
    select recorded_at, gpu_configuration_id, platform, (sampled_at at time zone 'UTC')::date as day, count(*) as rows
    from stored group by 1, 2, 3, 4
) counted
"""  # noqa: S608 - nothing but our own names
# `offset 0` keeps it at one look into the index of one month for each day: joined otherwise, everybody's rows of these
# months would be read.
STORED_DAYS = f"""
select k.n, m.*
from unnest(%(gpus)s::uuid[], %(platforms)s::text[], %(days)s::date[]) with ordinality as k(gpu, platform, day, n)
cross join lateral (
    select {", ".join(DAY_COLUMNS)} from performance_metrics m
    where m.gpu_configuration_id = k.gpu and m.platform = k.platform and m.metric_date = k.day
      and m.metric_date between %(first)s and %(last)s
    offset 0
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
    user: UUID
    gpus: frozenset[UUID]  # those it speaks of
    lines: str  # of samples, as COPY takes them behind the number of the batch
    items: list[dict[str, Any]]  # daily results


def merge_waiting(*, seconds: float = RUN_SECONDS) -> int:
    """Merge what waits; the number of batches. Ends after about `seconds`, or at once where another merger works.

    Batches of a host whose GPU configurations are locked (a file is being stored) wait, and hold nobody else up.
    """
    until = time.monotonic() + seconds
    today = clock.today()
    for model in (MetricSample, PerformanceMetric):
        ensure_months(model, today - OLDEST, today + timedelta(days=1))
    merged, busy = 0, set[UUID]()
    while time.monotonic() < until:
        known = len(busy)
        try:
            number = merge_slice(busy=busy)
        except (DataError, IntegrityError) as error:
            log.warning("a slice of posted batches was refused, they are tried one by one: %s", error)
            number = _one_by_one(busy)
        if not number and len(busy) == known:
            break
        merged += number
    if busy:
        nudge("portfolios.tasks.merge_waiting", countdown=BUSY_AFTER)
    if merged:
        figures_merged.send(sender=None)
    return merged


def merge_slice(*, most: int = SLICE_ITEMS, busy: set[UUID] | None = None) -> int:
    """Merge the batches that came first, `most` items or one batch, all or nothing; the number of batches.

    Hosts in `busy` are left out; those who turn out to be busy join them.
    """
    busy = set() if busy is None else busy
    with transaction.atomic():
        if not _only_merger():
            return 0
        batches, held = _free(_first_batches(most, busy), busy)
        if batches:
            _merge(batches, held)
        return len(batches)


def _one_by_one(busy: set[UUID], most: int = 20) -> int:
    """After a slice was refused: a batch that is at fault is closed with its error, so that it holds nobody up."""
    done = 0
    while done < most:
        with transaction.atomic():
            waiting = _first_batches(0, busy) if _only_merger() else []
            if not waiting:
                break
            batches, held = _free(waiting, busy)
            if not batches:
                continue
            try:
                with transaction.atomic():
                    _merge(batches, held)
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


def _first_batches(most: int, busy: Collection[UUID]) -> list[Waiting]:
    """What came first, `most` items together, one batch at least; without the hosts in `busy`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.id, c.user_id, p.gpus, coalesce(p.lines, ''), coalesce(p.items, '[]')::text from ("
            "  select *, sum(item_count) over (order by received_at, id) as items from ("
            "    select * from ingest_batches where merged_at is null and user_id <> all(%s)"
            "    order by received_at, id limit 500) first"
            ") c cross join lateral jsonb_to_record(c.payload) as p(gpus uuid[], lines text, items jsonb)"
            " where c.items <= greatest(%s, c.item_count) order by c.received_at, c.id",
            [list(busy), most],
        )
        return [Waiting(pk, user, frozenset(gpus), lines, json.loads(items)) for pk, user, gpus, lines, items in cursor]


@dataclass(frozen=True, slots=True)
class Held:
    """A configuration that is locked until the slice ends."""

    quantity: int
    portfolio: UUID
    user: UUID


def _free(batches: Sequence[Waiting], busy: set[UUID]) -> tuple[list[Waiting], dict[UUID, Held]]:
    """The batches of hosts who are not busy, and their configurations, locked; the others' hosts join `busy`.

    All of a host's batches wait, not only those that speak of what is locked: they are merged in order of receipt.
    """
    held = hold(frozenset[UUID]().union(*(batch.gpus for batch in batches)))
    missing = {gpu for batch in batches for gpu in batch.gpus if gpu not in held}
    if missing:
        locked = _in_use(missing)
        busy |= {batch.user for batch in batches if batch.gpus & locked}
    return [batch for batch in batches if batch.user not in busy], held


def _merge(batches: Sequence[Waiting], held: Mapping[UUID, Held]) -> None:
    left_out = [_left_out(batch, batch.gpus - held.keys()) for batch in batches]
    changed = [0] * len(batches)
    days: set[Key] = set()
    for number, gpu, platform, day, rows in _store_samples(batches, list(held)):
        changed[number] += rows
        days.add((gpu, platform, day))
    told = _statements(batches, held)
    waiting = in_order(days | told.keys())
    settle(waiting, days, told, held, changed)
    touched = {held[key[0]] for key in waiting}
    _close(batches, changed, left_out)
    estimates.refresh({one.portfolio for one in touched})
    caching.bump(*{one.user for one in touched})


def in_order(keys: AbstractSet[Key]) -> list[Key]:
    """The order in which days are settled, and so locked, by everybody."""
    return sorted(keys, key=lambda key: (key[0], key[2], key[1]))


def settle(
    waiting: Sequence[Key],
    sampled: AbstractSet[Key],
    told: Mapping[Key, list[tuple[int, dict[str, Any]]]],
    held: Mapping[UUID, Held],
    changed: list[int],
) -> int:
    """Write these days of configurations that are held, as samples and statements make them; how many are different."""
    with connection.cursor() as cursor:
        _make_incoming(cursor, "incoming_days", ", ".join((*DAY_KEY, *DAY_COLUMNS)), "performance_metrics")
        for start in range(0, len(waiting), SLICE_DAYS):
            keys = waiting[start : start + SLICE_DAYS]
            lines = list(_settled_days(keys, sampled, told, held, changed))
            if lines:
                with cursor.copy("copy incoming_days from stdin") as copy:
                    copy.write("".join(lines))
        cursor.execute(UPSERT_DAYS)
        written: int = cursor.rowcount
        return written


def _left_out(batch: Waiting, gone: AbstractSet[UUID]) -> int:
    """How many items speak of configurations that are no longer there."""
    if not gone:
        return 0
    lines = [_uuid(line.split("\t", 2)[1]) for line in batch.lines.splitlines()]
    return sum(gpu in gone for gpu in (*lines, *(_uuid(item["gpu"]) for item in batch.items)))


def _make_incoming(cursor: CursorWrapper, name: str, columns: str, table: str) -> None:
    """An empty temporary table of these columns of `table`: made once for a connection, emptied by each commit."""
    cursor.execute("select to_regclass(%s)", [f"pg_temp.{name}"])
    if cursor.fetchone()[0] is None:
        cursor.execute(
            f"create temp table {name} on commit delete rows as select {columns} from {table} with no data"  # noqa: S608
        )
    else:
        cursor.execute(f"delete from {name}")  # noqa: S608 - empty, but for two slices within one transaction


@lru_cache(maxsize=10_000)
def _uuid(text: str) -> UUID:
    return UUID(text)


def hold(gpus: Collection[UUID]) -> dict[UUID, Held]:
    """Lock the configurations that are in use and that nobody else has locked; nobody is waited for."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select g.id, g.quantity, g.portfolio_id, p.user_id"
            " from gpu_configurations g join portfolios p on p.id = g.portfolio_id"
            " where g.id = any(%s) and g.is_active order by g.id for no key update of g skip locked",
            [list(gpus)],
        )
        return {pk: Held(*row) for pk, *row in cursor}


def _in_use(gpus: Collection[UUID]) -> set[UUID]:
    """Those of these that are in use: what is stored of a removed one stays."""
    with connection.cursor() as cursor:
        cursor.execute("select id from gpu_configurations where id = any(%s) and is_active", [list(gpus)])
        return {pk for (pk,) in cursor}


def _store_samples(batches: Sequence[Waiting], gpus: list[UUID]) -> list[tuple[int, UUID, str, date, int]]:
    """Write the samples; for each batch (by place) and day how many rows are new or different."""
    payloads = [batch.lines for batch in batches]
    return store_lines(payloads, gpus, source="api") if any(payloads) else []


def store_lines(payloads: Sequence[str], gpus: list[UUID], *, source: str) -> list[tuple[int, UUID, str, date, int]]:
    """Write samples of these configurations alone, each of `payloads` made by `items.numbered`.

    Returns: for each payload (by place), configuration, platform and day, how many rows are new or different.
    """
    with connection.cursor() as cursor:
        _make_incoming(cursor, "incoming_samples", f"0 as batch, 0 as n, {', '.join(SAMPLE_COLUMNS)}", "metric_samples")
        with cursor.copy("copy incoming_samples from stdin") as copy:
            for number, lines in enumerate(payloads):
                if lines:
                    copy.write(f"{number}\t" + lines[:-1].replace("\n", f"\n{number}\t") + "\n")
        cursor.execute(UPSERT_SAMPLES, {"gpus": gpus, "source": source, "prefix": uuid7().hex[:20]})
        return cursor.fetchall()  # type: ignore[no-any-return]


def _statements(batches: Sequence[Waiting], held: Mapping[UUID, Held]) -> dict[Key, list[tuple[int, dict[str, Any]]]]:
    """What the batches state of each day, with the place of the batch, in order of receipt."""
    told: dict[Key, list[tuple[int, dict[str, Any]]]] = {}
    for number, batch in enumerate(batches):
        for item in batch.items:
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
