"""Tables partitioned by month (R-060): made, kept ahead, dropped without stopping readers or writers.

Why a plain model with its own CreateModel: docs/decisions/0002-partitions.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

from django.apps import apps
from django.db import connection, migrations, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import OperationalError

MONTHS_BEHIND = 25
MONTHS_AHEAD = 3


class CreatePartitioned(migrations.CreateModel):
    """CreateModel for a table partitioned by range of `by`; the primary key in the database is (id, by)."""

    def __init__(self, *args: Any, by: str, **kwargs: Any) -> None:
        self.by = by
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        name, args, kwargs = super().deconstruct()
        return name, list(args), {**kwargs, "by": self.by}

    def reduce(self, operation: Any, app_label: str) -> bool:
        return False  # merged with a later operation it would turn into a plain CreateModel

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        by, columns = model._meta.get_field(self.by).column, schema_editor._iter_column_sql
        schema_editor._iter_column_sql = lambda *args: (part for part in columns(*args) if part != "PRIMARY KEY")
        schema_editor.sql_create_table = (
            f'CREATE TABLE %(table)s (%(definition)s, PRIMARY KEY ("id", "{by}")) PARTITION BY RANGE ("{by}")'
        )
        try:
            schema_editor.create_model(model)
        finally:
            del schema_editor._iter_column_sql, schema_editor.sql_create_table


def partitioned_models() -> dict[type[models.Model], str]:
    """Each partitioned model with the column that its months are cut by."""
    return {model: model.partitioned_by for model in apps.get_models() if hasattr(model, "partitioned_by")}


def add_months(month: date, number: int) -> date:
    """The first day of the month `number` months after `month`."""
    index = month.year * 12 + month.month - 1 + number
    return date(index // 12, index % 12 + 1, 1)


def months_between(first: date, last: date) -> Iterator[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = add_months(month, 1)


def _bound(month: date) -> str:
    return f"{month:%Y-%m-%d} 00:00+00"  # with its zone, else the session's would decide; a date column drops it


def existing_months(model: type[models.Model]) -> dict[date, str]:
    """First day of each month that stands ready, with the name of its table."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = %s::regclass and not i.inhdetachpending",
            [table],
        )
        names = [row[0] for row in cursor.fetchall()]
    return {date(int(name[-6:-2]), int(name[-2:]), 1): name for name in names}


@contextmanager
def _lock_timeout(milliseconds: int) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("select set_config('lock_timeout', %s, true)", [f"{milliseconds}ms"])
    yield


def ensure_months(model: type[models.Model], first: date, last: date) -> list[date]:
    """Make every missing month from `first` to `last`; those made. Runs beside open readers and writers.

    Raises: OperationalError where another maker holds the table for three times two seconds.
    """
    table, by = model._meta.db_table, partitioned_models()[model]
    ready = existing_months(model)
    made = []
    for month in months_between(first, last):
        if month in ready:
            continue
        low, high, name = _bound(month), _bound(add_months(month, 1)), f"{table}_{month:%Y%m}"
        for attempt in range(3):
            try:
                with transaction.atomic(), _lock_timeout(2000), connection.cursor() as cursor:
                    cursor.execute(
                        f'create table if not exists "{name}" (like "{table}" including defaults including constraints,'
                        f" check (\"{by}\" >= '{low}' and \"{by}\" < '{high}'))"
                    )
                    cursor.execute("select 1 from pg_inherits where inhrelid = %s::regclass", [name])
                    if not cursor.fetchone():
                        cursor.execute(
                            f'alter table "{table}" attach partition "{name}"'
                            f" for values from ('{low}') to ('{high}')"
                        )
                break
            except OperationalError:
                if attempt == 2:
                    raise
        made.append(month)
    return made


def ensure_standing_months(today: date | None = None) -> int:
    """Make what is missing from 25 months back to 3 ahead for every partitioned table; the number made."""
    today = today or datetime.now(UTC).date()
    first, last = add_months(today, -MONTHS_BEHIND), add_months(today, MONTHS_AHEAD)
    return sum(len(ensure_months(model, first, last)) for model in partitioned_models())


def drop_month(model: type[models.Model], month: date, *, using: BaseDatabaseWrapper | None = None) -> bool:
    """Drop one month without stopping readers; False where it does not stand. Not inside a transaction.

    Raises: OperationalError where others hold the table for longer than lock_timeout; called again, it goes on.
    """
    table, name = model._meta.db_table, f"{model._meta.db_table}_{month:%Y%m}"
    with (using or connection).cursor() as cursor:
        cursor.execute(
            "select c.relname, i.inhdetachpending from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = %s::regclass and (c.relname = %s or i.inhdetachpending)"
            " order by i.inhdetachpending desc",
            [table, name],
        )
        for part, is_pending in cursor.fetchall():  # one that is pending stops every other, so it is ended first
            how = "finalize" if is_pending else "concurrently"
            cursor.execute(f'alter table "{table}" detach partition "{part}" {how}')
        cursor.execute("select to_regclass(%s)", [name])
        if cursor.fetchone()[0] is None:
            return False
        cursor.execute(f'drop table "{name}"')
    return True


def analyze() -> None:
    """Give the planner statistics of every partitioned table at once: after a bulk load, autovacuum is minutes away."""
    with connection.cursor() as cursor:
        for model in partitioned_models():
            cursor.execute(f'analyze "{model._meta.db_table}"')
