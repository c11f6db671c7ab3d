"""Every night all that we have is compared with all that Stripe has, and put right or told of (promise 11, e39)."""

import json
import pickle
import re
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import stripe
from django.core.management import CommandError, call_command
from djstripe import models as djstripe
from djstripe.models import APIKey

from billing import client, invoices, reconciling, sync
from billing.models import Drift, Invoice, PlanChange, Reconciliation, Subscription
from billing.reconciling import comparing, mirror, pages
from billing.services import set_tier
from gpuadvisor.core import clock, health
from gpuadvisor.core.models import QueuedMail
from tests.billing.conftest import KEY, started
from tests.billing.standin_shop import customer, sell
from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(reconciling, "WAITS", (0.01,))
    monkeypatch.setattr(stripe, "max_network_retries", 0)


@pytest.fixture
def shop(billing_on, db):
    """The stand-in with a plan to sell, and dj-stripe's rows of the account and its key."""
    account = djstripe.Account.objects.create(id=stripe.Account.retrieve().id, livemode=False, stripe_data={})
    APIKey.objects.create(secret=KEY, type="secret", livemode=False, djstripe_owner_account=account)
    billing_on.month = sell()[1]
    return billing_on


def buy(host, price):
    """The host pays for a plan, and we followed it."""
    buyer = customer(metadata={client.USER_KEY: str(host.pk)})
    stripe.Subscription.create(customer=buyer.id, items=[{"price": price.id}], metadata={client.USER_KEY: str(host.pk)})
    sync.follow(buyer.id)
    for invoice in stripe.Invoice.list(customer=buyer.id).data:
        invoices.follow_one(invoice.id)
    return buyer


@pytest.fixture
def payer(shop, host):
    return buy(host, shop.month)


def compare():
    run = reconciling.take()
    found = reconciling.work(run)
    return run, found


def plan(host):
    host.refresh_from_db()
    return Subscription.objects.get(user=host)


def test_where_all_is_as_at_stripe_nothing_is_found(payer, host):
    run, found = compare()
    assert (found, run.found, run.compared, run.error) == ([], 0, 1, "")
    assert run.ended_at
    assert plan(host).compared_at
    assert not Drift.objects.exists()
    assert not QueuedMail.objects.exists()
    reconciling.check()


SPOILT = [
    ("paid_tier", "free"),
    ("tier", "free"),
    ("status", "canceled"),
    ("monthly_price", Decimal("1.00")),
    ("interval", "year"),
    ("current_period_start", None),
    ("current_period_end", datetime(2020, 1, 1, tzinfo=UTC)),
    ("cancel_at", datetime(2030, 1, 1, tzinfo=UTC)),
    ("cancelled_at", datetime(2030, 1, 1, tzinfo=UTC)),
    ("stripe_customer_id", None),
    ("stripe_customer_id", "cus_another"),
    ("stripe_subscription_id", None),
    ("stripe_subscription_id", "sub_another"),
    ("billing_details", {}),
]
MOVING = ("compared_at", "synced_at", "updated_at", "grace_until")


@pytest.mark.parametrize("spoilt", [SPOILT[:2], pytest.param(SPOILT[2:], marks=pytest.mark.slow)], ids=["plan", "rest"])
def test_every_field_that_was_spoilt_is_put_right_and_written_down(payer, host, spoilt):
    def row():
        return {k: v for k, v in Subscription.objects.filter(user=host).values().get().items() if k not in MOVING}

    before = row()
    for name, value in spoilt:
        Subscription.objects.filter(user=host).update(**{name: value})
        run, found = compare()
        assert row() == before, name
        assert [one.field for one in found] == [name]
        drift = Drift.objects.latest("found_at")
        assert (drift.user, drift.field, drift.error, run.found, run.repaired) == (host, name, "", 1, 1)
        assert drift.repaired_at
        assert drift.theirs == comparing.text(before[name])
    assert compare()[1] == []


def test_the_accounts_copy_of_the_plan_is_put_right(payer, host):
    type(host).objects.filter(pk=host.pk).update(subscription_tier="free")
    assert [one.field for one in compare()[1]] == ["subscription_tier"]
    assert plan(host).user.subscription_tier == "professional"


def test_a_row_that_is_gone_comes_back(payer, host):
    Subscription.objects.all().delete()
    _, found = compare()
    assert all(one.is_repaired for one in found)
    assert (plan(host).tier, plan(host).stripe_customer_id) == ("professional", payer.id)


