"""The proof that the backups are worth something: restore them, and compare with what the database had."""

from __future__ import annotations

import logging
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg import sql

from gpuadvisor.core import clock
from gpuadvisor.operations.models import RestoreCheck

from . import rows, scratch
from .afterwards import RESTORED
from .configuration import BackupError
from .drivers import Driver, Recovery, human
from .primary import Link, Mark, count_rows, newest_beat
from .programs import Programs, account_of, programs
from .repository import check_space

log = logging.getLogger(__name__)
RPO_SECONDS = 15 * 60  # promise 12
RTO_SECONDS = 30 * 60  # promise 13
BEAT_SECONDS = 90
SCRATCH = "restore-check-"
SLACK_ROWS, SLACK_SHARE = 20, 0.001  # where others wrote while rows were counted
# Rows that are only ever added, and say when: compared at a moment for which no numbers were kept.
GROWING = {"audit_entries": "at", "job_runs": "finished_at"}
RESTORED_SINCE = sql.SQL("select count(*) from audit_entries where action = %s and at > %s")
RELATIONS = """
select conname, conrelid::regclass::text, confrelid::regclass::text,
       (select array_agg(a.attname order by k.ord) from unnest(conkey) with ordinality as k(num, ord)
          join pg_attribute a on a.attrelid = conrelid and a.attnum = k.num),
       (select array_agg(a.attname order by k.ord) from unnest(confkey) with ordinality as k(num, ord)
          join pg_attribute a on a.attrelid = confrelid and a.attnum = k.num)
  from pg_constraint where contype = 'f' and conparentid = 0 order by 1
"""


@dataclass
class Restored:
    """One moment that was restored. Shape of `tables`: name -> [rows here, rows restored]."""

    what: str
    moment: datetime | None
    tables: dict[str, list[int | None]] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rto_seconds: float | None = None

    @property
    def is_ok(self) -> bool:
        return not self.misses


@dataclass
class Result:
    rpo_seconds: float | None = None
    restored: list[Restored] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        return bool(self.restored) and all(one.is_ok for one in self.restored)

    @property
    def rto_seconds(self) -> float | None:
        return next((one.rto_seconds for one in self.restored), None)

    def as_json(self) -> dict[str, Any]:
        """Shape: `rows` one of each table and moment, and one of each miss."""
        listed: list[dict[str, Any]] = []
        for one in self.restored:
            moment = one.moment.isoformat() if one.moment else None
            for table, (here, there) in one.tables.items():
                wrong = any(miss.startswith(f"{table}:") for miss in one.misses)
                listed.append({"moment": moment, "table": table, "here": here, "restored": there, "ok": not wrong})
            listed += [{"moment": moment, "miss": miss, "ok": False} for miss in one.misses]
        rounded = [round(value, 1) if value is not None else None for value in (self.rpo_seconds, self.rto_seconds)]
        return {"ok": self.is_ok, "rpo_s": rounded[0], "rto_s": rounded[1], "rows": listed}


def check(
    driver: Driver, *, at: datetime | None = None, choose: Callable[[list[datetime]], datetime] = random.choice
) -> Result:
    """Restore the latest state and a moment of the kept days (or only `at`), and compare; the rows say how it went.

    Raises: nothing of its own: what goes wrong is a miss.
    """
    result = Result()
    try:
        if not driver.kept():
            driver.say("There is no backup yet: the first one is made.")
            rows.take(driver, full=True)
        result.rpo_seconds = _rpo(driver)
    except BackupError as error:
        result.restored.append(_write(Restored("latest", None, misses=[str(error)]), clock.now(), result))
        return result
    if at is not None:
        result.restored.append(_one(driver, result, "moment", lambda: (at, None)))
        return result
    result.restored.append(_one(driver, result, "latest", lambda: _now(driver)))
    first = driver.kept()[0].finished_at if driver.kept() else clock.now()
    limit = clock.now() - timedelta(days=driver.config.days)
    known = [moment for moment in driver.marks()[:-1] if moment >= max(first, limit)]
    if known:
        chosen = choose(known)
        result.restored.append(_one(driver, result, "moment", lambda: (chosen, driver.read_mark(chosen))))
    return result


def _rpo(driver: Driver) -> float | None:
    """How much would be lost if the database's disk died now: from the newest WAL kept to the newest sign of life."""
    driver.push()
    newest, beat = driver.newest_archived(), driver.primary.newest_beat()
    if newest is None or beat is None:
        return None
    return max(0.0, (beat - newest).total_seconds())


def _now(driver: Driver) -> tuple[datetime, Mark]:
    mark = driver.mark()
    driver.catch_up(driver.primary.switch_wal())
    return mark.at, mark


