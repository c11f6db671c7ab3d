"""The stand-in's faults as the real library meets them: silence, a drip, 429, 500, no answer, a page (part 5)."""

import time
from contextlib import contextmanager

import pytest
import stripe

from tests.billing.standin_shop import checkout, customer, sell


@contextmanager
def impatience(monkeypatch, seconds=0.25):
    """A client that waits no longer for a read."""
    with monkeypatch.context() as patched:
        patched.setattr(stripe, "default_http_client", stripe.RequestsClient(timeout=(2, seconds)))
        yield


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("429", stripe.RateLimitError, 429),
        ("500", stripe.APIError, 500),
        ("503", stripe.APIError, 503),
        ("closed", stripe.APIConnectionError, None),
        ("html", stripe.APIError, 200),
    ],
)
def test_a_call_fails_once_as_told_and_then_works(stripe_standin, fault, error, status):
    stripe_standin.fault(fault, "POST /v1/customers")
    stripe.Product.create(name="Not meant")
    with pytest.raises(error) as caught:
        customer(None)
    assert caught.value.http_status == status
    assert stripe.Customer.list().data == []
    assert customer(None).id


def test_silence_ends_by_the_clients_own_clock(stripe_standin, monkeypatch):
    stripe_standin.fault("hang", seconds=60)
    started = time.monotonic()
    with impatience(monkeypatch), pytest.raises(stripe.APIConnectionError):
        customer(None)
    assert 0.2 < time.monotonic() - started < 10
    assert stripe.Customer.list().data == []


def test_a_lost_answer_is_found_again_by_its_key(stripe_standin, monkeypatch):
    """The call took effect, its answer never came: what the key is for."""
    _, month, _ = sell()
    who = customer(None)
    stripe_standin.fault("hang", "POST /v1/checkout/sessions", seconds=60, after=True)
    with impatience(monkeypatch), pytest.raises(stripe.APIConnectionError):
        checkout(month, customer=who.id, idempotency_key="start-1")
    again = checkout(month, customer=who.id, idempotency_key="start-1")
    assert [row.id for row in stripe.checkout.Session.list().data] == [again.id]
    calls = stripe_standin.journal("POST /v1/checkout/sessions")
    assert [(row["idempotency_key"], row.get("fault")) for row in calls] == [("start-1", "hang"), ("start-1", None)]


def test_a_drip_outlasts_a_timeout_per_read(stripe_standin, monkeypatch):
    """No read takes 0.25 s, the whole takes longer: only a limit on the whole ends it."""
    stripe_standin.fault("drip", seconds=0.0005)
    started = time.monotonic()
    with impatience(monkeypatch):
        assert stripe.Customer.create(name="Slow").name == "Slow"
    assert time.monotonic() - started > 0.25


def test_faults_stand_until_they_are_cleared(stripe_standin, monkeypatch):
    monkeypatch.setattr(stripe, "max_network_retries", 1)
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    stripe_standin.fault("500", "GET /v1/events", times=0)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            stripe.Event.list()
    assert len(stripe_standin.journal("GET /v1/events")) == 4  # tried again each time
    assert stripe_standin.call()["faults"][0]["kind"] == "500"
    stripe_standin.clear_faults()
    assert stripe.Event.list().data == []
    assert "is meant" in stripe_standin.fault("nonsense")["error"]["message"]


def test_the_journal_tells_what_was_asked(stripe_standin):
    stripe.Customer.create(metadata={"user": "1"}, stripe_version="2026-05-27.dahlia")
    (row,) = stripe_standin.journal("POST")
    assert (row["params"], row["status"], row["version"]) == ({"metadata": {"user": "1"}}, 200, "2026-05-27.dahlia")


def test_cards_may_be_told_to_fail_or_to_ask_at_checkout(stripe_standin):
    _, month, _ = sell()
    session = checkout(month)
    stripe_standin.cards("fails")
    assert "declined" in stripe_standin.pay(session.id)["error"]
    stripe_standin.cards("asks", session.customer)
    assert stripe_standin.pay(session.id)["asks"]
    stripe_standin.cards("")
    assert stripe_standin.pay(session.id)["redirect"]
