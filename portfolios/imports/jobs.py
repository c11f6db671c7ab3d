"""The worker's part: who works on which import, how long, and what is cleared away.

A lease says that somebody works; a transaction holds the row while it writes. One that dies leaves both behind: the
transaction is undone at once, the lease runs out, and the next worker goes on from the last slice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import translation
from django.utils.translation import gettext as _

from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError

from ..models import MetricImport
from . import files, reading, storing

log = logging.getLogger(__name__)
State = MetricImport.State
LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 5
RUN_SECONDS = 150.0  # a task ends later, but another may want its turn
TURN_SECONDS = 20.0  # for one import, while others wait
WAITS = timedelta(days=1)  # for its owner's yes
UNDO = timedelta(days=30)
DELETE_ROWS = 20_000

CLAIM = """
update metric_imports set lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
    settings = jsonb_set(settings, '{attempts}', to_jsonb(coalesce((settings->>'attempts')::int, 0) + 1))
where id = (
    select id from metric_imports
    where state in ('uploaded', 'running') and (state = 'running' or settings->>'is_confirmed' = 'true')
      and (lease_until is null or lease_until < clock_timestamp()) and (%(only)s::uuid is null or id = %(only)s)
    order by lease_until nulls first, created_at limit 1 for update skip locked
) returning id, lease_until
"""


class Lost(Exception):
    """Somebody else works on this import now, or its owner has thrown it away."""


def work(*, seconds: float = RUN_SECONDS) -> int:
    """Work on the imports that wait, each in its turn; the number of turns."""
    until, turns = time.monotonic() + seconds, 0
    while time.monotonic() < until and advance(seconds=min(TURN_SECONDS, until - time.monotonic())):
        turns += 1
    return turns


def advance(only: UUID | None = None, *, seconds: float = TURN_SECONDS) -> bool:
    """One turn at one import; False where none waits."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"lease": LEASE.total_seconds(), "only": only})
        claimed = cursor.fetchone()
    if claimed is None:
        return False
    job = MetricImport.objects.select_related("user").get(pk=claimed[0])
    turn = _Turn(job, claimed[1])
    with translation.override(job.user.language or settings.LANGUAGE_CODE):
        try:
            if job.settings.get("attempts", 0) > MOST_ATTEMPTS:
                raise DomainError(_("This was tried five times and broke off each time: try again later."))
            if job.state == State.UPLOADED:
                turn.read(time.monotonic() + seconds)
            else:
                turn.store_or_undo()
        except DomainError as error:
            turn.fail(error.user_message)
        except Lost:
            log.info("import %s is in other hands", job.pk)
    return True


class _Turn:
    """What one worker does with an import while its lease lasts."""

    def __init__(self, job: MetricImport, lease: datetime) -> None:
        self.job, self.lease = job, lease

    def read(self, until: float) -> None:
        """Slices, until the file or the time ends."""
        if not self.job.position:
            self._clear()
        reader = reading.Reader(self.job)
        try:
            while True:
                with transaction.atomic():
                    self._hold()
                    with connection.cursor() as cursor:
                        is_last = reader.slice(cursor, self.job)
                    self.job.settings["attempts"] = 0
                    self._write("position", "rows_read", "settings")
                if is_last or time.monotonic() > until:
                    break
            if is_last:
                with transaction.atomic():
                    self._hold()
                    reading.finish(self.job)
                    self.job.state = State.READY
                    self._write("state", "rows_read", "rows_new", "rows_changed", "rows_unchanged", "rows_refused")
            self._release()
        finally:
            reader.close()

    def store_or_undo(self) -> None:
        """Everything or nothing; a file that is stored is no longer needed."""
        with transaction.atomic():
            self._hold()
            job = self.job
            if job.finished_at is None:
                storing.store(job)
                job.state = State.DONE
                transaction.on_commit(lambda: files.discard(job.user_id, job.pk), robust=True)
            else:
                job.settings["kept"] = storing.undo(job, job.finished_at)
                job.state, job.undone_at = State.UNDONE, clock.now()
            job.settings["attempts"] = 0
            job.lease_until = None
            self._write(
                *("state", "finished_at", "undone_at", "settings", "rows_new", "rows_changed", "rows_unchanged"),
                *("rows_refused", "lease_until"),
            )

    def fail(self, message: str) -> None:
        """Say why. A yes that could not be carried out leaves the preview; an undo leaves the import as it was."""
        job = MetricImport.objects.get(pk=self.job.pk)
        after = State.FAILED if job.state == State.UPLOADED else State.DONE if job.finished_at else State.READY
        job.settings["attempts"] = 0
        MetricImport.objects.filter(pk=job.pk, state=job.state, lease_until=self.lease).update(
            state=after, error=message[:500], lease_until=None, settings=job.settings
        )

    def _hold(self) -> None:
        """Lock the row for this transaction, and prolong the lease. Raises: Lost."""
        row = MetricImport.objects.select_for_update(no_key=True).filter(
            pk=self.job.pk, state=self.job.state, lease_until=self.lease
        )
        if not row.exists():
            raise Lost
        self.job.lease_until = clock.now() + LEASE

    def _write(self, *names: str) -> None:
        self.job.save(update_fields=[*names, "lease_until"])
        if self.job.lease_until is not None:
            self.lease = self.job.lease_until

    def _release(self) -> None:
        """Let the next one have it at once, behind those that wait longer."""
        MetricImport.objects.filter(pk=self.job.pk, lease_until=self.lease).update(lease_until=clock.now())

    def _clear(self) -> None:
        """Reading from the start: rows of an earlier try are in the way."""
        delete_rows(self.job.pk)
        self.job.rows_read = 0


def delete_rows(batch: UUID, *, between: Callable[[], None] = lambda: None) -> int:
    """Delete the staged rows of an import in slices; their number."""
    deleted = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                "delete from metric_import_rows where batch_id = %(batch)s and line < (select min(line) + %(most)s"
                " from metric_import_rows where batch_id = %(batch)s)",
                {"batch": batch, "most": DELETE_ROWS},
            )
            if not cursor.rowcount:
                return deleted
            deleted += cursor.rowcount
            between()


def purge() -> int:
    """Throw away what waited for a day, the rows behind an undo that nobody asked for in 30 days, and orphaned files.

    The number of imports that were thrown away.
    """
    now = clock.now()
    waiting = MetricImport.objects.filter(
        state__in=(State.UPLOADED, State.READY, State.FAILED), created_at__lt=now - WAITS
    )
    thrown = 0
    for pk, user_pk in list(waiting.values_list("pk", "user_id")):
        thrown += waiting.filter(pk=pk).update(state=State.DISCARDED, lease_until=None)
        files.discard(user_pk, pk)
    over = MetricImport.objects.filter(state__in=(State.DISCARDED, State.UNDONE)) | MetricImport.objects.filter(
        state=State.DONE, finished_at__lt=now - UNDO
    )
    for pk in list(over.filter(pk__in=_staged()).values_list("pk", flat=True)):
        if not MetricImport.objects.filter(pk=pk, state=State.UNDONE, undone_at__gt=now - WAITS).exists():
            delete_rows(pk)  # what an undo left can be read for a day
    kept = MetricImport.objects.filter(state__in=(State.UPLOADED, State.READY, State.FAILED, State.RUNNING))
    files.purge(set(kept.values_list("pk", flat=True)))
    return thrown


def _staged() -> list[UUID]:
    """Imports that have staged rows: one look into the index for each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select i.id from metric_imports i"
            " where exists (select 1 from metric_import_rows r where r.batch_id = i.id)"
        )
        return [pk for (pk,) in cursor]
