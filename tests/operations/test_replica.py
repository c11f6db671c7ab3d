"""A copy of the database beside the tests' own server: promise 14, e12, reliability d2."""

import os
import shutil
import subprocess
import time
from copy import deepcopy
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection, connections, transaction
from django.test import Client, RequestFactory
from django.urls import reverse

from gpuadvisor.core import clock, health, replica, tasks
from gpuadvisor.servers import postgres, processes
from gpuadvisor.servers.places import settle
from market.selectors import market_history
from tests.factories import (
    GPUConfigurationFactory,
    MarketDataFactory,
    PerformanceMetricFactory,
    PlatformFactory,
    PortfolioFactory,
    UserFactory,
)

OURS = os.environ.get("GPA_TEST_SERVERS", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OURS, reason="DATABASE_URL names a server that is not the tests' own"),
    pytest.mark.django_db(transaction=True, databases=["default", "replica"]),
]


class Copy:
    """A streaming copy of the tests' own server, made as docs/operations.md tells."""

    def __init__(self):
        self.places = settle(Path(OURS), by_hand=True, is_temporary=True)
        self.bin = self.places.postgres_folder() / "bin"
        self.folder = self.places.home / "copy"
        self.sockets = self.places.sockets / "copy"
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        self.places.account.own(self.sockets, 0o700)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.places.account.own(self.folder, 0o700)
        self.primary(f"select pg_drop_replication_slot('{slot}')" for slot in self.slots())
        source = f"host={self.places.sockets} port=5432 user=app"
        made = [self.bin / "pg_basebackup", "-D", self.folder, "-d", source, "-R", "-X", "stream", "-c", "fast"]
        done = processes.run_as(self.places.account, [*map(str, made), "-C", "-S", "copy"])
        assert done.returncode == 0, done.stdout
        self.server = None

    def slots(self):
        with psycopg.connect(
            postgres.url(self.places, database="postgres").replace("postgres://", "postgresql://")
        ) as link:
            return [name for (name,) in link.execute("select slot_name from pg_replication_slots")]

    def primary(self, statements):
        url = postgres.url(self.places, database="postgres").replace("postgres://", "postgresql://")
        with psycopg.connect(url, autocommit=True) as link:
            for statement in statements:
                link.execute(statement)

    def start(self):
        settings = {"unix_socket_directories": self.sockets, "archive_mode": "off", "hot_standby_feedback": "on"}
        line = [str(self.bin / "postgres"), "-D", str(self.folder)]
        for name, value in settings.items():
            line += ["-c", f"{name}={value}"]
        self.server = subprocess.Popen(
            processes.tied(line, dies_by="QUIT", account=self.places.account),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=processes.BARE_ENVIRONMENT,
        )
        assert processes.wait_until(lambda: self.answers("select true") is True, 30)

    def stop(self):
        self.server.send_signal(3)  # immediate, as after a power cut
        self.server.wait(20)

    def answers(self, query):
        try:
            with psycopg.connect(
                host=str(self.sockets), port=5432, user="app", dbname="postgres", autocommit=True
            ) as link:
                return link.execute(query).fetchone()[0]
        except psycopg.Error:
            return None

    def catch_up(self):
        """Wait until all that is committed has arrived."""
        with connection.cursor() as cursor:
            cursor.execute("select pg_current_wal_insert_lsn()")
            (here,) = cursor.fetchone()
        assert processes.wait_until(lambda: self.answers(f"select pg_last_wal_replay_lsn() >= '{here}'"), 20)


@pytest.fixture(scope="module")
def server(django_db_setup):
    made = Copy()
    made.start()
    there = deepcopy(connections.settings["default"])
    there |= {"HOST": str(made.sockets), "PORT": "5432", "TEST": {**there["TEST"], "MIRROR": "default"}}
    connections.settings["replica"] = there
    yield made
    connections["replica"].close()
    del connections.settings["replica"]
    del connections["replica"]
    made.stop()
    made.primary(f"select pg_drop_replication_slot('{slot}')" for slot in made.slots())
    shutil.rmtree(made.folder)


@pytest.fixture(autouse=True)
def copy(server, settings, monkeypatch):
    """A site with a copy that is up to date."""
    monkeypatch.setitem(settings.DATABASES, "replica", connections.settings["replica"])
    monkeypatch.setattr(replica, "copy", replica._Copy())
    monkeypatch.setattr(replica, "LOOK_SECONDS", 0.05)
    if server.answers("select true") is None:
        server.start()
    server.answers("select pg_wal_replay_resume()")
    tasks.replica_heartbeat()
    server.catch_up()
    return server


def visitor(method="get", **more):
    request = getattr(RequestFactory(), method)("/", **more)
    request.user = AnonymousUser()
    return replica._Reader(request)


@pytest.fixture
def as_visitor():
    token = replica._reader.set(visitor())
    yield
    replica._reader.reset(token)


def place_asked():
    return replica.reports(replica.reports_db)()


def history():
    now = clock.now()
    return market_history("RTX 4090", since=now - timedelta(days=1), until=now, platform="vast", origin="live")


def test_market_history_is_read_on_the_copy(copy, django_assert_num_queries):
    MarketDataFactory(data_timestamp=clock.now() - timedelta(hours=1))
    copy.catch_up()
    with django_assert_num_queries(2, using="replica"):  # how fresh it is, and the series
        assert len(history()) == 1


