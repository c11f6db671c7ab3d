"""The table of invoices follows Stripe; hosts see their own, staff all (R-031)."""

from datetime import timedelta
from decimal import Decimal

import pytest
import stripe
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import client as door
from billing import invoices, sync
from billing.amounts import amount
from billing.models import Invoice
from gpuadvisor.core import clock
from tests.billing.standin_shop import checkout, customer, sell
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def payer(billing_on, host):
    return customer(metadata={door.USER_KEY: str(host.pk)})


def buy(payer, price):
    return stripe.Subscription.create(customer=payer.id, items=[{"price": price.id}])


def made(user, number="A-0001", **values):
    given = {
        "user": user,
        "customer": "cus_1",
        "number": number,
        "tier": "individual",
        "status": "paid",
        "currency": "usd",
        "total": Decimal(9),
        "paid": Decimal(9),
        "billed_at": clock.now(),
        "url": f"https://invoice.stripe.com/i/{number}",
    }
    return Invoice.objects.create(invoice_id=f"in_{number}", **given | values)


@pytest.mark.parametrize(
    ("units", "currency", "is_"),
    [
        (2900, "usd", "29.00"),
        (2900, "EUR", "29.00"),
        (4300, "jpy", "4300.00"),
        (4300, "KRW", "4300.00"),
        (12340, "kwd", "12.34"),
        (500, "ugx", "5.00"),
        (-150, "usd", "-1.50"),
        (0, "jpy", "0.00"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(units, currency, is_):
    assert str(amount(units, currency)) == is_


def test_an_invoice_is_written_as_stripe_has_it_and_shown_on_the_plan_page(host, payer, host_client):
    bought = buy(payer, sell()[1])
    row = invoices.follow_one(bought.latest_invoice)
    told = stripe.Invoice.retrieve(bought.latest_invoice)
    assert (row.user, row.customer, row.number, row.tier) == (host, payer.id, told.number, "professional")
    assert (row.status, row.total, row.paid, row.refunded) == ("paid", 29, 29, 0)
    assert (row.paid_at.timestamp(), row.url) == (told.status_transitions.paid_at, told.hosted_invoice_url)
    shown = host_client.get("/settings/plan/").content.decode()
    assert told.number in shown
    assert f'href="{told.hosted_invoice_url}"' in shown
    assert "$29.00" in shown


def test_a_currency_without_decimals_is_shown_without(host, payer, host_client):
    product, *_ = sell()
    price = stripe.Price.create(product=product.id, currency="jpy", unit_amount=4300, recurring={"interval": "month"})
    bought = buy(payer, price)
    row = invoices.follow_one(bought.latest_invoice)
    assert (row.total, row.currency, row.tier) == (4300, "jpy", "professional")
    assert sync.follow(payer.id).monthly_price == 4300
    shown = host_client.get("/settings/plan/").content.decode()
    assert "¥4,300<" in shown.replace("JP¥", "¥")


def test_old_news_of_an_invoice_never_overwrite_newer_ones(host, payer, monkeypatch):
    bought = buy(payer, sell()[1])
    invoices.follow_one(bought.latest_invoice)
    old = door.invoice(bought.latest_invoice) | {"status": "open", "amount_paid": 0}
    asked = door.invoice

    def slow(key):
        monkeypatch.setattr(door, "invoice", asked)
        invoices.follow_one(key)  # another worker, meanwhile
        return old

    monkeypatch.setattr(door, "invoice", slow)
    assert invoices.follow_one(bought.latest_invoice).status == "paid"
    Invoice.objects.update(status="open", synced_at=clock.now() + timedelta(days=1))  # of a restored copy (e39)
    assert invoices.follow_one(bought.latest_invoice).status == "paid"


def test_what_another_product_bills_is_left_alone_and_what_is_ours_outlives_the_account(host, payer):
    mug = stripe.Product.create(name="A mug")
    price = stripe.Price.create(product=mug.id, currency="usd", unit_amount=500, recurring={"interval": "month"})
    nobody = customer()
    assert invoices.follow_one(buy(nobody, price).latest_invoice) is None
    ours = buy(payer, sell()[1]).latest_invoice
    invoices.follow_one(ours)
    host.delete()
    assert invoices.follow_one(ours).user is None
    assert Invoice.objects.get().tier == "professional"
    assert invoices.follow_one("in_gone") is None
    assert Invoice.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "word", "link"),
    [
        ({}, "Paid", "Open"),
        ({"status": "open", "paid": 0}, "To be paid", "Pay"),
        ({"status": "uncollectible", "paid": 0}, "Not paid", "Open"),
        ({"status": "void", "paid": 0}, "Withdrawn", "Open"),
        ({"refunded": 9}, "Refunded", "Open"),
        ({"refunded": 3}, "Refunded in part", "Open"),
    ],
    ids=["paid", "open", "uncollectible", "void", "refunded", "part"],
)
def test_each_state_has_its_word(host, values, word, link):
    made(host, **values)
    (line,) = invoices.lines(host)
    assert (line.word, line.link) == (word, link)


def test_a_host_sees_the_newest_twelve_of_their_own(host, host_client, stranger):
    made(stranger, "B-0001")
    made(host, "D-0001", status="draft")
    made(host, "Z-0001", total=0, paid=0)
    assert 'id="invoices"' not in host_client.get("/settings/plan/").content.decode()
    made(host)
    with CaptureQueriesContext(
        connection,
    ) as one:
        host_client.get("/settings/plan/")
    for n in range(2, 15):
        made(host, f"A-{n:04}", billed_at=clock.now() + timedelta(seconds=n))
    with CaptureQueriesContext(connection) as many:
        shown = host_client.get("/settings/plan/").content.decode()
    assert len(many) == len(one)
    assert [f"A-{n:04}" in shown for n in (2, 3, 14)] == [False, True, True]
    assert "B-0001" not in shown


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://evil.test/i", "", None])
def test_only_stripes_own_pages_are_linked(settings, url):
    settings.STRIPE_API_BASE = "http://127.0.0.1:8091"
    assert invoices.safe_url(url) == ""
    assert invoices.safe_url("http://127.0.0.1:8091/invoice/in_1")
    assert invoices.safe_url("https://invoice.stripe.com/i/1")


# -- Staff -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def staff_client(client, db):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def test_staff_find_invoices_and_change_none(host, staff_client):
    row = made(host, refunded=Decimal(3))
    made(None, "J-0001", currency="jpy", total=4300, paid=4300, url="")
    for query in ("", f"?q={row.number}", f"?q={row.invoice_id}", f"?q={host.email}", "?q=cus_1"):
        assert row.number in staff_client.get(f"/admin/billing/invoice/{query}").content.decode()
    assert row.number not in staff_client.get("/admin/billing/invoice/?q=nobody").content.decode()
    url = f"/admin/billing/invoice/{row.pk}/change/"
    assert staff_client.get(url).status_code == 200
    assert staff_client.post(url, {"paid": "1"}).status_code == 403
    assert staff_client.get("/admin/billing/invoice/add/").status_code == 403
    assert staff_client.get("/admin/billing/plannotice/").status_code == 200


def test_dj_stripes_invoices_are_shown_by_us(billing_on, payer, staff_client):
    """Its own list of them answers 500 (design notes, trap 2)."""
    from djstripe.models import Event

    key = buy(payer, sell()[1]).latest_invoice
    (paid,) = stripe.Event.list(type="invoice.paid").data
    Event.process(door.plain(paid), api_key=stripe.api_key)
    shown = staff_client.get(f"/admin/djstripe/invoice/?q={key}")
    assert (shown.status_code, key in shown.content.decode()) == (200, True)
    assert staff_client.get("/admin/djstripe/invoice/add/").status_code == 403


@pytest.mark.slow
def test_no_page_of_dj_stripe_in_the_admin_fails(billing_on, payer, staff_client):
    from djstripe.models import Event

    price = sell()[1]
    bought = buy(payer, price)
    checkout(price)
    payment = stripe.InvoicePayment.list(invoice=bought.latest_invoice).data[0].payment.payment_intent
    billing_on.call("/disputes", {"charge": stripe.PaymentIntent.retrieve(payment).latest_charge})
    stripe.Refund.create(payment_intent=payment, amount=100)
    for event in stripe.Event.list(limit=100).data[::-1]:
        Event.process(door.plain(event), api_key=stripe.api_key)
    shown = [model for model in apps.get_app_config("djstripe").get_models() if admin.site.is_registered(model)]
    assert len(shown) == 10
    stored = set()
    for model in shown:
        url = f"/admin/djstripe/{model._meta.model_name}/"
        assert staff_client.get(url).status_code == 200, url
        assert staff_client.get(f"{url}?q=x").status_code == 200, url
        assert staff_client.get(f"{url}add/").status_code == 403, url
        if row := model.objects.first():
            stored.add(model.__name__)
            assert staff_client.get(f"{url}{row.pk}/change/").status_code == 200, url
    assert len(stored) >= 8
