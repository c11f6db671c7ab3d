"""What becomes of a plan when something goes wrong with the money, or it ends (R-021, R-033; J7)."""

from datetime import timedelta

import pytest
import stripe
from django.core.cache import caches

from billing import client as door
from billing import events, grants, invoices, notices, sync
from billing.models import Invoice, PlanNotice, StripeEvent, Subscription
from gpuadvisor.core import clock, mail
from gpuadvisor.core.models import AuditEntry, QueuedMail
from tests.billing.moved import Walk
from tests.billing.standin_shop import customer, sell
from tests.factories import PortfolioFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def whole_walk(billing_on, client, monkeypatch):
    return Walk(billing_on, client, monkeypatch)


@pytest.fixture
def walk(whole_walk, monkeypatch):
    """Without dj-stripe's half, which takes most of the time and which test_events looks at."""
    monkeypatch.setattr(events.Event, "process", lambda *args, **kwargs: None)
    return whole_walk


@pytest.fixture
def payer(billing_on, host):
    return customer(metadata={door.USER_KEY: str(host.pk)})


def buy(payer, price=None, **more):
    return stripe.Subscription.create(customer=payer.id, items=[{"price": (price or sell()[1]).id}], **more)


def plan(host):
    host.refresh_from_db()
    row = Subscription.objects.get(user=host)
    assert row.tier == host.subscription_tier
    return row


def page(client, host, path="/settings/plan/"):
    caches["pages"].clear()
    client.force_login(host)
    return client.get(path).content.decode()


# -- A card that fails -------------------------------------------------------------------------------------------------
def test_a_card_that_fails_is_told_of_and_ends_the_plan_after_fourteen_days(walk, host, payer, client):
    buy(payer)
    walk.hear()
    assert walk.mails() == []
    walk.standin.cards("fails")
    walk.on(days=32)
    row = plan(host)
    assert (row.tier, row.status, row.grace_until) == ("professional", "past_due", None)
    since = row.past_due_since
    assert abs(since - clock.now()) < timedelta(days=2.5)
    assert row.owed["url"].endswith(f"/invoice/{row.owed['invoice']}")
    (subject,) = walk.mails()
    assert subject.startswith("Your card was declined: update it by ")
    shown = page(client, host)
    assert "The payment for your Professional plan did not come through." in shown
    assert "Update the card" in shown
    assert f"{since + timedelta(days=14):%b %-d, %Y}" in shown
    walk.on(days=8)
    assert walk.mails() == []
    walk.on(days=3)
    (subject,) = walk.mails()
    assert subject.startswith("Last reminder: your Professional plan ends on ")
    assert plan(host).past_due_since == since
    walk.on(days=4)
    row = plan(host)
    assert (row.tier, row.status, row.past_due_since, row.owed) == ("free", "canceled", None, {})
    assert walk.mails() == ["Your Professional plan has ended: the payment did not come through"]
    assert Invoice.objects.get(status="uncollectible").paid == 0
    assert "did not come through" not in page(client, host)
    walk.on(days=3)
    assert walk.mails() == []


@pytest.mark.slow
def test_a_card_that_is_mended_goes_on_as_if_nothing_had_been(walk, host, payer, client):
    buy(payer)
    walk.standin.cards("fails")
    walk.on(days=32)
    assert len(walk.mails()) == 1
    walk.standin.cards("pays")
    walk.on(days=4)
    row = plan(host)
    assert (row.tier, row.status, row.past_due_since, row.owed) == ("professional", "active", None, {})
    assert walk.mails() == []
    assert 'class="banner bad' not in page(client, host)
    walk.standin.cards("fails")
    walk.on(days=31)
    assert [subject[:22] for subject in walk.mails()] == ["Your card was declined"]  # another month, another mail


def test_late_news_count_the_days_from_the_failure(walk, host, payer):
    """Our site was away for five days: the date is Stripe's all the same."""
    buy(payer)
    walk.hear()
    walk.standin.cards("fails")
    walk.on(days=31, hours=2)
    since = plan(host).past_due_since
    Subscription.objects.update(past_due_since=None)
    walk.ahead += timedelta(days=5)
    sync.follow(payer.id)
    assert plan(host).past_due_since == since


