"""What staff and /health see of backups, and what a restored database must not do again (promise 12, e39, J10)."""

from datetime import timedelta

import pytest
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse

from alerts.models import AlertDelivery
from gpuadvisor.core import clock, mail
from gpuadvisor.core import health as core_health
from gpuadvisor.core.models import Heartbeat, JobRun, QueuedMail
from gpuadvisor.operations import after_restore, tasks_backups
from gpuadvisor.operations.backups import afterwards, health, rows
from gpuadvisor.operations.models import Backup, RestoreCheck
from tests.factories import ChannelFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def on(settings):
    settings.BACKUP_DRIVER = "basebackup"


@pytest.fixture
def later(monkeypatch):
    """The clock that health reads, set forward: the server of the tests came up just now."""

    def set_forward(**by):
        real = clock.now
        monkeypatch.setattr(health.clock, "now", lambda: real() + timedelta(**by))

    return set_forward


def backup(**more):
    fields = {"kind": "full", "driver": "basebackup", "state": "done", "started_at": clock.now(), "label": "a"}
    return Backup.objects.create(**(fields | more))


@pytest.fixture
def staff_client(client):
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return client


# -- Health ------------------------------------------------------------------------------------------------------------
def test_a_broken_archive_turns_health_red_and_tells_staff_once_a_day(on, later, client):
    """Promise 12: red at ten minutes. The site serves on, and staff get one mail."""
    UserFactory(is_staff=True)
    backup()
    Heartbeat.objects.create(name=health.ARCHIVE, seen_at=clock.now())
    Heartbeat.objects.create(name="worker", seen_at=clock.now())
    health.archive()
    later(minutes=11)
    found = core_health.check()
    assert "archive" in found.alarms
    assert found.checks["archive"].startswith("the newest archived WAL is 11 minutes old")
    answer = client.get(reverse("core:health-ready"))
    assert answer.status_code == 200, answer.json()
    tasks_backups._tell_of_the_archive()
    tasks_backups._tell_of_the_archive()
    assert QueuedMail.objects.filter(subject="The archive of the database is broken").count() == 1


def test_an_installation_without_backups_is_no_alarm_on_its_first_day_and_amber_after(on, later):
    JobRun.objects.create(job="x", slot=clock.now())
    health.archive()
    health.backup()
    later(hours=27)
    with pytest.raises(core_health.Trouble, match="there is no backup yet"):
        health.backup()


@pytest.mark.parametrize(
    ("hours", "kind", "words"),
    [
        pytest.param(27, core_health.Trouble, "more than a day old", id="a day"),
        pytest.param(51, core_health.Alarm, "2 days old", id="two days"),
    ],
)
def test_an_old_backup_is_told(on, later, hours, kind, words):
    backup()
    health.backup()
    later(hours=hours)
    with pytest.raises(kind, match=words):
        health.backup()


def test_a_failed_backup_and_a_failed_check_are_told(on):
    backup(started_at=clock.now() - timedelta(hours=1))
    RestoreCheck.objects.create(started_at=clock.now(), finished_at=clock.now(), is_ok=True)
    health.restore_check()
    backup(label="b", state="failed", error="The disk of /x has 3 MB free.")
    RestoreCheck.objects.create(started_at=clock.now(), finished_at=clock.now(), is_ok=False)
    with pytest.raises(core_health.Trouble, match="the last backup failed: The disk"):
        health.backup()
    with pytest.raises(core_health.Alarm):
        health.restore_check()


def test_where_backups_are_off_nothing_is_asked(settings):
    settings.BACKUP_DRIVER = "off"
    health.archive()
    health.backup()
    health.restore_check()
    tasks = (tasks_backups.push_wal, tasks_backups.back_up, tasks_backups.mark, tasks_backups.check)
    assert [task() for task in tasks] == [0, 0, 0, 0]
    settings.EMBEDDED_POSTGRES = "/x"
    with pytest.raises(core_health.Trouble, match="switched off"):
        health.backup()


# -- Rows --------------------------------------------------------------------------------------------------------------
def test_a_backup_whose_process_was_killed_is_failed(on):
    row = backup(state="running")
    assert rows.fail_dead(alive=True) == 0
    assert rows.fail_dead(alive=False) == 1
    row.refresh_from_db()
    assert (row.state, row.error) == ("failed", "Its process ended before it was done.")


def test_the_daily_backup_is_started_once_in_its_day(on, monkeypatch):
    """Asked every hour, by any number of beats."""
    started = []
    monkeypatch.setattr(tasks_backups.watching, "spawn", started.append)
    assert [tasks_backups.back_up() for _ in range(3)] == [1, 0, 0]
    assert started == ["backup"]


