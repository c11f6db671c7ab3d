"""Rows go in batches of at most 5,000 rows and 250 ms, in the order of time, each committed by itself.

A batch that took long is followed by a smaller one, and each by a pause three times as long: it takes a quarter of one
processor, so that pages are not slowed (promise 18). What was killed in the middle goes on where it stood, since
what is left is still past its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

from django.db import OperationalError, connection, models, transaction
from django.db.models.deletion import CASCADE, SET_NULL, get_candidate_relations_to_delete
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from .policies import Policy

MOST_ROWS = 5_000
MOST_SECONDS = 0.25
BEGIN_WITH, FEWEST = 500, 20
LONGEST_FEWEST_SECONDS = 5.0  # the smallest batch may take longer: it cannot be divided, and must end some day
PAUSE = 3.0  # times what the batch took
LOCK_TIMEOUT = "2s"
TRIES = 12
Report = Callable[[int], None]


@dataclass(slots=True)
class Pace:
    """How many rows the next batch takes, by how long the last ones took; and when to stop."""

    until: float = float("inf")  # time.monotonic
    rows: int = BEGIN_WITH
    failures: int = 0
    longest: float = 0.0
    largest: int = 0
    pause: Callable[[float], None] = field(default=time.sleep)

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.until

    @contextmanager
    def batch(self) -> Iterator[None]:
        """One transaction that is measured; one that took too long is undone, and the next is smaller.

        Raises: OperationalError where even the smallest does not come through.
        """
        began = time.monotonic()
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                most = MOST_SECONDS if self.rows > FEWEST else LONGEST_FEWEST_SECONDS
                cursor.execute(
                    "select set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)",
                    [f"{most * 1000:.0f}ms", LOCK_TIMEOUT],
                )
                yield
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled | LockNotAvailable | DeadlockDetected):
                raise
            self.failures += 1
            if self.failures >= TRIES:
                raise
            self.rows = max(FEWEST, self.rows // 4)
            self.pause(MOST_SECONDS)
            return
        self.failures = 0
        took = time.monotonic() - began
        self.longest = max(self.longest, took)
        if took > MOST_SECONDS * 0.6:
            self.rows = max(FEWEST, self.rows // 2)
        elif took < MOST_SECONDS * 0.3:
            self.rows = min(MOST_ROWS, self.rows * 2)
        self.pause(PAUSE * min(took, MOST_SECONDS))


def delete_from_month(table: str, by: str, limit: date, *, pace: Pace, report: Report) -> bool:
    """Delete a month's rows before `limit`; whether all are gone. An index on `by` stands."""
    statement = (
        f'with past as materialized (select id, "{by}" as at from "{table}" where "{by}" < %(limit)s'  # noqa: S608
        f' order by "{by}" limit %(rows)s)'
        f' delete from "{table}" t using past where t.id = past.id and t."{by}" = past.at'
    )
    while not pace.is_over:
        deleted = -1
        with pace.batch(), connection.cursor() as cursor:
            cursor.execute("set local timezone to 'UTC'")
            cursor.execute(statement, {"limit": limit, "rows": pace.rows})
            deleted = cursor.rowcount
            report(deleted)
        if deleted == 0:
            return True
        pace.largest = max(pace.largest, deleted)
    return False


def moment(policy: Policy) -> str:
    """The SQL of a policy's moment over `t`."""
    return policy.moment if "." in policy.moment else f't."{policy.moment}"'


def candidates(policy: Policy) -> str:
    """SQL: a stretch of rows in the order of time, with whether each goes. What must hold is asked of the stretch."""
    at = moment(policy)
    return (
        f'with stretch as materialized (select t.* , {at} as "moment of it" from "{policy.table}" t'  # noqa: S608
        f" where {at} < %(limit)s and ({at}, t.id) > (%(after)s, %(after_id)s) and {policy.among or 'true'}"
        f" order by {at}, t.id limit %(rows)s)"
        f' select t.id, t."moment of it", coalesce({policy.goes or "true"}, false) from stretch t'
        f' order by t."moment of it", t.id'
    )


