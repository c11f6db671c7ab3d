"""How often somebody may do something: counted in the database, exact also in parallel and without Redis."""

from __future__ import annotations

from typing import NamedTuple

from django.core.cache import caches
from django.db import connection

# One span from the first time on. The table is that of the sign-in limits, whose sweep deletes what has expired.
SPEND_SQL = """
insert into {table} as held (cache_key, value, expires)
values (%(key)s, '1', statement_timestamp() + make_interval(secs => %(seconds)s))
on conflict (cache_key) do update set
  value = case when held.expires <= statement_timestamp() then '1'
    else least(held.value::bigint + 1, %(most)s + 1)::text end,
  expires = case when held.expires <= statement_timestamp() then excluded.expires else held.expires end
returning value::bigint, greatest(1, ceil(extract(epoch from expires - statement_timestamp())))::int
"""


class Spent(NamedTuple):
    """Units: `used` counts this time and stops one past the most; `reset` in seconds."""

    used: int
    reset: int


def spend(key: str, *, most: int, seconds: int) -> Spent:
    """Count one time more for `key`, of `most` in `seconds`."""
    table = connection.ops.quote_name(caches["default"]._table)  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute(SPEND_SQL.format(table=table), {"key": key, "most": most, "seconds": seconds})
        return Spent(*cursor.fetchone())
