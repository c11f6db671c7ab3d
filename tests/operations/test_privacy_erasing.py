"""R-066, J8.2 and J8.3: an account is deleted, with seven days to take it back, and stays deleted after a restore."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
import stripe
from django.core import mail as outbox
from django.core.management import CommandError, call_command
from django.db import connection

from alerts.channels import Outcome
from alerts.delivery import claiming
from alerts.delivery.recording import Sent, record
from alerts.models import AlertDelivery, DeliveryAttempt
from billing import client as stripe_door
from billing.models import Invoice, PlanChange, StripeEvent, Subscription
from chat import streaming
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, mail
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.models import AuditEntry, QueuedMail
from gpuadvisor.operations import after_restore
from gpuadvisor.operations.models import Erasure
from gpuadvisor.operations.privacy import erasing, exporting, inventory, ledger, steps
from portfolios.imports import files as import_files
from portfolios.models import PerformanceMetric
from tests.billing.conftest import billing_on, stripe_process, stripe_standin  # noqa: F401 (fixtures)
from tests.billing.standin_shop import customer, sell
from tests.factories import AlertDeliveryFactory, AnswerFactory, PerformanceMetricFactory, UserFactory
from tests.operations import account

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def folders(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "DRAIN_SECONDS", 0)
    settings.DATA_DIR, settings.EXPORT_DIR = tmp_path, tmp_path / "exports"
    settings.ERASURE_LEDGER_DIR = tmp_path / "erasures"
    settings.BACKUP_DIR = settings.BACKUP_COPY_DIR = ""
    settings.MAILBOX_ENABLED = False


def due(user):
    """A deletion whose seven days are over."""
    row = erasing.ask(user)
    Erasure.objects.filter(pk=row.pk).update(due_at=clock.now() - timedelta(seconds=1))
    return row


def go_on(row):
    """Work as beat would, until nothing is left to do; the row."""
    for _turn in range(5):
        Erasure.objects.filter(pk=row.pk).exclude(state="done").update(next_at=None)
        erasing.work()
        mail.send_due()
    row.refresh_from_db()
    return row


def tables_with(text):
    """The tables in which a text stands anywhere."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition"
        )
        found = set()
        for (name,) in cursor.fetchall():
            cursor.execute(f'select exists (select from "{name}" t where position(%s in t::text) > 0)', [str(text)])
            if cursor.fetchone()[0]:
                found.add(name)
    return found


def test_nothing_of_the_account_is_left_but_what_is_kept(client, host, settings, tmp_path):
    """Every table of the database is searched for the account's key, address, name and customer."""
    staff = UserFactory(is_staff=True)
    account.fill(client, host, staff=staff)
    made = exporting.ask(host)
    exporting.advance(made.pk)
    upload = import_files.path_of(host.pk, uuid4())
    upload.parent.mkdir(parents=True)
    upload.write_text("a,b")
    email, sessions = host.email, inventory.owner_of(host).session_keys
    assert sessions
    assert {"users", "messages", "audit_entries"} & tables_with(account.NAME) == {"users", "audit_entries"}
    row = go_on(due(host))
    assert "Billing is off" in row.error  # and staff see which customer waits
    assert row.state == "working"
    assert not User.objects.filter(pk=host.pk).exists()
    assert tables_with(host.pk) == {"erasures", "plan_changes", "audit_entries", "django_admin_log"}  # the key alone
    assert tables_with(email) == set()
    assert tables_with(account.NAME) == set()
    assert tables_with(account.CUSTOMER) == {"erasures", "stripe_invoices"}
    assert [key for key in sessions if tables_with(key)] == []
    assert list(exporting.folder().iterdir()) == []
    assert not upload.parent.exists()
    invoice = Invoice.objects.get()
    assert (invoice.user, invoice.url, invoice.paid) == (None, "", 9)
    assert list(PlanChange.objects.order_by("at").values_list("user", "price_after")) == [(None, 9), (None, 0)]
    (line,) = AuditEntry.objects.filter(action="privacy.account-deleted")
    assert (line.user, line.details) == (None, {"account": str(host.pk)})
    assert AuditEntry.objects.get(action="plan.granted").details == {"account": str(host.pk)}
    assert outbox.outbox[-1].subject == "Your account is deleted"
    assert [line.account for line in ledger.read().lines] == [host.pk]
    assert User.objects.filter(pk=staff.pk).exists()