def delete_past(policy: Policy, today: date, *, pace: Pace, report: Report) -> bool:
    """Delete a table's rows that are past their time, with what hangs on them; whether all are gone."""
    after: tuple[Any, Any] = ("-infinity", "00000000-0000-0000-0000-000000000000")
    while not pace.is_over:
        reached = None
        with pace.batch(), connection.cursor() as cursor:
            cursor.execute("set local timezone to 'UTC'")
            values = {**policy.values(today), "after": after[0], "after_id": after[1], "rows": pace.rows}
            cursor.execute(candidates(policy), values)
            found = cursor.fetchall()
            keys = _lock(policy, today, [row[0] for row in found if row[2]])
            gone, is_whole = _delete(policy.model_class, keys, pace)
            report(gone)
            reached = found if is_whole else []
            is_last = is_whole and len(found) < values["rows"]
        if reached is None:
            continue
        if is_last:
            return True
        if reached:
            after = (reached[-1][1], reached[-1][0])
    return False


def _lock(policy: Policy, today: date, keys: list[Any]) -> list[Any]:
    """Those that still go once nobody else can write to them: a message may have come meanwhile."""
    if not keys:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f'select id from "{policy.table}" where id = any(%s) order by id for update', [keys])  # noqa: S608
        cursor.execute(
            f'select t.id from "{policy.table}" t where t.id = any(%(keys)s) and {moment(policy)} < %(limit)s'  # noqa: S608
            f" and {policy.condition} order by {moment(policy)}, t.id",
            {**policy.values(today), "keys": keys},
        )
        return [row[0] for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class _Hanging:
    """Rows of `model` that refer to rows about to go."""

    model: type[models.Model]
    column: str
    keys: list[Any]


def _delete(model: type[models.Model], keys: list[Any], pace: Pace) -> tuple[int, bool]:
    """Delete rows by their keys, first what hangs on them: at most MOST_ROWS in all; of the rows, and whether all went.

    One row may have more hanging on it than a batch takes: then a part of that goes, and the row with a later batch.
    """
    if not keys:
        return 0, True
    number = len(keys)
    while True:
        steps = list(_hanging(model, keys[:number]))
        rows = number + sum(len(step.keys) for step in steps)
        if rows <= MOST_ROWS:
            break
        if number == 1:
            _take([_Hanging(steps[0].model, steps[0].column, steps[0].keys[:MOST_ROWS])])
            pace.largest = MOST_ROWS
            return 0, False
        number = max(1, min(number // 2, number * MOST_ROWS // rows))
    _take(steps)
    with connection.cursor() as cursor:
        cursor.execute(f'delete from "{model._meta.db_table}" where id = any(%s)', [keys[:number]])  # noqa: S608
        pace.largest = max(pace.largest, rows)
        return int(cursor.rowcount), number == len(keys)


def _take(steps: list[_Hanging]) -> None:
    with connection.cursor() as cursor:
        for step in steps:
            table = step.model._meta.db_table
            what = f'update "{table}" set "{step.column}" = null' if step.column else f'delete from "{table}"'  # noqa: S608
            cursor.execute(f"{what} where id = any(%s)", [step.keys])


def _hanging(model: type[models.Model], keys: list[Any]) -> Iterator[_Hanging]:
    """What refers to those rows, the outermost first: rows that go with them, and columns that are emptied."""
    for relation in get_candidate_relations_to_delete(model._meta):
        column = cast("models.ForeignKey[Any, Any]", cast("models.ForeignObjectRel", relation).field)
        child = column.model
        if child._meta.proxy or not cast("Any", column).db_constraint:
            continue
        on_delete = column.remote_field.on_delete
        if on_delete not in (CASCADE, SET_NULL):
            continue
        with connection.cursor() as cursor:
            cursor.execute(
                f'select id from "{child._meta.db_table}" where "{column.column}" = any(%s)',  # noqa: S608
                [keys],
            )
            found = [row[0] for row in cursor.fetchall()]
        if not found:
            continue
        if on_delete is SET_NULL:
            yield _Hanging(child, str(column.column), found)
            continue
        yield from _hanging(child, found)
        yield _Hanging(child, "", found)