def test_the_check_waits_for_a_backup_and_then_for_a_month(on, monkeypatch):
    started = []
    monkeypatch.setattr(tasks_backups.watching, "spawn", started.append)
    assert tasks_backups.check() == 0
    backup(started_at=clock.now() - timedelta(days=1))
    assert [tasks_backups.check(), tasks_backups.check()] == [1, 0]
    JobRun.objects.all().delete()
    RestoreCheck.objects.create(started_at=clock.now() - timedelta(days=29))
    assert tasks_backups.check() == 0
    assert started == ["restore_check"]


# -- After a restore ---------------------------------------------------------------------------------------------------
def test_old_mails_and_deliveries_are_given_up_after_a_restore_and_young_ones_leave():
    """e39: pending rows older than 24 hours become dead."""
    channel = ChannelFactory()
    now = clock.now()
    kept = {}
    for name, age in (("old", 25), ("young", 23)):
        (row,) = mail.queue(EmailMultiAlternatives(name, "text", to=["host@example.com"]))
        QueuedMail.objects.filter(pk=row.pk).update(created_at=now - timedelta(hours=age))
        delivery = AlertDelivery.objects.create(
            user=channel.user, channel=channel, next_at=now, created_at=now - timedelta(hours=age)
        )
        kept[name] = (row, delivery)
    said = afterwards.old_messages(now)
    for row, delivery in kept.values():
        row.refresh_from_db()
        delivery.refresh_from_db()
    assert [row.status for row, _ in kept.values()] == ["failed", "pending"]
    assert bytes(kept["old"][0].body) == b""
    assert [delivery.status for _, delivery in kept.values()] == ["dead", "pending"]
    assert said.startswith("1 deliveries and 1 mails older than 24 hours were given up; 2 younger ones")
    assert afterwards.old_messages(now).startswith("0 deliveries and 0 mails")  # it may run again


def test_every_part_is_run_after_a_restore_even_after_one_that_failed(monkeypatch):
    monkeypatch.setattr(after_restore, "_hooks", {})
    after_restore.register("first", lambda moment: 1 / 0)
    after_restore.register("second", lambda moment: f"to {moment:%Y}")
    done = after_restore.run(clock.now())
    assert [one.is_ok for one in done] == [False, True]
    assert done[0].sentence.startswith("failed: ZeroDivisionError")
    assert done[1].sentence == f"to {clock.now():%Y}"


def test_mails_erasures_backups_and_stripe_are_seen_to_after_a_restore():
    names = list(after_restore._hooks)
    assert {"mails and alerts", "deleted accounts", "jobs", "caches", "backups", "Stripe"} <= set(names)
    assert all(one.is_ok for one in after_restore.run(clock.now()))


# -- Admin -------------------------------------------------------------------------------------------------------------
def test_staff_see_a_green_tick_and_the_row_counts(on, staff_client):
    """J10, step 6."""
    backup(bytes=5_272_880, finished_at=clock.now())
    good = RestoreCheck.objects.create(
        started_at=clock.now(), finished_at=clock.now(), is_ok=True, rpo_seconds=42.0, rto_seconds=3.25,
        rows={"portfolios": [500, 500], "hosts": [1200, 1200]},
    )  # fmt: skip
    page = staff_client.get(reverse("admin:operations_restorecheck_changelist")).content.decode()
    assert "icon-yes" in page
    assert "1,700" in page
    assert "42.0 s" in page
    one = staff_client.get(reverse("admin:operations_restorecheck_change", args=[good.pk])).content.decode()
    assert "<td>portfolios</td><td>500</td><td>500</td><td></td>" in one
    assert "5 MB" in staff_client.get(reverse("admin:operations_backup_changelist")).content.decode()


@pytest.mark.parametrize("what", ["backup", "restorecheck"])
def test_run_now_asks_a_worker_once_for_those_who_may(on, staff_client, client, monkeypatch, what):
    asked = []
    monkeypatch.setattr("gpuadvisor.operations.backups.admin.nudge", lambda *words: asked.append(words))
    url = reverse(f"admin:operations_{what}_run")
    assert staff_client.get(url).status_code == 403
    assert staff_client.post(url).status_code == 302
    assert len(asked) == 1
    client.force_login(UserFactory(is_staff=True))
    assert client.post(url).status_code == 403
    assert len(asked) == 1


def test_backups_cannot_be_changed_by_hand(on, staff_client):
    row = backup()
    assert staff_client.get(reverse("admin:operations_backup_add")).status_code == 403
    assert staff_client.post(reverse("admin:operations_backup_delete", args=[row.pk])).status_code == 403


def test_the_first_backup_of_a_site_that_was_up_for_long_is_no_alarm(on, later):
    """What it was made with has reached the repository, whoever brought it there."""
    later(minutes=30)
    backup(finished_at=clock.now())
    health.archive()
