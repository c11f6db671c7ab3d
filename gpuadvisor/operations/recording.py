"""How each scheduled job fares, written down as Celery runs it: beat's runs, staff's and `run_job` the same."""

from __future__ import annotations

import logging
import socket
import time
from typing import Any

from celery.signals import task_postrun, task_prerun
from django.db import DatabaseError, connection

from gpuadvisor.core import jobs
from gpuadvisor.operations.schedule import BY_TASK, JOBS

log = logging.getLogger(__name__)
ASKED_HEADER = "gpa_asked_for"
_began: dict[str, float] = {}


def header_of(request: Any, name: str) -> Any:
    """A header of the message that a task came with; eager calls keep theirs apart."""
    return getattr(request, name, None) or (getattr(request, "headers", None) or {}).get(name)


def connect() -> None:
    task_prerun.connect(_before, dispatch_uid="operations.recording")
    task_postrun.connect(_after, dispatch_uid="operations.recording")


def _before(task_id: str, task: Any, **kwargs: Any) -> None:
    if task.name in BY_TASK:
        _began[task_id] = time.monotonic()
        jobs.begin(by_hand=bool(header_of(task.request, ASKED_HEADER)))


def _after(task_id: str, task: Any, retval: Any, state: str | None = None, **kwargs: Any) -> None:
    began = _began.pop(task_id, None)
    job = BY_TASK.get(task.name)
    if job is None or began is None or jobs.was_skipped():
        return
    jobs.begin(by_hand=False)
    error = "" if state == "SUCCESS" else str(state)
    if isinstance(retval, BaseException):
        error = f"{type(retval).__name__}: {retval}"
    try:
        record(
            job.name,
            seconds=time.monotonic() - began,
            rows=retval if isinstance(retval, int) else None,
            error=error.replace("\x00", ""),
        )
    except DatabaseError as trouble:  # the run is over and did its work; a sweep ten seconds later is written down
        log.warning("job %s: its run was not written down (%s)", job.name, type(trouble).__name__)


def record(job: str, *, seconds: float, rows: int | None, error: str) -> None:
    """Write down one run; one statement, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            insert into job_states as s
                (job, since, started_at, finished_at, ok_at, seconds, rows, fails, failed_at, error, host)
            values (%(job)s, clock_timestamp(), clock_timestamp() - make_interval(secs => %(seconds)s),
                clock_timestamp(), case when %(ok)s then clock_timestamp() end, %(seconds)s, %(rows)s,
                case when %(ok)s then 0 else 1 end, case when not %(ok)s then clock_timestamp() end,
                %(error)s, %(host)s)
            on conflict (job) do update set
                started_at = excluded.started_at, finished_at = excluded.finished_at,
                ok_at = coalesce(excluded.ok_at, s.ok_at), seconds = excluded.seconds, rows = excluded.rows,
                fails = case when %(ok)s then 0 else s.fails + 1 end,
                failed_at = coalesce(excluded.failed_at, s.failed_at),
                error = case when %(ok)s then s.error else excluded.error end, host = excluded.host
            """,
            {
                "job": job,
                "seconds": seconds,
                "rows": min(max(rows, 0), 2**31 - 1) if rows is not None else None,
                "ok": not error,
                "error": error[:500],
                "host": socket.gethostname()[:100],
            },
        )


def know_all() -> None:
    """Every job of the table has its row, so that one which never ran is seen to be late; rows of jobs gone vanish."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into job_states (job, since, fails, error, host)"
            " select name, clock_timestamp(), 0, '', '' from unnest(%s::text[]) as name on conflict do nothing",
            [[job.name for job in JOBS]],
        )
        cursor.execute("delete from job_states where not job = any(%s)", [[job.name for job in JOBS]])
