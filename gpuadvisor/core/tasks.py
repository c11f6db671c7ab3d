"""Doorways for Celery to the work that belongs to no domain."""

from datetime import timedelta

from celery import shared_task
from django.core.cache import caches
from django.db import connection

from . import clock, mail, partitions, replica
from .jobs import once_per_slot
from .models import Heartbeat, JobRun

JOB_RUNS_KEPT = timedelta(days=90)


@shared_task
def send_due_mails() -> int:
    """Send what lies in the mail outbox and is due; the number attempted."""
    return mail.send_due()


@shared_task
def heartbeat(queue: str = "bulk") -> None:
    """Show that beat, broker and a worker of the queue are alive: health turns amber once its row is 120 s old."""
    now = clock.now()
    names = [f"queue/{queue}", "worker"] if queue == "bulk" else [f"queue/{queue}"]
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=name, seen_at=now) for name in names],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["seen_at"],
    )


@shared_task
def replica_heartbeat() -> None:
    """Write the row by which readers see how far a copy of the database is behind: every five seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into heartbeats (name, seen_at) values (%s, clock_timestamp())"
            " on conflict (name) do update set seen_at = excluded.seen_at",
            [replica.HEARTBEAT],
        )


@shared_task
@once_per_slot("core.make-months", every=timedelta(hours=6))
def make_months() -> int:
    """Keep the months of every partitioned table ready, three ahead."""
    return partitions.ensure_standing_months(clock.today())


@shared_task
@once_per_slot("core.sweep-limits", every=timedelta(minutes=10))
def sweep_limits() -> int:
    """Delete expired sign-in limits: the table itself drops them only past its million entries."""
    table = connection.ops.quote_name(caches["default"]._table)  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute(f"delete from {table} where expires < clock_timestamp()")  # noqa: S608 (a name of our settings)
        return int(cursor.rowcount)


@shared_task
@once_per_slot("core.clean-up", every=timedelta(days=1))
def clean_up() -> int:
    """Delete ended sessions and old job runs."""
    from importlib import import_module

    from django.conf import settings

    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    deleted, _ = JobRun.objects.filter(slot__lt=clock.now() - JOB_RUNS_KEPT).delete()
    return deleted
