"""Ways to Stripe: asked for by a page, prepared by a job, each once; the plan is none of their business."""

from datetime import timedelta

import pytest
import stripe
from django.urls import reverse

from billing import client as door
from billing import events, sync, tasks, visits
from billing.models import Subscription, Visit
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from tests.billing.visiting import BUY, begin, buys, made, prepared, row


# -- Checkout ----------------------------------------------------------------------------------------------------------
def test_a_plan_is_chosen_paid_at_stripe_and_followed(shop, host):
    """R-021, J7: the entitlement follows what Stripe says, not who comes back."""
    visit = prepared(host, tier="individual", interval="year")
    assert (visit.state, visit.url) == ("ready", f"{shop.address}/pay/{visit.session_id}")
    assert row(host).tier == "free"
    session = stripe.checkout.Session.retrieve(visit.session_id)
    assert session.metadata[door.USER_KEY] == session.client_reference_id == str(host.pk)
    assert (session.allow_promotion_codes, session.customer) == (True, row(host).stripe_customer_id)
    shop.pay(visit.session_id)
    assert row(host).tier == "free"
    sync.follow(session.customer)
    assert (row(host).tier, row(host).interval) == ("individual", "year")
    bought = stripe.Subscription.retrieve(row(host).stripe_subscription_id)
    assert bought.metadata[door.USER_KEY] == str(host.pk)


@pytest.mark.slow
def test_a_promotion_code_is_taken_at_stripe(shop, host):
    coupon = stripe.Coupon.create(percent_off=50, duration="once")
    stripe.PromotionCode.create(code="SPRING", promotion={"type": "coupon", "coupon": coupon.id})
    visit = prepared(host)
    shop.pay(visit.session_id, code="SPRING")
    assert stripe.Invoice.list(customer=row(host).stripe_customer_id).data[0].total == 1450


def test_a_second_click_gets_the_same_and_another_wish_another(shop, host):
    first = begin(host)
    assert begin(host) == first
    tasks.prepare_visit(str(first.pk))
    assert begin(host) == first
    other = begin(host, tier="individual", interval="month")
    assert other != first
    first.refresh_from_db()
    assert first.state == "done"


def test_whoever_turns_back_and_chooses_another_cannot_pay_both(shop, host):
    first = prepared(host)
    second = prepared(host, tier="individual", interval="month")
    assert "error" in shop.pay(first.session_id)
    assert "redirect" in shop.pay(second.session_id)


def test_who_cancels_at_once_and_buys_again_is_not_sent_to_the_page_that_was_paid(shop, host):
    first = buys(shop, host)
    [paid] = shop.events("checkout.session.completed")
    told = door.plain(paid)
    events.keep(told)
    assert events.handle_due() == 1
    stripe.Subscription.cancel(row(host).stripe_subscription_id)
    sync.follow(row(host).stripe_customer_id)
    second = prepared(host)
    assert second.pk != first.pk
    assert "redirect" in shop.pay(second.session_id)


@pytest.mark.slow
def test_what_was_ready_for_a_while_is_made_anew_and_the_old_page_closed(shop, host):
    """A session that expired at Stripe leads nowhere: another click makes a new one."""
    first = prepared(host)
    shop.advance(days=2)  # it expires
    Visit.objects.filter(pk=first.pk).update(ready_at=clock.now() - timedelta(minutes=5))
    second = prepared(host)
    assert second != first
    assert "redirect" in shop.pay(second.session_id)


def test_paid_in_another_tab_nothing_is_sold_twice(shop, host):
    """Stripe has the plan, we have not heard of it yet."""
    first = prepared(host)
    shop.pay(first.session_id)
    second = prepared(host, tier="individual", interval="month")
    assert (second.state, second.error) == ("failed", "has-plan")
    assert len(stripe.Subscription.list(customer=row(host).stripe_customer_id).data) == 1


def test_a_page_that_a_returning_host_paid_meanwhile_is_found_too(shop, host):
    buys(shop, host)
    stripe.Subscription.cancel(row(host).stripe_subscription_id)
    sync.follow(row(host).stripe_customer_id)
    first = prepared(host, tier="individual", interval="month")
    shop.pay(first.session_id)
    second = prepared(host, tier="individual", interval="year")
    assert (second.state, second.error) == ("failed", "has-plan")


def test_a_trial_and_a_plan_asked_for_at_once_are_prepared_in_turn(shop, host, monkeypatch):
    """Beside each other neither would know of the other, and the host would pay for a plan beside the trial."""
    told = []
    monkeypatch.setattr(visits, "nudge", lambda task, pk: told.append(pk))
    buying, trying = begin(host), begin(host, "trial")
    claimed = visits._claim(buying.pk)
    assert not visits.prepare(trying.pk)
    Visit.objects.filter(pk=claimed.pk).update(lease_until=None)
    assert visits.prepare(buying.pk)
    assert told[-1] == str(trying.pk)
    assert visits.prepare(trying.pk)
    buying.refresh_from_db()
    assert (buying.state, "error" in shop.pay(buying.session_id)) == ("done", True)


def test_who_has_a_plan_is_sent_to_the_portal_instead(shop, host, host_client):
    buys(shop, host)
    with pytest.raises(DomainError, match="never pay for two"):
        begin(host, tier="individual", interval="month")
    response = host_client.post(reverse("billing:buy"), BUY)
    assert (response.status_code, b"never pay for two" in response.content) == (409, True)
    assert len(made(shop, "checkout/sessions")) == 1


