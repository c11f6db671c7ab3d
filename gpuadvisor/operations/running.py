"""Scheduled jobs as people see them: how each fares, and the door by which it is run now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery.result import EagerResult
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from gpuadvisor.core import audit, clock, jobs
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.models import JobRun, JobState

from .recording import ASKED_HEADER
from .schedule import BY_NAME, JOBS, Job

FINE, LATE, FAILING, WAITING = "fine", "late", "failing", "waiting"
WORDS = {
    FINE: gettext_lazy("fine"),
    LATE: gettext_lazy("late"),
    FAILING: gettext_lazy("failing"),
    WAITING: gettext_lazy("not yet run"),
}
LAST_RUNS = 30


class AlreadyRunning(DomainError):
    def __init__(self) -> None:
        super().__init__(_("It runs at this moment: wait until it has ended."), "running")


class NoBroker(DomainError):
    def __init__(self) -> None:
        said = _("The broker does not answer, so no worker can be asked: run_job on a worker's host does without it.")
        super().__init__(said, "no_broker")


@dataclass(frozen=True)
class Standing:
    """One job with its last run. Units: `seconds` that it took, `late_seconds` past the moment at which it was due."""

    job: Job
    state: str
    level: str  # ok, amber, red
    last_at: datetime | None
    ok_at: datetime | None
    seconds: float | None
    rows: int | None
    next_at: datetime
    next_in: str  # empty where it is due
    fails: int
    error: str
    failed_at: datetime | None
    running_since: datetime | None

    @property
    def word(self) -> str:
        return str(WORDS[self.state])

    @property
    def every(self) -> str:
        return age(self.job.every.total_seconds())

    @property
    def amber(self) -> str:
        return age(self.job.amber.total_seconds())

    @property
    def red(self) -> str:
        return age(self.job.red.total_seconds())


def standings(now: datetime | None = None) -> list[Standing]:
    """Every job of the table; two queries, whatever the number of runs."""
    now = now or clock.now()
    states = {state.job: state for state in JobState.objects.all()}
    since = now - jobs.TAKE_OVER
    under_way = JobRun.objects.filter(finished_at=None, started_at__gt=since).order_by("started_at")
    running = dict(under_way.values_list("job", "started_at"))
    return [_standing(job, states.get(job.name), running.get(job.name), now) for job in JOBS]


def _standing(job: Job, state: JobState | None, running: datetime | None, now: datetime) -> Standing:
    level, word = "ok", WAITING
    next_at = next_after(job, (state.started_at or state.since) if state else None, now)
    if state is not None:
        behind = now - (state.ok_at or state.since)
        level = "red" if behind > job.red else "amber" if behind > job.amber or state.fails else "ok"
        word = FAILING if state.fails else LATE if behind > job.amber else FINE if state.ok_at else WAITING
    return Standing(
        job=job,
        state=word,
        level=level,
        last_at=state.finished_at if state else None,
        ok_at=state.ok_at if state else None,
        seconds=state.seconds if state else None,
        rows=state.rows if state else None,
        next_at=next_at,
        next_in=age((next_at - now).total_seconds()) if next_at > now else "",
        fails=state.fails if state else 0,
        error=state.error if state else "",
        failed_at=state.failed_at if state else None,
        running_since=running,
    )


def next_after(job: Job, last: datetime | None, now: datetime) -> datetime:
    """When beat is due to start it; in the past where beat did not."""
    if job.at is None:
        return (last or now) + job.every
    at: Any = job.at  # its stubs tell neither minutes nor hours
    moment = (last or now).replace(second=0, microsecond=0)
    for _minute in range(int(job.every / timedelta(minutes=1)) + 1):  # crontab tells no next moment without a clock
        moment += timedelta(minutes=1)
        if moment.minute in at.minute and moment.hour in at.hour:
            return moment
    return moment


def history(name: str, *, before: datetime | None = None, limit: int = LAST_RUNS) -> list[JobRun]:
    """The last runs of one job that takes slots, newest first."""
    runs = JobRun.objects.filter(job=name)
    if before is not None:
        runs = runs.filter(slot__lt=before)
    return list(runs.order_by("-slot")[:limit])


def ask(job: Job, *, by: AbstractBaseUser | None) -> None:
    """Have a worker run it now, beside its slots.

    Raises: AlreadyRunning, NoBroker.
    """
    from gpuadvisor.celery import app

    if jobs.is_running(job.name):
        raise AlreadyRunning
    try:
        app.send_task(job.task, headers={ASKED_HEADER: "1"}, retry=False)
    except (KombuError, RedisError, OSError) as error:
        raise NoBroker from error
    audit.record(user=by, action="operations.job-asked", details={"job": job.name})


def run_here(job: Job) -> dict[str, Any]:
    """Run it in this process, by the same task; how it went.

    Raises: AlreadyRunning.
    """
    from gpuadvisor.celery import app

    app.loader.import_default_modules()
    if jobs.is_running(job.name):
        raise AlreadyRunning
    audit.record(user=None, action="operations.job-asked", details={"job": job.name, "by": "run_job"})
    result: EagerResult[Any] = app.tasks[job.task].apply(headers={ASKED_HEADER: "1"})
    if result.failed():
        return {"ok": False, "job": job.name, "rows": None, "error": f"{type(result.result).__name__}: {result.result}"}
    return {"ok": True, "job": job.name, "rows": result.result if isinstance(result.result, int) else None, "error": ""}


def find(name: str) -> Job | None:
    return BY_NAME.get(name)


def age(seconds: float) -> str:
    """Seconds for people, in the one unit that suits."""
    for size, unit in ((86_400, _("d")), (3_600, _("h")), (60, _("min"))):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} {_('s')}"
