"""Our `migrate`: quick on a new database with the same outcome, patient with locks, months ready afterwards."""

import io
import os
import subprocess
import sys
import threading
import time

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import OperationalError, connection, transaction

from gpuadvisor.core import partitions
from gpuadvisor.core.management.commands import migrate
from tests.servers.conftest import CHECKOUT

SCHEMA = """
select table_name || '.' || column_name, data_type, character_maximum_length, numeric_precision, is_nullable
  from information_schema.columns where table_name like 'djstripe%'
union all
select conrelid::regclass::text, contype::text || ' ' || pg_get_constraintdef(oid), null, null, null
  from pg_constraint where conrelid::regclass::text like 'djstripe%'
union all
select tablename, regexp_replace(indexdef, 'INDEX \\S+ ON', 'INDEX ON'), null, null, null
  from pg_indexes where tablename like 'djstripe%'
"""
# Three link tables were made when Django numbered with integer: ours number with bigint, which holds as much and more.
WIDER_IDS = {
    f"djstripe_djstripe{name}.id" for name in ("invoicedefaulttaxrate", "invoiceitemtaxrate", "subscriptionitemtaxrate")
}


def _schema():
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        return set(cursor.fetchall())


def _login():
    """How to reach the test database past Django."""
    parameters = connection.get_connection_params()
    return {key: parameters[key] for key in ("host", "port", "user", "password", "dbname") if parameters.get(key)}


@pytest.fixture
def other_database(db):
    """A second, empty database on the same server; its address."""
    name = f"{connection.settings_dict['NAME']}_slow"
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    url = f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'drop database if exists "{name}"')
        cursor.execute(f'create database "{name}"')
    yield name, url
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'drop database "{name}" with (force)')


@pytest.mark.slow
def test_the_quick_way_makes_the_tables_that_the_migrations_of_dj_stripe_make(other_database):
    name, url = other_database
    quick = _schema()
    slow_way = (
        "import django; django.setup(); from django.core.management import call_command;"
        " from django.core.management.commands.migrate import Command;"
        " call_command(Command(), 'djstripe', verbosity=0)"
    )
    env = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "gpuadvisor.settings.test"}
    subprocess.run([sys.executable, "-c", slow_way], cwd=CHECKOUT, env=env, check=True)
    with psycopg.connect(**_login() | {"dbname": name}) as link:
        slow = set(link.execute(SCHEMA).fetchall())
    differing = quick ^ slow
    assert {row[0] for row in differing} == WIDER_IDS, sorted(differing, key=str)
    assert {row[1] for row in differing} == {"integer", "bigint"}


def test_every_migration_of_dj_stripe_is_noted_as_done_and_none_is_missing(db):
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from django_migrations where app = 'djstripe'")
        assert cursor.fetchone()[0] >= 3
    call_command("migrate", check_unapplied=True, verbosity=0)


def test_months_stand_ready_after_it(db):
    for model in partitions.partitioned_models():
        assert len(partitions.existing_months(model)) >= partitions.MONTHS_BEHIND + partitions.MONTHS_AHEAD + 1


@pytest.fixture
def wanting_a_lock(transactional_db, monkeypatch):
    """Django's part of the command is one change that needs a table for itself; the tries are counted."""
    tries = []

    def handle(self, *args, **options):
        tries.append(time.monotonic())
        self.verbosity = 1
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("lock table django_migrations in access exclusive mode")

    monkeypatch.setattr(DjangoMigrate, "handle", handle)
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "150ms")
    return tries


def _reader(until):
    """Somebody who reads the table in an open transaction."""
    login = _login()
    reads = threading.Event()

    def read():
        with psycopg.connect(**login) as link:
            link.execute("select 1 from django_migrations")
            reads.set()
            until.wait(10)

    thread = threading.Thread(target=read)
    thread.start()
    reads.wait(10)
    return thread


def test_it_lets_go_of_a_table_in_use_and_tries_again(wanting_a_lock):
    done, output = threading.Event(), io.StringIO()
    thread = _reader(done)
    threading.Timer(0.4, done.set).start()
    call_command("migrate", stdout=output)
    thread.join()
    assert len(wanting_a_lock) == 2
    assert "A table is in use" in output.getvalue()
    with connection.cursor() as cursor:
        cursor.execute("show lock_timeout")
        assert cursor.fetchone()[0] == "0"


def test_it_gives_up_in_the_end(wanting_a_lock, monkeypatch):
    monkeypatch.setattr(migrate, "PAUSES", (0.01,))
    done = threading.Event()
    thread = _reader(done)
    try:
        with pytest.raises(OperationalError):
            call_command("migrate", stdout=io.StringIO())
    finally:
        done.set()
        thread.join()
    assert len(wanting_a_lock) == 2
