"""Everything that an account holds, made into one zip by a job in slices (R-066).

`Export.progress` says where the next slice goes on, how long each piece is that counts, and who asks; a lease says who
works. What is written after the last slice that was stored is cut off by the next worker, so a killed one costs a
slice. The zip stands under its name whole or not at all, and for a day.
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, close_old_connections, connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from gpuadvisor.accounts.adapters import speaking_to
from gpuadvisor.accounts.models import User
from gpuadvisor.core import audit, clock, replica
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.nudge import nudge

from ..models import Export
from . import inventory, letters, writing
from .inventory import Held
from .pieces import Piece, join

log = logging.getLogger(__name__)
State = Export.State
OPEN = (State.WAITING, State.WORKING)
MAKE = "gpuadvisor.operations.tasks_privacy.make_exports"

KEPT = timedelta(hours=24)
A_DAY = 3
LEASE = timedelta(seconds=90)
MOST_ATTEMPTS = 5
SLICE_ROWS = 20_000
SLICE_SECONDS = 8.0
FETCHED = 2_000  # rows of a server-side cursor in memory at once
FETCHED_LARGE = 50  # of tables whose rows may be large: a post of a program, what Stripe told
RUN_SECONDS = 180.0
TURN_SECONDS = 30.0  # for one export, while others wait
ORPHAN_SECONDS = 3_600


# -- Asking ------------------------------------------------------------------------------------------------------------
@transaction.atomic
def ask(user: User) -> Export:
    """The export that a host asks for: the open one where there is one, else a new one.

    Raises: DomainError (codes demo, often).
    """
    if user.is_demo:
        raise DomainError(
            _("The demo account holds nothing of yours: sign up for an account of your own."), code="demo"
        )
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user.pk)
    now = clock.now()
    mine = Export.objects.filter(user=user)
    row = mine.filter(state__in=OPEN).first()
    if row is None:
        if mine.filter(asked_at__gt=now - KEPT).exclude(state=State.FAILED).count() >= A_DAY:
            raise DomainError(
                _("You asked for three exports within a day. Take one of those, or come back tomorrow."), code="often"
            )
        row = Export.objects.create(user=user, asked_at=now)
        audit.record(user=user, action="privacy.export-asked", details={"export": str(row.pk)})
    transaction.on_commit(partial(nudge, MAKE), robust=True)
    return row


# -- Files -------------------------------------------------------------------------------------------------------------
def folder() -> Path:
    return Path(settings.EXPORT_DIR)


def path_of(pk: UUID) -> Path:
    """Where the zip of an export lies; nothing that anybody typed is in the name."""
    return folder() / f"{pk.hex}.zip"


def _work_folder(pk: UUID) -> Path:
    return folder() / f"{pk.hex}.work"


def discard(pk: UUID) -> None:
    """Delete all files of an export."""
    shutil.rmtree(_work_folder(pk), ignore_errors=True)
    for path in (path_of(pk), path_of(pk).with_suffix(".part")):
        path.unlink(missing_ok=True)


# -- Working -----------------------------------------------------------------------------------------------------------
CLAIM = """
update data_exports set lease = %(lease)s, lease_until = clock_timestamp() + make_interval(secs => %(seconds)s),
    attempts = attempts + 1, state = 'working'
