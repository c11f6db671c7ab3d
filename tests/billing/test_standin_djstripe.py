"""What the stand-in says goes into dj-stripe whole: each kind by itself, and Checkout by its events (part 5)."""

import json

import pytest
import stripe
from django.core.management import call_command
from djstripe import models
from djstripe.models import APIKey

from tests.billing.conftest import KEY
from tests.billing.standin_shop import checkout, customer, sell, subscribe


@pytest.fixture
def own_account(stripe_standin, db):
    """The account and key rows, without which a first sync asks Stripe for them."""
    account = models.Account.objects.create(id=stripe.Account.retrieve().id, livemode=False, stripe_data={})
    APIKey.objects.create(secret=KEY, type="secret", livemode=False, djstripe_owner_account=account)
    return stripe_standin


def sync(model, obj):
    return model.sync_from_stripe_data(obj, api_key=KEY)


def test_customer_product_price_and_card_are_synced(own_account):
    product, month, _ = sell()
    who = customer(metadata={"user": "1"})
    row = sync(models.Customer, stripe.Customer.retrieve(who.id, expand=["sources"]))
    assert (row.email, row.stripe_data["metadata"]) == ("host@example.com", {"user": "1"})
    price = sync(models.Price, stripe.Price.retrieve(month.id, expand=["product", "tiers", "currency_options"]))
    assert (price.product.name, price.active, price.stripe_data["lookup_key"]) == (
        "Professional",
        True,
        month.lookup_key,
    )
    assert sync(models.Product, product).pk == price.product.pk
    method = sync(models.PaymentMethod, stripe.PaymentMethod.list(customer=who.id).data[0])
    assert (method.type, method.customer.id) == ("card", who.id)


def test_subscription_item_invoice_and_lines_are_synced(own_account):
    subscription = subscribe(sell()[1], metadata={"user": "1"})
    row = sync(models.Subscription, subscription)
    assert (row.status, row.customer.id, row.items.count()) == ("active", subscription.customer, 1)
    assert row.items.get().stripe_data["current_period_end"] == subscription["items"].data[0].current_period_end
    asked = stripe.Invoice.retrieve(subscription.latest_invoice, expand=["discounts", "lines.data.discounts"])
    invoice = sync(models.Invoice, asked)
    assert (invoice.status, invoice.total, models.LineItem.objects.count()) == ("paid", 2900, 1)
    assert invoice.stripe_data["parent"]["subscription_details"]["subscription"] == subscription.id
    session = sync(models.Session, checkout(sell("Other")[1]))
    assert (session.stripe_data["status"], session.mode) == ("open", "subscription")


def test_coupon_refund_and_charge_are_synced(own_account):
    coupon = sync(models.Coupon, stripe.Coupon.create(percent_off=50, duration="once"))
    assert coupon.percent_off == 50
    subscription = subscribe(sell()[1], discounts=[{"coupon": coupon.id}])
    asked = stripe.Invoice.retrieve(subscription.latest_invoice, expand=["discounts", "lines.data.discounts"])
    assert (sync(models.Invoice, asked).total, models.Discount.objects.count()) == (1450, 1)
    charge = sync(models.Charge, stripe.Charge.list().data[0])
    refund = sync(models.Refund, stripe.Refund.create(charge=charge.id))
    assert (refund.charge.id, refund.amount, refund.status) == (charge.id, 1450, "succeeded")


@pytest.mark.slow
def test_every_event_of_a_customers_life_is_processed(own_account):
    """Checkout, a change in the portal, a renewal, an end: all events, as a task of ours hands them to dj-stripe."""
    _, month, year = sell()
    session = checkout(month)
    own_account.pay(session.id)
    subscription = stripe.Subscription.list().data[0]
    portal = stripe.billing_portal.Session.create(customer=subscription.customer)
    own_account.page(f"{portal.url}/plan", price=year.id)
    events = own_account.events()
    own_account.advance(days=364)  # events are kept for 30 days
    own_account.advance(days=2)
    own_account.page(f"{portal.url}/cancel-now", subscription=subscription.id)
    events += own_account.events()
    for event in events:
        models.Event.process(json.loads(own_account.signed(event.id)[0]), api_key=KEY)
    row = models.Subscription.objects.get()
    assert (row.status, row.customer.id, row.items.get().price.id) == ("canceled", session.customer, year.id)
    assert models.Session.objects.get().stripe_data["status"] == "complete"
    assert models.Event.objects.count() == len(events)
    assert sorted(invoice.stripe_data["status"] for invoice in models.Invoice.objects.all()) == ["paid"] * 3
    assert models.LineItem.objects.count() == 4


def test_the_command_that_syncs_all_finds_all(own_account, capsys):
    subscribe(sell()[1])
    kinds = ["Customer", "Product", "Price", "Subscription", "Invoice", "Session"]
    call_command("djstripe_sync_models", *kinds, "--api-keys", KEY)
    counts = {kind: getattr(models, kind).objects.count() for kind in kinds}
    assert counts == {"Customer": 1, "Product": 1, "Price": 2, "Subscription": 1, "Invoice": 1, "Session": 0}
    assert "rror" not in capsys.readouterr().out
