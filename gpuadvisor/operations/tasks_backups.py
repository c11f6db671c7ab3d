"""Doorways for Celery to the backups. What takes longer than a task may, runs as a process of its own."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings

from gpuadvisor.core import clock
from gpuadvisor.core.health import Alarm
from gpuadvisor.core.jobs import claim_slot, finish, once_per_slot, slot_at
from gpuadvisor.core.models import Heartbeat
from gpuadvisor.operations.models import Backup, RestoreCheck

from .backups import health, rows, spool, watching
from .backups.afterwards import BACK_UP
from .backups.configuration import BackupError, configuration
from .backups.drivers import driver

log = logging.getLogger(__name__)
DAY_BEGINS = timedelta(hours=2, minutes=30)  # UTC: the nightly backup is due from then on
MARK_BYTES = 20_000_000_000  # of the database: past it rows are counted with each backup alone
CHECK_EVERY = timedelta(days=30)


@shared_task
def push_wal() -> int:
    """Bring finished WAL into the repository, each minute; the number of files."""
    if settings.BACKUP_DRIVER == "off":
        return 0
    config = configuration()
    if Backup.objects.filter(state=Backup.State.RUNNING).exists():
        rows.fail_dead(alive=watching.is_alive(config, "backup"))
    number, newest = 0, None
    try:
        if config.driver == "basebackup" and (pushed := spool.push(config)) is not None:
            number = pushed.number
            if pushed.copy_trouble:
                log.warning("%s", pushed.copy_trouble)
        newest = driver(config).newest_archived()  # a backup or a check may have brought it
    except BackupError as error:
        log.error("WAL was not brought into the repository: %s", error)
    if newest is not None:
        Heartbeat.objects.update_or_create(name=health.ARCHIVE, defaults={"seen_at": newest})
    _tell_of_the_archive()
    return number


def _tell_of_the_archive() -> None:
    try:
        health.archive()
    except Alarm as alarm:
        text = f"{alarm}.\n\nThe disk may be full, or the server's archive_command fails: its log says why."
        rows.tell_staff("The archive of the database is broken", text, once_a_day_as="backups.tell-archive")


@shared_task
def back_up() -> int:
    """Start the day's backup: asked every hour, done once in a day, the first time soon after the site came up."""
    if settings.BACKUP_DRIVER == "off":
        return 0
    run = claim_slot(BACK_UP, slot_at(clock.now() - DAY_BEGINS, timedelta(days=1)))
    if run is None:
        return 0
    watching.spawn("backup")
    finish(run, rows=1)
    return 1


@shared_task
def mark() -> int:
    """Count the rows, so that a restore of this hour can be compared; the number of tables."""
    if settings.BACKUP_DRIVER == "off" or not Backup.objects.filter(state=Backup.State.DONE).exists():
        return 0
    return _mark()


@once_per_slot("backups.mark", every=timedelta(hours=1))
def _mark() -> int:
    maker = driver(configuration())
    if maker.primary.bytes() > MARK_BYTES:
        return 0
    return len(maker.mark().counts)


@shared_task
def check() -> int:
    """Start the month's check, asked every day: thirty days after the last one, and a day after the first backup."""
    if (
        settings.BACKUP_DRIVER == "off"
        or not Backup.objects.filter(state=Backup.State.DONE, started_at__lt=clock.now() - timedelta(hours=20)).exists()
    ):
        return 0
    if RestoreCheck.objects.filter(started_at__gt=clock.now() - CHECK_EVERY).exists():
        return 0
    run = claim_slot("backups.check", slot_at(clock.now(), timedelta(days=1)))
    if run is None:
        return 0
    watching.spawn("restore_check")
    finish(run, rows=1)
    return 1


@shared_task
@once_per_slot("backups.copy", every=timedelta(hours=6))
def copy() -> int:
    """Bring the second place up to date; the number of files."""
    if settings.BACKUP_DRIVER != "basebackup" or not settings.BACKUP_COPY_DIR:
        return 0
    number = driver(configuration()).repository().copy_missing()
    Heartbeat.objects.update_or_create(name=health.COPY, defaults={"seen_at": clock.now()})
    return number


@shared_task
def run_now(what: str) -> int:
    """Start a backup or a check that staff asked for; nothing where one is under way."""
    if settings.BACKUP_DRIVER == "off" or what not in ("backup", "restore_check"):
        return 0
    if watching.is_alive(configuration(), "backup" if what == "backup" else "check"):
        return 0
    watching.spawn(what)
    return 1
