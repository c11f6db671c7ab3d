"""R-066, J8.1: everything an account holds, in one file, for its owner alone."""

import csv
import errno
import io
import json
import os
import threading
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.models import QueuedMail
from gpuadvisor.operations.models import Export
from gpuadvisor.operations.privacy import exporting, inventory, pieces
from gpuadvisor.operations.privacy.writing import without_secrets
from tests.factories import GPUConfigurationFactory, PerformanceMetricFactory, UserFactory
from tests.operations import account

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.DATA_DIR, settings.EXPORT_DIR = tmp_path, tmp_path / "exports"
    settings.ERASURE_LEDGER_DIR = tmp_path / "erasures"


def make(user):
    row = exporting.ask(user)
    while exporting.advance(row.pk):
        pass
    row.refresh_from_db()
    return row


def book(row):
    return zipfile.ZipFile(exporting.path_of(row.pk))


def test_everything_is_in_the_export_and_no_secret(client, host, settings):
    staff = UserFactory(is_staff=True)
    account.fill(client, host, staff=staff)
    owner = inventory.owner_of(host)
    row = make(host)
    assert (row.state, row.error) == ("ready", "")
    with book(row) as zipped:
        assert zipped.testzip() is None
        note = json.loads(zipped.read("schema.json"))
        tables = {table["table"]: table for table in note["tables"]}
        for one in inventory.held():
            there = json.loads(zipped.read(f"json/{one.name}.json")) if tables[one.name]["rows"] else []
            assert len(there) == tables[one.name]["rows"], one.name
            assert len(there) == one.rows(owner).count() or one.name in GROWING, one.name
            if there:
                assert list(there[0]) == [column.attname for column in one.columns("told")]
                sheet = list(csv.reader(io.StringIO(zipped.read(f"csv/{one.name}.csv").decode())))
                assert sheet[0] == list(there[0])
                assert len(sheet) == len(there) + 1
        everything = b"".join(zipped.read(name) for name in zipped.namelist()).decode()
        (portfolio,) = [row for row in json.loads(zipped.read("json/portfolios.json")) if row["description"]]
        assert portfolio["name"] == account.FORMULA  # as it is
        assert "'=HYPERLINK" in zipped.read("csv/portfolios.csv").decode()  # no formula
        assert "Kept when you delete your account" in zipped.read("README.txt").decode()
    assert account.NAME in everything
    secrets = ["gho_secret", "tok_secret", "confirm-key-1", "pi_secret_9", "billing.stripe.com", host.password]
    secrets += list(owner.session_keys)
    assert [secret for secret in secrets if secret in everything] == []
    assert staff.email not in everything
    assert str(UserFactory().pk) not in everything


GROWING = {"audit_entries", "mail_outbox", "data_exports"}  # the export itself writes there


def test_nothing_of_another_account_is_in_it(host, stranger):
    mine = PerformanceMetricFactory(gpu_configuration__portfolio__user=host)
    theirs = PerformanceMetricFactory(gpu_configuration__portfolio__user=stranger)
    with book(make(host)) as zipped:
        text = b"".join(zipped.read(name) for name in zipped.namelist()).decode()
    assert str(mine.pk) in text
    assert str(theirs.pk) not in text
    assert stranger.email not in text


