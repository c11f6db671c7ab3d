"""Every migration of ours has a way back (R-063)."""

import os
import subprocess
import sys
import uuid

import pytest
from django.apps import apps
from django.conf import settings

OURS = ("core", "accounts", "market", "billing", "portfolios", "chat", "alerts", "operations")


@pytest.fixture
def scratch(db):
    """The address of a database of its own."""
    name = f"scratch_{uuid.uuid4().hex[:8]}"
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f"create database {name}")
        yield f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
        server.execute(f"drop database {name} with (force)")


def manage(address, *arguments):
    env = os.environ | {"DATABASE_URL": address, "DATABASE_ROLE": "owner"}
    command = [sys.executable, "-m", "django", *arguments]
    result = subprocess.run(command, env=env, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


SCHEMA = {
    "kinds": "select relname, relkind, relispartition from pg_class where relnamespace = 'public'::regnamespace",
    "columns": "select table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale,"
    " is_nullable, column_default from information_schema.columns where table_schema = 'public'",
    "constraints": "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint"
    " where connamespace = 'public'::regnamespace",
    "indexes": "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'",
}


@pytest.mark.slow
def test_migrations_go_back_to_nothing_and_forth_again(scratch):
    import psycopg

    manage(scratch, "migrate", "-v0")
    with psycopg.connect(scratch, autocommit=True) as database:
        before = {what: set(database.execute(sql)) for what, sql in SCHEMA.items()}
        # djstripe's hundreds of steps are the library's own and take a minute: taken away, not walked back.
        for (table,) in database.execute("select tablename from pg_tables where tablename like 'djstripe%'").fetchall():
            database.execute(f'drop table "{table}" cascade')
        database.execute("delete from django_migrations where app = 'djstripe'")
        for app in ("accounts", "market"):  # and with them whatever builds on them
            manage(scratch, "migrate", app, "zero", "-v0")
        left = database.execute("select app, name from django_migrations where app = any(%s)", [list(OURS)]).fetchall()
        tables = [model._meta.db_table for app in OURS for model in apps.get_app_config(app).get_models()]
        standing = database.execute("select tablename from pg_tables where tablename = any(%s)", [tables]).fetchall()
        assert (left, standing) == ([], [])
        manage(scratch, "migrate", "-v0")
        for what, sql in SCHEMA.items():
            assert before[what] ^ set(database.execute(sql)) == set(), what
    assert ("market_data", "p", False) in before["kinds"]


def test_there_is_one_leaf_per_app():
    from django.db.migrations.loader import MigrationLoader

    graph = MigrationLoader(None).graph
    leaves = [app for app, _ in graph.leaf_nodes() if app in OURS]
    assert sorted(leaves) == sorted(OURS)