where id = (
    select id from data_exports
    where state in ('waiting', 'working') and (lease_until is null or lease_until < clock_timestamp())
      and (%(only)s::uuid is null or id = %(only)s)
    order by lease_until nulls first, asked_at limit 1 for update skip locked
) returning id
"""


class Lost(Exception):
    """Somebody else works on this export now, or the account is gone."""


def work(*, seconds: float = RUN_SECONDS) -> int:
    """Work on the exports that wait, each in its turn; the number of turns."""
    until, turns = time.monotonic() + seconds, 0
    while (left := until - time.monotonic()) > 0 and advance(seconds=min(TURN_SECONDS, left)):
        turns += 1
    if Export.objects.filter(state__in=OPEN).exists():
        nudge(MAKE)
    return turns


def advance(only: UUID | None = None, *, seconds: float = TURN_SECONDS) -> bool:
    """One turn at one export; False where none waits."""
    lease = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"lease": lease, "seconds": LEASE.total_seconds(), "only": only})
        claimed = cursor.fetchone()
    if claimed is None:
        return False
    row = Export.objects.select_related("user").filter(pk=claimed[0], lease=lease).first()
    if row is None:
        return True
    turn = _Turn(row, lease)
    with speaking_to(row.user):
        try:
            if row.attempts > MOST_ATTEMPTS:
                raise DomainError(_("This was tried five times and broke off each time: try again later."))
            turn.run(time.monotonic() + seconds)
        except Lost:
            log.info("export %s is in other hands, or gone", row.pk)
            if not Export.objects.filter(pk=row.pk).exists():
                discard(row.pk)
        except DomainError as error:
            turn.fail(error.user_message)
        except OSError as error:
            log.exception("export %s", row.pk)
            turn.fail(
                _no_room() if error.errno in (errno.ENOSPC, errno.EDQUOT) else _("The file could not be written.")
            )
    return True


def _no_room() -> str:
    return _("There is no room for the file at the moment. The people who run this site have to look at it.")


class _Turn:
    """What one worker does with an export while its lease lasts."""

    def __init__(self, row: Export, lease: UUID) -> None:
        self.row, self.lease = row, lease
        self.owner = inventory.owner_of(row.user)
        self.tables = [one for one in inventory.held() if not one.table.label.startswith("djstripe.") or self._pays()]

    def _pays(self) -> bool:
        return bool(self.owner.customers)

    def run(self, until: float) -> None:
        """Slices, until all is read or the time is over."""
        _work_folder(self.row.pk).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._begin()
        while self.row.progress["at"] < len(self.tables):
            self._slice()
            if time.monotonic() > until:
                self._release()
                return
        self._finish()

    def _begin(self) -> None:
        """Count what is to come, once; a list of tables that changed (another version of the program) starts anew."""
        names = [one.name for one in self.tables]
        if self.row.progress.get("tables") == names:
            return
        self.row.progress = {"tables": names, "at": 0, "after": None, "pieces": {}, "begun": clock.now().isoformat()}
        self.row.done_rows, self.row.total_rows = 0, sum(one.rows(self.owner).count() for one in self.tables)
        with transaction.atomic():
            self._hold()
            self._write("progress", "done_rows", "total_rows")

    def _slice(self) -> None:
        """The next rows, in one transaction that also says how far it is; then they count."""
        until, left = time.monotonic() + SLICE_SECONDS, SLICE_ROWS
        with transaction.atomic():
            self._hold()
            while left > 0 and self.row.progress["at"] < len(self.tables) and time.monotonic() < until:
                left -= self._part(self.tables[self.row.progress["at"]], left)
            self.row.attempts = 0
            self._write("progress", "done_rows", "attempts")

    def _part(self, one: Held, most: int) -> int:
        """At most so many rows of a table behind those that stand; how many. From the copy, where it holds them."""
        source = replica.db_with(self.row.asked_at)
        if source == DEFAULT_DB_ALIAS:
            return self._read(one, most, source)
        try:
            return self._read(one, most, source)
        except (DatabaseError, InterfaceError) as error:
            replica.copy.failed(error)
            return self._read(one, most, DEFAULT_DB_ALIAS)

    def _read(self, one: Held, most: int, source: str) -> int:
        progress, writer = self.row.progress, writing.Writer(one)
        told, order = writer.names, one.order
        rows = one.rows(self.owner).using(source)
        if progress["after"] is not None:
            rows = rows.filter(_behind(order, progress["after"]))
        fetched = FETCHED if one.table.key else FETCHED_LARGE
        names = [name if name != "pk" else one.model._meta.pk.attname for name in order]
        found: Iterator[Any] = rows.order_by(*names).values_list(*told, *names)[:most].iterator(chunk_size=fetched)
        if (row := next(found, None)) is None:
            self._end_of(one)
            return 0
        pieces = {kind: self._piece(one, kind) for kind in ("json", "csv")}
        number, last = 0, row
        try:
            is_first = pieces["json"].state["rows"] == 0
            if is_first:
                for kind, text in zip(("json", "csv"), writer.heading(), strict=True):
                    pieces[kind].write(text)
            while row is not None:
                pieces["json"].write(writer.row(list(row[: len(told)]), is_first=is_first))
                is_first, last, number = False, row, number + 1
                if number % fetched == 0:
                    pieces["csv"].write(writer.sheet())
                row = next(found, None)
            pieces["csv"].write(writer.sheet())
            for piece in pieces.values():
                piece.state["rows"] += number
                piece.close(is_last=False)
        except BaseException:
            for piece in pieces.values():
                piece.drop()
            raise
        progress["pieces"][one.name] = {kind: piece.state for kind, piece in pieces.items()}
        progress["after"] = [writing.PLAIN.get(type(value), lambda same: same)(value) for value in last[len(told) :]]
        self.row.done_rows += number
        if number < most:
            self._end_of(one)
        return number

    def _end_of(self, one: Held) -> None:
        progress = self.row.progress
        if one.name in progress["pieces"]:
            for kind, text in (("json", writing.END), ("csv", "")):
                piece = self._piece(one, kind)
                piece.write(text)
                piece.close(is_last=True)
                progress["pieces"][one.name][kind] = piece.state
        progress["at"], progress["after"] = progress["at"] + 1, None

    def _piece(self, one: Held, kind: str) -> Piece:
        state = self.row.progress["pieces"].get(one.name, {}).get(kind, {})
        return Piece(_work_folder(self.row.pk) / f"{one.name}.{kind}", state)

    def _finish(self) -> None:
        """Join the pieces, tell the host, and only then offer the file."""
        row, now, pieces = self.row, clock.now(), self.row.progress["pieces"]
        counted = [(one, pieces.get(one.name, {}).get("json", {}).get("rows", 0)) for one in self.tables]
        texts = {
            "README.txt": writing.readme(counted, site=settings.SITE_NAME, made_at=now),
            "schema.json": writing.schema(
                counted, self.owner, made_at=now, begun_at=datetime.fromisoformat(row.progress["begun"])
            ),
        }
        files = [
            (f"{kind}/{name}.{kind}", _work_folder(row.pk) / f"{name}.{kind}", state)
            for kind in ("json", "csv")
            for name, both in pieces.items()
            for state in [both[kind]]
        ]
        size = join(path_of(row.pk), files, texts, now=now, between=self._prolong)
        with transaction.atomic():
            self._hold()
            row.state, row.bytes, row.file = State.READY, size, path_of(row.pk).name
            row.ready_at, row.expires_at, row.progress, row.lease_until = now, now + KEPT, {}, None
            self._write("state", "bytes", "file", "ready_at", "expires_at", "progress", "lease_until")
            letters.export_ready(row.user, row)
            details = {"account": str(row.user_id), "export": str(row.pk), "bytes": size}
            audit.record(user=None, action="privacy.export-ready", details=details)
        shutil.rmtree(_work_folder(row.pk), ignore_errors=True)

    def fail(self, message: str) -> None:
        """Say why, and leave no half of it behind."""
        if not connection.in_atomic_block:
            close_old_connections()
        changed = Export.objects.filter(pk=self.row.pk, lease=self.lease, state=State.WORKING).update(
            state=State.FAILED, error=message[:300], lease=None, lease_until=None, progress={}
        )
        if changed:
            discard(self.row.pk)

    def _hold(self) -> None:
        """Lock the row for this transaction, and prolong the lease. Raises: Lost."""
        mine = Export.objects.select_for_update(no_key=True, of=("self",)).filter(
            pk=self.row.pk, state=State.WORKING, lease=self.lease, user__is_active=True
        )
        if not mine.exists():
            raise Lost
        self.row.lease_until = clock.now() + LEASE

    def _prolong(self) -> None:
        Export.objects.filter(pk=self.row.pk, lease=self.lease).update(lease_until=clock.now() + LEASE)

    def _write(self, *names: str) -> None:
        self.row.save(update_fields=[*names] if "lease_until" in names else [*names, "lease_until"])

    def _release(self) -> None:
        """Let the next one have it at once, behind those that wait longer."""
        Export.objects.filter(pk=self.row.pk, lease=self.lease).update(lease_until=clock.now())


def _behind(order: tuple[str, ...], values: list[Any]) -> Q:
    """What comes after a row in this order, so that an index finds it."""
    behind = Q(pk__in=[])
    same = Q()
    for name, value in zip(order, values, strict=True):
        behind |= same & Q(**{f"{name}__gt": value})
        same &= Q(**{name: value})
    return Q(**{f"{order[0]}__gte": values[0]}) & behind


# -- Looking after -----------------------------------------------------------------------------------------------------
def expire() -> int:
    """Delete files whose day is over, and those that belong to no row; the number of exports that ended."""
    now = clock.now()
    ended = 0
    for pk in list(Export.objects.filter(state=State.READY, expires_at__lte=now).values_list("pk", flat=True)):
        ended += Export.objects.filter(pk=pk, state=State.READY).update(state=State.EXPIRED, file="")
        discard(pk)
    _sweep_folder()
    return ended


def _sweep_folder() -> None:
    """Files of a row that is gone, or that was never finished."""
    if not folder().is_dir():
        return
    limit = time.time() - ORPHAN_SECONDS
    found: dict[UUID, list[Path]] = {}
    for path in folder().iterdir():
        with suppress(ValueError, FileNotFoundError):
            if path.stat().st_mtime < limit:
                found.setdefault(UUID(hex=path.stem), []).append(path)
    wanted = Export.objects.filter(pk__in=found, state__in=(*OPEN, State.READY)).values_list("pk", flat=True)
    for pk in set(found) - set(wanted):
        discard(pk)
