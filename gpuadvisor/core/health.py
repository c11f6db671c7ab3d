"""Whether this installation can serve, and what of it is degraded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.core.cache import caches
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from kombu import Connection

from . import clock, partitions, replica
from .models import Heartbeat

WORKER_SILENT_SECONDS = 120
CLOCK_DIFFERENCE_SECONDS = 5


@dataclass
class Health:
    """`checks` by name: "ok" or a short sentence. Red checks stop serving; alarms are red too, but do not."""

    checks: dict[str, str] = field(default_factory=dict)
    red: list[str] = field(default_factory=list)
    amber: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        return "unavailable" if self.red else "alarm" if self.alarms else "degraded" if self.amber else "ok"


class Trouble(Exception):
    """A check failed; its text is the sentence."""


class Alarm(Trouble):
    """Somebody must act now, though every page is served: no reason to take this host out."""


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select 1")


_migrated = False


def _migrations() -> None:
    global _migrated  # once true it stays true for this process
    if not _migrated:
        if MigrationExecutor(connection).migration_plan(MigrationExecutor(connection).loader.graph.leaf_nodes()):
            raise Trouble("migrations are missing")
        _migrated = True


def _months() -> None:
    today = clock.today()
    for model in partitions.partitioned_models():
        ready = partitions.existing_months(model)
        for month in (today.replace(day=1), partitions.add_months(today, 1)):
            if month not in ready:
                raise Trouble(f"no month {month:%Y-%m} in {model._meta.db_table}")


def _cache() -> None:
    caches["sessions"].get("health")


def _broker() -> None:
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, "max_retries": 0}
    with Connection(settings.CELERY_BROKER_URL, transport_options=options, connect_timeout=1) as broker:
        broker.ensure_connection(max_retries=1, timeout=1)


def _started() -> None:
    if not Heartbeat.objects.filter(name="worker").exists():
        raise Trouble("the worker has not come up yet")


def _worker() -> None:
    beat = Heartbeat.objects.filter(name="worker").first()
    if beat is None or beat.age_seconds(clock.now()) > WORKER_SILENT_SECONDS:
        raise Trouble("no worker was seen for two minutes: mails and market refreshes wait")


def _clock() -> None:
    from django.utils import timezone

    if abs(timezone.now() - clock.now()) > timedelta(seconds=CLOCK_DIFFERENCE_SECONDS):
        raise Trouble("this machine's clock differs from the database's")


def _replica() -> None:
    if replica.is_set() and replica.copy.age() > replica.FRESH_SECONDS:
        raise Trouble("the replica is not fresh: reports read the primary")


RED: dict[str, Callable[[], None]] = {
    "database": _database,
    "migrations": _migrations,
    "months": _months,
    "started": _started,
}
AMBER: dict[str, Callable[[], None]] = {
    "cache": _cache,
    "broker": _broker,
    "worker": _worker,
    "clock": _clock,
    "replica": _replica,
}


def check() -> Health:
    """Run every check; after a dead database nothing that needs it is asked."""
    health = Health()
    for checks, found in ((RED, health.red), (AMBER, health.amber)):
        for name, run in checks.items():
            if "database" in health.red and name not in ("cache", "broker"):
                continue
            try:
                run()
                health.checks[name] = "ok"
            except Alarm as alarm:
                health.checks[name] = str(alarm)
                health.alarms.append(name)
            except Trouble as trouble:
                health.checks[name] = str(trouble)
                found.append(name)
            except Exception as error:  # whatever a check meets, the answer is a sentence
                health.checks[name] = f"does not answer ({type(error).__name__})"
                found.append(name)
    return health
