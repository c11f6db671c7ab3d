"""What a restored database must not do again: mails and alerts of before, and a plan that Stripe has ended."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import caches as cached

from alerts.delivery.recording import settle
from alerts.models import AlertDelivery
from billing import reconciling
from gpuadvisor.core import audit, clock, mail
from gpuadvisor.core.models import JobRun, QueuedMail
from gpuadvisor.operations import after_restore

from . import rows
from .configuration import BackupError, configuration
from .drivers import driver

OLD = timedelta(hours=24)
BATCH = 1_000
RESTORED = "operations.restored"
BACK_UP = "backups.back-up"  # the job of tasks_backups.py
WHY = "the database was restored to a moment before it was sent"


def old_messages(restored_to: datetime) -> str:
    """What waited for more than a day is given up: nobody wants to hear of it now, or has heard already."""
    limit = clock.now() - OLD
    old = AlertDelivery.objects.filter(status=AlertDelivery.Status.PENDING, created_at__lt=limit)
    deliveries = 0
    while ended := list(old.values_list("pk", "log_id")[:BATCH]):
        AlertDelivery.objects.filter(pk__in=[pk for pk, _ in ended]).update(
            status=AlertDelivery.Status.DEAD, ended_at=clock.now(), last_error=WHY, lease=None, lease_until=None
        )
        settle(ended)
        deliveries += len(ended)
    mails = QueuedMail.objects.filter(status=QueuedMail.Status.PENDING, created_at__lt=limit).update(
        status=QueuedMail.Status.FAILED, last_error=WHY, lease=None, lease_until=None, body=b""
    )
    mail.empty_old_bodies()
    waiting = AlertDelivery.objects.filter(status=AlertDelivery.Status.PENDING).count()
    waiting += QueuedMail.objects.filter(status=QueuedMail.Status.PENDING).count()
    return (
        f"{deliveries} deliveries and {mails} mails older than 24 hours were given up; {waiting} younger ones will"
        " leave (some may have left before)."
    )


def jobs(restored_to: datetime) -> str:
    """A job that ran when the moment was taken runs nowhere now. That there was a restore is written down."""
    audit.record(user=None, action=RESTORED, details={"to": restored_to.isoformat()})
    ended = JobRun.objects.filter(finished_at=None).update(finished_at=clock.now(), error="the database was restored")
    JobRun.objects.filter(job=BACK_UP, slot__gt=clock.now() - timedelta(days=2)).delete()  # a full one is due soon
    return f"{ended} jobs under way then were ended; a backup is made within the hour."


def caches(restored_to: datetime) -> str:
    """Pages and sessions of after the moment must not be shown again."""
    for name in ("sessions", "pages"):
        cached[name].clear()
    return "Cached pages and sessions were dropped: who signed in after the moment signs in again."


def backups(restored_to: datetime) -> str:
    """The rows of backups are of the past: the repository says what there is."""
    rows.fail_dead(alive=False)
    try:
        changed = rows.align(driver(configuration()))
    except BackupError as error:
        return f"The list of backups was not brought up to date: {error}"
    return f"The list of backups was brought up to date ({changed} rows)."


def stripe(restored_to: datetime) -> str:
    """What hosts bought, ended or paid since then, Stripe knows."""
    if not settings.BILLING_ENABLED:
        return "Payments are off: nothing to compare."
    run = reconciling.take()
    differences = reconciling.work(run)
    if run.error:
        raise BackupError(run.error)
    return (
        f"{run.compared} accounts compared with Stripe, {len(differences)} differences found, {run.repaired} repaired."
    )


def register() -> None:
    after_restore.register("mails and alerts", old_messages)
    after_restore.register("jobs", jobs)
    after_restore.register("caches", caches)
    after_restore.register("backups", backups)
    after_restore.register("Stripe", stripe)
