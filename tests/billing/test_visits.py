"""Ways to Stripe: asked for by a page, prepared by a job, each once; the plan is none of their business."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import stripe
from django.db import connection
from django.urls import reverse

from billing import client as door
from billing import events, selling, sync, tasks, visits
from billing.models import Subscription, Visit
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from tests.factories import VisitFactory

FAULTS = ("drip", "429", "500", "503")  # beside a hang
BUY = {"tier": "professional", "interval": "month"}


@pytest.fixture
def shop(billing_on):
    """A Stripe that sells what our table says."""
    selling.bring()
    return billing_on


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


# -- When Stripe, a worker or Redis fail -------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", ["hang", *(pytest.param(one, marks=pytest.mark.slow) for one in FAULTS)])
def test_a_stripe_in_trouble_is_a_sentence_in_time(shop, host, host_client, monkeypatch, fault):
    """Every page answers at once; what it says comes after SECONDS at the latest."""
    monkeypatch.setattr(visits, "SECONDS", 0.4)
    monkeypatch.setattr(stripe, "max_network_retries", 0)
    shop.fault(fault, times=0, seconds=3 if fault == "hang" else 0.05)
    began = time.monotonic()
    visit = prepared(host)
    assert time.monotonic() - began < 1
    assert (visit.state, visit.error) == ("failed", "away")
    page = host_client.get(reverse("billing:visit", args=[visit.pk])).content.decode()
    assert "Stripe does not answer just now. Nothing was charged." in page
    assert "Try again" in page
    shop.clear_faults()
    assert prepared(host).state == "ready"


def test_the_clock_of_a_job_leaves_time_for_its_sentence():
    """15 s after the click there is a sentence: from the job, or that it takes long."""
    assert visits.SECONDS + 2 < 15
    assert visits.SLOW.total_seconds() + 2 < 15


def test_a_key_that_stripe_refuses_is_told_apart(shop, host, monkeypatch):
    monkeypatch.setattr(stripe, "api_key", "sk_live_wrong")
    visit = prepared(host)
    shown = visits.state(visit)
    assert (shown.word, visit.error, shown.may_try_again) == ("failed", "key", False)
    assert "STRIPE_KEY" in str(shown.hint)


@pytest.mark.slow
def test_an_answer_that_was_lost_makes_nothing_twice(shop, host, monkeypatch):
    """Stripe took the call and did not answer: the library asks again with the same key."""
    monkeypatch.setattr(stripe, "max_network_retries", 1)
    shop.fault("closed", "POST /v1/customers", after=True)
    shop.fault("closed", "POST /v1/checkout", after=True)
    assert prepared(host).state == "ready"
    assert len(stripe.Customer.list().data) == len(stripe.checkout.Session.list().data) == 1


def test_while_stripe_is_away_no_worker_waits_for_it_each_time(shop, host):
    for _ in range(visits.AWAYS):
        Visit.objects.create(user=host, kind="portal", state="failed", error="away", begun_at=clock.now())
    before = len(shop.journal())
    assert prepared(host).error == "away"
    assert len(shop.journal()) == before


def test_without_a_worker_the_page_says_that_it_takes_long(host, billing_on, host_client):
    visit = begin(host)
    url = reverse("billing:visit", args=[visit.pk])
    assert "being prepared" in host_client.get(url).content.decode()
    Visit.objects.filter(pk=visit.pk).update(begun_at=clock.now() - timedelta(seconds=11))
    assert "takes longer than it should" in host_client.get(url).content.decode()
    Visit.objects.filter(pk=visit.pk).update(begun_at=clock.now() - timedelta(minutes=11))
    assert "Start again" in host_client.get(url).content.decode()
    assert begin(host) != visit


def test_the_sweep_brings_what_no_nudge_brought_and_ends_what_is_old(shop, host, stranger, monkeypatch):
    """Redis was away, or a worker died in the middle: its lease runs out."""
    told = []
    monkeypatch.setattr(visits, "nudge", lambda task, pk: told.append(pk))
    now = clock.now()
    lost = begin(host)
    late = begin(stranger)
    Visit.objects.filter(pk=lost.pk).update(
        begun_at=now - timedelta(seconds=40), lease_until=now - timedelta(seconds=1)
    )
    Visit.objects.filter(pk=late.pk).update(begun_at=now - timedelta(minutes=11))
    assert tasks.sweep_visits() == 1
    assert told == [str(lost.pk)]
    late.refresh_from_db()
    assert (late.state, late.error) == ("failed", "late")
    assert tasks.prepare_visit(str(lost.pk))
    assert not tasks.prepare_visit(str(late.pk))


def test_a_worker_killed_in_the_middle_leaves_nothing_double(shop, host):
    """It had made the session and died before it wrote that down: the next gets the same from Stripe."""
    visit = begin(host)
    claimed = visits._claim(visit.pk)
    assert not visits.prepare(visit.pk)  # leased
    with door.within(5):
        visits.preparing.make(claimed)
    Visit.objects.filter(pk=visit.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    assert visits.prepare(visit.pk)
    assert not visits._record(claimed, state="failed")
    assert len(stripe.Customer.list().data) == len(stripe.checkout.Session.list().data) == 1


def test_a_bug_of_ours_ends_in_a_sentence(shop, host, monkeypatch):
    monkeypatch.setattr(visits.preparing, "make", lambda visit: 1 / 0)
    visit = prepared(host)
    assert (visit.error, visits.state(visit).may_try_again) == ("unknown", True)


@pytest.mark.django_db(transaction=True)
def test_clicks_in_parallel_make_one_visit_one_customer_one_session(shop, host, monkeypatch):
    monkeypatch.setattr(visits, "nudge", lambda *args: None)

    def click(_number):
        try:
            visit = begin(host)
            tasks.prepare_visit(str(visit.pk))
            return visit.pk
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(click, range(20)))) == 1
    assert len(stripe.Customer.list().data) == len(stripe.checkout.Session.list().data) == 1
    assert Visit.objects.get().state == "ready"


# -- Who may, and the pages --------------------------------------------------------------------------------------------
def test_with_billing_off_nothing_is_sold_and_the_page_says_so(host, host_client):
    page = host_client.get(reverse("billing:plan")).content.decode()
    assert "Billing is off on this site" in page
    for name in ("billing:buy", "billing:portal", "billing:trial"):
        assert reverse(name) not in page
        response = host_client.post(reverse(name), BUY)
        assert (response.status_code, b"Billing is off" in response.content) == (409, True)
    assert not Visit.objects.exists()


def test_the_demo_account_takes_no_plan(shop, host, host_client):
    host.is_demo = True
    host.save()
    assert host_client.post(reverse("billing:buy"), BUY).status_code == 403
    with pytest.raises(DomainError, match="demo account"):
        begin(host)
    page = host_client.get(reverse("billing:plan")).content.decode()
    assert "it cannot take a plan" in page
    assert reverse("billing:buy") not in page


def test_the_page_goes_on_to_stripe_by_itself_and_offers_a_link_without_script(shop, host, host_client, stranger):
    to = host_client.post(reverse("billing:buy"), BUY).headers["Location"]
    visit = Visit.objects.get()
    assert to == reverse("billing:visit", args=[visit.pk])
    assert "<noscript><meta http-equiv" in host_client.get(to).content.decode()
    part = host_client.get(to, headers={"HX-Request": "true"})
    assert "HX-Redirect" not in part.headers
    assert b"<html" not in part.content
    tasks.prepare_visit(str(visit.pk))
    visit.refresh_from_db()
    assert host_client.get(to, headers={"HX-Request": "true"}).headers["HX-Redirect"] == visit.url
    assert host_client.get(to).headers["Location"] == visit.url
    Visit.objects.update(ready_at=clock.now() - timedelta(seconds=20))  # who comes back from there is not sent again
    page = host_client.get(to)
    assert f'href="{visit.url}"' in page.content.decode()
    assert host_client.post(reverse("billing:buy"), BUY).headers["Location"] == visit.url
    host_client.force_login(stranger)
    assert host_client.get(to).status_code == 404


def test_a_way_that_was_ready_long_ago_is_not_offered_any_more(host, billing_on, host_client):
    visit = VisitFactory(user=host, state="ready", url="https://x.test/", ready_at=clock.now() - timedelta(minutes=5))
    page = host_client.get(reverse("billing:visit", args=[visit.pk])).content.decode()
    assert "https://x.test/" not in page
    assert "Try again to open it" in page


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "part"])
def test_a_way_that_is_over_leads_to_the_plan_and_to_no_closed_page(host, billing_on, host_client, headers):
    visit = VisitFactory(user=host, state="done", url="https://x.test/", ready_at=clock.now())
    answer = host_client.get(reverse("billing:visit", args=[visit.pk]), headers=headers)
    assert reverse("billing:plan") in (answer.headers.get("Location"), answer.headers.get("HX-Redirect"))


def test_whoever_asks_without_end_is_stopped(host, billing_on, host_client):
    for _ in range(visits.MOST):
        VisitFactory(user=host, state="done")
    assert host_client.post(reverse("billing:buy"), BUY).status_code == 429


def test_a_free_host_is_offered_each_plan_and_the_trial(shop, host_client, client):
    for page in (reverse("billing:pricing"), reverse("billing:plan")):
        text = host_client.get(page).content.decode()
        assert text.count(f'action="{reverse("billing:buy")}"') == 2
        assert text.count(f'action="{reverse("billing:trial")}"') == 1
        assert "cannot be bought" not in text
    client.logout()
    assert "Sign up to take it" in client.get(reverse("billing:pricing")).content.decode()


def test_a_host_with_a_plan_is_offered_the_others_and_the_portal(shop, host, host_client):
    buys(shop, host)
    page = host_client.get(reverse("billing:plan")).content.decode()
    assert reverse("billing:buy") not in page
    assert reverse("billing:trial") not in page
    assert page.count('name="interval" value="') == 3
    for words in ("$29.00 a month", "the next payment is due", "Cancel the plan", "Change the card"):
        assert words in page


def test_staff_look_at_visits_and_change_none(admin_client, host, billing_on):
    visit = begin(host)
    assert admin_client.get("/admin/billing/visit/").status_code == 200
    page = admin_client.get(f"/admin/billing/visit/{visit.pk}/change/")
    assert (page.status_code, b'name="_save"' in page.content) == (200, False)
