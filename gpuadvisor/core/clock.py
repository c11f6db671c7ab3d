"""The one clock: the database's, so that a wrong clock on one machine loses and doubles nothing."""

from datetime import UTC, date, datetime

from django.db import connection


def now() -> datetime:
    """The present moment by PostgreSQL's wall clock, aware, UTC."""
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        (moment,) = cursor.fetchone()
    return moment.astimezone(UTC)  # type: ignore[no-any-return]


def today() -> date:
    """The present UTC day; daily rows are UTC days."""
    return now().date()
