"""Backups of real servers, made, damaged, and restored to moments (R-065, promises 12 and 13, d1, e39)."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from gpuadvisor.operations.backups import checking, scratch, wal
from gpuadvisor.operations.backups.configuration import BackupError, Configuration
from gpuadvisor.operations.backups.crypt import DamagedError
from gpuadvisor.operations.backups.drivers import driver
from gpuadvisor.operations.models import RestoreCheck
from gpuadvisor.servers import postgres
from gpuadvisor.servers.keeper import Keeper
from gpuadvisor.servers.places import settle

pytestmark = pytest.mark.slow
TABLES = """
create table hosts(id int primary key, name text);
create table portfolios(id int primary key, host int not null references hosts, name text);
create table heartbeats(name text primary key, seen_at timestamptz);
insert into hosts select n, 'host ' || n from generate_series(1, 500) n;
insert into portfolios select n, n, 'portfolio ' || n from generate_series(1, 500) n;
insert into heartbeats values ('worker', clock_timestamp());
"""


class Site:
    """An embedded server with a few tables, and its backups."""

    def __init__(self, root: Path):
        root.chmod(0o711)
        self.places = settle(root, by_hand=True)
        self.keeper = Keeper(self.places)
        self.keeper.start(["postgres"])
        self.config = Configuration(
            driver="basebackup",
            url=postgres.url(self.places),
            folder=root / "backups",
            copy=None,
            keys=("k" * 43,),
            days=30,
            data=root,
            spool=self.places.spool,
            embedded=self.places.home,
        )
        self.driver = driver(self.config)

    def run(self, *statements):
        with self.driver.primary.connect() as link:
            for statement in statements:
                last = link.execute(statement)
            return last.fetchone() if last.description else None

    def beat(self):
        self.run("update heartbeats set seen_at = clock_timestamp()")

    def moment(self):
        """Now, with something committed before and after it."""
        self.beat()
        (now,) = self.run("select clock_timestamp()")
        time.sleep(0.01)
        self.beat()
        return now

    def archive(self):
        self.driver.catch_up(self.driver.primary.switch_wal())

    def restored(self, moment, into, query):
        """The answer of the database as it was at the moment."""
        into.mkdir()
        recovery = self.driver.unpack(moment, into)
        with scratch.opened(self.config, recovery) as server, server.connect("app", "gpuadvisor") as link:
            return link.execute(query).fetchone()


@pytest.fixture(scope="module")
def site():
    root = Path(tempfile.mkdtemp(prefix="gpa-test-"))  # pytest's own folder is closed to the servers' account
    found = Site(root)
    try:
        found.run(*[line for line in TABLES.split(";") if line.strip()])
        found.driver.take(full=True)
        yield found
    finally:
        found.keeper.stop()
        shutil.rmtree(found.places.sockets, ignore_errors=True)
        shutil.rmtree(root, ignore_errors=True)


def test_a_deleted_portfolio_is_back_and_a_later_one_absent(site):
    """The point-in-time restore of "Done when"; over an increment, and to the moment exactly."""
    site.run("insert into portfolios values (1001, 1, 'kept for a while')")
    site.driver.take(full=None)
    moment = site.moment()
    site.run("delete from portfolios where id = 1001", "insert into portfolios values (1002, 1, 'later')")
    site.archive()
    query = "select count(*) filter (where id = 1001), count(*) filter (where id = 1002), count(*) from portfolios"
    assert site.restored(moment, site.places.home / "a", query) == (1, 0, 501)
    assert site.restored(None, site.places.home / "b", query) == (0, 1, 501)
    assert site.driver.kept()[-1].is_full is False


def test_a_moment_after_the_last_wal_fails_instead_of_pretending(site):
    """d1, trap 2: the server's start would have ended with 0."""
    into = site.places.home / "late"
    into.mkdir()
    recovery = site.driver.unpack(datetime.now(UTC) + timedelta(hours=1), into)
    late = scratch.opened(site.config, recovery)
    with pytest.raises(BackupError, match=r"The archive ends before that moment. The last change in the archive is of"):
        late.__enter__()