def test_a_lost_event_is_made_up_for(payer, shop, host):
    """The subscription ended at Stripe and nobody told us."""
    stripe.Subscription.cancel(plan(host).stripe_subscription_id)
    _, found = compare()
    assert {"paid_tier", "status", "tier"} <= {one.field for one in found}
    assert (plan(host).tier, plan(host).status) == ("free", "canceled")
    assert PlanChange.objects.order_by("at").last().after == "free"


def test_a_customer_that_stripe_deleted_leaves_a_free_account(payer, host):
    stripe.Customer.delete(payer.id)
    compare()
    assert (plan(host).tier, plan(host).stripe_customer_id) == ("free", None)


def test_a_plan_that_nobody_pays_for_and_nobody_granted_ends(shop, host):
    Subscription.objects.filter(user=host).update(paid_tier="professional", tier="professional")
    type(host).objects.filter(pk=host.pk).update(subscription_tier="professional")
    demo = UserFactory(is_demo=True, subscription_tier="professional")
    compare()
    assert plan(host).tier == host.subscription_tier == "free"
    assert plan(demo).tier == "professional"
    assert compare()[1] == []


def test_a_customer_of_ours_that_no_row_knows_is_taken_up(shop, host):
    buyer = customer(metadata={client.USER_KEY: str(host.pk)})
    _, found = compare()
    assert [(one.field, one.is_repaired) for one in found] == [("stripe_customer_id", True)]
    assert plan(host).stripe_customer_id == buyer.id
    assert compare()[1] == []


