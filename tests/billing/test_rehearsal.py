"""A site whose Stripe is the stand-in says so on every page."""

import pytest
from django.urls import reverse

SENTENCE = "Payments here are a rehearsal: no money moves."
PAGES = ["market:home", "billing:pricing", "billing:plan", "portfolios:list"]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_that_no_money_moves(billing_on, host_client, name):
    assert SENTENCE in host_client.get(reverse(name)).content.decode()


@pytest.mark.parametrize("base", ["", "https://api.stripe.com"])
def test_with_stripe_itself_nothing_is_said(host_client, settings, base):
    settings.BILLING_ENABLED, settings.STRIPE_API_BASE = True, base
    assert SENTENCE not in host_client.get(reverse("billing:pricing")).content.decode()


def test_with_billing_off_nothing_is_said(host_client, settings):
    settings.STRIPE_API_BASE = "http://127.0.0.1:8091"
    assert SENTENCE not in host_client.get(reverse("billing:pricing")).content.decode()