def test_a_moment_before_the_oldest_backup_is_refused(site, tmp_path):
    with pytest.raises(BackupError, match="The oldest moment that can be restored"):
        site.driver.unpack(datetime.now(UTC) - timedelta(days=3), tmp_path)


def test_the_scratch_server_is_reached_by_nobody_and_archives_nothing(site):
    """d1, trap 3."""
    into = site.places.home / "private"
    into.mkdir()
    recovery = site.driver.unpack(None, into)
    with scratch.opened(site.config, recovery) as server, server.connect("app", "gpuadvisor") as link:
        shown = [link.execute(f"show {name}").fetchone()[0] for name in ("listen_addresses", "archive_mode")]
        assert shown == ["", "off"]
        assert server.sockets.stat().st_mode & 0o077 == 0
        link.execute("create table made_in_scratch()")
        link.execute("select pg_switch_wal()")
    assert site.run("select to_regclass('made_in_scratch')") == (None,)
    assert not list(site.places.spool.glob("00000002*"))


@pytest.mark.django_db
def test_a_check_restores_the_latest_and_a_past_moment_and_compares_every_table(site):
    """R-065: row counts, foreign keys, sums; RPO and RTO in a row and in JSON."""
    site.archive()
    result = checking.check(site.driver)
    assert result.is_ok, [one.misses for one in result.restored]
    assert [one.what for one in result.restored] == ["latest", "moment"]
    assert "The sums of all pages agree." in result.restored[0].notes
    told = result.as_json()
    assert told["ok"] is True
    assert told["rto_s"] > 0
    assert told["rpo_s"] >= 0
    assert {row["table"] for row in told["rows"]} == {"hosts", "portfolios", "heartbeats"}
    written = RestoreCheck.objects.order_by("started_at")
    assert [row.is_ok for row in written] == [True, True]
    assert written[0].target_at is None
    assert written[0].rows["hosts"] == [500, 500]


@pytest.mark.django_db
def test_what_a_restore_lost_is_a_miss(site):
    """Row counts and partners of foreign keys: rows that the primary had, and the restored state has not."""
    mark = site.driver.mark()
    name = site.driver.repository().names("marks")[-1]
    changed = {**mark.counts, "hosts": 501}
    with site.driver.repository().put(name, at=mark.at) as sealer:
        sealer.write(
            json.dumps(
                {"at": mark.at.isoformat(), "counts": changed, "is_exact": True, "beat_at": None, "extra": {}}
            ).encode()
        )
    site.run("set session_replication_role = replica", "delete from hosts where id = 500")
    site.archive()
    site.driver.mark()
    found = checking.check(site.driver, choose=lambda known: mark.at)
    latest, moment = found.restored
    assert any("1 rows without their partner in hosts" in miss for miss in latest.misses)
    assert any(miss.startswith("hosts: 500 rows restored, 501 then") for miss in moment.misses)
    assert any(miss.startswith("heartbeats: the newest restored") for miss in moment.misses)
    assert not found.is_ok
    site.run("insert into hosts values (500, 'again')")


def test_rows_are_counted_exactly_while_others_write(site):
    """A busy site: the numbers are those of the moment, or say that they are not exact."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, site.config.url], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout.readline() == "begun\n"
        marks = [site.driver.mark() for _ in range(3)]
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    site.beat()
    site.archive()
    into = site.places.home / "busy"
    restored = site.restored(marks[1].at, into, "select count(*) from hosts")[0]
    if marks[1].is_exact:
        assert restored == marks[1].counts["hosts"]
    else:
        assert abs(restored - marks[1].counts["hosts"]) <= marks[1].extra["hosts"] + checking.SLACK_ROWS
    site.run("delete from hosts where id > 10000")


WRITER = """
import sys, time, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as link:
    for number in range(10001, 10**6):
        link.execute("insert into hosts values (%s, 'busy')", [number])
        if number == 10010:
            print("begun", flush=True)
        time.sleep(0.002)
