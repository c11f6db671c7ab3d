"""The rows by which staff see backups. The repository is the truth: after a restore the rows are of the past."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives

from gpuadvisor.core import clock, mail
from gpuadvisor.core.jobs import claim_slot, finish, slot_at
from gpuadvisor.operations.models import Backup

from .drivers import Driver, Kept

log = logging.getLogger(__name__)
RUNNING = "running-"  # the label of one that has none yet


def take(driver: Driver, *, full: bool | None) -> Kept:
    """Make a backup and write down how it went; afterwards take away what is no longer needed.

    Raises: BackupError.
    """
    started = clock.now()
    kind = Backup.Kind.FULL if full else Backup.Kind.INCREMENTAL
    row = Backup.objects.create(
        kind=kind, driver=driver.name, label=f"{RUNNING}{started:%Y%m%d-%H%M%S.%f}", started_at=started
    )
    try:
        kept = driver.take(full=full)
    except Exception as error:  # the row must not say "running" for ever
        row.state, row.error, row.finished_at = Backup.State.FAILED, f"{error}"[:500], clock.now()
        row.save()
        raise
    _fill(row, kept)
    row.save()
    driver.expire(clock.now())
    align(driver)
    return kept


def _fill(row: Backup, kept: Kept) -> None:
    row.kind = Backup.Kind.FULL if kept.is_full else Backup.Kind.INCREMENTAL
    row.label, row.state, row.bytes = kept.label, Backup.State.DONE, kept.bytes
    row.finished_at = kept.finished_at


def align(driver: Driver) -> int:
    """Make the rows say what the repository holds; how many were wrong."""
    there = {kept.label: kept for kept in driver.kept()}
    known = {row.label: row for row in Backup.objects.filter(driver=driver.name)}
    changed = 0
    for label, kept in there.items():
        row = known.get(label) or Backup(driver=driver.name, label=label, started_at=kept.started_at)
        if row.state != Backup.State.DONE or label not in known:
            _fill(row, kept)
            row.save()
            changed += 1
    for label, row in known.items():
        if row.state == Backup.State.DONE and label not in there:
            Backup.objects.filter(pk=row.pk).update(state=Backup.State.EXPIRED)
            changed += 1
    return changed


def fail_dead(alive: bool) -> int:
    """Write down that a backup's process is gone (`alive`: whether one still works); how many."""
    if alive:
        return 0
    running = Backup.objects.filter(state=Backup.State.RUNNING)
    return running.update(
        state=Backup.State.FAILED, error="Its process ended before it was done.", finished_at=clock.now()
    )


def tell_staff(subject: str, text: str, *, once_a_day_as: str = "") -> int:
    """A mail to every active member of staff; with a name, the same one at most once in a day. How many were told."""
    if once_a_day_as:
        run = claim_slot(once_a_day_as, slot_at(clock.now(), timedelta(days=1)))
        if run is None:
            return 0
        finish(run)
    addresses = list(get_user_model().objects.filter(is_staff=True, is_active=True).values_list("email", flat=True))
    for address in addresses:
        mail.queue(EmailMultiAlternatives(subject, text, to=[address]))
    if not addresses:
        log.error("%s (nobody is staff, so nobody was told): %s", subject, text)
    return len(addresses)