def _one(driver: Driver, result: Result, what: str, prepare: Callable[[], tuple[datetime, Mark | None]]) -> Restored:
    started = clock.now()
    restored = Restored(what, None)
    root: Path | None = None
    try:
        moment, mark = prepare()
        restored.moment = moment
        driver.say(f"Restoring {'the latest state' if what == 'latest' else f'{moment:%Y-%m-%d %H:%M:%S} UTC'} ...")
        root = _scratch_folder(driver)
        begun = time.monotonic()
        recovery = driver.unpack(moment, root)
        tools = programs(driver.config, recovery.major)
        with scratch.opened(driver.config, recovery) as server:
            restored.rto_seconds = time.monotonic() - begun
            _compare(driver, server, restored, mark)
            _amcheck(server, restored, tools, server.names(driver.primary.url)[0])
        _checksums(recovery, restored, tools)
    except (BackupError, psycopg.Error, OSError) as error:
        restored.misses.append(" ".join(str(error).split()))
    finally:
        if root is not None:
            shutil.rmtree(root, ignore_errors=True)
    if what == "latest" and (result.rpo_seconds or 0) > RPO_SECONDS:
        restored.misses.append(
            f"RPO: {result.rpo_seconds:.0f} s of changes would be lost, {RPO_SECONDS} s are allowed."
        )
    if (restored.rto_seconds or 0) > RTO_SECONDS:
        restored.notes.append(f"It took {restored.rto_seconds:.0f} s; {RTO_SECONDS} s are promised.")
    return _write(restored, started, result)


def _scratch_folder(driver: Driver) -> Path:
    """A folder that the servers' account reaches, with room for the database."""
    above = driver.config.embedded or driver.config.folder
    account = account_of(driver.config)
    if driver.config.embedded is None and account.first_closed(above) is not None:
        above = Path(tempfile.gettempdir())
    for old in above.glob(f"{SCRATCH}*"):  # of a check that was killed: there is one at a time
        shutil.rmtree(old, ignore_errors=True)
    check_space(above, int(driver.primary.bytes() * 1.5) + 500_000_000)
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=above))
    account.own(folder, 0o700)
    return folder


def _write(restored: Restored, started: datetime, result: Result) -> Restored:
    RestoreCheck.objects.create(
        target_at=None if restored.what == "latest" else restored.moment,
        started_at=started,
        finished_at=clock.now(),
        is_ok=restored.is_ok,
        rpo_seconds=result.rpo_seconds,
        rto_seconds=restored.rto_seconds,
        rows=restored.tables,
        error=" ".join(restored.misses)[:1000],
    )
    return restored


# -- what is compared --------------------------------------------------------------------------------------------------
def _compare(driver: Driver, server: scratch.Scratch, restored: Restored, mark: Mark | None) -> None:
    with server.connect(*server.names(driver.primary.url)) as link:
        found = count_rows(link)
        if mark is not None:
            _compare_counts(found, mark, restored)
        else:
            restored.tables = {name: [None, number] for name, number in found.items()}
        _compare_growing(driver, link, restored, is_counted=mark is not None)
        _compare_beat(link, mark, restored)
        for miss in _orphans(link):
            restored.misses.append(miss)


def _compare_counts(found: dict[str, int], mark: Mark, restored: Restored) -> None:
    for name in sorted({*found, *mark.counts}):
        here, there = mark.counts.get(name), found.get(name)
        restored.tables[name] = [here, there]
        if here is None or there is None:
            restored.misses.append(
                f"{name}: the table is {'missing' if there is None else 'new'} in the restored state."
            )
            continue
        allowed = 0 if mark.is_exact else int(mark.extra.get(name, 0) + SLACK_ROWS + SLACK_SHARE * here)
        if abs(here - there) > allowed:
            restored.misses.append(f"{name}: {there} rows restored, {here} then.")
    if not mark.is_exact:
        restored.notes.append("Others wrote while rows were counted: a few rows more or less are no miss.")


def _compare_growing(driver: Driver, link: Link, restored: Restored, *, is_counted: bool) -> None:
    """Rows that only grow: none of after the moment, and as many up to it here as there.

    The latter where no numbers were kept, and nothing was taken back since.
    """
    moment = cast("datetime", restored.moment)
    with driver.primary.connect() as here:
        was_restored = _exists(here, "audit_entries") and _number(here, RESTORED_SINCE, [RESTORED, moment])
        for table, column in GROWING.items():
            if not _exists(link, table) or not _exists(here, table):
                continue
            after = sql.SQL("select count(*) from {t} where {c} > %s").format(
                c=sql.Identifier(column), t=sql.Identifier(table)
            )
            late = _number(link, after, [moment + timedelta(seconds=5)])
            if late:
                restored.misses.append(f"{table}: {late} rows of after the moment are there.")
            if is_counted or was_restored:
                continue
            since = moment - timedelta(days=driver.config.days)
            query = sql.SQL("select count(*) filter (where {c} <= %s and {c} > %s) from {t}").format(
                c=sql.Identifier(column), t=sql.Identifier(table)
            )
            ours, theirs = (_number(one, query, [moment - timedelta(seconds=2), since]) for one in (here, link))
            if ours != theirs:
                restored.misses.append(f"{table}: {theirs} rows up to the moment restored, {ours} here.")


