"""The figures follow what staff decided about quarantined rows and batches; only a worker comes here (R-037)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, transaction

from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError

from . import earlier, ingest, quarantine, repair, storage
from .models import PricingSnapshot, Quarantine
from .recompute import Span, recompute
from .sources import SOURCES
from .sources.base import RawDocument

log = logging.getLogger(__name__)

LOCK = 0x6D61726B  # one worker at a time; any constant does, if nobody else has it
AHEAD = timedelta(minutes=15)


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether nobody else applies decisions; a worker that dies lets go with its connection."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", [LOCK])
        (mine,) = cursor.fetchone()
        try:
            yield mine
        finally:
            if mine:
                cursor.execute("select pg_advisory_unlock(%s)", [LOCK])


def apply_due() -> int:
    """Let the figures follow every decision that is due; the number applied. What fails stays due and is told."""
    with _alone() as mine:
        if not mine:
            return 0
        due = list(Quarantine.objects.due().defer("document").order_by("decided_at"))
        groups: dict[tuple[str, str, str], list[Quarantine]] = {}
        for row in due:
            # A batch alone; rows of one model together, which is computed again once.
            key = (
                (row.source, row.platform, row.gpu_model)
                if row.scope == Quarantine.Scope.ROW
                else ("", "", str(row.pk))
            )
            groups.setdefault(key, []).append(row)
        return sum(_apply(rows) for rows in groups.values())


def _apply(rows: Sequence[Quarantine]) -> int:
    first = rows[0]
    try:
        if first.scope == Quarantine.Scope.BATCH:
            _replay(first)
        else:
            _count_again(rows)
    except Exception:
        log.exception("decision on %s could not be applied, it stays due", first)
        return 0
    now = clock.now()
    # one decided anew meanwhile stays due
    return sum(Quarantine.objects.filter(pk=r.pk, decided_at=r.decided_at).update(applied_at=now) for r in rows)


def _count_again(rows: Sequence[Quarantine]) -> None:
    """Compute the rows' GPU model on their platform again, since the first of them was seen."""
    first = rows[0]
    with transaction.atomic():
        # A refresh that read the decisions before this one is over then, and the next one reads them anew.
        leader = SOURCES[first.source].stands_in_for if first.source in SOURCES else ""
        storage.lock(leader or first.source)
        repair.mark_decisions(first.source)
    for gpu in [first.gpu_model] if first.gpu_model else _models_of(rows):
        since = min(row.first_seen_at for row in rows)
        recompute(Span(since, clock.now() + AHEAD, gpu=gpu, platform=first.platform))


def _models_of(rows: Sequence[Quarantine]) -> list[str]:
    """The GPU models of rows that were refused before they had one, as offers that were let in later tell them."""
    ids = [row.subject for row in rows]
    stored = PricingSnapshot.objects.filter(source=rows[0].source, external_id__in=ids)
    return sorted({earlier.COUNT.sub("", kind, count=1) for kind in stored.values_list("instance_type", flat=True)})


def _replay(row: Quarantine) -> None:
    """Store a released document after all: the next ones are compared with it. A confirmed one changes nothing."""
    if row.decision != Quarantine.Decision.RELEASED or row.source not in SOURCES:
        return
    row = Quarantine.objects.get(pk=row.pk)
    if quarantine.has_moved_on(row):
        _annotate(row, str(quarantine.MOVED_ON))
        return
    try:
        body = quarantine.unpacked(row)
    except DomainError as error:
        _annotate(row, error.user_message)
        return
    now = clock.now()
    told = None if SOURCES[row.source].own_clock else row.observed_at
    report = ingest.refresh(row.source, document=RawDocument(body, 200, now, observed_at=told), force=True, hold=False)
    if report.status == "failed":
        _annotate(row, f"It could not be stored: {report.error}")


def _annotate(row: Quarantine, what: str) -> None:
    Quarantine.objects.filter(pk=row.pk).update(note=f"{row.note} {what}".strip()[:300])