@pytest.mark.parametrize("pays", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_what_has_no_account_stays_open_and_staff_hear_of_it_once_a_night(shop, host, pays):
    staff = UserFactory(is_staff=True, is_superuser=True)
    UserFactory(is_staff=True)
    buyer = buy(host, shop.month) if pays else customer(metadata={client.USER_KEY: str(host.pk)})
    host.delete()
    run, found = compare()
    assert [one.is_repaired for one in found] == [False]
    drift = Drift.objects.get()
    assert (drift.customer, drift.repaired_at) == (buyer.id, None)
    assert "No account goes with" in drift.error
    mails = QueuedMail.objects.all()
    assert [(mail.to, mail.subject) for mail in mails] == [(staff.email, "1 difference from Stripe is open")]
    with pytest.raises(health.Trouble, match="1 differences"):
        reconciling.check()
    compare()
    assert (Drift.objects.count(), mails.count()) == (1, 1)
    drift.refresh_from_db()
    assert drift.seen_at > run.begun_at
    stripe.Customer.delete(buyer.id)
    compare()
    drift.refresh_from_db()
    assert drift.repaired_at
    reconciling.check()


def test_a_customer_of_another_product_is_no_business_of_ours(shop):
    product = stripe.Product.create(name="A mug")
    mug = stripe.Price.create(product=product.id, currency="usd", unit_amount=500, recurring={"interval": "month"})
    stripe.Subscription.create(customer=customer().id, items=[{"price": mug.id}])
    run, found = compare()
    assert (found, run.mirrored) == ([], 0)


@pytest.mark.slow
def test_more_than_a_handful_put_right_is_told_too(shop):
    UserFactory(is_staff=True, is_superuser=True)
    hosts = [UserFactory() for _ in range(3)]
    for one in hosts:
        buy(one, shop.month)
    Subscription.objects.filter(user__in=hosts).update(monthly_price=1, status="canceled", interval="")
    run, _ = compare()
    assert (run.found, run.repaired) == (9, 9)
    assert QueuedMail.objects.get().subject == "9 differences from Stripe were put right"


def test_a_paid_invoice_that_our_table_lacks_or_has_wrong_is_put_right(payer, host):
    invoice = Invoice.objects.get()
    Invoice.objects.update(paid=1, synced_at=None)
    _, found = compare()
    assert [one.field for one in found] == [f"invoice {invoice.invoice_id} paid"]
    assert Invoice.objects.get().paid == invoice.paid
    invoice.delete()
    compare()
    assert Invoice.objects.get().paid == invoice.paid
    assert compare()[1] == []
    assert not Drift.objects.filter(repaired_at=None).exists()


def test_dj_stripes_tables_are_filled_by_and_by(payer, monkeypatch):
    run, _ = compare()
    assert run.mirrored >= 2
    assert djstripe.Customer.objects.filter(id=payer.id).exists()
    assert djstripe.Subscription.objects.count() == djstripe.Invoice.objects.count() == 1
    assert djstripe.Price.objects.count() == 1
    assert compare()[0].mirrored == 0


# -- Stripe away -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", ["429", *(pytest.param(one, marks=pytest.mark.slow) for one in ("500", "closed"))])
def test_it_goes_on_where_stripe_went_away_and_says_so(payer, shop, host, fault):
    UserFactory(is_staff=True, is_superuser=True)
    Subscription.objects.update(status="canceled")
    shop.fault(fault, "GET /v1/subscriptions", times=0)
    run, _ = compare()
    assert (run.phase, run.ended_at) == ("subscriptions", None)
    assert "goes on the next night" in run.error
    assert QueuedMail.objects.get().subject == "The comparison with Stripe stopped"
    shop.clear_faults()
    again, found = compare()
    assert (again.pk, [one.field for one in found], again.error) == (run.pk, ["status"], "")
    assert again.ended_at
    assert plan(host).status == "active"


def test_a_difference_stays_open_where_stripe_goes_away_while_it_is_put_right(payer, shop, host, monkeypatch):
    Subscription.objects.update(status="canceled")
    follow = sync.follow

    def away(key):
        shop.fault("500", "GET /v1/customers", times=0)
        return follow(key)

    monkeypatch.setattr(sync, "follow", away)
    compare()
    assert (Drift.objects.get().repaired_at, Drift.objects.get().error) == (None, "Stripe had trouble of its own.")
    monkeypatch.undo()
    shop.clear_faults()
    monkeypatch.setattr(stripe, "api_base", shop.address)
    monkeypatch.setattr(stripe, "api_key", KEY)
    monkeypatch.setattr(stripe, "default_http_client", client.DeadlineClient())
    compare()
    assert Drift.objects.get().repaired_at
    assert plan(host).status == "active"


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_stripe_that_hangs_holds_nobody(payer, shop, monkeypatch, fault):
    monkeypatch.setattr(comparing, "PAGE_SECONDS", 1.0)
    shop.fault(fault, "GET /v1/subscriptions", times=0, seconds=1 if fault == "drip" else 60)
    started = clock.now()
    run, _ = compare()
    assert run.error
    assert clock.now() - started < timedelta(seconds=10)


def test_one_at_a_time_and_a_dead_workers_is_taken_over(payer):
    run = reconciling.take()
    with pytest.raises(reconciling.Busy):
        reconciling.take()
    Reconciliation.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    other = reconciling.take()
    assert other.pk == run.pk
    reconciling.work(run)  # which was thought dead
    assert Reconciliation.objects.get().ended_at is None
    reconciling.work(other)
    assert Reconciliation.objects.get().ended_at


def test_who_has_no_time_left_goes_on_later(payer, monkeypatch):
    nudged = []
    monkeypatch.setattr(reconciling, "nudge", nudged.append)
    monkeypatch.setattr(reconciling, "SECONDS", -1.0)
    reconciling.night()
    assert nudged == [reconciling.GO_ON]
    monkeypatch.setattr(reconciling, "SECONDS", 60.0)
    reconciling.go_on()
    assert Reconciliation.objects.get().ended_at


def test_with_another_accounts_key_nobody_loses_a_plan(shop, monkeypatch, capsys):
    """Stripe knows none of those who pay: it is hardly theirs."""
    monkeypatch.setattr(pages, "FEW", 2)
    UserFactory(is_staff=True, is_superuser=True)
    hosts = [UserFactory() for _ in range(3)]
    for number, one in enumerate(hosts):
        set_tier(one, "individual")
        Subscription.objects.filter(user=one).update(paid_tier="individual", stripe_customer_id=f"cus_{number}")
    run, found = compare()
    assert (found, bool(run.ended_at)) == ([], True)
    assert "is it the right account of Stripe?" in run.error
    assert {plan(one).tier for one in hosts} == {"individual"}
    assert "stopped" in QueuedMail.objects.get().subject
    with pytest.raises(health.Trouble, match="took no plan away"):
        reconciling.check()
    with pytest.raises(CommandError, match="right account"):
        call_command("reconcile_stripe")
    call_command("reconcile_stripe", "--sure")
    assert {plan(one).tier for one in hosts} == {"free"}
    reconciling.check()


def test_health_tells_where_nothing_was_compared_for_days(payer):
    compare()
    Reconciliation.objects.update(begun_at=clock.now() - timedelta(days=4))
    with pytest.raises(health.Trouble, match="nothing was compared"):
        reconciling.check()


# -- The command -------------------------------------------------------------------------------------------------------
def test_the_command_puts_right_and_tells(payer, host, capsys):
    Subscription.objects.update(status="canceled")
    call_command("reconcile_stripe")
    said = capsys.readouterr().out
    assert f"{host.email}: status: ours canceled, Stripe's active: put right" in said
    assert "1 accounts compared, 1 differences (test mode)" in said


def test_the_command_only_looks_where_it_is_told_to(payer, host, capsys):
    Subscription.objects.update(status="canceled")
    with pytest.raises(CommandError, match="1 differences"):
        call_command("reconcile_stripe", "--check", "--json")
    told = json.loads(capsys.readouterr().out)
    assert [(one["account"], one["field"], one["repaired"]) for one in told["differences"]] == [
        (host.email, "status", False)
    ]
    assert plan(host).status == "canceled"
    assert not Drift.objects.exists()
    assert not Reconciliation.objects.exists()


def test_the_command_looks_at_one_account(payer, host, shop, capsys):
    other = UserFactory()
    buy(other, shop.month)
    Subscription.objects.update(status="canceled")
    call_command("reconcile_stripe", "--account", host.email.upper())
    assert (plan(host).status, plan(other).status) == ("active", "canceled")
    with pytest.raises(CommandError, match="No account"):
        call_command("reconcile_stripe", "--account", "nobody@example.com")


def test_the_command_says_what_it_needs(db, settings):
    with pytest.raises(CommandError, match="STRIPE_KEY"):
        call_command("reconcile_stripe")


# -- Many --------------------------------------------------------------------------------------------------------------
KINDS = ("customer", "subscription", "subscription_item", "invoice", "line_item", "payment_intent", "charge")


@pytest.fixture
def crowd(billing_on, tmp_path, settings, monkeypatch, db):
    """A stand-in with one sale 1,200 times over, made in its file of what it knows: 2,400 calls would take minutes."""
    file = tmp_path / "state"
    with started("--state", str(file)) as first:
        monkeypatch.setattr(stripe, "api_base", first.address)
        buyer = customer(metadata={client.USER_KEY: "USER"})
        stripe.Subscription.create(customer=buyer.id, items=[{"price": sell()[1].id}])
    kept = pickle.loads(file.read_bytes())
    objects = kept["store"]["objects"]
    sold = {kind: list(objects[kind].values()) for kind in KINDS}
    ids = [row["id"] for rows in sold.values() for row in rows]
    pattern = re.compile("|".join(map(re.escape, ids)))
    user_class = type(UserFactory())
    users = [UserFactory.build(email=f"many{n}@example.com") for n in range(1200)]
    user_class.objects.bulk_create(users)
    for kind, rows in sold.items():
        text = json.dumps(rows)
        objects[kind].clear()
        for number, user in enumerate(users):
            copies = json.loads(pattern.sub(lambda one, n=number: f"{one[0]}{n}", text).replace("USER", str(user.pk)))
            objects[kind].update({row["id"]: row for row in copies})
    file.write_bytes(pickle.dumps(kept))
    with started("--state", str(file)) as standin:
        settings.STRIPE_API_BASE = standin.address
        monkeypatch.setattr(stripe, "api_base", standin.address)
        standin.users = user_class.objects.filter(pk__in=[user.pk for user in users])
        yield standin


def every(kind, **which):
    return [client.plain(one) for one in kind.list(limit=100, **which).auto_paging_iter()]


@pytest.mark.slow
def test_twelve_hundred_subscriptions_are_paged_through(crowd, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(mirror, "MOST", 0)
    buyers = {one["id"]: one["metadata"][client.USER_KEY] for one in every(stripe.Customer)}
    rows = [
        Subscription(
            user_id=buyers[told["customer"]],
            tier="professional",
            **sync.said(told, "professional", customer=told["customer"]),
        )
        for told in every(stripe.Subscription)
    ]
    Subscription.objects.bulk_create(rows)
    crowd.users.update(subscription_tier="professional")
    Invoice.objects.bulk_create(Invoice(invoice_id=told["id"], **invoices.said(told)) for told in every(stripe.Invoice))
    Subscription.objects.filter(pk__in=[row.pk for row in rows[5::300]]).update(status="canceled")
    Subscription.objects.filter(pk=rows[700].pk).delete()
    calls, began = len(crowd.journal()), time.process_time()
    run, found = compare()
    assert (run.compared, run.error) == (1200, "")
    assert all(one.is_repaired for one in found)
    assert sum(one.field == "status" for one in found) == 4
    with django_assert_max_num_queries(300):
        run, found = compare()
    assert (run.compared, found) == (1200, [])
    assert len(crowd.journal()) - calls < 150  # pages of a hundred and a few single ones, not a call for each
    assert time.process_time() - began < 90  # of our own, for both
