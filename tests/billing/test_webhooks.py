"""The doorway for Stripe's events: signed ones are kept once, forged ones leave nothing (promise 10, threat rows)."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe
from django.db import connection
from djstripe.models import Account, APIKey, WebhookEventTrigger

from billing.models import StripeEvent
from tests.billing.conftest import KEY, SECRET

URL = "/billing/webhook/"


@pytest.fixture
def on(settings, db):
    """Billing on; nothing is asked of Stripe at the door."""
    settings.STRIPE_KEY, settings.STRIPE_WEBHOOK_SECRET, settings.BILLING_ENABLED = KEY, SECRET, True


def event(**more):
    obj = {"id": "cus_1", "object": "customer"}
    return {
        "id": "evt_1",
        "object": "event",
        "type": "customer.updated",
        "livemode": False,
        "data": {"object": obj},
    } | more


def signature(body, secret=SECRET, age=0):
    at = int(time.time()) - age
    return f"t={at},v1={stripe.WebhookSignature._compute_signature(f'{at}.{body}', secret)}"


def post(client, told, *, header=None, **how):
    body = told if isinstance(told, str) else json.dumps(told)
    header = signature(body, **how) if header is None else header
    headers = {"Stripe-Signature": header} if header else {}
    return client.post(URL, body, content_type="application/json", headers=headers)


def test_a_signed_event_is_kept_once_and_answered(on, client):
    assert [post(client, event()).status_code for _ in range(3)] == [200, 200, 200]
    row = StripeEvent.objects.get()
    assert (row.event_id, row.kind, row.customer, row.state, row.attempts) == (
        *("evt_1", "customer.updated", "cus_1", "due", 0),
    )
    assert row.payload == event()


@pytest.mark.parametrize("age", [301, -400], ids=["old", "early"])
def test_a_signature_of_another_time_is_refused(on, client, age):
    assert post(client, event(), age=age).status_code == 400
    assert not StripeEvent.objects.exists()


def test_what_is_not_signed_by_stripe_is_refused_and_leaves_nothing(on, client):
    good = signature(json.dumps(event()))
    assert post(client, event(), header="").status_code == 400
    assert post(client, event(), secret="whsec_other").status_code == 400
    assert post(client, event(id="evt_2"), header=good).status_code == 400
    for header in ("t=1", "v1=x", "t=x,v1=y", "t=1,v1=é", "a" * 2000, "t=99999999999999999999,v1=x"):
        assert post(client, event(), header=header).status_code == 400
    spared = client.post(
        URL, json.dumps(event()), content_type="application/json", headers={"X-Djstripe-Webhook-Secret": SECRET}
    )
    assert spared.status_code == 400
    assert not StripeEvent.objects.exists()
    assert not WebhookEventTrigger.objects.exists()


def test_a_flood_of_forged_ones_is_slowed_down_and_stripe_is_not(on, client):
    said = [post(client, event(), secret="whsec_other") for _ in range(63)]
    assert [one.status_code for one in said] == [400] * 60 + [429] * 3
    assert int(said[-1]["Retry-After"]) <= 60
    assert not StripeEvent.objects.exists()
    assert post(client, event()).status_code == 200


def test_a_huge_body_is_refused_before_it_is_read(on, client):
    body = json.dumps(event(filling="x" * (256 * 1024)))
    assert post(client, body).status_code == 413
    assert not StripeEvent.objects.exists()


@pytest.mark.parametrize(
    "told",
    [
        event(livemode=True),
        event(account="acct_other"),
        event(livemode=None),
        event(object="charge"),
        event(id=""),
        event(id=7),
        event(id="e" * 101),
        event(data={}),
        event(data=[]),
        [],
        "{",
        "NaN",
        "[" * 100_000,
        json.dumps(event())[:-1] + ', "amount": Infinity}',
    ],
    ids=range(14),
)
def test_what_is_signed_but_not_for_us_is_refused(on, client, told):
    assert post(client, told).status_code == 400
    assert not StripeEvent.objects.exists()


def test_an_event_of_our_own_account_by_name_is_kept(on, client):
    account = Account.objects.create(id="acct_own", livemode=False, stripe_data={})
    APIKey.objects.create(secret=KEY, type="secret", livemode=False, djstripe_owner_account=account)
    assert post(client, event(account="acct_own")).status_code == 200
    assert StripeEvent.objects.get().account == "acct_own"


def test_what_no_column_holds_is_taken_out(on, client):
    told = event(note="a\0b\ud800c")
    assert post(client, told).status_code == 200
    assert StripeEvent.objects.get().payload["note"] == "ab?c"


def test_with_billing_off_there_is_no_door(client, db):
    assert post(client, event()).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_same_event_twenty_times_at_once_is_kept_once(on, client):
    def one(_):
        try:
            return post(client, event()).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as many:
        assert list(many.map(one, range(20))) == [200] * 20
    assert StripeEvent.objects.count() == 1