# -- The bank asks -----------------------------------------------------------------------------------------------------
def test_a_first_payment_that_the_bank_asks_about_leads_to_stripes_page(walk, host, payer, client):
    walk.standin.cards("asks")
    buy(payer)
    walk.hear()
    row = plan(host)
    assert (row.tier, row.status, row.owed["asks"]) == ("free", "incomplete", True)
    assert walk.mails() == ["Confirm your first payment: then your plan begins"]
    assert row.owed["url"] in page(client, host, "/settings/plan/")
    walk.standin.page(row.owed["url"], action="pay")
    walk.hear()
    assert (plan(host).tier, plan(host).status, plan(host).owed) == ("professional", "active", {})
    assert row.owed["url"] not in page(client, host, "/settings/")


@pytest.mark.slow
def test_a_first_payment_that_nobody_confirms_lapses(walk, host, payer, client):
    walk.standin.cards("asks")
    buy(payer)
    walk.hear()
    row = plan(host)
    assert len(walk.mails()) == 1
    walk.on(days=1)
    assert (plan(host).tier, plan(host).status, plan(host).owed) == ("free", "incomplete_expired", {})
    assert walk.mails() == []
    assert row.owed["url"] not in page(client, host, "/settings/")


@pytest.mark.slow
def test_a_renewal_that_the_bank_asks_about_keeps_the_plan_until_confirmed(walk, host, payer, client):
    buy(payer)
    walk.standin.cards("asks")
    walk.on(days=31, hours=2)
    row = plan(host)
    assert (row.tier, row.status, row.owed["asks"]) == ("professional", "past_due", True)
    assert walk.mails() == ["Your bank wants you to confirm a payment"]
    shown = page(client, host)
    assert "Your bank wants you to confirm the payment" in shown
    assert row.owed["url"] in shown
    walk.standin.page(row.owed["url"], action="pay")
    walk.hear()
    assert (plan(host).status, plan(host).past_due_since) == ("active", None)
    assert "Your bank wants" not in page(client, host)