def test_a_member_of_staff_leaves_and_their_work_stays(host, client):
    boss = UserFactory(is_staff=True, is_superuser=True)
    staff = UserFactory(is_staff=True, name=account.NAME)
    account.fill(client, host, staff=staff)
    account.of_staff(staff)
    User.objects.filter(pk=host.pk).update(name="Host")
    row = go_on(due(staff))
    assert row.state == "done"
    assert tables_with(staff.pk) == {"erasures", "audit_entries"}
    assert tables_with(staff.email) == set()
    deed = AuditEntry.objects.get(action="plan.granted")
    assert (deed.user, deed.details["account"]) == (None, str(host.pk))
    assert User.objects.filter(pk__in=[host.pk, boss.pk]).count() == 2


def test_what_is_paid_ends_at_stripe_and_stripe_may_be_away(host, billing_on):  # noqa: F811
    """J8.3: cancelled for good; an outage delays that alone, and staff see it."""
    buyer = customer(metadata={stripe_door.USER_KEY: str(host.pk)})
    running = stripe.Subscription.create(customer=buyer.id, items=[{"price": sell()[1].id}])
    Subscription.objects.update_or_create(
        user=host,
        defaults={"tier": "professional", "stripe_customer_id": buyer.id, "stripe_subscription_id": running.id},
    )
    row = due(host)
    billing_on.fault("500", "DELETE /v1/customers", times=0)
    row = go_on(row)
    assert not User.objects.filter(pk=host.pk).exists()
    assert row.state == "working"
    assert buyer.id in row.error
    billing_on.clear_faults()
    assert stripe.Subscription.retrieve(running.id).status == "active"
    row = go_on(row)
    assert (row.state, row.error) == ("done", "")
    assert stripe.Customer.retrieve(buyer.id).deleted
    assert stripe.Subscription.retrieve(running.id).status == "canceled"
    now = clock.now()
    StripeEvent.objects.create(
        event_id="evt_late", kind="customer.deleted", livemode=False, customer=buyer.id, payload={}, state="done",
        next_at=now, received_at=now,
    )  # fmt: skip
    assert erasing.look_after() == 1, "what Stripe tells of the end goes too"
    assert not StripeEvent.objects.exists()


@pytest.mark.parametrize("broken", [name for name, _step in steps.STEPS])
def test_broken_off_after_any_step_it_goes_on(host, monkeypatch, broken):
    """Each step is done, and its note is lost: it runs again without harm."""
    PerformanceMetricFactory(gpu_configuration__portfolio__user=host)
    row = due(host)

    def killed(row, name):
        if name == broken:
            raise KeyboardInterrupt
        noted(row, name)

    noted = erasing.note
    monkeypatch.setattr(erasing, "note", killed)

    def until_killed():
        for _turn in range(3):
            Erasure.objects.update(next_at=None)
            erasing.work()
            mail.send_due()

    with pytest.raises(KeyboardInterrupt):
        until_killed()
    assert erasing.work() == 0, "its lease still runs"
    monkeypatch.setattr(erasing, "note", noted)
    row = go_on(row)
    assert row.state == "done"
    assert not User.objects.filter(pk=host.pk).exists()
    assert len([m for m in outbox.outbox if m.subject == "Your account is deleted"]) == 1
    assert not QueuedMail.objects.exists()
    assert len(ledger.read().lines) == 1


