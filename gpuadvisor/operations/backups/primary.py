"""What the running database says of itself, asked as its owner: where its WAL stands, and how many rows it has."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from .configuration import BackupError

Link = psycopg.Connection[tuple[Any, ...]]
COUNTING_SECONDS = 120
QUIET_TRIES = 100
PASSED_ON = {  # for PostgreSQL's programs: a password in a command line is everybody's to read
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
}
TABLES: LiteralString = (
    "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
    " where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'"
    " and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_%'"
    " order by n.nspname, c.relname"
)


@dataclass(frozen=True)
class System:
    identifier: str
    version: int  # as 180004
    segment_bytes: int
    timeline: int
    is_archiving: bool

    @property
    def major(self) -> int:
        return self.version // 10_000


@dataclass(frozen=True)
class Mark:
    """How many rows each table had at a moment. Where it is not `exact`, others wrote while it was counted."""

    at: datetime
    counts: dict[str, int]
    is_exact: bool
    beat_at: datetime | None = None  # the newest heartbeat then
    extra: dict[str, int] = field(default_factory=dict)  # inexact: how much each table moved meanwhile


class Primary:
    def __init__(self, url: str) -> None:
        self.url = url

    @contextlib.contextmanager
    def connect(self) -> Iterator[Link]:
        """Raises: BackupError where the server does not answer, or refuses what is asked in the block."""
        try:
            with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as link:
                yield link
        except psycopg.OperationalError as error:
            raise BackupError(f"The database does not answer: {_words(error)}") from error
        except psycopg.Error as error:
            raise BackupError(f"The database refused: {_words(error)}") from error

    def environment(self) -> dict[str, str]:
        """By which PostgreSQL's programs find the server."""
        named = conninfo_to_dict(self.url)
        ours = {PASSED_ON[name]: str(value) for name, value in named.items() if name in PASSED_ON and value}
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/", **ours}

    def system(self) -> System:
        with self.connect() as link:
            row = link.execute(
                "select system_identifier::text, current_setting('server_version_num')::int,"
                " (select setting::int from pg_settings where name = 'wal_segment_size'),"
                " (select timeline_id from pg_control_checkpoint()), current_setting('archive_mode') <> 'off'"
                " from pg_control_system()"
            ).fetchone()
        return System(*cast("tuple[Any, ...]", row))

    def switch_wal(self) -> str:
        """Have the segment finished that holds everything committed so far; its name."""
        with self.connect() as link:
            link.execute("select pg_current_xact_id()")  # a commit after the moment: a recovery stops at one
            row = link.execute("select pg_walfile_name(pg_switch_wal())").fetchone()
        return str(row[0]) if row else ""

    def archived(self) -> tuple[str, datetime] | None:
        """The segment that was archived last, and when."""
        with self.connect() as link:
            row = link.execute("select last_archived_wal, last_archived_time from pg_stat_archiver").fetchone()
        return (row[0], row[1]) if row and row[0] else None

    def newest_beat(self) -> datetime | None:
        with self.connect() as link:
            return newest_beat(link)

    def bytes(self) -> int:
        with self.connect() as link:
            row = link.execute("select sum(pg_database_size(oid))::bigint from pg_database").fetchone()
        return int(row[0]) if row else 0

    def mark(self) -> Mark:
        """Count every table's rows as they were at one moment that a restore can be brought to.

        Exact where no transaction was under way around it: then exactly what had committed by the moment is counted.
        """
        with self.connect() as link:
            link.execute(
                sql.SQL("set statement_timeout = {}").format(sql.Literal(COUNTING_SECONDS * 1000)), prepare=False
            )
            link.execute("set idle_in_transaction_session_timeout = 0")
            for attempt in range(QUIET_TRIES):
                before = _one(link, "select pg_current_snapshot()::text")
                at = _one(link, "select clock_timestamp()")
                link.execute("begin isolation level repeatable read read only")
                snapshot = _one(link, "select pg_current_snapshot()::text")
                low, high, running = snapshot.split(":")
                is_exact = snapshot == before and low == high and not running
                if is_exact or attempt == QUIET_TRIES - 1:
                    break
                link.execute("rollback")
                time.sleep(0.05)
            counts, beat = count_rows(link), newest_beat(link)
            link.execute("commit")
            extra = {}
            if not is_exact:
                extra = {name: abs(number - counts.get(name, 0)) for name, number in count_rows(link).items()}
        return Mark(at, counts, is_exact, beat, extra)


def count_rows(link: Link) -> dict[str, int]:
    """Rows by table, months of a partitioned one together."""
    counts = {}
    for schema, name in link.execute(TABLES).fetchall():
        query = sql.SQL("select count(*) from {}").format(sql.Identifier(schema, name))
        row = link.execute(query).fetchone()
        counts[name if schema == "public" else f"{schema}.{name}"] = int(row[0]) if row else 0
    return counts


def newest_beat(link: Link) -> datetime | None:
    """The newest sign of life of any process; None where the table is another program's, or empty."""
    if not _one(link, "select to_regclass('public.heartbeats') is not null"):
        return None
    return cast("datetime | None", _one(link, "select max(seen_at) from heartbeats"))


def _one(link: psycopg.Connection[tuple[Any, ...]], query: LiteralString) -> Any:
    row = link.execute(query).fetchone()
    return row[0] if row else None


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