# -- The trial ---------------------------------------------------------------------------------------------------------
TRIAL = {"trial_period_days": 14, "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}}}


def test_a_trial_without_a_card_is_told_of_and_ends_free(walk, host, client):
    who = customer(None, metadata={door.USER_KEY: str(host.pk)})
    buy(who, **TRIAL)
    walk.on(days=10)
    assert walk.mails() == []
    assert "Your trial of" not in page(client, host)
    walk.on(days=1, hours=1)
    (subject,) = walk.mails()
    assert subject.startswith("Your trial ends on ")
    assert "Add a card" in page(client, host)
    walk.on(days=2)
    assert walk.mails() == []
    walk.on(days=1)
    assert (plan(host).tier, plan(host).status) == ("free", "canceled")
    assert walk.mails() == ["Your trial has ended"]
    walk.on(days=1)
    assert walk.mails() == []


def test_a_trial_with_a_card_goes_on(walk, host, payer, client):
    stripe.Customer.modify(payer.id, invoice_settings={"default_payment_method": payer_card(payer)})
    buy(payer, **TRIAL)
    walk.on(days=11, hours=1)
    row = QueuedMail.objects.get()
    assert "your card is charged $29.00 a month" in mail.read(row).body
    assert "Your trial of" not in page(client, host)
    walk.on(days=4)
    assert (plan(host).tier, plan(host).status) == ("professional", "active")


def payer_card(payer):
    return stripe.PaymentMethod.list(customer=payer.id).data[0].id


def test_a_lost_reminder_is_made_up_for_by_the_clock(walk, host):
    who = customer(None, metadata={door.USER_KEY: str(host.pk)})
    buy(who, **TRIAL)
    walk.hear()
    walk.ahead += timedelta(days=12)
    assert notices.remind() == 1
    assert notices.remind() == 0


# -- An end ------------------------------------------------------------------------------------------------------------
def test_a_cancelled_plan_says_until_when_and_ends_with_a_mail(walk, host, payer, client):
    bought = buy(payer)
    stripe.Subscription.modify(bought.id, cancel_at_period_end=True)
    walk.hear()
    PortfolioFactory.create_batch(3, user=host)
    until = plan(host).cancel_at
    assert f"{until:%b %-d, %Y}" in page(client, host)
    stripe.Subscription.modify(bought.id, cancel_at_period_end=False)
    walk.hear()
    assert plan(host).cancel_at is None
    stripe.Subscription.modify(bought.id, cancel_at_period_end=True)
    walk.on(days=32)
    assert (plan(host).tier, plan(host).status) == ("free", "canceled")
    (row,) = QueuedMail.objects.all()
    assert row.subject == "Your Professional plan has ended"
    body = mail.read(row).body
    grace = f"{plan(host).grace_until:%b %-d, %Y}"
    assert "You cancelled your Professional plan" in body
    assert f"Until {grace} all that you have goes on as before." in body
    assert "/settings/plan/keep/" in body
    assert f"On {grace} this closes: 2 portfolios." in page(client, host, "/settings/")


def test_a_customer_deleted_at_stripe_leaves_a_free_account_that_may_buy_again(whole_walk, host, payer):
    price = sell()[1]
    buy(payer, price)
    whole_walk.hear()
    stripe.Customer.delete(payer.id)
    whole_walk.hear()
    row = plan(host)
    assert (row.tier, row.stripe_customer_id, row.stripe_subscription_id) == ("free", None, None)
    assert whole_walk.mails() == ["Your Professional plan has ended"]
    again = customer(metadata={door.USER_KEY: str(host.pk)})
    buy(again, price)
    whole_walk.hear()
    assert (plan(host).tier, plan(host).stripe_customer_id) == ("professional", again.id)


# -- Money that goes back ----------------------------------------------------------------------------------------------
def paid(host):
    return Invoice.objects.get(user=host, status="paid")


def intent_of(invoice):
    return stripe.InvoicePayment.list(invoice=invoice.invoice_id).data[0].payment.payment_intent


def test_a_refund_is_written_down_and_changes_no_plan(walk, host, payer):
    bought = buy(payer)
    walk.hear()
    assert (paid(host).paid, paid(host).refunded, paid(host).tier) == (29, 0, "professional")
    stripe.Refund.create(payment_intent=intent_of(paid(host)), amount=900)
    walk.hear()
    assert (paid(host).refunded, plan(host).tier) == (9, "professional")
    stripe.Refund.create(payment_intent=intent_of(paid(host)))
    walk.hear()
    assert (paid(host).refunded, plan(host).tier) == (29, "professional")
    stripe.Subscription.cancel(bought.id)
    walk.hear()
    assert plan(host).tier == "free"


def test_a_credit_note_counts_once_whatever_way_the_money_went(walk, host, payer):
    buy(payer)
    walk.hear()
    for how, amount in (("refund_amount", 1000), ("credit_amount", 300), ("out_of_band_amount", 200)):
        stripe.CreditNote.create(invoice=paid(host).invoice_id, amount=amount, **{how: amount})
    stripe.Refund.create(payment_intent=intent_of(paid(host)), amount=500)
    walk.hear()
    assert (paid(host).refunded, plan(host).tier) == (20, "professional")


def test_a_dispute_is_told_to_staff_and_takes_nothing_away(whole_walk, host, payer):
    boss = UserFactory(is_staff=True, is_superuser=True)
    UserFactory(is_staff=True)
    buy(payer)
    whole_walk.hear()
    charge = stripe.PaymentIntent.retrieve(intent_of(paid(host))).latest_charge
    dispute = whole_walk.standin.call("/disputes", {"charge": charge})["dispute"]
    whole_walk.hear()
    (row,) = QueuedMail.objects.all()
    assert (row.to, row.subject) == (boss.email, "A payment of $29.00 is disputed")
    assert host.email in mail.read(row).body
    assert AuditEntry.objects.get(action="billing.disputed").details["dispute"] == dispute
    assert plan(host).tier == "professional"
    StripeEvent.objects.filter(kind="charge.dispute.created").update(state="due", next_at=clock.now())
    events.handle_due()
    assert (QueuedMail.objects.count(), AuditEntry.objects.filter(action="billing.disputed").count()) == (1, 1)


# -- Old news, restored databases --------------------------------------------------------------------------------------
def test_a_row_written_by_a_later_clock_is_brought_up_to_date(host, payer):
    """After a restore, or a clock that ran ahead, `synced_at` lies in the future (e39)."""
    buy(payer)
    Subscription.objects.filter(user=host).update(synced_at=clock.now() + timedelta(days=3))
    sync.follow(payer.id)
    assert (plan(host).tier, plan(host).synced_at < clock.now()) == ("professional", True)


@pytest.mark.slow
def test_events_from_before_a_restore_end_in_what_stripe_says_now(walk, host, payer):
    """e14, e39: yesterday's rows, handled again in any order, with the plan long ended."""
    bought = buy(payer)
    walk.hear()
    stripe.Subscription.cancel(bought.id)
    walk.hear()
    walk.mails()
    Subscription.objects.filter(user=host).update(status="active", tier="professional", paid_tier="professional")
    type(host).objects.filter(pk=host.pk).update(subscription_tier="professional")
    PlanNotice.objects.all().delete()
    Invoice.objects.all().delete()
    StripeEvent.objects.update(state="due", next_at=clock.now(), attempts=0)
    events.handle_due()
    assert (plan(host).tier, plan(host).status) == ("free", "canceled")
    assert paid(host).paid == 29
    assert walk.mails() == ["Your Professional plan has ended"]  # its record was lost with the rest: told once more


def test_events_of_what_nobody_knows_do_no_harm(whole_walk, host, payer):
    """As after a restore on Stripe's side, or from an account that was cleared: e14."""
    invoices.follow_one(buy(payer).latest_invoice)
    sync.follow(payer.id)
    told = [
        ("invoice.paid", {"object": "invoice", "id": "in_gone", "customer": "cus_gone"}),
        ("charge.refunded", {"object": "charge", "id": "ch_x", "payment_intent": "pi_x"}),
        ("radar.early_fraud_warning.created", {"object": "radar.early_fraud_warning", "id": "issfr_1"}),
        ("invoice.upcoming", {"object": "invoice", "customer": "cus_gone"}),
        ("customer.subscription.deleted", {"object": "subscription", "id": "sub_x", "customer": "cus_gone"}),
        ("credit_note.created", {"object": "credit_note", "id": "cn_x", "invoice": "in_gone"}),
    ]
    for kind, obj in told:
        events.keep({"id": f"evt_{kind}", "object": "event", "type": kind, "livemode": False, "data": {"object": obj}})
    events.handle_due()
    assert list(StripeEvent.objects.exclude(state="done").values_list("kind", "last_error")) == []
    assert StripeEvent.objects.count() == len(told)
    assert (plan(host).tier, Invoice.objects.count(), whole_walk.mails()) == ("professional", 1, [])


# -- What staff gave ---------------------------------------------------------------------------------------------------
def test_a_granted_plan_tells_of_its_end_a_week_before_and_when_it_came(walk, host):
    staff = UserFactory(is_staff=True)
    grants.grant(user=host, tier="professional", until=clock.now() + timedelta(days=30), reason="Pilot", by=staff)
    assert notices.remind() == 0
    walk.ahead += timedelta(days=24)
    assert (notices.remind(), notices.remind()) == (1, 0)
    assert walk.mails()[0].startswith("Your Professional plan ends on ")
    walk.ahead += timedelta(days=7)
    assert grants.end_due() == 1
    assert walk.mails() == ["Your Professional plan has ended"]
    assert (notices.remind(), walk.mails()) == (0, [])