def test_rows_go_in_batches_over_several_turns(host, monkeypatch):
    monkeypatch.setattr(steps, "BATCH", 2)
    today = clock.today()
    gpu = PerformanceMetricFactory(gpu_configuration__portfolio__user=host, metric_date=today).gpu_configuration
    for number in range(1, 8):
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=today - timedelta(days=number))
    other = PerformanceMetricFactory()
    row = due(host)
    for _turn in range(60):
        Erasure.objects.update(next_at=None)
        claimed = erasing._claim()
        if claimed is None:
            break
        erasing.run(claimed, 0.0)
        mail.send_due()
    row.refresh_from_db()
    assert row.state == "done"
    assert row.attempts > 4
    assert list(PerformanceMetric.objects.values_list("pk", flat=True)) == [other.pk]


def test_it_waits_seven_days_and_can_be_taken_back(host):
    row = erasing.ask(host)
    assert row.due_at - row.asked_at == timedelta(days=7)
    assert erasing.ask(host).pk == row.pk, "asked twice, the first stands"
    assert erasing.work() == 0
    assert erasing.undo(row)
    assert not erasing.undo(row)
    Erasure.objects.update(due_at=clock.now() - timedelta(days=1))
    assert erasing.work() == 0
    host.refresh_from_db()
    assert host.is_active
    subjects = list(QueuedMail.objects.order_by("created_at").values_list("subject", flat=True))
    assert subjects == ["Your account will be deleted", "Your account stays"]


def test_taken_back_in_the_very_moment_it_begins(host):
    """Whoever comes first: never half of each."""
    row = due(host)
    assert erasing._claim() is not None
    assert not erasing.undo(row)
    assert go_on(row).state == "done"


def test_the_demo_and_the_last_superuser_stay(host):
    host.is_demo = True
    assert "demo" in erasing.why_not(host)
    first = UserFactory(is_staff=True, is_superuser=True)
    with pytest.raises(DomainError) as refused:
        erasing.ask(first)
    assert "another superuser" in refused.value.user_message
    second = UserFactory(is_staff=True, is_superuser=True)
    erasing.ask(first)
    with pytest.raises(DomainError):
        erasing.ask(second)


def test_the_last_superuser_of_the_last_day_stays_too(db):
    """The other one went in another way while the seven days ran."""
    first, second = (UserFactory(is_staff=True, is_superuser=True) for _number in range(2))
    row = due(first)
    User.objects.filter(pk=second.pk).update(is_active=False)
    erasing.work()
    row.refresh_from_db()
    assert User.objects.filter(pk=first.pk, is_active=True).exists()
    assert "another superuser" in row.error


def test_nobody_is_signed_in_any_more_and_nothing_is_sent(client, host):
    """e41: during a delivery."""
    client.force_login(host)
    delivery = AlertDeliveryFactory(channel__user=host)
    row = due(host)
    assert steps.close(row, 1e12)
    delivery.refresh_from_db()
    assert delivery.status == "cancelled"
    assert client.get("/settings/").status_code == 302
    client.force_login(UserFactory())
    assert client.get("/settings/").status_code == 200


def test_a_delivery_that_comes_back_after_the_end_finds_nothing(host):
    """e41: it was on its way to a receiver while the account went; no orphan, no error."""
    AlertDeliveryFactory(channel__user=host, next_at=clock.now() - timedelta(seconds=1))
    taken = claiming.claim()
    assert len(taken.rows) == 1
    go_on(due(host))
    record([Sent(taken.rows[0], Outcome("delivered", 200), 0.1)], lease=taken.lease)
    assert not AlertDelivery.objects.exists()
    assert not DeliveryAttempt.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_stream_that_is_open_ends(host):
    """e41: during a stream."""
    answer = AnswerFactory(question__conversation__user=host, state="working")
    watcher = streaming._Watcher(host, answer.pk, is_running=True, csrf_token="t")
    go_on(due(host))
    assert "message" in streaming._final(watcher)


