"""What /health says of backups. Broken backups stop no page: they are red, and the site serves."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import connection

from gpuadvisor.core import clock
from gpuadvisor.core.health import Alarm, Trouble
from gpuadvisor.core.models import Heartbeat, JobRun
from gpuadvisor.operations.models import Backup, RestoreCheck

ARCHIVE = "archive"  # the heartbeat that says until when WAL lies in the repository
ARCHIVE_RED = timedelta(minutes=10)
BACKUP_AMBER, BACKUP_RED = timedelta(hours=26), timedelta(hours=50)
CHECK_AMBER = timedelta(days=35)
COPY = "backup-copy"
COPY_AMBER = timedelta(hours=26)


def archive() -> None:
    """Raises: Alarm where what is written now is in no backup for ten minutes (promise 12)."""
    last = Backup.objects.filter(state=Backup.State.DONE).order_by("-started_at").first()
    if settings.BACKUP_DRIVER == "off" or last is None:
        return
    beat = Heartbeat.objects.filter(name=ARCHIVE).first()
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute("select pg_postmaster_start_time()")
        (since,) = cursor.fetchone()
    newest = max(since, last.finished_at or last.started_at, beat.seen_at if beat else since)
    if now - newest > ARCHIVE_RED:
        minutes = (now - newest).total_seconds() / 60
        raise Alarm(f"the newest archived WAL is {minutes:.0f} minutes old: what was written since is in no backup")


def backup() -> None:
    """Raises: Trouble or Alarm where the newest backup is too old, or the last one failed."""
    if settings.BACKUP_DRIVER == "off":
        if settings.EMBEDDED_POSTGRES:
            raise Trouble("backups are switched off (BACKUP_DRIVER=off)")
        return
    now = clock.now()
    newest = Backup.objects.filter(state=Backup.State.DONE).order_by("-started_at").first()
    last = Backup.objects.exclude(state=Backup.State.RUNNING).order_by("-started_at").first()
    if newest is None:
        first = JobRun.objects.order_by("pk").first()
        if first is not None and now - first.started_at > BACKUP_AMBER:
            raise Trouble("there is no backup yet")
    elif now - newest.started_at > BACKUP_RED:
        raise Alarm(f"the newest backup is {(now - newest.started_at).days} days old")
    elif now - newest.started_at > BACKUP_AMBER:
        raise Trouble("the newest backup is more than a day old")
    if last is not None and last.state == Backup.State.FAILED:
        raise Trouble(f"the last backup failed: {last.error}"[:300])
    if settings.BACKUP_COPY_DIR:
        copied = Heartbeat.objects.filter(name=COPY).first()
        if copied is not None and now - copied.seen_at > COPY_AMBER:
            raise Trouble("the second place of the backups (BACKUP_COPY_DIR) is more than a day behind")


def restore_check() -> None:
    """Raises: Alarm where the last check failed, Trouble where the last good one is too old."""
    if settings.BACKUP_DRIVER == "off":
        return
    last = RestoreCheck.objects.filter(finished_at__isnull=False).order_by("-started_at").first()
    if last is None:
        return
    if not last.is_ok:
        raise Alarm("the backups could not be restored when that was tried last")
    if clock.now() - last.started_at > CHECK_AMBER:
        raise Trouble("nobody has tried for five weeks whether the backups can be restored")
