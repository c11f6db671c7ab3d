"""How often a program may ask: counted in the database, exact also for parallel requests and without Redis."""

from __future__ import annotations

from django.core.cache import caches
from django.db import connection

from .middleware import Allowance
from .problems import Problem

# One hour from the first request on. The table is that of the sign-in limits, whose sweep deletes what has expired.
CHARGE_SQL = """
insert into {table} as held (cache_key, value, expires)
values (%(key)s, '1', statement_timestamp() + interval '1 hour')
on conflict (cache_key) do update set
  value = case when held.expires <= statement_timestamp() then '1'
    else least(held.value::bigint + 1, %(most)s + 1)::text end,
  expires = case when held.expires <= statement_timestamp() then excluded.expires else held.expires end
returning value::bigint, greatest(1, ceil(extract(epoch from expires - statement_timestamp())))::int
"""


def charge(who: str, *, most: int) -> Allowance:
    """One request less for `who`, of `most` an hour.

    Raises: Problem 429 once nothing is left, with what the answer must say about it.
    """
    table = connection.ops.quote_name(caches["default"]._table)  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute(CHARGE_SQL.format(table=table), {"key": f"api:{who}", "most": most})
        used, reset = cursor.fetchone()
    allowance = Allowance(limit=most, remaining=max(0, most - used), reset=reset)
    if used > most:
        headers = {**allowance.headers, "Retry-After": str(reset)}
        raise Problem(429, f"{most:,} requests an hour are allowed here: try again in {reset} s.", headers=headers)
    return allowance