def test_who_may_read_the_copy(copy, as_visitor):
    """Opt-in per function; nobody in a transaction, after a write, with a token, or outside a request."""
    assert place_asked() == "replica"
    assert replica.reports_db() == "default"  # a function that never opted in
    with transaction.atomic():
        assert place_asked() == "default"
    for reader in (None, visitor("post"), visitor(headers={"Authorization": "Bearer x"})):
        replica._reader.set(reader)
        assert place_asked() == "default"
    request = RequestFactory().get("/")
    request.COOKIES[replica.COOKIE] = "1"
    replica._reader.set(replica._Reader(request))
    assert place_asked() == "default"


def test_an_export_reads_the_copy_only_for_what_it_holds(copy):
    """What was written after the newest heartbeat there may be missing: an account asked for all of its rows."""
    assert replica.db_with(clock.now() - timedelta(minutes=1)) == "replica"
    asked_at = clock.now()
    assert replica.db_with(asked_at) == "default"
    tasks.replica_heartbeat()
    copy.catch_up()
    time.sleep(0.1)
    assert replica.db_with(asked_at) == "replica"


def test_a_copy_that_is_behind_is_not_read(copy, as_visitor, monkeypatch):
    """e12: replay paused. Its rows are old and no query fails, so only the heartbeat tells."""
    monkeypatch.setattr(replica, "FRESH_SECONDS", 1.0)
    assert place_asked() == "replica"
    copy.answers("select pg_wal_replay_pause()")
    for _ in range(6):
        time.sleep(0.3)
        tasks.replica_heartbeat()  # the primary goes on
    assert place_asked() == "default"
    with pytest.raises(health.Trouble, match="not fresh"):
        health.AMBER["replica"]()
    copy.answers("select pg_wal_replay_resume()")
    copy.catch_up()
    time.sleep(0.1)
    assert place_asked() == "replica"
    health.AMBER["replica"]()


def test_a_host_reads_what_they_have_just_written(copy, host):
    """Promise 14, with a copy that lags: 8 results typed in and read at once, by the browser and on another device."""
    PlatformFactory()
    gpu = GPUConfigurationFactory(portfolio=PortfolioFactory(user=host), quantity=1)
    PerformanceMetricFactory(gpu_configuration=gpu, metric_date=clock.today() - timedelta(days=3))
    browser, device = Client(), Client()
    browser.force_login(host)
    device.force_login(host)
    copy.catch_up()
    missed = 0
    for number in range(8):
        copy.answers("select pg_wal_replay_pause()")
        said = f"{1000 + number}.00"
        day = (clock.today() - timedelta(days=1)).isoformat()
        figures = {"utilization_percentage": "50", "hourly_rate": "0.4", "daily_revenue": said, "uptime_hours": "24"}
        address = reverse("portfolios:metric-add", kwargs={"pk": gpu.pk})
        gpu.metrics.filter(metric_date=day).delete()
        answer = browser.post(address, {"platform": "vast", "metric_date": day, **figures})
        assert answer.status_code == 302
        assert replica.COOKIE in answer.cookies
        for client in (browser, device):
            page = client.get(reverse("portfolios:kpis"), {"period": "7d"}).content.decode()
            missed += f"$1,{14 + number:03d}.40" not in page
        copy.answers("select pg_wal_replay_resume()")
    assert missed == 0


def test_its_death_costs_no_page(copy):
    """e12: killed while 200 pages are read, and back again."""
    PlatformFactory()
    host = UserFactory()
    gpu = GPUConfigurationFactory(portfolio=PortfolioFactory(user=host))
    for age in range(1, 8):
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=clock.today() - timedelta(days=age))
    copy.catch_up()
    client = Client()
    client.force_login(host)
    time.sleep(0.1)
    codes, asked = [], []
    for number in range(60):
        if number == 20:
            copy.stop()
        codes.append(client.get(reverse("portfolios:kpis"), {"period": "7d"}).status_code)
        asked.append(replica.copy.breaker.is_open)
    assert codes == [200] * 60
    assert not any(asked[:20])
    assert all(asked[21:25])
    copy.start()
    replica.copy.breaker.reset()
    tasks.replica_heartbeat()
    copy.catch_up()
    time.sleep(0.1)
    token = replica._reader.set(visitor())
    try:
        assert place_asked() == "replica"  # its connection was made anew
    finally:
        replica._reader.reset(token)


def test_it_is_promoted_and_takes_writes(copy):
    """docs/operations.md, "When the primary is lost": tried on this copy, which is thrown away then."""
    UserFactory(email="before@example.com")
    copy.catch_up()
    name = connection.settings_dict["NAME"]
    assert copy.answers("select pg_promote(true, 30)") is True
    with psycopg.connect(host=str(copy.sockets), port=5432, user="app", dbname=name, autocommit=True) as link:
        assert link.execute("select pg_is_in_recovery()").fetchone() == (False,)
        assert link.execute("select count(*) from users where email = 'before@example.com'").fetchone() == (1,)
        link.execute("update users set name = 'After' where email = 'before@example.com'")
        assert link.execute("select pg_walfile_name(pg_current_wal_lsn())").fetchone()[0].startswith("00000002")
