"""The stand-in's webhooks: signed as the real library checks them; lost, late, twice, out of order, forged (part 5)."""

import json

import pytest
import stripe

from tests.billing.conftest import KEY, SECRET, started
from tests.billing.standin_shop import customer, sell, subscribe

KINDS = ["customer.created", "product.created", "price.created", "coupon.created"]


def four_events():
    stripe.Customer.create(name="One")
    stripe.Price.create(currency="usd", unit_amount=1, product=stripe.Product.create(name="Two").id)
    stripe.Coupon.create(percent_off=5)


def test_an_event_comes_signed_with_its_object_as_it_was(stripe_standin, webhook_receiver):
    who = customer(None)
    stripe.Customer.modify(who.id, name="Ann", idempotency_key="k7")
    stripe_standin.delivered()
    headers, body = webhook_receiver.got[1]
    stripe.WebhookSignature.verify_header(body, headers["Stripe-Signature"], webhook_receiver.secret, 300)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body + " ", headers["Stripe-Signature"], webhook_receiver.secret, 300)
    event = json.loads(body)
    assert (event["type"], event["livemode"], event["api_version"]) == (
        "customer.updated",
        False,
        "2026-05-27.dahlia",
    )
    assert event["data"]["previous_attributes"] == {"name": None}
    assert event["request"]["idempotency_key"] == "k7"
    assert json.loads(webhook_receiver.got[0][1])["data"]["object"]["name"] is None
    assert stripe.Event.retrieve(event["id"]).data.object.name == "Ann"


def test_what_is_not_taken_comes_again(stripe_standin, webhook_receiver):
    webhook_receiver.answers = [500, 302]
    customer(None)
    tries = stripe_standin.delivered()
    assert [(row["status"], row["try"]) for row in tries] == [(500, 1), (302, 2), (200, 3)]
    assert len(set(webhook_receiver.ids())) == 1


def test_an_endpoint_gets_the_kinds_it_asked_for(stripe_standin, webhook_receiver):
    stripe.WebhookEndpoint.modify(webhook_receiver.id, enabled_events=["coupon.created"])
    four_events()
    stripe_standin.delivered()
    assert webhook_receiver.types() == ["coupon.created"]
    assert not hasattr(stripe.WebhookEndpoint.retrieve(webhook_receiver.id), "secret")
    stripe.WebhookEndpoint.modify(webhook_receiver.id, disabled=True)
    four_events()
    assert stripe.WebhookEndpoint.delete(webhook_receiver.id).deleted
    assert stripe.WebhookEndpoint.list().data == []
    assert (len(stripe_standin.delivered()), len(stripe_standin.events(*KINDS))) == (1, 8)


def test_held_events_go_out_in_any_order(stripe_standin, webhook_receiver):
    stripe_standin.hold()
    four_events()
    assert webhook_receiver.got == []
    keys = stripe_standin.held()
    order = [keys[2], keys[0], keys[3], keys[1]]
    stripe_standin.release(order)
    stripe_standin.delivered()
    assert webhook_receiver.ids() == order
    stripe_standin.hold()
    four_events()
    stripe_standin.release("reverse")
    stripe_standin.delivered()
    assert webhook_receiver.types()[4:] == ["coupon.created", "price.created", "product.created", "customer.created"]


def test_events_are_lost_late_or_twice_as_told(stripe_standin, webhook_receiver):
    stripe_standin.next_event("lost", type="customer.created")
    stripe_standin.next_event("late", type="product.created", seconds=0.2)
    stripe_standin.next_event("twice", type="coupon.created")
    four_events()
    stripe_standin.delivered()
    assert webhook_receiver.types() == ["price.created", "coupon.created", "coupon.created", "product.created"]
    assert len(stripe_standin.events("customer.created")) == 1  # still there for who asks


def test_an_event_is_sent_again_at_once_or_forged(stripe_standin, webhook_receiver):
    customer(None)
    stripe_standin.delivered()
    key = stripe_standin.events()[0].id
    assert stripe_standin.send(key, times=5, parallel=True) == [200] * 5
    assert webhook_receiver.ids() == [key] * 6
    stripe_standin.send(key, age=400)
    stripe_standin.send(key, secret="whsec_other")
    stripe_standin.send(key, change={"livemode": True, "account": "acct_other"})
    old, forged, live = [(body, headers["Stripe-Signature"]) for headers, body in webhook_receiver.got[6:]]
    for body, header in (old, forged):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(body, header, webhook_receiver.secret, 300)
    stripe.WebhookSignature.verify_header(*live, webhook_receiver.secret, 300)
    assert json.loads(live[0])["livemode"]


def test_without_an_endpoint_an_event_is_signed_for_who_posts_it(stripe_standin):
    subscribe(sell()[1])
    event = stripe_standin.events("customer.subscription.created")[0]
    body, header = stripe_standin.signed(event.id)
    stripe.WebhookSignature.verify_header(body, header, SECRET, 300)
    assert json.loads(body)["data"]["object"]["status"] == "incomplete"  # paid a moment later
    assert stripe_standin.events("customer.subscription.updated")[0].data.object.status == "active"


def test_events_are_listed_by_kind_and_time(stripe_standin):
    four_events()
    assert [row.type for row in stripe_standin.events(*KINDS)] == KINDS
    assert [row.type for row in stripe.Event.list(type="price.*").data] == ["price.created"]
    start = stripe_standin.now + 3600
    stripe_standin.advance(days=1)
    customer(None)
    assert [row.type for row in stripe.Event.list(created={"gte": start}).data] == ["customer.created"]


def test_the_process_takes_an_endpoint_a_secret_and_a_key(webhook_receiver, monkeypatch):
    options = ("--deliver-to", webhook_receiver.url, "--secret", "whsec_own", "--key", KEY)
    with started(*options) as standin:
        monkeypatch.setattr(stripe, "api_base", standin.address)
        for _ in range(2):
            customer(None)
            standin.delivered()
            standin.reset()  # the endpoint of the start stays
        with pytest.raises(stripe.AuthenticationError):
            stripe.Customer.list(api_key=KEY + "x")
    for headers, body in webhook_receiver.got:
        stripe.WebhookSignature.verify_header(body, headers["Stripe-Signature"], "whsec_own", 300)
    assert webhook_receiver.types() == ["customer.created"] * 2
