"""The stand-in answers the real library as Stripe does (step 6, part 5): each address's main use, and its refusals."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.billing.standin_shop import checkout, customer, end_of, lines, sell, subscribe

DAY = 86_400


# -- Keys, lists, errors, idempotency ----------------------------------------------------------------------------------
def test_without_a_key_nothing_is_answered(stripe_standin):
    with pytest.raises(stripe.AuthenticationError) as refused:
        stripe.Customer.list(api_key="nonsense")
    assert refused.value.http_status == 401
    assert stripe_standin.call("/nothing/here")["error"]["message"].startswith("There is no control call")


@pytest.mark.parametrize(
    ("ask", "status", "code"),
    [
        (lambda: stripe.Customer.retrieve("cus_none"), 404, "resource_missing"),
        (lambda: stripe.Price.create(currency="usd", product="prod_none", unit_amount=1), 400, "resource_missing"),
        (lambda: stripe.Customer.create(nonsense="x"), 400, "parameter_unknown"),
        (lambda: stripe.Customer.create(email="no address"), 400, "email_invalid"),
        (lambda: stripe.Product.create(), 400, "parameter_missing"),
        (lambda: stripe.Account.list(expand=["data.nothing"]), 400, "property_cannot_be_expanded"),
        (lambda: stripe.Event.list(limit=101), 400, "parameter_invalid"),
        (lambda: stripe.Price.list(limit="many"), 400, "parameter_invalid_integer"),
        (lambda: stripe.checkout.Session.create(mode="payment", success_url="x"), 400, "parameter_invalid"),
    ],
    ids=["gone", "parameter", "unknown", "email", "required", "expand", "limit", "number", "mode"],
)
def test_a_bad_call_gets_an_error_in_stripes_shape(stripe_standin, ask, status, code):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        ask()
    refused = caught.value
    assert (refused.http_status, refused.code) == (status, code)
    assert refused.error.type == "invalid_request_error"
    assert refused.request_id.startswith("req_")


def test_lists_are_paged_newest_first(stripe_standin):
    ids = [stripe.Customer.create(name=str(number)).id for number in range(5)][::-1]
    first = stripe.Customer.list(limit=2)
    assert ([row.id for row in first.data], first.has_more, first.url) == (ids[:2], True, "/v1/customers")
    rest = stripe.Customer.list(limit=3, starting_after=ids[1])
    assert ([row.id for row in rest.data], rest.has_more) == (ids[2:], False)
    assert [row.id for row in stripe.Customer.list(limit=2, ending_before=ids[3]).data] == ids[1:3]
    assert [row.id for row in stripe.Customer.list(limit=2).auto_paging_iter()] == ids
    assert stripe.Customer.list(created={"gt": stripe_standin.now}).data == []


def test_a_key_that_is_sent_again_gets_the_same_answer(stripe_standin):
    one = stripe.Customer.create(email="a@example.com", idempotency_key="k1")
    two = stripe.Customer.create(email="a@example.com", idempotency_key="k1")
    assert (one.id, two.last_response.headers["Idempotent-Replayed"]) == (two.id, "true")
    with pytest.raises(stripe.IdempotencyError):
        stripe.Customer.create(email="b@example.com", idempotency_key="k1")
    stripe_standin.advance(days=2)
    assert stripe.Customer.create(email="b@example.com", idempotency_key="k1").id != one.id


def test_a_key_keeps_what_took_effect_and_not_a_mistake(stripe_standin):
    with pytest.raises(stripe.InvalidRequestError):
        stripe.Customer.create(email="no address", idempotency_key="k1")
    assert stripe.Customer.create(email="a@example.com", idempotency_key="k1").email == "a@example.com"
    open_invoice = subscribe(sell()[1], "pm_card_chargeCustomerFail").latest_invoice
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            stripe.Invoice.pay(open_invoice, idempotency_key="k2")
    assert len(stripe_standin.events("charge.failed")) == 2  # at the start, and once by the key


def test_twenty_at_once_with_one_key_make_one(stripe_standin):
    _, month, _ = sell()
    who = customer(None)
    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda _: checkout(month, customer=who.id, idempotency_key="once").id, range(20)))
    assert (len(set(made)), len(stripe.checkout.Session.list().data)) == (1, 1)


# -- Account, customers, catalog, cards --------------------------------------------------------------------------------
def test_account(stripe_standin):
    account = stripe.Account.retrieve()
    assert [row.id for row in stripe.Account.list().data] == [account.id]
    assert stripe.Account.retrieve(account.id).charges_enabled


def test_customers_are_made_changed_found_and_deleted(stripe_standin):
    who = stripe.Customer.create(email="a@example.com", metadata={"7": "x", "user": "1", "old": "x"})
    stripe.Customer.create(email="b@example.com")
    stripe.Customer.modify(who.id, name="Ann", metadata={"7": "", "old": "", "new": "y"})
    who = stripe.Customer.retrieve(who.id, expand=["sources", "subscriptions"])
    assert (who.name, who.metadata.to_dict(), who.sources.data) == ("Ann", {"user": "1", "new": "y"}, [])
    assert [row.id for row in stripe.Customer.list(email="a@example.com").data] == [who.id]
    for query in ("email:'a@example.com'", "metadata['user']:'1' AND name~'an'"):
        assert [row.id for row in stripe.Customer.search(query=query).data] == [who.id]
    assert stripe.Customer.list_sources(who.id).data == []
    assert stripe.Customer.delete(who.id).deleted
    assert stripe.Customer.retrieve(who.id).deleted
    with pytest.raises(stripe.InvalidRequestError):
        stripe.Customer.modify(who.id, name="Ben")
    told = [event.type for event in stripe_standin.events("customer.created", "customer.updated", "customer.deleted")]
    assert told == ["customer.created", "customer.created", "customer.updated", "customer.deleted"]


def test_deleting_a_customer_ends_what_they_have(stripe_standin):
    subscription = subscribe(sell()[1])
    stripe.Customer.delete(subscription.customer)
    assert stripe.Subscription.retrieve(subscription.id).status == "canceled"
    assert len(stripe_standin.events("customer.subscription.deleted")) == 1


def test_a_lookup_key_is_one_prices_until_it_is_handed_over(stripe_standin):
    product, month, year = sell()
    found = stripe.Price.list(lookup_keys=["gpuadvisor_professional_year"], active=True, expand=["data.product"])
    assert [(row.id, row.product.name, row.recurring.interval) for row in found.data] == [
        (year.id, "Professional", "year")
    ]
    fields = {"product": product.id, "currency": "usd", "unit_amount": 3900, "recurring": {"interval": "month"}}
    with pytest.raises(stripe.InvalidRequestError):
        stripe.Price.create(**fields, lookup_key=month.lookup_key)
    dearer = stripe.Price.create(**fields, lookup_key=month.lookup_key, transfer_lookup_key=True)
    assert stripe.Price.retrieve(month.id).lookup_key is None
    stripe.Price.modify(month.id, active=False)
    assert {row.id for row in stripe.Price.list(active=True).data} == {dearer.id, year.id}
    stripe.Product.modify(product.id, name="Pro", default_price=dearer.id)
    assert stripe.Product.retrieve(product.id).default_price == dearer.id
    assert stripe.Product.list_features(product.id).data == []
    with pytest.raises(stripe.InvalidRequestError):
        subscribe(month)  # no longer on sale


def test_cards_are_attached_and_taken_off(stripe_standin):
    who = customer(None)
    card = stripe.PaymentMethod.attach("pm_card_visa", customer=who.id)
    assert (card.card.last4, card.customer) == ("4242", who.id)
    stripe.Customer.modify(who.id, invoice_settings={"default_payment_method": card.id})
    assert [row.id for row in stripe.PaymentMethod.list(customer=who.id, type="card").data] == [card.id]
    assert stripe.PaymentMethod.detach(card.id).customer is None
    assert stripe.Customer.retrieve(who.id).invoice_settings.default_payment_method is None
    with pytest.raises(stripe.CardError) as refused:
        stripe.PaymentMethod.attach("pm_card_chargeDeclined", customer=who.id)
    assert (refused.value.http_status, refused.value.code) == (402, "card_declined")


# -- Subscriptions -----------------------------------------------------------------------------------------------------
def test_a_subscription_starts_paid_with_its_period_on_the_item(stripe_standin):
    product, month, _ = sell()
    subscription = subscribe(month, expand=["latest_invoice.payments", "customer"], metadata={"user": "7"})
    item, invoice = subscription["items"].data[0], subscription.latest_invoice
    who = stripe.Customer.retrieve(subscription.customer.id, expand=["subscriptions.data.latest_invoice"])
    assert who.subscriptions.data[0].latest_invoice.id == invoice.id
    assert (subscription.status, item.price.id, item.subscription) == ("active", month.id, subscription.id)
    assert 28 * DAY <= item.current_period_end - item.current_period_start <= 31 * DAY
    assert not hasattr(subscription, "current_period_end")
    assert (invoice.status, invoice.amount_paid, invoice.billing_reason) == ("paid", 2900, "subscription_create")
    assert invoice.parent.subscription_details.subscription == subscription.id
    assert invoice.parent.subscription_details.metadata.user == "7"
    line = invoice.lines.data[0]
    assert line.pricing.price_details.product == product.id
    assert line.parent.subscription_item_details.subscription_item == item.id
    assert invoice.payments.data[0].payment.payment_intent.startswith("pi_")
    status, text = stripe_standin.page(invoice.hosted_invoice_url)
    assert (status, "Paid" in text) == (200, True)
    assert [row.id for row in stripe.Subscription.list(price=month.id, status="active").data] == [subscription.id]
    assert [row.id for row in stripe.SubscriptionItem.list(subscription=subscription.id).data] == [item.id]


def test_a_card_that_fails_leaves_it_incomplete_then_expired(stripe_standin):
    _, month, _ = sell()
    subscription = subscribe(month, "pm_card_chargeCustomerFail", expand=["latest_invoice"])
    assert (subscription.status, subscription.latest_invoice.status) == ("incomplete", "open")
    with pytest.raises(stripe.CardError) as refused:
        subscribe(month, "pm_card_chargeCustomerFail", payment_behavior="error_if_incomplete")
    assert refused.value.code == "card_declined"
    with pytest.raises(stripe.InvalidRequestError):
        subscribe(month, None)
    stripe_standin.advance(seconds=23 * 3600 + 5)
    assert stripe.Subscription.retrieve(subscription.id).status == "incomplete_expired"


def test_a_card_whose_bank_asks_waits_for_the_customer(stripe_standin):
    subscription = subscribe(sell()[1], "pm_card_authenticationRequired", expand=["latest_invoice"])
    assert subscription.status == "incomplete"
    assert len(stripe_standin.events("invoice.payment_action_required")) == 1
    url = subscription.latest_invoice.hosted_invoice_url
    assert "declined" in stripe_standin.page(url, card="fails")[1]
    assert "Paid" in stripe_standin.page(url, card="pays")[1]
    assert stripe.Subscription.retrieve(subscription.id).status == "active"


def test_default_incomplete_hands_out_a_secret_and_pay_completes_it(stripe_standin):
    more = {"payment_behavior": "default_incomplete", "expand": ["latest_invoice.confirmation_secret"]}
    subscription = subscribe(sell()[1], **more)
    assert (subscription.status, stripe_standin.events("charge.succeeded")) == ("incomplete", [])
    assert subscription.latest_invoice.confirmation_secret.client_secret.startswith("pi_")
    assert stripe.Invoice.pay(subscription.latest_invoice.id).status == "paid"
    assert stripe.Subscription.retrieve(subscription.id).status == "active"


@pytest.mark.parametrize(
    ("behavior", "now", "later"),
    [
        ("always_invoice", [-450, 1450], [2900]),
        ("create_prorations", [900], [-450, 1450, 2900]),
        ("none", [900], [2900]),
    ],
    ids=["always", "next", "none"],
)
def test_a_plan_changed_at_half_time_costs_half(stripe_standin, behavior, now, later):
    _, cheap, _ = sell("Individual", 900, 9000)
    _, dear, _ = sell()
    subscription = subscribe(cheap)
    item = subscription["items"].data[0]
    half = (item.current_period_end - item.current_period_start) // 2
    stripe_standin.advance(seconds=half)
    changed = stripe.Subscription.modify(
        subscription.id,
        items=[{"id": item.id, "price": dear.id}],
        proration_behavior=behavior,
        proration_date=item.current_period_start + half,
        expand=["latest_invoice"],
    )
    assert (changed["items"].data[0].price.id, end_of(changed)) == (dear.id, item.current_period_end)
    assert lines(changed.latest_invoice) == now
    stripe_standin.advance(seconds=half + 3700)
    assert lines(stripe.Invoice.list(subscription=subscription.id).data[0]) == later


def test_another_interval_starts_a_period_at_once_and_a_preview_says_what_it_costs(stripe_standin):
    _, month, year = sell()
    subscription = subscribe(month)
    change = [{"id": subscription["items"].data[0].id, "price": year.id}]
    events = len(stripe_standin.events())
    preview = stripe.Invoice.create_preview(subscription=subscription.id, subscription_details={"items": change})
    assert (preview.total, len(stripe_standin.events())) == (26100, events)
    assert end_of(stripe.Subscription.retrieve(subscription.id)) == end_of(subscription)
    changed = stripe.Subscription.modify(subscription.id, items=change, expand=["latest_invoice"])
    assert (changed.latest_invoice.total, changed.latest_invoice.status) == (26100, "paid")
    assert end_of(changed) - stripe_standin.now > 364 * DAY
    back = stripe.Subscription.modify(
        subscription.id, items=[{"id": change[0]["id"], "price": month.id}], expand=["latest_invoice", "customer"]
    )
    assert (back.latest_invoice.amount_due, back.customer.balance) == (0, -26100)  # kept as credit
    assert stripe.Invoice.create_preview(subscription=subscription.id).amount_due == 0


def test_it_ends_at_the_periods_end_or_at_once(stripe_standin):
    _, month, _ = sell()
    later, now = subscribe(month), subscribe(month)
    planned = stripe.Subscription.modify(later.id, cancel_at_period_end=True)
    assert (planned.status, planned.cancel_at, planned.cancel_at_period_end) == ("active", end_of(later), True)
    assert stripe.Subscription.modify(later.id, cancel_at_period_end=False).cancel_at is None
    stripe.Subscription.modify(later.id, cancel_at_period_end=True)
    ended = stripe.Subscription.cancel(now.id)
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "cancellation_requested")
    with pytest.raises(stripe.InvalidRequestError):
        stripe.Subscription.cancel(now.id)
    with pytest.raises(stripe.InvalidRequestError):
        stripe.Subscription.modify(now.id, cancel_at_period_end=True)
    stripe_standin.advance(days=32)
    assert stripe.Subscription.retrieve(later.id).status == "canceled"
    assert stripe.Subscription.list().data == []
    assert len(stripe.Subscription.list(status="all").data) == 2


def test_items_change_by_themselves(stripe_standin):
    _, cheap, _ = sell("Individual", 900, 9000)
    _, dear, _ = sell()
    subscription = subscribe(cheap)
    item = subscription["items"].data[0]
    stripe.SubscriptionItem.modify(item.id, price=dear.id, proration_behavior="none")
    assert stripe.SubscriptionItem.retrieve(item.id).price.id == dear.id
    added = stripe.SubscriptionItem.create(subscription=subscription.id, price=cheap.id, proration_behavior="none")
    assert added.current_period_end == item.current_period_end
    assert stripe.SubscriptionItem.delete(added.id, proration_behavior="none").deleted
    assert [row.id for row in stripe.Subscription.retrieve(subscription.id)["items"].data] == [item.id]


def test_a_paused_collection_makes_invoices_that_nobody_pays(stripe_standin):
    subscription = subscribe(sell()[1])
    stripe.Subscription.modify(subscription.id, pause_collection={"behavior": "void"})
    stripe_standin.advance(days=32)
    assert [row.status for row in stripe.Invoice.list().data] == ["void", "paid"]
    assert stripe.Subscription.modify(subscription.id, pause_collection="").pause_collection is None


# -- Invoices, refunds, coupons ----------------------------------------------------------------------------------------
def test_open_invoices_are_paid_given_up_or_voided(stripe_standin):
    _, month, _ = sell()
    for call, status in (
        (stripe.Invoice.mark_uncollectible, "uncollectible"),
        (stripe.Invoice.void_invoice, "void"),
        (lambda key: stripe.Invoice.pay(key, paid_out_of_band=True), "paid"),
    ):
        key = subscribe(month, "pm_card_chargeCustomerFail").latest_invoice
        with pytest.raises(stripe.CardError):
            stripe.Invoice.pay(key)
        assert call(key).status == status
    assert len(stripe.Invoice.list(status="void").data) == 1
    assert len(stripe.Invoice.list_lines(key).data) == 1


def test_a_refund_is_given_once(stripe_standin):
    subscription = subscribe(sell()[1], expand=["latest_invoice.payments"])
    intent = subscription.latest_invoice.payments.data[0].payment.payment_intent
    assert stripe.Refund.create(payment_intent=intent, amount=900).status == "succeeded"
    assert stripe.Refund.create(payment_intent=intent).amount == 2000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe.Refund.create(payment_intent=intent)
    assert refused.value.code == "charge_already_refunded"
    assert stripe.Charge.list(payment_intent=intent).data[0].refunded
    assert [event.type for event in stripe_standin.events("charge.refunded")] == ["charge.refunded"] * 2


def test_coupons_take_off_once_or_for_ever(stripe_standin):
    _, month, _ = sell()
    once = stripe.Coupon.create(percent_off=50, duration="once", id="HALF")
    always = stripe.Coupon.create(amount_off=400, currency="usd", duration="forever", max_redemptions=1)
    first = subscribe(month, discounts=[{"coupon": once.id}], expand=["latest_invoice.discounts"])
    code = stripe.PromotionCode.create(promotion={"type": "coupon", "coupon": always.id}, code="SPRING")
    second = subscribe(month, discounts=[{"promotion_code": code.id}], expand=["latest_invoice"])
    assert (first.latest_invoice.total, first.latest_invoice.discounts[0].source.coupon) == (1450, "HALF")
    assert second.latest_invoice.total == 2500
    with pytest.raises(stripe.InvalidRequestError) as refused:
        subscribe(month, discounts=[{"promotion_code": code.id}])
    assert refused.value.code == "coupon_expired"
    stripe_standin.advance(days=32)
    totals = [stripe.Invoice.list(subscription=row.id).data[0].total for row in (first, second)]
    assert totals == [2900, 2500]
    assert [row.id for row in stripe.PromotionCode.list(code="spring", active=True).data] == [code.id]
    assert stripe.Coupon.delete(once.id).deleted


# -- Checkout and Portal -----------------------------------------------------------------------------------------------
def test_checkout_pays_and_leads_back(stripe_standin):
    _, month, _ = sell()
    more = {"client_reference_id": "user-1", "subscription_data": {"metadata": {"user": "1"}}}
    more["automatic_tax"] = {"enabled": True}
    session = checkout(month, **more, customer_email="new@example.com")
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 2900)
    assert "Subscribe" in stripe_standin.page(session.url)[1]
    assert "declined" in stripe_standin.page(session.url, card="fails")[1]
    assert "bank asks" in stripe_standin.page(session.url, card="asks")[1]
    status, address = stripe_standin.page(session.url, card="confirmed")
    assert (status, address) == (303, f"https://site.test/done/?session={session.id}")
    assert stripe_standin.page(session.url)[0] == 404  # a link that is used up
    done = stripe.checkout.Session.retrieve(session.id, expand=["subscription", "line_items", "customer"])
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert (done.subscription.status, done.subscription.metadata.user) == ("active", "1")
    assert (done.automatic_tax.enabled, done.subscription.automatic_tax.enabled) == (True, True)
    assert (done.customer.email, done.client_reference_id) == ("new@example.com", "user-1")
    assert done.line_items.data[0].price.id == month.id
    told = [event.type for event in stripe_standin.events()]
    order = ["customer.subscription.created", "invoice.created", "invoice.paid", "checkout.session.completed"]
    assert [kind for kind in told if kind in order] == order


def test_checkout_takes_codes_trials_without_a_card_and_ends(stripe_standin):
    _, month, _ = sell()
    coupon = stripe.Coupon.create(percent_off=50, duration="once")
    stripe.PromotionCode.create(promotion={"type": "coupon", "coupon": coupon.id}, code="SPRING")
    coded = checkout(month, allow_promotion_codes=True)
    assert "invalid" in stripe_standin.pay(coded.id, code="WINTER")["error"]
    assert stripe_standin.pay(coded.id, code="spring")["session"]["amount_total"] == 1450
    given = checkout(month, discounts=[{"coupon": coupon.id}])
    assert given.amount_total == 1450
    trial = checkout(
        month,
        payment_method_collection="if_required",
        subscription_data={
            "trial_period_days": 14,
            "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
        },
    )
    done = stripe_standin.pay(trial.id, "none")["session"]
    assert (done["payment_status"], done["amount_total"]) == ("no_payment_required", 0)
    assert stripe.Subscription.retrieve(done["subscription"]).status == "trialing"
    assert "card is needed" in stripe_standin.pay(checkout(month).id, "none")["error"]
    assert stripe.checkout.Session.expire(given.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError):
        stripe.checkout.Session.expire(given.id)
    last = checkout(month)
    stripe_standin.advance(days=1, seconds=60)
    assert stripe.checkout.Session.retrieve(last.id).status == "expired"


def test_the_portal_cancels_resumes_changes_plan_and_card(stripe_standin):
    _, cheap, _ = sell("Individual", 900, 9000)
    _, dear, _ = sell()
    subscription = subscribe(cheap)
    portal = stripe.billing_portal.Session.create(customer=subscription.customer, return_url="https://site.test/plan/")
    text = stripe_standin.page(portal.url)[1]
    for part in ("Cancel plan", "Change plan", "New card", "Invoices", "https://site.test/plan/"):
        assert part in text
    field = {"subscription": subscription.id}
    assert stripe_standin.page(f"{portal.url}/cancel", **field) == (303, portal.url)
    planned = stripe.Subscription.retrieve(subscription.id)
    assert (planned.cancel_at, planned.cancel_at_period_end) == (
        end_of(subscription),
        False,
    )  # as flexible billing has it
    assert "Do not cancel" in stripe_standin.page(portal.url)[1]
    stripe_standin.page(f"{portal.url}/resume", **field)
    stripe_standin.page(f"{portal.url}/plan", **field, price=dear.id)
    stripe_standin.page(f"{portal.url}/card", card="pays")
    changed = stripe.Subscription.retrieve(subscription.id)
    assert (changed.cancel_at, changed["items"].data[0].price.id) == (None, dear.id)
    assert changed.default_payment_method
    assert "declined" in stripe_standin.page(f"{portal.url}/card", card="fails")[1]
    stripe_standin.page(f"{portal.url}/cancel-now", **field)
    assert stripe.Subscription.retrieve(subscription.id).status == "canceled"


def test_a_portals_settings_say_which_plans_it_offers(stripe_standin):
    product, month, year = sell()
    features = {
        "subscription_update": {
            "enabled": True,
            "default_allowed_updates": ["price"],
            "products": [{"product": product.id, "prices": [month.id, year.id]}],
            "proration_behavior": "always_invoice",
        },
        "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
    }
    settings = stripe.billing_portal.Configuration.create(features=features)
    _, other, _ = sell("Individual", 900, 9000)
    subscription = subscribe(month)
    flow = {"type": "subscription_cancel", "subscription_cancel": {"subscription": subscription.id}}
    portal = stripe.billing_portal.Session.create(
        customer=subscription.customer,
        configuration=settings.id,
        flow_data={**flow, "after_completion": {"type": "redirect", "redirect": {"return_url": "https://site.test/"}}},
    )
    assert portal.flow.type == "subscription_cancel"
    assert "not on offer" in stripe_standin.page(f"{portal.url}/plan", price=other.id)[1]
    assert stripe_standin.page(f"{portal.url}/plan", price=year.id) == (303, "https://site.test/")
    assert stripe.Invoice.list(limit=1).data[0].total == 26100
    stripe.billing_portal.Configuration.modify(settings.id, features={"subscription_cancel": {"enabled": False}})
    assert "switched off" in stripe_standin.page(f"{portal.url}/cancel", subscription=subscription.id)[1]
    assert [row.id for row in stripe.billing_portal.Configuration.list().data] == [settings.id]


def test_a_portal_opened_for_one_thing_shows_that_alone(stripe_standin):
    month, year = sell()[1:]
    subscription = subscribe(month)
    change = {"subscription": subscription.id, "items": [{"id": subscription["items"].data[0].id, "price": year.id}]}
    flows = [
        {"type": "payment_method_update"},
        {"type": "subscription_cancel", "subscription_cancel": {"subscription": subscription.id}},
        {"type": "subscription_update_confirm", "subscription_update_confirm": change},
    ]
    buttons = []
    for flow in flows:
        portal = stripe.billing_portal.Session.create(customer=subscription.customer, flow_data=flow)
        buttons.append(re.findall("<button>(.*?)</button>", stripe_standin.page(portal.url)[1]))
    assert buttons[1:] == [["Cancel plan"], ["Confirm"]]
    assert all("card" in button for button in buttons[0])