def test_a_killed_worker_costs_one_slice(host, monkeypatch):
    """It goes on from the last slice that counts: every row once, in files as they should be."""
    gpu = GPUConfigurationFactory(portfolio__user=host)
    today = clock.today()
    days = {
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=today - timedelta(days=n)).pk for n in range(25)
    }
    monkeypatch.setattr(exporting, "SLICE_ROWS", 10)
    row = exporting.ask(host)
    closed = pieces.Piece.close
    slices = []

    def dies(piece, **how):
        if piece.path.name.startswith("performance_metrics"):
            slices.append(piece.path.name)
            if len(slices) in (2, 5):
                piece._file.write(b"half a slice")
                piece._file.flush()
                raise KeyboardInterrupt
        closed(piece, **how)

    monkeypatch.setattr(pieces.Piece, "close", dies)
    deaths = 0
    for _turn in range(40):
        try:
            if not exporting.advance(row.pk, seconds=0):
                break
        except KeyboardInterrupt:
            deaths += 1
            assert not exporting.advance(row.pk), "its lease still runs"
            Export.objects.filter(pk=row.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    row.refresh_from_db()
    assert (row.state, deaths, row.done_rows) == ("ready", 2, row.total_rows)
    with book(row) as zipped:
        assert zipped.testzip() is None
        found = [one["id"] for one in json.loads(zipped.read("json/performance_metrics.json"))]
    assert sorted(found) == sorted(str(pk) for pk in days)
    assert not exporting._work_folder(row.pk).exists()


def test_two_workers_never_write_at_once(host):
    row = exporting.ask(host)
    Export.objects.filter(pk=row.pk).update(
        state="working", lease=row.pk, lease_until=clock.now() + timedelta(seconds=60)
    )
    assert not exporting.advance(row.pk)


def test_one_is_open_at_a_time_and_three_in_a_day(host):
    first = exporting.ask(host)
    assert exporting.ask(host).pk == first.pk
    for _number in range(3):
        make(host)
    with pytest.raises(DomainError) as refused:
        exporting.ask(host)
    assert refused.value.code == "often"
    Export.objects.filter(user=host).update(asked_at=clock.now() - timedelta(hours=25))
    assert exporting.ask(host)


@pytest.mark.parametrize("at", ["close", "join"])
def test_a_full_disk_fails_it_cleanly(host, monkeypatch, at):
    """e35: no half a file, and a sentence."""
    PerformanceMetricFactory(gpu_configuration__portfolio__user=host)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    if at == "close":
        monkeypatch.setattr(pieces.Piece, "close", full)
    else:
        monkeypatch.setattr(os, "fsync", _fails_on_part(os.fsync))
    row = make(host)
    assert row.state == "failed"
    assert "no room" in row.error
    assert list(exporting.folder().iterdir()) == []
    assert not QueuedMail.objects.filter(to=host.email).exists()
    monkeypatch.undo()
    row = exporting.ask(host)  # a failed one does not count
    assert row.state == "waiting"


def _fails_on_part(fsync):
    def call(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".part":
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    return call


def test_one_that_breaks_off_each_time_is_given_up(host):
    row = exporting.ask(host)
    Export.objects.filter(pk=row.pk).update(attempts=5)
    exporting.advance(row.pk)
    row.refresh_from_db()
    assert row.state == "failed"
    assert "five times" in row.error


def test_a_mail_tells_when_it_is_ready(host):
    make(host)
    (mail,) = QueuedMail.objects.filter(to=host.email)
    assert mail.subject == "Your export is ready"


def test_files_without_a_row_are_swept(host):
    row = make(host)
    kept, orphan = exporting.path_of(row.pk), exporting.folder() / f"{host.pk.hex}.zip"
    orphan.write_bytes(b"x")
    (exporting.folder() / f"{host.pk.hex}.work").mkdir()
    for path in exporting.folder().iterdir():
        os.utime(path, (1, 1))
    exporting.expire()
    assert list(exporting.folder().iterdir()) == [kept]


def test_an_account_deleted_meanwhile_leaves_no_file(host, monkeypatch):
    """e41: during an export."""
    PerformanceMetricFactory(gpu_configuration__portfolio__user=host)
    row = exporting.ask(host)
    joined = exporting.join

    def deleted_meanwhile(*args, **kwargs):
        size = joined(*args, **kwargs)
        Export.objects.filter(pk=row.pk).delete()
        return size

    monkeypatch.setattr(exporting, "join", deleted_meanwhile)
    assert exporting.advance(row.pk)
    assert list(exporting.folder().iterdir()) == []
    assert not QueuedMail.objects.filter(to=host.email).exists()


def test_the_demo_account_has_nothing_to_take(host):
    host.is_demo = True
    with pytest.raises(DomainError):
        exporting.ask(host)


def test_keys_in_what_stripe_told_are_left_out():
    told = {"id": "pi_1", "client_secret": "x", "rows": [{"webhook_secret": "y", "amount": 3}]}
    assert without_secrets(told) == {"id": "pi_1", "rows": [{"amount": 3}]}


def test_pages_of_one_owner_follow_each_other_without_gaps(host, monkeypatch):
    """Rows with equal first columns, across the border of a slice."""
    monkeypatch.setattr(exporting, "SLICE_ROWS", 3)
    gpus = [GPUConfigurationFactory(portfolio__user=host) for _number in range(3)]
    today = clock.today()
    for gpu in gpus:
        for platform in ("vast", "runpod"):
            for number in range(4):
                day = today - timedelta(days=number)
                PerformanceMetricFactory(gpu_configuration=gpu, platform=platform, metric_date=day)
    with book(make(host)) as zipped:
        rows = json.loads(zipped.read("json/performance_metrics.json"))
    assert len({row["id"] for row in rows}) == len(rows) == 24


@pytest.mark.django_db(transaction=True)
def test_a_double_click_makes_one(host):
    """Two requests at the same moment."""
    from django.db import connection

    made, barrier = [], threading.Barrier(2)

    def click():
        try:
            barrier.wait()
            made.append(exporting.ask(host).pk)
        finally:
            connection.close()

    clicks = [threading.Thread(target=click) for _number in range(2)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    assert len(made) == 2
    assert len(set(made)) == 1
