"""The doors to an import: a file comes in, its layout is chosen, its owner says yes, takes it back, throws it away."""

from __future__ import annotations

import logging
from typing import Any

from django.db import OperationalError, transaction
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.nudge import nudge

from ..models import MetricImport
from . import files, jobs, reading, sniffing
from .files import Arrived
from .layout import Layout

log = logging.getLogger(__name__)
State = MetricImport.State
WAITING = (State.UPLOADED, State.READY, State.FAILED)
MOST_WAITING = 10  # files of one host; the oldest makes room
AT_ONCE_BYTES = 256 * 1024  # what is worked on without waiting for a worker


def take(user: User, upload: Arrived) -> MetricImport:
    """Keep the file and look at it. Raises: UnreadableFile, of which nothing is kept; OSError."""
    names = reading.names_of(user.pk)
    layout = sniffing.look(upload.path, gpus=names.gpu_words, platforms=names.platform_words)
    pk = uuid7()
    upload.move_to(user.pk, pk)
    job = MetricImport.objects.create(
        id=pk,
        user=user,
        name=upload.name or "",
        body_bytes=upload.size or 0,
        sha256=upload.sha256,
        settings=layout.as_json(),
    )
    waiting = MetricImport.objects.filter(user=user, state__in=WAITING).order_by("-created_at")
    for old in waiting[MOST_WAITING:]:
        discard(old)
    return job


def look_again(job: MetricImport, *, encoding: str, separator: str) -> Layout:
    """The layout by another encoding or separator. Raises: UnreadableFile."""
    names = reading.names_of(job.user_id)
    path = files.path_of(job.user_id, job.pk)
    if not path.exists():
        raise DomainError(_("The file is gone: upload it again."), code="gone")
    layout = sniffing.look(
        path, gpus=names.gpu_words, platforms=names.platform_words, encoding=encoding, separator=separator
    )
    _set(job, layout.as_json(), state=State.UPLOADED)
    return layout


def read(job: MetricImport, layout: Layout) -> None:
    """The host has chosen: read the file from its start. Raises: DomainError where it is too late to choose."""
    _set(job, layout.as_json() | {"is_confirmed": True}, state=State.UPLOADED)
    _set_off(job)


def _set(job: MetricImport, settings: dict[str, Any], *, state: str) -> None:
    changed = MetricImport.objects.filter(pk=job.pk, state__in=WAITING).update(
        state=state,
        settings=settings,
        position=0,
        lease_until=None,
        error="",
        **{f"rows_{name}": 0 for name in ("read", "new", "changed", "unchanged", "refused")},
    )
    if not changed:
        raise DomainError(_("This import can no longer be changed."), code="late")


def say_yes(job: MetricImport, *, good_rows: bool) -> None:
    """Store what is good. A second yes changes nothing. Raises: DomainError where there is nothing to say yes to."""
    if job.state in (State.RUNNING, State.DONE):
        return
    if job.state != State.READY:
        raise DomainError(_("This import has no preview to say yes to."), code="late")
    if not job.rows_new + job.rows_changed + job.rows_unchanged:
        raise DomainError(_("Nothing was stored: the file has no good row."), code="empty")
    if job.rows_refused and not good_rows:
        raise DomainError(
            _("Nothing was stored: rows are refused. Correct the file, or tick “Import the good rows”."), code="refused"
        )
    if MetricImport.objects.filter(pk=job.pk, state=State.READY).update(
        state=State.RUNNING, error="", lease_until=None
    ):
        _set_off(job)


def take_back(job: MetricImport) -> None:
    """Undo the import as a whole. A second time changes nothing. Raises: DomainError where it is too late."""
    if job.state == State.UNDONE:
        return
    if not can_undo(job):
        raise DomainError(_("This import can no longer be undone."), code="late")
    if MetricImport.objects.filter(pk=job.pk, state=State.DONE).update(state=State.RUNNING, error="", lease_until=None):
        _set_off(job)


def can_undo(job: MetricImport) -> bool:
    return (
        job.state == State.DONE and job.finished_at is not None and job.finished_at > clock.now() - jobs.UNDO
    ) and bool(job.rows_new + job.rows_changed)


def discard(job: MetricImport) -> bool:
    """Throw away a file that waits; whether it did."""
    thrown = MetricImport.objects.filter(pk=job.pk, state__in=WAITING).update(state=State.DISCARDED, lease_until=None)
    if thrown:
        files.discard(job.user_id, job.pk)
    return bool(thrown)


def _set_off(job: MetricImport) -> None:
    """A small file at once, a large one by the next worker."""
    if job.body_bytes <= AT_ONCE_BYTES:
        try:
            jobs.advance(job.pk)
        except OperationalError as error:  # something holds a row too long: the worker will wait for it
            log.warning("import %s is left to a worker: %s", job.pk, type(error).__name__)
    if MetricImport.objects.filter(pk=job.pk, state__in=(State.UPLOADED, State.RUNNING)).exists():
        transaction.on_commit(lambda: nudge("portfolios.tasks.work_imports"), robust=True)


def earlier(job: MetricImport) -> MetricImport | None:
    """The same file, stored before."""
    same = MetricImport.objects.filter(user_id=job.user_id, sha256=job.sha256, state=State.DONE)
    return same.exclude(pk=job.pk).order_by("-finished_at").first() if job.sha256 else None
