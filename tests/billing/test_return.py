"""Back from Stripe: the page waits for what Stripe tells us, and changes nothing itself (J7)."""

import time

import pytest
from django.urls import reverse

from billing import sync, tasks
from billing.models import Subscription, Visit
from tests.billing.visiting import buys, prepared, row
from tests.factories import UserFactory, VisitFactory


def url(visit, **more):
    return reverse("billing:return") + f"?visit={visit.pk}" + "".join(f"&{k}={v}" for k, v in more.items())


@pytest.fixture
def paid(shop, host):
    """A visit whose host has paid; nobody told us yet."""
    visit = prepared(host)
    shop.pay(visit.session_id)
    return visit


@pytest.fixture
def visit(billing_on, host):
    """One that is ready, and no more."""
    return VisitFactory(user=host, state="ready")


def test_coming_back_changes_no_plan_and_waits(paid, host, host_client):
    page = host_client.get(url(paid)).content.decode()
    assert "<progress" in page
    assert "Professional plan is yours" in page
    assert "<noscript><meta http-equiv" in page
    assert "&amp;since=" in page
    assert row(host).tier == "free"


def test_the_plan_arrives_by_the_webhook_and_the_page_says_so(paid, shop, host, host_client, client):
    for event in shop.events("checkout.session.completed"):
        body, header = shop.signed(event.id)
        client.post("/billing/webhook/", body, "application/json", headers={"Stripe-Signature": header})
    arrival = host_client.get(url(paid)).context["arrival"]
    assert (arrival.is_told, arrival.is_here) == (True, False)
    tasks.handle_events()
    part = host_client.get(url(paid), headers={"HX-Request": "true"}).content.decode()
    assert "Your account is on the Professional plan." in part
    assert "hx-get" not in part


def test_after_a_minute_it_says_that_one_need_not_wait(visit, host_client, settings):
    settings.CONTACT_EMAIL = "plans@example.com"
    page = host_client.get(url(visit, since=int(time.time()) - 61)).content.decode()
    for words in ("What you paid is safe at Stripe", "the plan follows by itself", "plans@example.com"):
        assert words in page
    assert "hx-get" in page


@pytest.mark.parametrize(
    ("flow", "words"), [("card", "your card is changed"), ("cancel", "plan is cancelled and ends")]
)
def test_what_was_done_in_the_portal_is_told(shop, host, host_client, flow, words):
    buys(shop, host)
    visit = prepared(host, "portal", flow=flow)
    page = host_client.get(url(visit, since=int(time.time()) - 61)).content.decode()
    assert "What you changed there holds" in page
    shop.page(f"{shop.address}/portal/{visit.session_id}/{flow}", card="pays")
    sync.follow(row(host).stripe_customer_id)
    assert words in host_client.get(url(visit)).content.decode()


def test_a_staff_grant_above_is_told_beside_what_was_paid(paid, host, host_client):
    from datetime import timedelta

    from billing import grants
    from gpuadvisor.core import clock

    until = clock.now() + timedelta(days=3)
    grants.grant(user=host, tier="enterprise", until=until, reason="r", by=UserFactory(is_staff=True))
    sync.follow(row(host).stripe_customer_id)
    page = host_client.get(url(paid)).content.decode()
    assert "Your account is on the Enterprise plan." in page
    assert "The Professional plan is paid for, too" in page


@pytest.mark.parametrize("query", ["", "?visit=", "?visit=x", "?visit=1;drop"])
def test_without_a_visit_it_leads_to_the_plan(host_client, query):
    response = host_client.get(reverse("billing:return") + query)
    assert response.headers["Location"] == reverse("billing:plan")


@pytest.mark.parametrize("since", ["x", "-1", "1e9", "9" * 400, "²", ""])
def test_a_time_that_is_none_is_now(visit, host_client, since):
    assert host_client.get(url(visit, since=since)).context["seconds"] <= 1


def test_another_hosts_visit_is_not_there(visit, client, stranger):
    client.force_login(stranger)
    assert client.get(url(visit)).status_code == 404
    client.logout()
    assert client.get(url(visit)).status_code == 302


def test_whoever_turned_back_is_told_that_nothing_was_bought(paid, host, host_client):
    response = host_client.get(reverse("billing:left"), follow=True)
    assert b"Nothing was bought" in response.content
    assert response.redirect_chain == [(reverse("billing:pricing"), 302)]


def test_a_visit_that_ended_long_ago_tells_the_plan_of_now(shop, host, host_client):
    visit = buys(shop, host)
    Visit.objects.update(state="done")
    assert "Your account is on the Professional plan." in host_client.get(url(visit)).content.decode()
    assert host_client.get(reverse("billing:visit", args=[visit.pk])).status_code == 302
    assert Subscription.objects.get(user=host).tier == "professional"
