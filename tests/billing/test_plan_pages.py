"""What plans cost and allow, and what a host used of theirs (R-030 to R-033)."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing import limits, plans
from billing.models import Subscription
from billing.services import set_tier
from gpuadvisor.accounts.models import Tier
from gpuadvisor.core import clock
from tests.factories import AlertFactory, ConversationFactory, PortfolioFactory

PRICES = {"individual": (9, 90), "professional": (29, 290)}


def text_of(response):
    """The words of a page, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_every_tier_has_its_plan_and_is_called_the_same():
    assert [(tier, plan.title) for tier, plan in plans.PLANS.items()] == [(tier, tier.label) for tier in Tier]


def test_paid_plans_have_both_prices_and_a_year_is_cheaper():
    assert {tier: (plans.PLANS[tier].price_month, plans.PLANS[tier].price_year) for tier in plans.PAID} == PRICES
    assert plans.PLANS["individual"].price_of_a_month_by_year == Decimal("7.5")
    assert plans.PLANS["enterprise"].price_of_a_month_by_year is None
    assert plans.lookup_key("individual", "year") == "gpuadvisor_individual_year"


def test_a_larger_plan_holds_at_least_as_much_of_everything():
    found = list(plans.PLANS.values())
    for what in plans.LIMITS:
        counts = [getattr(plan, what) for plan in found]
        assert counts == sorted(counts, key=lambda most: float("inf") if most is None else most), what
    assert plans.is_above("professional", "individual")
    assert not plans.is_above("free", "free")


def test_everything_that_is_limited_can_be_counted(host):
    """Each field of a plan that is a limit has its words and its counter."""
    assert [limits.usage(host, what).used for what in plans.LIMITS] == [0, 0, 0, 0, 0]
    with pytest.raises(KeyError):
        limits.usage(host, "title")


def test_the_pricing_page_tells_every_price_and_limit(client, db, settings):
    settings.CONTACT_EMAIL = "plans@example.com"
    said = text_of(client.get(reverse("billing:pricing")))
    for words in ("$9 a month", "or $90 a year, $7.50 a month", "$29 a month", "or $290 a year, $24.17 a month"):
        assert words in said
    for plan in plans.PLANS.values():
        assert f"{plan.tokens_a_day:,}" in said
    for words in ("14 days of Professional", "For 31 days", "nothing is deleted", "plans@example.com", "no limit"):
        assert words in said
    assert said.count("Billing is off on this site: this plan cannot be bought here.") == 2


def test_a_host_sees_their_own_plan_among_all(host_client, host):
    set_tier(host, "professional")
    said = text_of(host_client.get(reverse("billing:pricing")))
    assert said.count("You have it.") == 1
    assert "Professional Your plan" in said
    assert said.count("Billing is off on this site: this plan cannot be bought here.") == 1


def test_the_plan_page_tells_what_is_used(host_client, host):
    PortfolioFactory(user=host)
    PortfolioFactory(user=host, state="planned", is_active=False)
    AlertFactory.create_batch(2, user=host)
    ConversationFactory(user=host, message_count=7)
    ConversationFactory(user=host, message_count=31)
    response = host_client.get(reverse("billing:plan"))
    lines = {line.what: line.usage for line in response.context["standing"].lines}
    assert {what: (usage.used, usage.limit) for what, usage in lines.items()} == {
        "portfolios": (1, 1),
        "alerts": (2, 3),
        "conversations": (2, 5),
        "messages": (31, 50),
        "tokens_a_day": (0, 20_000),
    }
    assert not response.context["standing"].is_over
    assert "Free plan" in text_of(response)


def test_what_is_over_the_plan_is_said_and_kept(host_client, host):
    """R-033: on a smaller plan nothing is deleted."""
    PortfolioFactory.create_batch(2, user=host)
    response = host_client.get(reverse("billing:plan"))
    assert "You have more than this plan holds. Nothing is deleted" in text_of(response)
    assert "What you do not keep is read-only or paused." in text_of(response)
    Subscription.objects.filter(user=host).update(grace_until=clock.now() + timedelta(days=3))
    assert "all goes on as before; then what you do not keep" in text_of(host_client.get(reverse("billing:plan")))


def test_more_tokens_than_a_smaller_plan_has_are_nothing_to_choose_from(host_client, host, monkeypatch):
    """Downgraded in the middle of a day."""
    monkeypatch.setitem(limits._meters, "tokens_a_day", lambda user: limits.Usage(90_000, 20_000))
    assert "You have more than this plan holds" not in text_of(host_client.get(reverse("billing:plan")))


def test_who_pays_an_older_price_reads_that_one(host_client, host):
    details = {"price": "price_old", "amount": 9_900, "currency": "usd"}
    Subscription.objects.filter(user=host).update(
        tier="individual", paid_tier="individual", interval="year", monthly_price="8.25", status="active",
        stripe_subscription_id="sub_1", stripe_customer_id="cus_1", billing_details=details,
        current_period_end=clock.now() + timedelta(days=3),
    )  # fmt: skip
    assert "Individual, $99.00 a year; the next payment is due" in text_of(host_client.get(reverse("billing:plan")))


def test_a_plan_that_has_ended_has_no_end_any_more(host_client, host):
    row = set_tier(host, "individual")
    ends = clock.now() + timedelta(days=3)
    type(row).objects.update(paid_tier="individual", cancel_at=ends)
    assert host_client.get(reverse("billing:plan")).context["standing"].until == ends
    set_tier(host, "free")
    type(row).objects.update(paid_tier="free", status="canceled")
    assert host_client.get(reverse("billing:plan")).context["standing"].until is None


def test_a_ceiling_that_staff_set_is_the_limit_shown(host_client, host):
    from chat.models import Ceiling

    Ceiling.objects.create(user=host, tokens_a_day=1_234)
    assert "1,234 set for your account" in text_of(host_client.get(reverse("billing:plan")))


def test_the_plan_page_asks_as_often_for_many_rows(host_client, host, django_assert_num_queries):
    host_client.get(reverse("billing:plan"))  # a session's first page writes it down
    with CaptureQueriesContext(connection) as few:
        host_client.get(reverse("billing:plan"))
    ConversationFactory.create_batch(20, user=host)
    with django_assert_num_queries(len(few)):
        host_client.get(reverse("billing:plan"))


@pytest.mark.parametrize("name", ["portfolios:create", "portfolios:list", "alerts:rules"])
def test_where_a_limit_is_told_a_link_leads_to_the_plan(host_client, host, name):
    PortfolioFactory(user=host)
    page = host_client.get(reverse(name)).content.decode()
    main = page[page.index("<main") :]
    assert reverse("billing:plan") in main


@pytest.mark.parametrize("name", ["billing:plan", "billing:pricing"])
def test_who_has_a_card_is_told_that_the_days_to_try_go_on(host_client, host, settings, name):
    """J7: nobody is charged unawares; Stripe goes on where it knows a card from before."""
    settings.BILLING_ENABLED = True
    assert "without a card" in text_of(host_client.get(reverse(name)))
    Subscription.objects.filter(user=host).update(has_card=True, status=Subscription.Status.CANCELED)
    said = text_of(host_client.get(reverse(name)))
    assert "Try Professional" in said
    assert "is charged to it, unless you cancel before" in said
    assert "once for each account and without a card" not in said