def _compare_beat(link: Link, mark: Mark | None, restored: Restored) -> None:
    beat, moment = newest_beat(link), cast("datetime", restored.moment)
    if mark is not None and mark.is_exact and beat != mark.beat_at:
        restored.misses.append(f"heartbeats: the newest restored is of {beat}, then it was {mark.beat_at}.")
    elif mark is None and (beat is None or moment - beat > timedelta(seconds=BEAT_SECONDS)):
        restored.notes.append("No process was alive at that moment, so its heartbeat proves nothing.")


def _orphans(link: Link) -> list[str]:
    """Rows whose foreign key leads nowhere, by constraint."""
    misses = []
    for name, child, parent, columns, keys in link.execute(RELATIONS).fetchall():
        on = sql.SQL(" and ").join(
            sql.SQL("p.{} = c.{}").format(sql.Identifier(key), sql.Identifier(column))
            for key, column in zip(keys, columns, strict=True)
        )
        given = sql.SQL(" and ").join(sql.SQL("c.{} is not null").format(sql.Identifier(column)) for column in columns)
        query = sql.SQL("select count(*) from {} c where {} and not exists (select from {} p where {})").format(
            sql.SQL(child), given, sql.SQL(parent), on
        )
        if number := _number(link, query, []):
            misses.append(f"{child}: {number} rows without their partner in {parent} ({name}).")
    return misses


def _amcheck(server: scratch.Scratch, restored: Restored, tools: Programs, user: str) -> None:
    """Every table and index walked through, where the server has the extension."""
    with server.connect(user, "postgres") as link:
        has = link.execute("select 1 from pg_available_extensions where name = 'amcheck'").fetchone()
    if not has or not tools.has("pg_amcheck"):
        return
    options = ["-h", str(server.sockets), "-p", "5432", "-U", user, "--all", "--install-missing"]
    done = tools.run("pg_amcheck", *options, "--heapallindexed", "--parent-check")
    if done.returncode:
        restored.misses.append(f"pg_amcheck: {' '.join(done.stdout.split())[:300]}")
    else:
        restored.notes.append("pg_amcheck is clean.")


def _checksums(recovery: Recovery, restored: Restored, tools: Programs) -> None:
    """Every page of the stopped server against its sum."""
    done = tools.run("pg_checksums", "--check", "-D", str(recovery.data))
    text = " ".join(done.stdout.split())
    if done.returncode and "checksums are not enabled" in text:
        restored.notes.append("The server keeps no sums of its pages (initdb -k): they were not checked.")
    elif done.returncode:
        restored.misses.append(f"pg_checksums: {text[-300:]}")
    else:
        restored.notes.append("The sums of all pages agree.")


def _exists(link: Link, table: str) -> bool:
    row = link.execute("select to_regclass(%s) is not null", [f"public.{table}"]).fetchone()
    return bool(row and row[0])


def _number(link: Link, query: sql.SQL | sql.Composed, values: list[Any]) -> int:
    row = link.execute(query, values).fetchone()
    return int(row[0]) if row else 0


def told(driver: Driver, result: Result) -> list[str]:
    """The result in lines for a terminal and a mail."""
    lines = []
    for one in result.restored:
        moment = f"{one.moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if one.moment else "-"
        head = "Latest state" if one.what == "latest" else "A moment of the kept days"
        verdict = "ok" if one.is_ok else "NOT OK"
        took = f", restored in {one.rto_seconds:.1f} s" if one.rto_seconds is not None else ""
        lines.append(f"{head} ({moment}): {verdict}{took}")
        total = sum(there or 0 for _, there in one.tables.values())
        if one.tables:
            lines.append(f"  {len(one.tables)} tables, {total:,} rows")
        lines += [f"  {note}" for note in one.notes]
        lines += [f"  MISS {miss}" for miss in one.misses]
    if result.rpo_seconds is not None:
        lines.append(f"RPO {result.rpo_seconds:.0f} s: so much would be lost if the database's disk died now.")
    else:
        lines.append("RPO unknown: the site has not been up yet, or nothing is archived.")
    if result.rto_seconds is not None:
        lines.append(f"RTO {result.rto_seconds:.1f} s: so long the restore took.")
    kept = driver.kept() if driver is not None else []
    if kept:
        lines.append(f"{len(kept)} backups, {human(sum(entry.bytes for entry in kept))}; oldest {kept[0].label}.")
    return lines
