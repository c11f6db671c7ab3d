"""A plan follows what Stripe says, and nothing else (R-005, R-021)."""

from datetime import timedelta
from decimal import Decimal

import pytest
import stripe

from billing import client, grants, sync
from billing.models import PlanChange, Subscription
from gpuadvisor.core import clock
from tests.billing.standin_shop import customer, end_of, sell
from tests.factories import UserFactory


@pytest.fixture
def buyer(billing_on, host):
    """The host as a customer of Stripe."""
    return customer(metadata={client.USER_KEY: str(host.pk)})


def buy(buyer, price, **more):
    return stripe.Subscription.create(customer=buyer.id, items=[{"price": price.id}], **more)


def plan(host):
    host.refresh_from_db()
    row = Subscription.objects.get(user=host)
    assert row.tier == host.subscription_tier
    return row


def test_a_paid_subscription_gives_its_plan(host, buyer):
    subscription = buy(buyer, sell()[1])
    sync.follow(buyer.id)
    row = plan(host)
    assert (row.tier, row.paid_tier, row.status, row.interval) == ("professional", "professional", "active", "month")
    assert (row.stripe_customer_id, row.stripe_subscription_id) == (buyer.id, subscription.id)
    assert (row.monthly_price, row.current_period_end.timestamp()) == (Decimal("29.00"), end_of(subscription))
    change = PlanChange.objects.get()
    assert (change.before, change.after, change.source) == ("free", "professional", "stripe")
    assert (change.price_before, change.price_after) == (Decimal(0), Decimal("29.00"))
    sync.follow(buyer.id)
    assert PlanChange.objects.count() == 1


def test_a_year_counts_by_the_month_and_a_trial_brings_nothing(host, buyer):
    buy(buyer, sell()[2], trial_period_days=14)
    sync.follow(buyer.id)
    row = plan(host)
    assert (row.tier, row.status, row.interval, row.monthly_price) == (
        "professional",
        "trialing",
        "year",
        Decimal("24.17"),
    )
    assert PlanChange.objects.get().price_after == 0
    buyer_on = stripe.Subscription.retrieve(row.stripe_subscription_id)
    stripe.Subscription.modify(buyer_on.id, trial_end="now")
    sync.follow(buyer.id)
    assert [change.price_after for change in PlanChange.objects.order_by("at")] == [Decimal(0), Decimal("24.17")]


def test_a_cancelled_plan_lasts_to_its_end_and_then_is_free(host, buyer):
    subscription = buy(buyer, sell()[1])
    stripe.Subscription.modify(subscription.id, cancel_at_period_end=True)
    sync.follow(buyer.id)
    assert (plan(host).tier, plan(host).cancel_at.timestamp()) == ("professional", end_of(subscription))
    stripe.Subscription.cancel(subscription.id)
    sync.follow(buyer.id)
    row = plan(host)
    assert (row.tier, row.paid_tier, row.status, row.monthly_price) == ("free", "free", "canceled", 0)
    assert row.cancelled_at


@pytest.mark.parametrize(
    ("status", "tier"),
    [
        ("trialing", "professional"),
        ("active", "professional"),
        ("past_due", "professional"),
        ("incomplete", "free"),
        ("incomplete_expired", "free"),
        ("canceled", "free"),
        ("unpaid", "free"),
        ("paused", "free"),
    ],
)
def test_each_status_gives_the_plan_or_does_not(status, tier):
    told = {
        "id": "sub_1",
        "status": status,
        "created": 1,
        "items": {"data": [{"price": {"id": "price_1", "lookup_key": "gpuadvisor_professional_month"}}]},
    }
    assert sync._best([told])[1] == tier


def test_of_two_subscriptions_the_larger_plan_holds(host, buyer):
    larger = buy(buyer, sell()[1])
    buy(buyer, sell("Individual", 900, 9000)[1])
    sync.follow(buyer.id)
    assert (plan(host).tier, plan(host).stripe_subscription_id) == ("professional", larger.id)


def test_a_price_that_another_took_the_place_of_keeps_its_plan(host, buyer):
    """Its lookup key went to the new price: the product tells."""
    product, month, _ = sell()
    buy(buyer, month)
    stripe.Price.create(
        product=product.id,
        currency="usd",
        unit_amount=3900,
        recurring={"interval": "month"},
        lookup_key=month.lookup_key,
        transfer_lookup_key=True,
    )
    sync.follow(buyer.id)
    assert (plan(host).tier, plan(host).monthly_price) == ("professional", Decimal("29.00"))


def test_an_unknown_price_changes_nothing_and_says_so(host, buyer):
    product = stripe.Product.create(name="A mug")
    mug = stripe.Price.create(product=product.id, currency="usd", unit_amount=500, recurring={"interval": "month"})
    buy(buyer, mug)
    with pytest.raises(sync.NotUnderstood, match="belongs to no plan"):
        sync.follow(buyer.id)
    assert plan(host).tier == "free"


def test_a_customer_of_nobody_is_left_alone_unless_a_plan_is_paid(billing_on, db):
    nobody = customer(metadata={client.USER_KEY: "00000000-0000-4000-8000-000000000000"})
    assert sync.follow(nobody.id) is None
    buy(nobody, sell()[1])
    with pytest.raises(sync.NotUnderstood, match=nobody.id):
        sync.follow(nobody.id)


def test_a_deleted_customer_leaves_a_free_account(host, buyer):
    buy(buyer, sell()[1])
    sync.follow(buyer.id)
    stripe.Customer.delete(buyer.id)
    sync.follow(buyer.id)
    row = plan(host)
    assert (row.tier, row.status, row.stripe_customer_id, row.stripe_subscription_id) == ("free", "active", None, None)


def test_a_granted_plan_stands_above_a_smaller_paid_one(host, buyer):
    staff = UserFactory(is_staff=True)
    grants.grant(user=host, tier="enterprise", until=clock.now() + timedelta(days=30), reason="Pilot", by=staff)
    buy(buyer, sell("Individual", 900, 9000)[1])
    sync.follow(buyer.id)
    assert (plan(host).tier, plan(host).paid_tier, plan(host).monthly_price) == ("enterprise", "individual", 9)


def test_who_finds_that_another_wrote_meanwhile_asks_again(host, buyer, monkeypatch):
    """Old news never overwrites newer ones."""
    subscription = buy(buyer, sell()[1])
    asked = client.subscriptions
    calls = []

    def slow(key):
        told = asked(key)
        if not calls:
            calls.append(told)
            stripe.Subscription.cancel(subscription.id)
            Subscription.objects.filter(user=host).update(synced_at=clock.now())
        return told

    monkeypatch.setattr(client, "subscriptions", slow)
    sync.follow(buyer.id)
    assert (calls[0][0]["status"], plan(host).status, plan(host).tier) == ("active", "canceled", "free")
