"""What broke a quality rule (R-037): written down once, decided by staff, and followed by the figures later.

Here rows are recorded and decided; `market.decisions` lets the figures follow.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gpuadvisor.core import clock
from gpuadvisor.core.audit import record as record_audit
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.nudge import nudge

from . import stats
from .models import Quarantine, SourceRun
from .quality import Finding
from .sources import SOURCES
from .sources.base import RawDocument
from .storage import QuarantineRow
from .verdicts import Decisions

if TYPE_CHECKING:
    from gpuadvisor.accounts.models import User


DOCUMENTS_KEPT = timedelta(days=14)
NEWEST_KEPT = 3  # held documents of one source: a later one tells more than the one before it
APPLY_TASK = "market.tasks.apply_decisions"
MAX_UNPACKED = 128 * 1024 * 1024
UNUSABLE = frozenset({"truncated", "clock_ahead"})
MOVED_ON = gettext_lazy(
    "The market has moved on: a later document of the source is part of the figures already. Confirm this one."
)


def decisions(source: str) -> Decisions:
    """What staff decided about rows of `source`, by rule, subject and price in ten-thousandths of a USD."""
    rows = Quarantine.objects.filter(source=source, scope=Quarantine.Scope.ROW).exclude(decision="open")
    found = rows.values_list("rule", "subject", "price", "decision")
    return Decisions(
        (rule, subject, None if price is None else stats.units(price), decision)
        for rule, subject, price, decision in found
    )


def record(run: SourceRun, rows: Sequence[QuarantineRow], at: datetime) -> None:
    """Write refused rows down, in one statement. One seen before is counted and keeps its decision.

    A document counted once is not counted again: `at` is its own time.
    """
    if not rows:
        return
    texts = ", ".join(f"{name} text" for name in ("platform", "rule", "subject", "gpu_model", "reason", "fragment"))
    incoming = [
        {
            "id": str(uuid7()),
            "platform": row.platform,
            "rule": row.rule,
            "subject": row.subject[:160],
            "gpu_model": row.gpu_model,
            "price": None if row.price is None else str(row.price),
            "reason": row.reason[:300],
            "fragment": row.fragment,
        }
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            insert into quarantined_rows as q (id, source, platform, scope, rule, subject, gpu_model, price, reason,
                fragment, run_id, observed_at, first_seen_at, last_seen_at, times, decision, note)
            select distinct on (i.rule, i.subject, i.price) i.id, %(source)s, i.platform, 'row', i.rule, i.subject,
                i.gpu_model, i.price, i.reason, i.fragment, %(run)s, %(at)s, %(at)s, %(at)s, 1, 'open', ''
            from jsonb_to_recordset(%(rows)s::jsonb) as i(id uuid, price numeric, {texts})
            on conflict (source, rule, subject, price) do update set
                times = q.times + 1, last_seen_at = excluded.last_seen_at, observed_at = excluded.observed_at,
                run_id = excluded.run_id, reason = excluded.reason, fragment = excluded.fragment,
                platform = excluded.platform, gpu_model = excluded.gpu_model
            where q.last_seen_at < excluded.last_seen_at
            """,  # noqa: S608 - nothing but our own names
            {"source": run.source, "run": run.pk, "at": at, "rows": json.dumps(incoming)},
        )


@transaction.atomic
def hold(run: SourceRun, platform: str, document: RawDocument, finding: Finding, at: datetime) -> None:
    """Put a whole document aside for staff; of one source the newest three keep their contents."""
    now = clock.now()
    row, is_new = Quarantine.objects.get_or_create(
        source=run.source,
        rule=finding.rule,
        subject=document.sha256,
        price=None,
        defaults={
            "platform": platform,
            "scope": Quarantine.Scope.BATCH,
            "reason": finding.reason[:300],
            "fragment": document.body[:400].decode("utf-8", "replace").replace("\0", ""),
            "document": zlib.compress(document.body, 6),
            "run": run,
            "observed_at": at,
            "first_seen_at": now,
            "last_seen_at": now,
        },
    )
    if not is_new:
        Quarantine.objects.filter(pk=row.pk).update(times=row.times + 1, last_seen_at=now)
        return
    older = Quarantine.objects.filter(source=run.source, scope=Quarantine.Scope.BATCH, document__isnull=False)
    keep = older.order_by("-first_seen_at", "-pk").values_list("pk", flat=True)[:NEWEST_KEPT]
    older.exclude(pk__in=list(keep)).exclude(decision="released", applied_at=None).update(document=None)