"""


def test_a_damaged_backup_is_not_restored(site):
    """Promise 13: one flipped bit in the repository."""
    kept = site.driver.take(full=True)
    site.archive()
    file = site.driver.repository().folder / "backups" / kept.label / "base.gpa"
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[len(changed) // 2] ^= 1
    file.write_bytes(changed)
    into = site.places.home / "damaged"
    into.mkdir()
    with pytest.raises(DamagedError, match="was changed"):
        site.driver.unpack(None, into)
    file.write_bytes(whole)


def test_a_backup_made_with_another_key_says_so(site):
    other = driver(Configuration(**(vars(site.config) | {"keys": ("o" * 43,)})))
    with pytest.raises(BackupError, match="made with another BACKUP_KEY"):
        other.kept()


def test_missing_wal_is_found_and_the_next_backup_is_full(site):
    """d1, trap 1: pgBackRest's `verify` says nothing of it."""
    kept = site.driver.take(full=True)
    for _ in range(3):
        site.beat()
        site.archive()
    repository = site.driver.repository()
    segments = [name for name in repository.names("wal") if wal.SEGMENT.fullmatch(name.rsplit("/", 1)[-1])]
    hidden = repository.folder / f"{segments[-2]}.gpa"
    hidden.rename(hidden.with_suffix(".hidden"))
    into = site.places.home / "gap"
    into.mkdir()
    with pytest.raises(BackupError, match="is missing though later ones are there"):
        site.driver.unpack(None, into)
    assert site.driver.take(full=None).is_full
    hidden.with_suffix(".hidden").rename(hidden)
    assert kept.label in [one.label for one in site.driver.kept()]


def test_a_backup_killed_in_the_middle_leaves_nothing_that_counts(site):
    """kill -9 while it streams: the next one takes the rest away and is whole."""
    before = [one.label for one in site.driver.kept()]
    child = subprocess.Popen([sys.executable, "-c", TAKER, *arguments(site)], cwd=settings.BASE_DIR, env=environment())
    folder = site.driver.repository().folder / "backups"
    end = time.monotonic() + 60
    while not (halves := list(folder.rglob("base.gpa.part"))) and time.monotonic() < end:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert halves
    assert [one.label for one in site.driver.kept()] == before
    kept = site.driver.take(full=None)
    assert not list(folder.rglob("*.part"))
    assert [one.label for one in site.driver.kept()] == [*before, kept.label]


TAKER = """
import sys
from pathlib import Path
import django
django.setup()
from gpuadvisor.operations.backups import basebackup
from gpuadvisor.operations.backups.configuration import Configuration
from gpuadvisor.operations.backups.drivers import driver
basebackup.PIECE = 1 << 14
url, home, data = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
driver(Configuration(driver="basebackup", url=url, folder=data / "backups", copy=None, keys=("k" * 43,), days=30,
                     data=data, spool=home / "spool", embedded=home)).take(full=True)
"""


def arguments(site):
    return [site.config.url, str(site.places.home), str(site.places.data)]


def environment():
    return os.environ | {"DJANGO_SETTINGS_MODULE": "gpuadvisor.settings.test"}


def test_backups_past_the_kept_days_go_with_their_wal_and_what_is_needed_stays(site):
    """30 days: the newest full one before them stays, for the first of the days needs it."""
    first = site.driver.kept()[0]
    newest = site.driver.take(full=True)
    wal_before = len(site.driver.repository().names("wal"))
    assert site.driver.expire(datetime.now(UTC) + timedelta(days=29)) == []
    gone = site.driver.expire(datetime.now(UTC) + timedelta(days=31))
    assert first.label in gone
    assert [one.label for one in site.driver.kept()] == [newest.label]
    assert len(site.driver.repository().names("wal")) < wal_before
    into = site.places.home / "pruned"
    assert site.restored(None, into, "select count(*) > 0 from hosts") == (True,)


def test_a_backup_does_not_hang_where_nothing_is_archived(site, monkeypatch):
    """d1, trap 4: the server waits for its archive for ever; we do not, and the site serves meanwhile."""
    monkeypatch.setattr("gpuadvisor.operations.backups.basebackup.STALL_SECONDS", 2)
    site.places.spool.chmod(0o000)
    if os.geteuid() == 0 and not site.places.account.is_other:
        pytest.skip("root archives anywhere")
    try:
        with pytest.raises(BackupError, match="its WAL is not archived"):
            site.driver.take(full=True)
        site.beat()
    finally:
        site.places.spool.chmod(0o700)
    site.archive()