@pytest.mark.slow
def test_a_customer_deleted_at_stripe_is_made_anew(shop, host):
    first = prepared(host)
    old = row(host).stripe_customer_id
    stripe.Customer.delete(old)
    second = prepared(host, tier="individual", interval="year")
    assert second.state == "ready"
    assert row(host).stripe_customer_id != old
    assert first.session_id != second.session_id
    shop.pay(second.session_id)
    sync.follow(row(host).stripe_customer_id)
    assert row(host).tier == "individual"


def test_a_shop_that_sells_nothing_says_so(billing_on, host, host_client):
    """sync_plans was never run: a sentence for the host, a hint for staff."""
    visit = prepared(host)
    assert (visit.state, visit.error) == ("failed", "no-price")
    page = host_client.get(reverse("billing:visit", args=[visit.pk])).content.decode()
    assert "not on sale at the moment" in page
    assert "sync_plans" not in page
    host.is_staff = True
    host.save()
    assert "sync_plans" in host_client.get(reverse("billing:visit", args=[visit.pk])).content.decode()


@pytest.mark.parametrize(
    "wish", [{}, {"tier": "enterprise", "interval": "month"}, {"tier": "free", "interval": "month"}]
)
def test_only_what_is_sold_can_be_chosen(shop, host_client, wish):
    assert host_client.post(reverse("billing:buy"), wish).status_code == 400
    assert host_client.post(reverse("billing:buy"), BUY | {"interval": "week"}).status_code == 400
    assert host_client.post(reverse("billing:portal"), {"interval": "m\0" * 99}).status_code == 400
    assert not Visit.objects.exists()


@pytest.mark.slow
def test_with_tax_on_stripe_reckons_it(shop, host, settings):
    settings.STRIPE_TAX = True
    assert stripe.checkout.Session.retrieve(prepared(host).session_id).automatic_tax.enabled


# -- The Portal --------------------------------------------------------------------------------------------------------
def test_the_portal_changes_the_plan_with_proration(shop, host):
    buys(shop, host, tier="individual", interval="month")
    visit = prepared(host, "portal", **BUY)
    portal = visit.url.rpartition("/")[2]
    (call,) = made(shop, "billing_portal/sessions")
    assert call["params"]["flow_data"]["type"] == "subscription_update_confirm"
    price = stripe.Price.list(lookup_keys=["gpuadvisor_professional_month"]).data[0].id
    assert call["params"]["flow_data"]["subscription_update_confirm"]["items"][0]["price"] == price
    _status, to = shop.page(f"{shop.address}/portal/{portal}/plan", price=price)
    assert to.endswith(f"/settings/plan/return/?visit={visit.pk}")
    sync.follow(row(host).stripe_customer_id)
    assert row(host).tier == "professional"
    assert len(stripe.Invoice.list(customer=row(host).stripe_customer_id).data) == 2  # the difference, at once


def test_the_portal_offers_what_is_sold_and_no_more(shop, host):
    mug = stripe.Product.create(name="A mug")
    stripe.Price.create(product=mug.id, currency="usd", unit_amount=500, recurring={"interval": "month"})
    buys(shop, host)
    _status, page = shop.page(prepared(host, "portal").url)
    assert page.count("<option") == 3
    assert "mug" not in page
    assert len(made(shop, "billing_portal/configurations")) == 1


@pytest.mark.parametrize(("flow", "kind"), [("card", "payment_method_update"), ("cancel", "subscription_cancel")])
def test_the_portal_opens_where_the_button_says(shop, host, flow, kind):
    buys(shop, host)
    assert prepared(host, "portal", flow=flow).state == "ready"
    (call,) = made(shop, "billing_portal/sessions")
    assert call["params"]["flow_data"]["type"] == kind


def test_a_host_whom_stripe_does_not_know_has_no_portal(shop, host):
    with pytest.raises(DomainError, match="no plan of this account"):
        begin(host, "portal")
    buys(shop, host)
    stripe.Customer.delete(row(host).stripe_customer_id)
    assert prepared(host, "portal").error == "no-customer"


# -- The days to try ---------------------------------------------------------------------------------------------------
def test_the_trial_needs_no_card_and_ends_by_itself(shop, host, host_client):
    visit = prepared(host, "trial")
    assert (visit.state, visit.url) == ("done", f"/settings/plan/return/?visit={visit.pk}")
    assert row(host).tier == "free"
    sync.follow(row(host).stripe_customer_id)
    assert (row(host).tier, row(host).status) == ("professional", "trialing")
    page = host_client.get(reverse("billing:plan")).content.decode()
    assert "Add a card" in page
    shop.advance(days=15)
    sync.follow(row(host).stripe_customer_id)
    assert (row(host).tier, row(host).status) == ("free", "canceled")
    with pytest.raises(DomainError, match="were used"):
        begin(host, "trial")


def test_there_is_one_trial_even_where_we_forgot_it(shop, host):
    prepared(host, "trial")
    Subscription.objects.filter(user=host).update(trial_used_at=None)
    assert prepared(host, "trial").error == "has-plan"
    shop.advance(days=15)
    assert prepared(host, "trial").error == "trial-used"
    assert len(made(shop, "subscriptions")) == 1


@pytest.mark.slow
def test_with_tax_on_the_trial_asks_where_the_host_is(shop, host, settings):
    settings.STRIPE_TAX = True
    visit = prepared(host, "trial")
    assert visit.state == "ready"
    shop.pay(visit.session_id, card="none")
    sync.follow(row(host).stripe_customer_id)
    assert (row(host).tier, row(host).status) == ("professional", "trialing")
    assert row(host).trial_used_at


def test_who_has_as_much_is_offered_no_trial(shop, host):
    Subscription.objects.filter(user=host).update(tier="enterprise")
    with pytest.raises(DomainError, match="holds as much"):
        begin(host, "trial")
