"""Staff see how every job fares, and run one through the same door as beat."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from gpuadvisor.celery import app
from gpuadvisor.core import clock, jobs
from gpuadvisor.core.models import AuditEntry, JobRun, JobState
from gpuadvisor.operations import recording, running
from gpuadvisor.operations.schedule import BY_NAME
from tests.factories import UserFactory

SWEEP, SLOTTED = BY_NAME["core.send-due-mails"], BY_NAME["core.sweep-limits"]


@pytest.fixture
def staff(client, db):
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


@pytest.fixture
def sent(monkeypatch):
    """What would go to the broker."""
    messages = []
    monkeypatch.setattr(app, "send_task", lambda task, **more: messages.append((task, more["headers"])))
    return messages


def standing(name):
    return next(row for row in running.standings() if row.job.name == name)


def run_as_beat(job):
    app.loader.import_default_modules()
    return app.tasks[job.task].apply()


def test_a_run_is_written_down_and_a_skipped_one_is_not(db):
    run_as_beat(SLOTTED)
    first = JobState.objects.get(job=SLOTTED.name)
    run_as_beat(SLOTTED)
    assert JobState.objects.get(job=SLOTTED.name).finished_at == first.finished_at
    assert (first.fails, first.error, first.rows) == (0, "", 0)
    assert standing(SLOTTED.name).word == "fine"


def test_a_failure_is_told_until_a_run_goes_well(db, monkeypatch):
    from gpuadvisor.core import mail

    def broken():
        raise ValueError("no way out")

    with monkeypatch.context() as patch:
        patch.setattr(mail, "send_due", broken)
        for _ in range(2):
            run_as_beat(SWEEP)
    row = standing(SWEEP.name)
    assert (row.state, row.level, row.fails, row.error) == ("failing", "amber", 2, "ValueError: no way out")
    run_as_beat(SWEEP)
    assert (standing(SWEEP.name).state, standing(SWEEP.name).fails) == ("fine", 0)


def test_what_did_not_run_is_late_then_red(db):
    recording.know_all()
    assert {row.level for row in running.standings()} == {"ok"}
    now = clock.now()
    for behind, level in ((SLOTTED.amber, "amber"), (SLOTTED.red, "red")):
        JobState.objects.update(ok_at=now - behind - timedelta(seconds=1))
        assert (standing(SLOTTED.name).state, standing(SLOTTED.name).level) == ("late", level)


def test_what_is_asked_for_runs_though_its_slot_was_had(db):
    run_as_beat(SLOTTED)
    assert running.run_here(SLOTTED)["ok"]
    assert JobRun.objects.filter(job=SLOTTED.name).count() == 2
    assert AuditEntry.objects.get().details == {"job": SLOTTED.name, "by": "run_job"}


def test_it_is_refused_while_one_runs(client, staff, sent):
    jobs.claim_slot(SLOTTED.name, jobs.slot_at(clock.now(), SLOTTED.slot))
    with pytest.raises(CommandError, match="runs at this moment"):
        call_command("run_job", SLOTTED.name)
    page = client.post(reverse("admin:core_jobstate_run", args=[SLOTTED.name]), follow=True)
    assert "It runs at this moment" in page.text
    assert (sent, AuditEntry.objects.count()) == ([], 0)


def test_staff_ask_a_worker_and_the_audit_tells_who(client, staff, sent):
    page = client.post(reverse("admin:core_jobstate_run", args=[SLOTTED.name]), follow=True)
    assert "was asked for" in page.text
    assert sent == [(SLOTTED.task, {recording.ASKED_HEADER: "1"})]
    assert AuditEntry.objects.get().user == staff


def test_a_dead_broker_is_told(client, staff, monkeypatch):
    def refuse(*args, **more):
        raise ConnectionRefusedError

    monkeypatch.setattr(app, "send_task", refuse)
    page = client.post(reverse("admin:core_jobstate_run", args=[SLOTTED.name]), follow=True)
    assert "The broker does not answer" in page.text


@pytest.mark.parametrize("method", ["get", "post"])
def test_no_job_of_that_name(client, staff, method):
    assert getattr(client, method)(reverse("admin:core_jobstate_run", args=["nobody"])).status_code == 404
    assert client.get(reverse("admin:core_jobstate_history", args=["nobody"])).status_code == 404


def test_who_may_look_may_not_run(client, db, sent):
    from django.contrib.auth.models import Permission

    looker = UserFactory(is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_jobstate"))
    client.force_login(looker)
    assert client.get(reverse("admin:core_jobstate_changelist")).status_code == 200
    assert client.post(reverse("admin:core_jobstate_run", args=[SLOTTED.name])).status_code == 403
    assert sent == []


def test_the_page_asks_as_much_for_many_runs_as_for_none(client, staff):
    def count():
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse("admin:core_jobstate_changelist")).status_code == 200
        with CaptureQueriesContext(connection) as own:
            running.standings(clock.now())
        return len(queries), len(own) - 1  # the clock

    count()  # the session's first page
    few = count()
    now = clock.now()
    JobRun.objects.bulk_create(
        JobRun(job=SLOTTED.name, slot=now - timedelta(minutes=10 * n), started_at=now, finished_at=now)
        for n in range(500)
    )
    assert count() == few
    assert few[1] == 2


def test_history_goes_back_page_by_page(client, staff):
    now = clock.now()
    for n in range(running.LAST_RUNS + 5):
        JobRun.objects.create(job=SLOTTED.name, slot=now - timedelta(minutes=10 * n), started_at=now, rows=n)
    page = client.get(reverse("admin:core_jobstate_history", args=[SLOTTED.name]))
    assert len(page.context["runs"]) == running.LAST_RUNS
    older = client.get(page.request["PATH_INFO"], {"before": page.context["older"]})
    assert [run.rows for run in older.context["runs"]] == list(range(running.LAST_RUNS, running.LAST_RUNS + 5))
    assert client.get(page.request["PATH_INFO"], {"before": "yesterday"}).status_code == 200


def test_the_command_tells_the_same(db, capsys):
    run_as_beat(SWEEP)
    call_command("jobs", "--json")
    told = json.loads(capsys.readouterr().out)
    row = next(row for row in told["rows"] if row["job"] == SWEEP.name)
    assert (told["ok"], row["state"], row["queue"], row["every_s"]) == (True, "fine", "alerts", 10.0)
    JobState.objects.update(ok_at=clock.now() - timedelta(days=3))
    with pytest.raises(SystemExit):
        call_command("jobs")
    assert "late" in capsys.readouterr().out


def test_run_job_tells_rows_or_the_error(db, capsys, monkeypatch):
    call_command("run_job", SWEEP.name, "--json")
    assert json.loads(capsys.readouterr().out)["rows"] == 0
    with pytest.raises(CommandError, match="no job nobody"):
        call_command("run_job", "nobody")
