"""The other driver: pgBackRest with a server that it knows (Debian's 2.45 ends at PostgreSQL 15). R-065, d1."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gpuadvisor.operations.backups import checking, scratch
from gpuadvisor.operations.backups.configuration import BackupError, Configuration
from gpuadvisor.operations.backups.drivers import driver
from gpuadvisor.servers import archive, processes
from gpuadvisor.servers.account import Account

BIN = Path("/usr/lib/postgresql/15/bin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("pgbackrest") and BIN.exists()),
        reason="Debian's packages pgbackrest and postgresql-15 are not installed",
    ),
]
CONFIG = """[global]
repo1-path={root}/repo
repo1-retention-full-type=time
repo1-retention-full=30
repo1-bundle=y
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=a-password-of-the-test-alone-0123456789
compress-type=zst
start-fast=y
log-path={root}/log
lock-path={root}/lock
spool-path={root}/spool
log-level-file=off
[gpu]
pg1-path={root}/pg
pg1-socket-path={root}/s
pg1-port=5432
pg1-user=app
"""
SERVER = """
listen_addresses = ''
unix_socket_directories = '{root}/s'
archive_mode = on
archive_command = 'pgbackrest --config={root}/pgbackrest.conf --stanza=gpu archive-push %p'
archive_timeout = 300
wal_level = replica
timezone = 'UTC'
"""


def server_account():
    entry = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


@pytest.fixture(scope="module")
def maker():
    root, account = Path(tempfile.mkdtemp(prefix="gpa-b-")), server_account()
    account.own(root, 0o755)
    for name in ("pg", "s", "repo", "log", "lock", "spool"):
        (root / name).mkdir()
        account.own(root / name, 0o700)
    run = lambda *words: processes.run_as(account, [str(word) for word in words])  # noqa: E731
    made = run(BIN / "initdb", "-D", root / "pg", "-U", "app", "-A", "trust", "-k", "--locale=C.UTF-8", "-E", "UTF8")
    assert made.returncode == 0, made.stdout
    with (root / "pg" / "postgresql.conf").open("a") as file:
        file.write(SERVER.format(root=root))
    (root / "pgbackrest.conf").write_text(CONFIG.format(root=root))
    account.own(root / "pgbackrest.conf", 0o600)
    log = (root / "server.log").open("wb")
    server = subprocess.Popen(
        processes.tied([str(BIN / "postgres"), "-D", str(root / "pg")], dies_by="INT", account=account),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env=processes.BARE_ENVIRONMENT | {"PATH": os.environ["PATH"]},
    )
    try:
        ready = [BIN / "pg_isready", "-q", "-h", root / "s", "-U", "app", "-d", "postgres"]
        assert processes.wait_until(lambda: run(*ready).returncode == 0, 20), (root / "server.log").read_text()
        config = Configuration(
            driver="pgbackrest",
            url=f"postgres://app@/postgres?host={root}/s&port=5432",
            folder=root / "marks",
            copy=None,
            keys=("k" * 43,),
            days=30,
            data=root,
            stanza="gpu",
            pgbackrest_config=str(root / "pgbackrest.conf"),
            user=account.name,
        )
        found = driver(config)
        found.run("stanza-create")
        with found.primary.connect() as link:
            link.execute("create table rows(n int)")
            link.execute("insert into rows select generate_series(1, 1000)")
            link.execute("create table heartbeats(name text, seen_at timestamptz)")
            link.execute("insert into heartbeats values ('worker', clock_timestamp())")
        yield found
    finally:
        server.send_signal(2)
        server.wait(30)
        log.close()
        shutil.rmtree(root, ignore_errors=True)


def test_a_deleted_row_is_back_and_a_later_one_absent(maker):
    """d1 as a test; the increment too, and the check over both."""
    assert maker.take(full=True).is_full
    with maker.primary.connect() as link:
        link.execute("insert into rows values (-1)")
        (moment,) = link.execute("select clock_timestamp()").fetchone()
        time.sleep(0.05)
        link.execute("delete from rows where n = -1")
        link.execute("insert into rows values (-2)")
    assert maker.take(full=None).is_full is False
    maker.catch_up(maker.primary.switch_wal())
    root = Path(tempfile.mkdtemp(prefix="gpa-r-"))
    try:
        recovery = maker.unpack(moment, root)
        query = "select count(*) filter (where n = -1), count(*) filter (where n = -2), count(*) from rows"
        with scratch.opened(maker.config, recovery) as server, server.connect("app", "postgres") as link:
            assert link.execute(query).fetchone() == (1, 0, 1001)
    finally:
        shutil.rmtree(root)


@pytest.mark.django_db
def test_a_check_walks_through_every_table_and_index(maker):
    """amcheck exists here: pg_amcheck beside the sums of pages."""
    if not maker.kept():
        maker.take(full=True)
    result = checking.check(maker)
    assert result.is_ok, [one.misses for one in result.restored]
    assert "pg_amcheck is clean." in result.restored[0].notes
    assert "The sums of all pages agree." in result.restored[0].notes


def test_a_damaged_repository_and_a_moment_outside_are_told(maker):
    """d1: pgBackRest's own `verify` ends with 0 there; a restore does not."""
    label = maker.take(full=True).label
    into = Path(tempfile.mkdtemp(prefix="gpa-r-"))
    try:
        with pytest.raises(BackupError, match="The oldest moment"):
            maker.unpack(datetime.now(UTC) - timedelta(days=2), into)
        files = [path for path in (maker.config.data / "repo" / "backup" / "gpu" / label).rglob("*") if path.is_file()]
        largest = max(files, key=lambda path: path.stat().st_size)
        whole = largest.read_bytes()
        changed = bytearray(whole)
        for place in range(len(changed) // 4, len(changed), len(changed) // 40 or 1):
            changed[place] ^= 1
        largest.write_bytes(changed)
        with pytest.raises(BackupError, match="pgBackRest failed"):
            maker.unpack(None, into)
        largest.write_bytes(whole)
    finally:
        shutil.rmtree(into)


def test_an_old_pgbackrest_is_refused_for_a_newer_server(maker):
    with pytest.raises(BackupError, match="does not know PostgreSQL 18"):
        maker._check_version(18)
    maker._check_version(15)


def test_pg_basebackup_of_a_server_of_ones_own_makes_full_backups_alone(maker):
    """Where pgBackRest is not wanted: archive.py as that server's archive_command. Increments begin with version 17."""
    root, account = maker.config.data, server_account()
    (root / "spool").mkdir(exist_ok=True)
    account.own(root / "spool", 0o700)
    spool = root / "plain"
    spool.mkdir()
    account.own(spool, 0o700)
    script = shutil.copy(archive.__file__, root / "archive.py")
    with maker.primary.connect() as link:
        link.execute(f"alter system set archive_command = '/usr/bin/python3 -ISE {script} \"%p\" {spool}/%f'")
        link.execute("select pg_reload_conf()")
    changed = vars(maker.config) | {"driver": "basebackup", "spool": spool, "folder": root / "sealed"}
    other = driver(Configuration(**changed))
    assert [other.take(full=None).is_full for _ in range(2)] == [True, True]
    with maker.primary.connect() as link:
        (moment,) = link.execute("select clock_timestamp()").fetchone()
        link.execute("insert into rows values (-3)")
    other.catch_up(other.primary.switch_wal())
    into = Path(tempfile.mkdtemp(prefix="gpa-r-"))
    try:
        recovery = other.unpack(moment, into)
        with scratch.opened(other.config, recovery) as server, server.connect("app", "postgres") as link:
            assert link.execute("select count(*) from rows where n = -3").fetchone() == (0,)
    finally:
        shutil.rmtree(into)