def is_released(source: str, document: RawDocument) -> bool:
    """Whether staff let this very document in."""
    batches = Quarantine.objects.filter(source=source, scope=Quarantine.Scope.BATCH, subject=document.sha256)
    return batches.filter(decision=Quarantine.Decision.RELEASED).exists()


def unpacked(row: Quarantine) -> bytes:
    """The held document.

    Raises: DomainError where it was dropped.
    """
    if row.document is None:
        raise DomainError(_("The document was dropped: it is kept for 14 days, and of one source the newest three."))
    return zlib.decompressobj().decompress(bytes(row.document), MAX_UNPACKED)


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision came to: `rows` follow it, `skipped` could not, each reason once."""

    rows: int
    skipped: int
    why: tuple[str, ...] = ()


@transaction.atomic
def decide(*, pks: Collection[UUID], decision: str, user: User | None, note: str = "") -> Decided:
    """Release rows and batches into the figures, or confirm that they stay out; the figures follow in a worker.

    Raises: DomainError for a decision that is none.
    """
    if decision not in (Quarantine.Decision.RELEASED, Quarantine.Decision.CONFIRMED):
        raise DomainError(_("Choose to release or to confirm."))
    now, done, why = clock.now(), 0, []
    rows = Quarantine.objects.select_for_update().filter(pk__in=pks).defer("document")
    packed = set(Quarantine.objects.filter(pk__in=pks, document__isnull=False).values_list("pk", flat=True))
    for row in rows.order_by("pk"):
        if row.decision == decision:
            continue
        if refusal := _refusal(row, decision, has_document=row.pk in packed):
            why.append(refusal)
            continue
        was = row.decision
        counted = was == Quarantine.Decision.RELEASED
        row.decision, row.decided_by, row.decided_at, row.note = decision, user, now, note[:300]
        # What was out and stays out moves no figure.
        row.applied_at = None if counted or decision == Quarantine.Decision.RELEASED else now
        row.save(update_fields=["decision", "decided_by", "decided_at", "note", "applied_at"])
        details = {"row": str(row.pk), "what": str(row)[:200], "was": was, "decision": decision, "note": note[:300]}
        record_audit(user=user, action=f"market.quarantine.{decision}", details=details)
        done += 1
    if done:
        transaction.on_commit(lambda: nudge(APPLY_TASK), robust=True)
    return Decided(done, len(why), tuple(dict.fromkeys(why)))


def _refusal(row: Quarantine, decision: str, *, has_document: bool) -> str:
    """Why `row` cannot be decided so; empty where it can."""
    if row.scope == Quarantine.Scope.BATCH:
        if row.decision == Quarantine.Decision.RELEASED:
            return _(
                "A released batch is part of the figures already. For a day later documents may agree with the market "
                "of before it as well; if it was released by mistake, the next right one is stored by itself."
            )
        if decision == Quarantine.Decision.RELEASED and row.rule in UNUSABLE:
            return _("A cut answer, or one from the future, makes no figures whatever is decided. Confirm it.")
        if decision == Quarantine.Decision.RELEASED and not has_document:
            return _("The document was dropped: it is kept for 14 days, and of one source the newest three.")
        if decision == Quarantine.Decision.RELEASED and has_moved_on(row):
            return str(MOVED_ON)
    elif decision == Quarantine.Decision.RELEASED and is_simulated(row):
        return _("A row of the simulated market moves no figure: the next refresh makes the market anew.")
    elif decision == Quarantine.Decision.RELEASED and row.price is None:
        return _("A row without a price that can be read has nothing to release.")
    return ""


def is_simulated(row: Quarantine) -> bool:
    """Whether the row comes from the market that we make ourselves."""
    return row.source in SOURCES and SOURCES[row.source].origin == "simulated"


def has_moved_on(row: Quarantine) -> bool:
    """Whether a later document of the source was stored: who came or left since then is told by that one."""
    stored = SourceRun.objects.filter(source=row.source, status="ok", offers_used__gt=0)
    return stored.filter(observed_at__gt=row.observed_at).exists()


def drop_documents() -> int:
    """Drop held documents older than 14 days; the number dropped."""
    old = Quarantine.objects.filter(document__isnull=False, first_seen_at__lt=clock.now() - DOCUMENTS_KEPT)
    return old.update(document=None)
