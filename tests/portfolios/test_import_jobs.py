"""Imports outlive the processes that work on them: read on from the last slice, stored once or not at all."""

import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from django.test import Client

from gpuadvisor.core import clock
from gpuadvisor.core.ids import uuid7
from portfolios.imports import jobs, reading, service
from portfolios.models import MetricImport, MetricImportRow, PerformanceMetric
from tests.factories import GPUConfigurationFactory, PlatformFactory, UserFactory
from tests.portfolios.test_imports import choices, send

LINES = 6_000
WORKER = """
import os, sys, time, django
django.setup()
from django.conf import settings
from pathlib import Path
settings.DATA_DIR = Path(sys.argv[1])
from portfolios.imports import jobs, reading, storing
reading.SLICE_LINES, storing.SLICE_LINES = 1_000, 1_000
original, where, turns = getattr({module}, {name!r}), {after}, 0
def slow(*args, **kwargs):
    global turns
    turns += 1
    if turns > where:
        print("here", flush=True)
        time.sleep(60)
    return original(*args, **kwargs)
setattr({module}, {name!r}, slow)
jobs.work()
"""


@pytest.fixture
def waiting(transactional_db, tmp_path, settings, monkeypatch):
    """A file of 6,000 days of which nothing is read yet."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(service, "AT_ONCE_BYTES", 0)
    monkeypatch.setattr(service, "nudge", lambda task: None)
    PlatformFactory()
    host = UserFactory()
    gpus = [GPUConfigurationFactory(portfolio__user=host).pk for _ in range(10)]
    today = clock.today()
    rows = [f"{today - timedelta(days=n // 10)},{gpus[n % 10]},vast,50,9.6" for n in range(LINES)]
    client = Client()
    client.force_login(host)
    response = send(client, "\n".join(["date,gpu,platform,utilization,revenue", *rows]))
    job = MetricImport.objects.get()
    assert client.post(response.url, choices(job)).status_code == 302
    return job


def killed(tmp_path, module, name, after):
    """A worker killed when it comes to `name` for the time after `after`."""
    url = re.sub(r"(//[^/]*/)[^?]*", rf"\g<1>{connection.settings_dict['NAME']}", os.environ["DATABASE_URL"])
    names = {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]}
    env = os.environ | names
    code = WORKER.format(module=module, name=name, after=after)
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env=env, cwd=django_settings.BASE_DIR, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    time.sleep(0.3)  # PostgreSQL notices that its client is gone


def lease_ends():
    MetricImport.objects.update(lease_until=clock.now() - timedelta(seconds=1))


@pytest.mark.slow
def test_a_worker_killed_while_it_reads_is_followed_by_one_that_reads_on(waiting, tmp_path, monkeypatch):
    killed(tmp_path, "reading.days", "settle", after=3)
    left = MetricImport.objects.get()
    assert left.state == "uploaded"
    assert left.rows_read == MetricImportRow.objects.count() == 3_000
    assert jobs.work() == 0, "the lease of the dead one holds"
    lease_ends()
    read = []
    original = reading.Rows.read
    monkeypatch.setattr(reading.Rows, "read", lambda self, cells: read.append(1) or original(self, cells))
    assert jobs.work() == 1
    job = MetricImport.objects.get()
    assert (job.state, job.rows_read, job.rows_new) == ("ready", LINES, LINES)
    assert len(read) == LINES - 3_000
    assert list(MetricImportRow.objects.order_by("line").values_list("line", flat=True)) == list(range(2, LINES + 2))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["store", "undo"])
def test_a_worker_killed_while_it_stores_leaves_nothing_half_done(waiting, tmp_path, what):
    jobs.work()
    job = MetricImport.objects.get()
    service.say_yes(job, good_rows=False)
    if what == "undo":
        jobs.work()
        service.take_back(MetricImport.objects.get())
    before = PerformanceMetric.objects.count()
    assert before == (0 if what == "store" else LINES)
    if what == "store":
        killed(tmp_path, "storing.days", "settle", after=3)
    else:
        killed(tmp_path, "storing", "_follow", after=0)
    assert PerformanceMetric.objects.count() == before
    assert MetricImport.objects.get().state == "running"
    lease_ends()
    assert jobs.work() == 1
    job = MetricImport.objects.get()
    assert (job.state, PerformanceMetric.objects.count()) == (("done", LINES) if what == "store" else ("undone", 0))
    assert not list(tmp_path.rglob("*.csv"))


def test_an_import_that_breaks_off_five_times_is_given_up(waiting, monkeypatch):
    monkeypatch.setattr(jobs.reading, "finish", lambda job: 1 / 0)
    for _ in range(jobs.MOST_ATTEMPTS):
        MetricImport.objects.update(lease_until=None)
        with pytest.raises(ZeroDivisionError):
            jobs.work()
    MetricImport.objects.update(lease_until=None)
    settings = MetricImport.objects.get().settings | {"attempts": jobs.MOST_ATTEMPTS}
    MetricImport.objects.update(settings=settings)
    jobs.work()
    job = MetricImport.objects.get()
    assert (job.state, job.error[:27]) == ("failed", "This was tried five times a")


def test_two_hosts_files_take_turns(waiting, monkeypatch):
    monkeypatch.setattr(reading, "SLICE_LINES", 1_000)
    monkeypatch.setattr(jobs, "TURN_SECONDS", 0.0)
    other = MetricImport.objects.get()
    path = service.files.path_of(other.user_id, other.pk)
    other.pk, other.lease_until, other._state.adding = uuid7(), None, True
    other.save(force_insert=True)
    service.files.path_of(other.user_id, other.pk).write_bytes(path.read_bytes())
    served = []
    original = jobs._Turn.read

    def one_slice(self, until):
        served.append(self.job.pk)
        original(self, 0.0)

    monkeypatch.setattr(jobs._Turn, "read", one_slice)
    jobs.work()
    assert served[:2] == served[2:4]
    assert len(set(served[:2])) == 2
    assert set(MetricImport.objects.values_list("state", flat=True)) == {"ready"}


def test_an_owner_who_throws_the_file_away_ends_the_work(waiting, monkeypatch):
    monkeypatch.setattr(reading, "SLICE_LINES", 1_000)
    original = reading.Reader.slice

    def thrown(self, cursor, job):
        done = original(self, cursor, job)
        MetricImport.objects.update(state="discarded", lease_until=None)
        return done

    monkeypatch.setattr(reading.Reader, "slice", thrown)
    jobs.work()
    assert MetricImport.objects.get().state != "ready"


def test_an_operator_imports_a_file(host, tmp_path, settings, vast, gpu):
    settings.DATA_DIR = tmp_path
    file = tmp_path / "x.csv"
    file.write_text(f"date,gpu,platform,revenue\n{clock.today()},Rack 1,vast,3\n")
    call_command("import_metrics", "--user", host.email, "--file", str(file))
    assert gpu.metrics.get().daily_revenue == 3
    assert file.exists()
