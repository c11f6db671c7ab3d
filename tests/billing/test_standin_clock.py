"""The stand-in's clock: renewals, ends of trials and periods, tries of a failed card (step 6, parts 1 and 5)."""

import pytest
import stripe

from tests.billing.standin_shop import customer, end_of, lines, sell, subscribe

DAY = 86_400


def status_of(subscription):
    return stripe.Subscription.retrieve(subscription.id).status


def test_a_renewal_makes_an_invoice_and_takes_the_money_an_hour_later(stripe_standin):
    subscription = subscribe(sell()[1])
    left = end_of(subscription) - stripe_standin.now
    told = stripe_standin.advance(seconds=left + 10)
    assert told == ["invoice.upcoming", "invoice.created", "customer.subscription.updated"]
    draft = stripe.Invoice.list(limit=1).data[0]
    assert (draft.status, draft.billing_reason, draft.number) == ("draft", "subscription_cycle", None)
    assert stripe.Subscription.retrieve(subscription.id)["items"].data[0].current_period_start == end_of(subscription)
    assert "invoice.paid" in stripe_standin.advance(seconds=3600)
    paid = stripe.Invoice.retrieve(draft.id)
    assert (paid.status, paid.amount_paid, paid.created) == ("paid", 2900, end_of(subscription))
    assert (stripe_standin.events("invoice.paid")[-1].created, status_of(subscription)) == (
        paid.created + 3600,
        "active",
    )


def test_a_year_of_months_is_twelve_renewals_and_a_yearly_plan_one(stripe_standin):
    _, month, year = sell()
    monthly, yearly = subscribe(month), subscribe(year)
    stripe_standin.advance(days=366)
    counts = [len(stripe.Invoice.list(subscription=row.id, limit=100).data) for row in (monthly, yearly)]
    assert counts == [13, 2]


def test_a_card_that_fails_is_tried_for_fourteen_days_then_the_plan_ends(stripe_standin):
    subscription = subscribe(sell()[1])
    stripe_standin.cards("fails", subscription.customer)
    stripe_standin.advance(seconds=end_of(subscription) - stripe_standin.now + 3700)
    first = stripe.Invoice.list(limit=1).data[0]
    assert (status_of(subscription), first.status, first.attempt_count) == ("past_due", "open", 1)
    failed_at = stripe_standin.events("invoice.payment_failed")[0].created
    assert first.next_payment_attempt == failed_at + 3 * DAY
    stripe_standin.advance(days=13)
    assert status_of(subscription) == "past_due"
    told = stripe_standin.advance(days=1)
    assert told[-2:] == ["customer.subscription.deleted", "invoice.marked_uncollectible"]
    tries = [(event.created - failed_at) // DAY for event in stripe_standin.events("invoice.payment_failed")]
    assert tries == [0, 3, 5, 7, 14]
    ended = stripe.Subscription.retrieve(subscription.id)
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")
    assert stripe.Invoice.retrieve(first.id).status == "uncollectible"


def test_a_new_card_in_the_portal_pays_what_is_open(stripe_standin):
    subscription = subscribe(sell()[1])
    stripe.Subscription.modify(subscription.id, default_payment_method="pm_card_chargeCustomerFail")
    stripe_standin.advance(days=33)
    assert status_of(subscription) == "past_due"
    portal = stripe.billing_portal.Session.create(customer=subscription.customer)
    stripe_standin.page(f"{portal.url}/card", card="pays")
    assert (status_of(subscription), stripe.Invoice.list(limit=1).data[0].status) == ("active", "paid")


def test_a_bank_that_asks_at_a_renewal_is_past_due_until_the_customer_says_yes(stripe_standin):
    subscription = subscribe(sell()[1])
    stripe_standin.cards("asks")
    stripe_standin.advance(days=32)
    assert status_of(subscription) == "past_due"
    invoice = stripe_standin.events("invoice.payment_action_required")[-1].data.object
    assert "Paid" in stripe_standin.page(invoice.hosted_invoice_url, card="pays")[1]
    assert status_of(subscription) == "active"


@pytest.mark.parametrize(
    ("card", "missing", "status", "kind"),
    [
        ("pm_card_visa", "cancel", "active", "customer.subscription.updated"),
        (None, "cancel", "canceled", "customer.subscription.deleted"),
        (None, "pause", "paused", "customer.subscription.paused"),
        (None, "create_invoice", "past_due", "invoice.payment_failed"),
    ],
    ids=["card", "cancel", "pause", "invoice"],
)
def test_a_trial_ends_as_was_agreed(stripe_standin, card, missing, status, kind):
    subscription = subscribe(
        sell()[1],
        card,
        trial_period_days=14,
        trial_settings={"end_behavior": {"missing_payment_method": missing}},
        expand=["latest_invoice"],
    )
    assert (subscription.status, subscription.latest_invoice.total) == ("trialing", 0)
    assert end_of(subscription) == subscription.trial_end
    assert "customer.subscription.trial_will_end" in stripe_standin.advance(days=12)
    assert status_of(subscription) == "trialing"
    assert kind in stripe_standin.advance(days=2, seconds=3700)
    assert status_of(subscription) == status


def test_a_trial_may_end_early_and_a_paused_plan_goes_on(stripe_standin):
    _, month, _ = sell()
    early = subscribe(month, trial_period_days=14)
    ended = stripe.Subscription.modify(early.id, trial_end="now", expand=["latest_invoice"])
    assert (ended.status, lines(ended.latest_invoice)) == ("active", [2900])
    pause = {"end_behavior": {"missing_payment_method": "pause"}}
    paused = subscribe(month, None, trial_period_days=14, trial_settings=pause)
    stripe_standin.advance(days=15)
    stripe.Customer.modify(
        paused.customer,
        invoice_settings={
            "default_payment_method": stripe.PaymentMethod.attach("pm_card_visa", customer=paused.customer).id
        },
    )
    resumed = stripe.Subscription.resume(paused.id, billing_cycle_anchor="now")
    assert (resumed.status, end_of(resumed) > stripe_standin.now) == ("active", True)


def test_the_last_day_of_a_month_stays_the_last_day(stripe_standin):
    january = 1_801_353_600  # 31 January 2027
    stripe_standin.call("/clock", {"to": january})
    subscription = subscribe(sell()[1])
    ends = []
    for _ in range(3):
        ends.append(end_of(stripe.Subscription.retrieve(subscription.id)))
        stripe_standin.call("/clock", {"to": ends[-1] + 7200})
    assert [(end - january) // DAY for end in ends] == [28, 59, 89]  # 28 February, 31 March, 30 April
    assert "never back" in stripe_standin.call("/clock", {"to": january})["error"]["message"]


def test_events_older_than_thirty_days_are_gone(stripe_standin):
    customer(None)
    key = stripe_standin.events()[0].id
    stripe_standin.advance(days=31)
    assert stripe_standin.events() == []
    with pytest.raises(stripe.InvalidRequestError):
        stripe.Event.retrieve(key)
