"""`sync_plans`: Stripe sells what our table says, and a second run changes nothing."""

from dataclasses import replace
from decimal import Decimal
from io import StringIO

import pytest
import stripe
from django.core.management import CommandError, call_command

from billing import client, plans
from tests.billing.conftest import KEY
from tests.billing.standin_shop import sell, subscribe


@pytest.fixture
def standin(stripe_standin, settings, monkeypatch):
    settings.STRIPE_KEY = KEY
    monkeypatch.setattr(stripe, "default_http_client", client.DeadlineClient())
    return stripe_standin


def run(*options):
    out = StringIO()
    call_command("sync_plans", *options, stdout=out)
    return out.getvalue().splitlines()


def sold():
    """Lookup key: amount, interval, tier, whether it is sold."""
    rows = stripe.Price.list(limit=100).data
    return {
        row.lookup_key: (row.unit_amount, row.recurring.interval, row.metadata["tier"])
        for row in rows
        if row.active and row.lookup_key
    }


TABLE = {
    "gpuadvisor_individual_month": (900, "month", "individual"),
    "gpuadvisor_individual_year": (9000, "year", "individual"),
    "gpuadvisor_professional_month": (2900, "month", "professional"),
    "gpuadvisor_professional_year": (29000, "year", "professional"),
}


def written(standin):
    return list(standin.journal("POST"))


def test_all_is_made_once(standin):
    assert len(run()) == 8
    assert sold() == TABLE
    products = {row.id: (row.name, row.metadata["tier"]) for row in stripe.Product.list().data}
    assert products == {
        "gpuadvisor_individual": ("Individual", "individual"),
        "gpuadvisor_professional": ("Professional", "professional"),
    }
    portals = stripe.billing_portal.Configuration.list().data
    assert [len(row.prices) for row in portals[0].features.subscription_update.products] == [2, 2]
    before = len(written(standin))
    assert run() == ["Nothing changed (test mode)."]
    assert run("--check") == ["Nothing changed (test mode)."]
    assert len(written(standin)) == before


def test_a_look_writes_nothing(standin):
    with pytest.raises(CommandError, match="sells something else"):
        run("--check")
    assert written(standin) == []


def test_another_amount_takes_over_the_name_and_who_pays_the_old_goes_on(standin, monkeypatch):
    run()
    old = stripe.Price.list(lookup_keys=["gpuadvisor_individual_month"]).data[0]
    running = subscribe(old)
    dearer = replace(plans.PLANS["individual"], price_month=Decimal("9.50"))
    monkeypatch.setitem(plans.PLANS, "individual", dearer)
    assert run()[:-1] == [
        "price gpuadvisor_individual_month: 9.50 USD instead of another",
        "portal: subscription_update",
    ]
    assert sold()["gpuadvisor_individual_month"][0] == 950
    old = stripe.Price.retrieve(old.id)
    assert (old.active, old.lookup_key, old.metadata["tier"]) == (False, None, "individual")
    assert stripe.Subscription.retrieve(running.id)["items"].data[0].price.id == old.id
    assert run() == ["Nothing changed (test mode)."]


def test_a_shop_made_by_hand_is_taken_over(standin):
    product, month, _year = sell()
    stripe.Product.modify(product.id, name="Pro", active=False)
    stripe.Price.modify(month.id, active=False)
    run()
    product = stripe.Product.retrieve(product.id)
    assert (product.name, product.active) == ("Professional", True)
    assert sold() == TABLE
    assert stripe.Price.list(lookup_keys=["gpuadvisor_professional_month"]).data[0].id == month.id
    assert run() == ["Nothing changed (test mode)."]


def test_stripe_in_trouble_is_told_in_a_sentence_and_the_next_run_goes_on(standin):
    standin.fault("500", "POST /v1/prices")
    with pytest.raises(CommandError, match="Run it again"):
        run()
    standin.clear_faults()
    run()
    assert sold() == TABLE


def test_without_a_key_it_says_so(settings):
    settings.STRIPE_KEY = ""
    with pytest.raises(CommandError, match="Set STRIPE_KEY"):
        run()
