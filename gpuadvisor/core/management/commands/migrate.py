"""Django's `migrate`, which gives way to readers, is quick on a new database, and leaves months ready."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from psycopg.errors import LockNotAvailable

from gpuadvisor.core.partitions import ensure_standing_months

LOCK_TIMEOUT = "2s"
PAUSES = (0.5, 1, 2, 4, 8, 15, 15, 15)  # seconds between tries for a lock that somebody holds
SLOW_APP = "djstripe"  # its migrations draw hundreds of models anew: 40 s for tables that take 2


class Command(DjangoMigrate):
    """Waits two seconds at most for a lock, so no queue of readers forms behind it, and tries again."""

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        looks_only = options["plan"] or options["check_unapplied"] or options["prune"]
        if looks_only:
            super().handle(*args, **options)
            return
        with _lock_timeout(connection):
            if not options["app_label"] and _has_nothing_of(SLOW_APP, connection):
                with _without_migrations_of(SLOW_APP):
                    # Without run_syncdb first: it makes tables before the migrations, and they need those of accounts.
                    self._patiently(*args, **{**options, "run_syncdb": False})
                    with transaction.atomic(using=connection.alias):
                        self.sync_apps(connection, {SLOW_APP})
                        _record_all_of(SLOW_APP, connection)
            else:
                self._patiently(*args, **options)
            if connection.alias == "default" and not options["app_label"]:
                ensure_standing_months()

    def _patiently(self, *args: Any, **options: Any) -> None:
        """Migrate; a migration that met a lock was rolled back whole, so the next try goes on where it stood."""
        for pause in (*PAUSES, None):
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if pause is None or not isinstance(error.__cause__, LockNotAvailable):
                    raise
                if self.verbosity >= 1:
                    self.stdout.write(f"\n  A table is in use; again in {pause} s.")
                time.sleep(pause)
            else:
                return


@contextmanager
def _lock_timeout(connection: BaseDatabaseWrapper) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('lock_timeout')")
        before = cursor.fetchone()[0]
        cursor.execute("select set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("select set_config('lock_timeout', %s, false)", [before])


def _has_nothing_of(app: str, connection: BaseDatabaseWrapper) -> bool:
    """Whether neither a migration nor a table of `app` is there."""
    if any(applied == app for applied, _name in MigrationRecorder(connection).applied_migrations()):
        return False
    with connection.cursor() as cursor:
        return not any(name.startswith(f"{app}_") for name in connection.introspection.table_names(cursor))


@contextmanager
def _without_migrations_of(app: str) -> Iterator[None]:
    modules = settings.MIGRATION_MODULES
    settings.MIGRATION_MODULES = {**modules, app: None}
    try:
        yield
    finally:
        settings.MIGRATION_MODULES = modules


def _record_all_of(app: str, connection: BaseDatabaseWrapper) -> None:
    """Note the migrations of `app` as done: its tables are as they would leave them (a test compares)."""
    modules = settings.MIGRATION_MODULES
    settings.MIGRATION_MODULES = {name: module for name, module in modules.items() if name != app}
    try:
        loader = MigrationLoader(None, ignore_no_migrations=True)
    finally:
        settings.MIGRATION_MODULES = modules
    recorder = MigrationRecorder(connection)
    for label, name in loader.disk_migrations or ():
        if label == app:
            recorder.record_applied(label, name)
