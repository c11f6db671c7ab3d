"""How a host gets to Stripe and buys there."""

from billing import sync, tasks, visits
from billing.models import Subscription

BUY = {"tier": "professional", "interval": "month"}


def row(host):
    return Subscription.objects.get(user=host)


def begin(host, kind="checkout", **wish):
    return visits.begin(host, kind, **(wish or (BUY if kind == "checkout" else {})))


def prepared(host, kind="checkout", **wish):
    """A visit that a worker has seen to."""
    visit = begin(host, kind, **wish)
    tasks.prepare_visit(str(visit.pk))
    visit.refresh_from_db()
    return visit


def made(shop, what):
    """The calls to Stripe that made something."""
    return [one for one in shop.journal(f"POST /v1/{what}") if one["status"] == 200]


def buys(shop, host, **wish):
    """The host pays at Checkout, and we hear of it."""
    visit = prepared(host, **wish)
    assert shop.pay(visit.session_id)["redirect"].endswith(f"?visit={visit.pk}")
    sync.follow(row(host).stripe_customer_id)
    return visit
