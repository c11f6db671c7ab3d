"""Months that are past are dropped; of the oldest that is kept in part, the rows past go in batches.

What detaches, drops and indexes runs as the tables' owner on a connection of its own: it needs autocommit, waits longer
than a worker's statements may, and a pooler in between must not share its settings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import environ
from django.conf import settings
from django.db import OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import DeadlockDetected, LockNotAvailable, ObjectInUse, QueryCanceled

from gpuadvisor.core.partitions import MONTHS_BEHIND, add_months, drop_month, partitioned_models

from .policies import Policy

LOCK_TIMEOUT = "2s"
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between tries for a lock that somebody holds


@dataclass(frozen=True, slots=True)
class Month:
    """One month's table. `is_detached`: a drop of it was begun and broke off."""

    first: date
    table: str
    is_detached: bool = False

    @property
    def end(self) -> date:
        return add_months(self.first, 1)


def standing(policy: Policy) -> list[Month]:
    """Every month of a table, oldest first, with those whose drop broke off."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.relname, i.inhrelid is null or i.inhdetachpending from pg_class c"
            " left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = %(table)s::regclass"
            " where c.relnamespace = (select relnamespace from pg_class where oid = %(table)s::regclass)"
            " and c.relkind = 'r' and c.relname ~ %(name)s order by c.relname",
            {"table": policy.table, "name": rf"^{policy.table}_\d{{6}}$"},
        )
        return [Month(date(int(name[-6:-2]), int(name[-2:]), 1), name, detached) for name, detached in cursor]


def past(policy: Policy, today: date) -> list[Month]:
    """Months that go whole. An empty one that `make_months` keeps ready stays."""
    limit, kept_ready = policy.limit(today), add_months(today, -MONTHS_BEHIND)
    months = [month for month in standing(policy) if month.end <= limit]
    return [month for month in months if month.is_detached or month.first < kept_ready or not is_empty(month)]


def in_part(policy: Policy, today: date) -> list[Month]:
    """The month that the first day kept lies in, where some of its days are past."""
    limit = policy.limit(today)
    return [month for month in standing(policy) if month.first < limit < month.end and not month.is_detached]


def is_empty(month: Month) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f'select exists (select from "{month.table}")')  # noqa: S608 - a name from the catalog
        return not cursor.fetchone()[0]


def column(policy: Policy) -> str:
    return partitioned_models()[policy.model_class]


def count(month: Month, by: str, limit: date | None = None) -> tuple[int, Any, Any]:
    """Rows of a month, before a day where one is given, with the first and last moment."""
    with connection.cursor() as cursor:
        where = f' where "{by}" < %s' if limit else ""
        cursor.execute(
            f'select count(*), min("{by}"), max("{by}") from "{month.table}"{where}',  # noqa: S608
            [limit] if limit else None,
        )
        number, first, last = cursor.fetchone()
        return int(number), first, last


def drop(policy: Policy, month: Month, *, pause: Callable[[float], None] = time.sleep) -> bool:
    """Drop a month; readers and writers of the others go on meanwhile.

    Raises: OperationalError where somebody holds the table through all tries. The next run goes on with it.
    """
    with as_owner() as owner:
        return bool(_patiently(lambda: drop_month(policy.model_class, month.first, using=owner), pause))


def index(month: Month, by: str, *, pause: Callable[[float], None] = time.sleep) -> None:
    """Give a month that goes day by day an index on its time. The others need none, and it goes with the month."""
    name = f"{month.table}_past"
    with as_owner() as owner, owner.cursor() as cursor:
        cursor.execute("select indisvalid from pg_index where indexrelid = to_regclass(%s)", [name])
        row = cursor.fetchone()
        if row and row[0]:
            return

        def make() -> None:
            cursor.execute(f'drop index concurrently if exists "{name}"')  # one that broke off is no good
            cursor.execute(f'create index concurrently "{name}" on "{month.table}" ("{by}")')

        _patiently(make, pause)


def _patiently(work: Callable[[], Any], pause: Callable[[float], None]) -> Any:
    for seconds in (*PAUSES, None):
        try:
            return work()
        except OperationalError as error:
            held = (LockNotAvailable, QueryCanceled, DeadlockDetected, ObjectInUse)
            if seconds is None or not isinstance(error.__cause__, held):
                raise
            pause(seconds)
    return None


@contextmanager
def as_owner() -> Iterator[BaseDatabaseWrapper]:
    """A connection of the tables' owner to the present database, in autocommit, that waits two seconds for a lock."""
    given = environ.Env.db_url_config(settings.DATABASE_URLS["owner"])
    of_owner = connections["default"].copy()
    login = {key: given.get(key) or "" for key in ("USER", "PASSWORD", "HOST", "PORT")}
    options = {**of_owner.settings_dict["OPTIONS"], **given.get("OPTIONS", {})}
    of_owner.settings_dict = {**of_owner.settings_dict, **login, "OPTIONS": options, "CONN_MAX_AGE": 0}
    try:
        with of_owner.cursor() as cursor:
            cursor.execute(
                "select set_config('lock_timeout', %s, false), set_config('statement_timeout', '0', false),"
                " set_config('idle_in_transaction_session_timeout', '0', false)",
                [LOCK_TIMEOUT],
            )
        yield of_owner
    finally:
        of_owner.close()