# -- After a restore ---------------------------------------------------------------------------------------------------
def test_whom_a_restore_brings_back_goes_again(host):
    """Promise 19: the rows of before are put back as a restore would, the ledger stays."""
    metric = PerformanceMetricFactory(gpu_configuration__portfolio__user=host)
    copies = {}
    rows = (host, host.emailaddress_set.get(), metric.gpu_configuration.portfolio, metric.gpu_configuration, metric)
    for one in rows:
        copies[one] = type(one)._base_manager.filter(pk=one.pk).values().get()
    go_on(due(host))
    assert not User.objects.filter(pk=host.pk).exists()
    Erasure.objects.all().delete()
    outbox.outbox.clear()
    for one, values in copies.items():
        type(one)._base_manager.bulk_create([type(one)(**values)])
    assert User.objects.filter(pk=host.pk).exists()
    done = {one.name: one for one in after_restore.run(clock.now())}["deleted accounts"]
    assert done.is_ok, done.sentence
    assert done.sentence.startswith("1 deleted accounts")
    assert not User.objects.filter(pk=host.pk).exists()
    assert not PerformanceMetric.objects.exists()
    mail.send_due()
    assert outbox.outbox == [], "the goodbye was said"
    call_command("replay_erasures")
    assert Erasure.objects.filter(state="done").count() == 1


def test_who_asked_before_the_restore_gets_seven_days_anew(host):
    """The deletion may have been taken back after the moment that was restored."""
    row = due(host)
    erasing.replay(clock.now())
    row.refresh_from_db()
    assert row.due_at > clock.now() + timedelta(days=6)
    assert User.objects.filter(pk=host.pk).exists()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda lines: [lines[0].replace("2026", "2025"), *lines[1:]], "not as it was written"),
        (lambda lines: [lines[0], *lines[2:]], "taken out"),
        (lambda lines: [*lines, "{half a li"], "cannot be read"),
        (lambda lines: [lines[1], lines[0], lines[2]], "taken out or put in"),
    ],
    ids=["changed", "taken out", "torn", "order"],
)
def test_tampering_with_the_ledger_shows(db, harm, words):
    now = clock.now()
    accounts = [uuid4() for _number in range(3)]
    for one in accounts:
        ledger.add(one, now)
        ledger.add(one, now)  # twice is once
    assert [line.account for line in ledger.read().lines] == accounts
    call_command("replay_erasures", "--check")
    assert ledger.path().stat().st_mode & 0o777 == 0o600
    lines = ledger.path().read_text().splitlines()
    assert str(accounts[0]) in lines[0]
    ledger.path().write_text("\n".join(harm(lines)) + "\n")
    assert words in " ".join(ledger.read().troubles)
    with pytest.raises(CommandError):
        call_command("replay_erasures", "--check")
    ledger.add(uuid4(), now)  # the next line still finds its place
    assert len(ledger.read().lines) >= 2


def test_a_line_that_nobody_of_ours_wrote_deletes_nobody(host):
    ledger.add(uuid4(), clock.now())
    forged = json.loads(ledger.path().read_text()) | {"account": str(host.pk), "n": 2}
    with ledger.path().open("a") as file:
        file.write(json.dumps(forged) + "\n")
    with pytest.raises(RuntimeError):
        erasing.replay(clock.now())
    assert User.objects.filter(pk=host.pk).exists()


def test_a_lost_ledger_is_read_from_the_copy_beside_the_backups(host, settings, tmp_path):
    settings.BACKUP_DIR = str(tmp_path / "backups")
    (tmp_path / "backups").mkdir()
    ledger.add(host.pk, clock.now())
    ledger.path().unlink()
    assert [line.account for line in ledger.read().lines] == [host.pk]


def test_the_ledger_gets_what_only_the_table_knows(host):
    go_on(due(host))
    ledger.path().unlink()
    erasing.look_after()
    assert [line.account for line in ledger.read().lines] == [host.pk]
