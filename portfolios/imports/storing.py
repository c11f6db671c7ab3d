"""All good rows of an import are stored in one transaction, or taken back in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError

from .. import caching, estimates
from ..models import MetricImport, Portfolio
from ..services.locks import refuse_read_only
from . import days, reading
from .days import DAY_COLUMNS

SLICE_LINES = 50_000
TIMEOUT = "15min"  # of one statement here: the worker's own is a minute
KEY = ("gpu_configuration_id", "platform", "metric_date")

UPSERT = f"""
insert into performance_metrics (id, {", ".join((*KEY, *DAY_COLUMNS))}, recorded_at, updated_at)
select uuidv7(), {", ".join((*KEY, *DAY_COLUMNS))}, %(at)s, %(at)s from import_days where outcome in ('new', 'changed')
on conflict ({", ".join(KEY)}) do update set
    {", ".join(f"{name} = excluded.{name}" for name in DAY_COLUMNS)}, updated_at = excluded.updated_at
"""  # noqa: S608 - nothing but our own names
REMEMBER = """
update metric_import_rows r set outcome = d.outcome, before = case when d.outcome = 'changed' then d.before end
from import_days d
where r.batch_id = %(batch)s and r.line between %(low)s and %(high)s and r.line = d.line
    and (d.outcome <> r.outcome or d.outcome = 'changed')
"""
TAKEN = """
create temp table import_taken on commit drop as
select r.line, r.before, m.id, m.metric_date, coalesce(m.updated_at = %(at)s and g.is_active, false) as is_ours
from metric_import_rows r
join gpu_configurations g on g.id = r.gpu_configuration_id
left join lateral (
    select id, metric_date, updated_at from performance_metrics p where p.gpu_configuration_id = r.gpu_configuration_id
        and p.platform = r.platform and p.metric_date = r.metric_date and p.metric_date between %(first)s and %(last)s
    offset 0
) m on true
where r.batch_id = %(batch)s and r.line between %(low)s and %(high)s and r.outcome in ('new', 'changed')
"""
DELETE = """
delete from performance_metrics m using import_taken t
where t.is_ours and t.before is null and m.id = t.id and m.metric_date = t.metric_date
    and m.metric_date between %(first)s and %(last)s
"""
RESTORE = f"""
update performance_metrics m set
    {", ".join(f"{name} = b.{name}" for name in (*DAY_COLUMNS, "updated_at"))}
from import_taken t cross join lateral jsonb_populate_record(null::performance_metrics, t.before) b
where t.is_ours and t.before is not null and m.id = t.id and m.metric_date = t.metric_date
    and m.metric_date between %(first)s and %(last)s
"""  # noqa: S608
LEAVE = """
update metric_import_rows r set outcome = 'kept', reason = %(reason)s
from import_taken t where not t.is_ours and r.batch_id = %(batch)s and r.line = t.line
"""


def _long(cursor: Any) -> None:
    cursor.execute("select set_config('statement_timeout', %s, true)", [TIMEOUT])
    cursor.execute("set constraints all immediate")  # else a million checks wait for the commit, in memory


def _ranges(cursor: Any, job: MetricImport) -> Iterator[dict[str, Any]]:
    """The lines in slices."""
    cursor.execute("select min(line), max(line) from metric_import_rows where batch_id = %s", [job.pk])
    low, high = cursor.fetchone()
    for start in range(low or 0, (high or -1) + 1, SLICE_LINES):
        yield {"batch": job.pk, "low": start, "high": start + SLICE_LINES - 1}


def store(job: MetricImport) -> None:
    """Store what is good, within the caller's transaction; `job` gets its counts and its moment.

    Raises: DomainError where a GPU was removed, or its portfolio archived or made read-only, since the preview.
    """
    with connection.cursor() as cursor:
        _long(cursor)
        cursor.execute(
            "select distinct gpu_configuration_id from metric_import_rows where batch_id = %s and outcome <> 'refused'",
            [job.pk],
        )
        gpus = [pk for (pk,) in cursor]
        _refuse_read_only(gpus)
        if gone := len(gpus) - len(days.lock(gpus)):
            raise DomainError(
                ngettext(
                    "Nothing was stored: %(n)d GPU of this file was removed or its portfolio archived since then.",
                    "Nothing was stored: %(n)d GPUs of this file were removed or their portfolios archived since then.",
                    gone,
                )
                % {"n": gone},
                code="removed",
            )
        at = clock.now()
        for lines in _ranges(cursor, job):
            where = "and r.batch_id = %(batch)s and r.line between %(low)s and %(high)s"
            days.settle(cursor, "metric_import_rows", where, lines)
            cursor.execute(UPSERT, {"at": at})
            cursor.execute(REMEMBER, lines)
        reading.count(cursor, job)
        _follow(cursor, job)
    job.finished_at = at


def undo(job: MetricImport, at: datetime) -> int:
    """Take back what an import stored at `at`, within the caller's transaction; how many days stay as they are.

    A day that anything has changed since stays, and its line says so.
    Raises: ReadOnly.
    """
    with connection.cursor() as cursor:
        _long(cursor)
        cursor.execute(
            "select min(metric_date), max(metric_date), array_agg(distinct gpu_configuration_id)"
            " from metric_import_rows where batch_id = %s and outcome in ('new', 'changed')",
            [job.pk],
        )
        first, last, gpus = cursor.fetchone()
        _refuse_read_only(gpus or [])
        if gpus:
            cursor.execute("select 1 from gpu_configurations where id = any(%s) order by id for no key update", [gpus])
        for kind in ("hashjoin", "mergejoin"):  # by index: they would read the days of everybody
            cursor.execute(f"set local enable_{kind} = off")
        for lines in _ranges(cursor, job):
            given = lines | {
                "at": at,
                "first": first,
                "last": last,
                "reason": _("This day was changed after the import."),
            }
            cursor.execute("drop table if exists import_taken")
            for statement in (TAKEN, DELETE, RESTORE, LEAVE):
                cursor.execute(statement, given)
        cursor.execute("select count(*) from metric_import_rows where batch_id = %s and outcome = 'kept'", [job.pk])
        (kept,) = cursor.fetchone()
        _follow(cursor, job)
    return int(kept)


def _refuse_read_only(gpus: Sequence[UUID]) -> None:
    """Raises: ReadOnly where one of the portfolios is."""
    for portfolio in Portfolio.objects.filter(gpus__in=gpus).exclude(closed_by_plan_at=None).order_by("pk")[:1]:
        refuse_read_only(portfolio)


def _follow(cursor: Any, job: MetricImport) -> None:
    """What must follow when results changed."""
    cursor.execute(
        "select distinct g.portfolio_id from gpu_configurations g where g.id in"
        " (select distinct gpu_configuration_id from metric_import_rows where batch_id = %s)",
        [job.pk],
    )
    estimates.refresh([pk for (pk,) in cursor])
    caching.bump(job.user_id)
