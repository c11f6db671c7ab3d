"""The stand-in's file: what was bought outlives a restart of `STRIPE=standin make run`."""

import time

import stripe

from tests.billing.conftest import KEY, SECRET, Receiver, started
from tests.billing.standin_shop import customer, sell


def use(standin, monkeypatch):
    monkeypatch.setattr(stripe, "api_base", standin.address)
    monkeypatch.setattr(stripe, "api_key", KEY)
    return standin


def test_a_restart_knows_what_was_bought_and_sends_what_was_not_taken(tmp_path, monkeypatch):
    state = str(tmp_path / "stripe.state")
    receiver = Receiver()
    where = ["--deliver-to", receiver.url, "--secret", SECRET, "--state", state]
    with started(*where) as first:
        use(first, monkeypatch)
        asked = {"customer": customer().id, "items": [{"price": sell()[1].id}], "idempotency_key": "once"}
        bought = stripe.Subscription.create(**asked)
        first.delivered()
        first.advance(seconds=7200)
        first.hold()
        stripe.Subscription.modify(bought.id, cancel_at_period_end=True)
        held, now = first.held(), first.now
    with started(*where) as second:
        use(second, monkeypatch)
        assert second.address != first.address
        again = stripe.Subscription.retrieve(bought.id, expand=["latest_invoice"])
        assert (again.status, again.cancel_at_period_end) == ("active", True)
        assert again.latest_invoice.hosted_invoice_url.startswith(second.address)
        assert stripe.Subscription.create(**asked).id == bought.id
        assert 0 <= second.now - now < 60
        assert second.held() == held
        second.release()
        second.delivered()
        assert receiver.ids()[-1] == held[0]
        headers, body = receiver.got[-1]
        stripe.WebhookSignature.verify_header(body, headers["Stripe-Signature"], SECRET, 300)
    receiver.server.shutdown()
    receiver.server.server_close()


def test_a_file_that_cannot_be_read_is_put_aside(tmp_path, monkeypatch):
    state = tmp_path / "stripe.state"
    state.write_bytes(b"no pickle of ours")
    with started("--state", str(state)) as standin:
        use(standin, monkeypatch)
        assert stripe.Customer.create(email="a@example.com").id.startswith("cus_")
    assert (tmp_path / "stripe.state.unreadable").read_bytes() == b"no pickle of ours"
    assert state.exists()


def test_what_is_on_its_way_at_the_end_comes_after_the_restart(tmp_path, monkeypatch):
    receiver = Receiver()
    receiver.answers = [500] * 3
    where = ["--deliver-to", receiver.url, "--state", str(tmp_path / "stripe.state")]
    with started(*where, "--retry-delays", "60") as first:
        use(first, monkeypatch)
        stripe.Product.create(name="Away")
        for _ in range(100):
            if receiver.got:
                break
            time.sleep(0.02)
        time.sleep(0.1)
    receiver.answers = []
    with started(*where) as second:
        second.delivered()
    assert receiver.types() == ["product.created", "product.created"]
    receiver.server.shutdown()
    receiver.server.server_close()
