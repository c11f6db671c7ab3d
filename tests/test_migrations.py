"""Every migration of ours has a way back (R-063)."""

import os
import subprocess
import sys
import uuid

import pytest
from django.conf import settings

OURS = ("core", "accounts", "market", "billing", "portfolios", "chat", "alerts")


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


def test_migrations_go_back_to_nothing_and_forth_again(scratch):
    import psycopg

    manage(scratch, "migrate", "-v0")
    with psycopg.connect(scratch) as database:
        before = database.execute(
            "select count(*) from information_schema.columns where table_schema = 'public'"
        ).fetchone()
    for app in ("alerts", "chat", "portfolios", "billing", "market"):
        manage(scratch, "migrate", app, "zero", "-v0")
    manage(scratch, "migrate", "-v0")
    with psycopg.connect(scratch) as database:
        after = database.execute(
            "select count(*) from information_schema.columns where table_schema = 'public'"
        ).fetchone()
    assert before == after


def test_there_is_one_leaf_per_app():
    from django.db.migrations.loader import MigrationLoader

    graph = MigrationLoader(None).graph
    leaves = [app for app, _ in graph.leaf_nodes() if app in OURS]
    assert sorted(leaves) == sorted(OURS)
