"""What staff see of plans and money, and what they may do about it; each deed is in the journal (step 6, part 6)."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing import reconciling, tasks_reconcile
from billing.admin import subscriptions
from billing.models import Drift, Grant, Invoice, PlanChange, Reconciliation, Subscription
from gpuadvisor.core import clock
from gpuadvisor.core.models import AuditEntry
from tests.billing.test_reconciling import payer, shop  # noqa: F401 (fixtures)
from tests.factories import UserFactory

PLANS = reverse("admin:billing_subscription_changelist")
DRIFTS = reverse("admin:billing_drift_changelist")
REVENUE = reverse("admin:billing_planchange_revenue")
COMPARE = reverse("admin:billing_drift_compare")


@pytest.fixture
def boss(client, db):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def nudged(monkeypatch):
    """What workers were told to do."""
    told = []
    for module in (subscriptions, reconciling):
        monkeypatch.setattr(module, "nudge", lambda *args: told.append(args))
    return told


def act(client, where, action, *rows):
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(where, data, follow=True).content.decode()


def staff_with(client, *rights):
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights, content_type__app_label="billing"))
    client.force_login(user)
    return client


# -- Subscriptions -----------------------------------------------------------------------------------------------------
def test_staff_find_an_account_by_its_address_and_by_the_ids_at_stripe(boss, host):
    UserFactory()
    Subscription.objects.filter(user=host).update(stripe_customer_id="cus_1", stripe_subscription_id="sub_1")
    for words in (host.email, "cus_1", "sub_1"):
        page = boss.get(PLANS, {"q": words}).content.decode()
        assert host.email in page
        assert "1 subscription" in page


@pytest.mark.parametrize(
    ("chosen", "values"),
    [
        ("paying", {"status": "active", "paid_tier": "individual"}),
        ("trial", {"status": "trialing", "paid_tier": "professional"}),
        ("past_due", {"status": "past_due", "paid_tier": "individual"}),
        ("grace", {"grace_until": datetime(2099, 1, 1, tzinfo=UTC)}),
        ("ending", {"cancel_at": datetime(2099, 1, 1, tzinfo=UTC)}),
    ],
)
def test_staff_filter_by_what_they_look_for(boss, host, chosen, values):
    other = UserFactory()
    Subscription.objects.filter(user=host).update(**values)
    page = boss.get(PLANS, {"now": chosen}).content.decode()
    assert host.email in page
    assert other.email not in page


def test_one_account_shows_its_history_and_leads_to_stripe(boss, host, settings):
    Subscription.objects.filter(user=host).update(stripe_customer_id="cus_1", stripe_subscription_id="sub_1")
    PlanChange.objects.create(
        user=host, before="free", after="individual", price_before=0, price_after=9, source="stripe", at=clock.now()
    )
    Grant.objects.create(user=host, tier="professional", until=clock.now(), reason="The <b>fair", ended_at=clock.now())
    bill(host, 9, number="IN-7")
    address = reverse("admin:billing_subscription_change", args=[host.subscription.pk])
    page = boss.get(address).content.decode()
    for part in ("Free → Individual", "The &lt;b&gt;fair", "IN-7", "https://dashboard.stripe.com/test/customers/cus_1"):
        assert part in page
    assert reverse("admin:accounts_user_change", args=[host.pk]) in page
    assert f"{reverse('admin:billing_grant_add')}?user={host.pk}" in page
    settings.STRIPE_LIVE_MODE = True
    assert "https://dashboard.stripe.com/customers/cus_1" in boss.get(address).content.decode()
    settings.STRIPE_API_BASE = "http://127.0.0.1:8091"
    assert "dashboard.stripe.com" not in boss.get(address).content.decode()
    assert boss.post(address, {"tier": "enterprise"}).status_code == 403


def test_asking_stripe_is_left_to_a_worker_and_written_down(
    boss,
    host,
    nudged,
    payer,  # noqa: F811
    django_capture_on_commit_callbacks,
):
    Subscription.objects.filter(user=host).update(status="canceled")
    row = host.subscription
    with django_capture_on_commit_callbacks(execute=True):
        said = act(boss, PLANS, "ask_stripe", row)
        boss.post(reverse("admin:billing_subscription_ask", args=[row.pk]))
    assert "A worker asks Stripe about 1 account" in said
    assert nudged == [(subscriptions.ASK, str(row.pk))] * 2
    entry = AuditEntry.objects.filter(action="billing.stripe-asked").first()
    assert entry.details == {"accounts": [str(host.pk)]}
    assert tasks_reconcile.ask_about(str(row.pk)) == 1
    assert Subscription.objects.get(user=host).status == "active"


def test_a_plan_is_granted_by_the_form_that_stands(boss, host):
    answer = boss.post(PLANS, {"action": "grant_plan", "_selected_action": [str(host.subscription.pk)]})
    assert answer.url == f"{reverse('admin:billing_grant_add')}?user={host.pk}"
    other = UserFactory()
    assert "Choose one account" in act(boss, PLANS, "grant_plan", host.subscription, other.subscription)


def test_who_may_only_look_does_nothing(client, host):
    staff_with(client, "view_subscription", "view_drift")
    row = host.subscription
    drift = Drift.objects.create(field="status", found_at=clock.now())
    assert client.post(reverse("admin:billing_subscription_ask", args=[row.pk])).status_code == 403
    assert client.get(reverse("admin:billing_subscription_ask", args=[row.pk])).status_code == 403
    assert client.post(COMPARE).status_code == 403
    act(client, PLANS, "ask_stripe", row)
    act(client, DRIFTS, "leave", drift)
    assert not AuditEntry.objects.exists()
    assert "Ask Stripe now" not in client.get(PLANS).content.decode()


# -- Differences -------------------------------------------------------------------------------------------------------
def test_staff_run_the_comparison_and_see_how_it_went(
    boss,
    payer,  # noqa: F811
    nudged,
    django_capture_on_commit_callbacks,
):
    assert "Nothing was compared yet" in boss.get(DRIFTS).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert "A worker compares all" in boss.post(COMPARE, follow=True).content.decode()
    assert nudged == [(reconciling.GO_ON,)]
    assert AuditEntry.objects.filter(action="billing.compare-asked").exists()
    Subscription.objects.update(status="canceled")
    tasks_reconcile.go_on()
    page = boss.get(DRIFTS).content.decode()
    assert "1 difference found, 1 put right" in " ".join(page.split())
    assert "None is open" in page
    assert Reconciliation.objects.get().by
    run = reconciling.take()
    assert "A comparison is under way" in boss.post(COMPARE, follow=True).content.decode()
    assert Reconciliation.objects.filter(ended_at=None).get() == run


def test_where_billing_is_off_there_is_nothing_to_run(boss):
    page = boss.get(DRIFTS).content.decode()
    assert "Billing is off" in page
    assert "Run now" not in page
    assert boss.post(COMPARE).status_code == 403


def test_what_staff_leave_is_told_no_more(boss, host, settings):
    settings.BILLING_ENABLED = True
    drift = Drift.objects.create(user=host, field="account", error="No account", found_at=clock.now())
    with pytest.raises(Exception, match="1 differences"):
        reconciling.check()
    assert host.email in boss.get(DRIFTS, {"state": "open"}).content.decode()
    assert "1 difference is left" in act(boss, DRIFTS, "leave", drift)
    reconciling.check()
    assert AuditEntry.objects.get(action="billing.drift-left").details == {"drifts": [str(drift.pk)]}
    assert host.email in boss.get(DRIFTS, {"state": "left"}).content.decode()
    assert host.email not in boss.get(DRIFTS, {"state": "open"}).content.decode()


# -- Revenue -----------------------------------------------------------------------------------------------------------
def moved(user, at, tier, price):
    return PlanChange.objects.create(
        user=user, before="free", after=tier, price_before=0, price_after=price, source="stripe", at=at
    )


def bill(user, paid, *, at=None, refunded=0, currency="usd", number=""):
    at = at or clock.now()
    return Invoice.objects.create(
        user=user,
        invoice_id=f"in_{Invoice.objects.count()}",
        customer="cus_1",
        number=number,
        tier="individual",
        status="paid",
        currency=currency,
        total=paid,
        paid=paid,
        refunded=refunded,
        billed_at=at,
        paid_at=at,
    )


def rows_of(client, **query):
    text = client.get(REVENUE, {"csv": "1", **query}).content.decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_revenue_is_shown_by_month_with_its_chart_and_cash(boss, host):
    now = clock.now()
    last = now.replace(day=1) - timedelta(days=3)
    moved(host, last, "individual", 9)
    moved(UserFactory(), now, "professional", 29)
    bill(host, 9, at=last, refunded=4)
    bill(host, 500, currency="eur")
    page = boss.get(REVENUE).content.decode()
    assert page.count("data-chart") == 2
    for part in ("$38", "so far", "What the figures mean", "1 paid invoice in another currency is left out"):
        assert part in page
    *_, before, current = rows_of(boss)
    assert (before["new"], before["mrr_end"], before["cash_paid"], before["cash_refunded"], before["cash_net"]) == (
        *("9.00", "9.00", "9.00", "4.00", "5.00"),
    )
    assert (current["mrr_start"], current["new"], current["mrr_end"], current["paying_end"]) == (
        *("9.00", "29.00", "38.00", "2"),
    )
    *_, individual = rows_of(boss, tier="individual", months="24")
    assert individual["mrr_end"] == "9.00"
    assert len(rows_of(boss, months="24")) == 24
    assert len(rows_of(boss, months="<script>", tier="none")) == 12


def test_a_deleted_account_churns_and_its_past_stays(boss, host):
    last = clock.now().replace(day=1) - timedelta(days=3)
    moved(host, last, "individual", 9)
    Subscription.objects.filter(user=host).update(tier="individual", monthly_price=Decimal(9))
    host.delete()
    *_, before, current = rows_of(boss)
    assert (before["mrr_end"], current["churned"], current["mrr_end"], current["lost"]) == ("9.00", "9.00", "0.00", "1")


def test_without_any_payment_the_page_says_so(boss):
    page = boss.get(REVENUE).content.decode()
    assert "Nobody paid in these months" in page
    assert "data-chart" not in page


def test_revenue_is_for_those_with_the_right(client, db):
    staff_with(client, "view_planchange")
    assert client.get(REVENUE).status_code == 403
    assert "Revenue by month" not in client.get(reverse("admin:billing_planchange_changelist")).content.decode()
    staff_with(client, "view_revenue")
    assert client.get(REVENUE).status_code == 200


@pytest.mark.slow
def test_ten_thousand_changes_take_a_second_and_no_query_more(boss, host):
    def measure():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            started = clock.now()
            boss.get(REVENUE, {"months": "36"})
        return len(queries), clock.now() - started

    moved(host, clock.now(), "individual", 9)
    measure()  # what a process asks once
    few, _ = measure()
    users = [UserFactory() for _ in range(3)]
    now = clock.now()
    PlanChange.objects.bulk_create(
        PlanChange(
            user=users[i % 3],
            before="free",
            after=("individual", "professional", "free")[i % 3],
            price_before=0,
            price_after=(9, 29, 0)[i % 3],
            source="stripe",
            at=now - timedelta(hours=2 * i),
        )
        for i in range(10_000)
    )
    many, took = measure()
    assert many == few
    assert took < timedelta(seconds=1)
