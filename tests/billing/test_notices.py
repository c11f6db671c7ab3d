"""Mails and banners about plans: each occasion once, none for the demo, cheap on every page (R-033, ui.md 4)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from billing import banner, grants, letters, notices, services, shrinking
from billing.letters import Letter
from billing.models import Grant, PlanNotice, Subscription
from gpuadvisor.core import clock, mail
from gpuadvisor.core.models import QueuedMail
from tests.factories import AlertFactory, PortfolioFactory, UserFactory

pytestmark = pytest.mark.django_db

WHEN = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)


def row_of(host, **values):
    Subscription.objects.filter(user=host).update(**values)
    return Subscription.objects.get(user=host)


def letter(text="Your plan"):
    return Letter(text, ["A line."], "See it", "https://example.com/")


def tell(user, kind="card-failed", about="in_1"):
    with transaction.atomic():
        return notices.tell(user, kind, about, letter)


# -- Once --------------------------------------------------------------------------------------------------------------
def test_each_occasion_is_told_once(host, stranger):
    assert (tell(host), tell(host)) == (True, False)
    assert (tell(host, about="in_2"), tell(host, kind="card-last"), tell(stranger)) == (True, True, True)
    assert QueuedMail.objects.filter(to=host.email).count() == 3


@pytest.mark.django_db(transaction=True)
def test_each_occasion_is_told_once_by_eight_workers_at_a_time(host):
    def work(_):
        try:
            return tell(host)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 1
    assert QueuedMail.objects.count() == 1


@pytest.mark.parametrize("who", [{"is_demo": True}, {"is_active": False}], ids=["demo", "switched-off"])
def test_the_demo_and_who_is_switched_off_get_none(who):
    user = UserFactory(**who)
    assert tell(user) is False
    assert (QueuedMail.objects.count(), PlanNotice.objects.count()) == (0, 0)


def test_a_mail_that_cannot_be_written_holds_up_nothing_and_is_not_taken_for_told(host):
    def broken():
        raise KeyError("plan")

    with transaction.atomic():
        assert notices.tell(host, "card-failed", "in_1", broken) is False
        services.set_tier(host, "individual")
    assert Subscription.objects.get(user=host).tier == "individual"
    assert tell(host) is True


def test_a_mail_taken_back_with_its_transaction_is_told_later(host):
    with transaction.atomic():
        notices.tell(host, "card-failed", "in_1", letter)
        transaction.set_rollback(True)
    assert tell(host) is True


# -- Words -------------------------------------------------------------------------------------------------------------
def all_letters(row, grant):
    counts = {"portfolios": 6, "alerts": 1, "unknown": 3}
    owed = Subscription.objects.get(pk=row.pk)
    owed.owed = {"invoice": "in_1", "url": "https://invoice.stripe.com/i/1", "asks": True}
    carded = Subscription.objects.get(pk=row.pk)
    carded.has_card = True
    spare = Subscription.objects.get(pk=row.pk)
    spare.grace_until = None
    return {
        "card-failed": letters.card_failed(row),
        "card-last": letters.card_last(row),
        "card-last-asked": letters.card_last(owed),
        "confirm": letters.confirm(owed),
        "confirm-first": letters.confirm_first(owed),
        "trial": letters.trial_ends(row),
        "trial-card": letters.trial_ends(carded),
        **{reason: letters.ended(row, before="professional", reason=reason) for reason in ("trial", "payment", "gone")},
        "cancelled": letters.ended(spare, before="professional", reason="cancelled"),
        "grant": letters.grant_ended(row, grant),
        "grant-soon": letters.grant_ends(row, grant),
        "grace": letters.grace_ends(row, counts),
        "closed": letters.closed(row, counts),
    }


def test_every_mail_can_be_written_and_tells_dates_in_the_hosts_zone(host):
    type(host).objects.filter(pk=host.pk).update(timezone="Asia/Tokyo")
    host.refresh_from_db()
    row = row_of(
        host,
        paid_tier="professional",
        monthly_price=29,
        interval="month",
        past_due_since=WHEN - timedelta(days=14),
        current_period_end=WHEN,
        grace_until=WHEN,
        billing_details={"price": "price_1", "amount": 2900, "currency": "usd"},
    )
    given = Grant(user=host, tier="enterprise", until=WHEN)
    with notices.speaking_to(host):
        written = all_letters(row, given)
    for name, one in written.items():
        with notices.speaking_to(host):
            message = notices._message(host, one)
        html = message.alternatives[0][0]
        assert "\n" not in message.subject, name
        everything = message.subject + message.body + html
        assert not [word for word in ("%(", "None", "&lt;", "{{") if word in everything], name
        assert one.url in message.body, name
        assert "Dec 31" not in everything, name  # in Tokyo it is January by then
    assert "Jan 1, 2027" in written["card-failed"].subject
    assert "$29.00 a month" in " ".join(written["trial-card"].lines)
    assert written["confirm"].url == written["card-last-asked"].url == "https://invoice.stripe.com/i/1"
    assert written["grace"].items == ["6 portfolios: read-only", "1 alert rule: paused"]


# -- A smaller plan ----------------------------------------------------------------------------------------------------
@pytest.fixture
def large(host):
    """Three portfolios and five alert rules on a plan that holds them."""
    with transaction.atomic():
        services.set_tier(host, "professional")
    PortfolioFactory.create_batch(3, user=host)
    AlertFactory.create_batch(5, user=host)
    return host


def smaller(host):
    with transaction.atomic():
        services.set_tier(host, "free")


def moved(monkeypatch, **time):
    now = clock.now() + timedelta(**time)
    monkeypatch.setattr(clock, "now", lambda: now)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)


def test_a_week_before_a_grace_ends_and_when_rows_close_a_mail_says_what(large, monkeypatch):
    smaller(large)
    assert notices.remind() == 0
    with monkeypatch.context() as later:
        moved(later, days=24, hours=1)
        assert (notices.remind(), notices.remind()) == (1, 0)
    row = QueuedMail.objects.get()
    assert "2 portfolios: read-only" in mail.read(row).body
    assert "2 alert rules: paused" in mail.read(row).body
    row.delete()
    with monkeypatch.context() as later:
        moved(later, days=31, hours=1)
        assert (notices.remind(), shrinking.settle_due(), shrinking.settle_due()) == (0, 1, 0)
    row = QueuedMail.objects.get()
    assert row.subject == "Your Free plan has no room for all that you have"
    assert "2 portfolios: read-only" in mail.read(row).body


def test_one_who_cannot_be_told_holds_up_no_other(large, stranger, monkeypatch):
    """The one whose grace ends first is the one that fails."""
    smaller(large)
    ends = clock.now() + timedelta(days=3)
    Subscription.objects.filter(user=large).update(grace_until=ends - timedelta(days=1))
    Subscription.objects.filter(user=stranger).update(grace_until=ends)
    monkeypatch.setattr(notices, "surplus", lambda user: 1 / 0 if user == large else {"portfolios": 2})
    assert notices.remind() == 1
    assert PlanNotice.objects.get(kind="grace-ends").user == stranger


def test_nothing_is_told_where_all_fits_by_then(large, monkeypatch):
    smaller(large)
    large.portfolios.all().delete()
    large.alerts.all().delete()
    moved(monkeypatch, days=25)
    assert notices.remind() == 0
    moved(monkeypatch, days=7)
    shrinking.settle_due()
    assert QueuedMail.objects.count() == 0


def test_a_short_grant_is_not_told_of_and_neither_is_one_that_changes_nothing(host, monkeypatch):
    staff = UserFactory(is_staff=True)
    grants.grant(user=host, tier="professional", until=clock.now() + timedelta(days=5), reason="A week", by=staff)
    assert notices.remind() == 0
    Grant.objects.update(until=clock.now() + timedelta(days=30))
    row_of(host, paid_tier="professional")
    moved(monkeypatch, days=29)
    assert notices.remind() == 0


# -- The banner --------------------------------------------------------------------------------------------------------
def shown(client, path="/settings/"):
    with CaptureQueriesContext(connection) as asked:
        page = client.get(path).content.decode()
    return page, [query["sql"] for query in asked if '"subscriptions"' in query["sql"]], len(asked)


def test_a_host_without_trouble_costs_one_query_a_minute(host_client):
    page, first, _ = shown(host_client)
    assert len(first) == 1
    page, second, _ = shown(host_client)
    assert second == []
    assert 'aria-label="Your plan"' not in page


def test_a_host_with_trouble_costs_none_either_once_it_is_known(large, client, settings):
    smaller(large)
    client.force_login(large)
    page, *_ = shown(client)
    assert "Your Free plan holds less than you have." in page
    assert "2 portfolios, 2 alert rules" in page
    page, second, _ = shown(client)
    assert "2 portfolios, 2 alert rules" in page
    assert second == []


@pytest.mark.parametrize("path", ["/dashboard/", "/market/", "/alerts/", "/chat/", "/portfolios/", "/pricing/"])
def test_the_banner_stands_on_every_signed_in_page(host, host_client, path):
    row_of(host, status="past_due", paid_tier="individual", past_due_since=WHEN)
    assert "The payment for your Individual plan did not come through." in host_client.get(path).content.decode()


def test_who_is_not_signed_in_and_the_demo_see_none(client, host):
    demo = UserFactory(is_demo=True)
    row_of(demo, status="past_due", paid_tier="individual", past_due_since=WHEN)
    assert 'aria-label="Your plan"' not in client.get("/pricing/").content.decode()
    client.force_login(demo)
    assert 'aria-label="Your plan"' not in client.get("/pricing/").content.decode()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"status": "active"}, None),
        ({"status": "past_due", "past_due_since": WHEN}, "did not come through"),
        ({"status": "past_due", "past_due_since": WHEN, "grace_until": WHEN}, "did not come through"),
        ({"status": "past_due", "owed": {"asks": True, "url": "https://s"}}, "Your bank wants"),
        ({"status": "incomplete", "owed": {"url": "https://s"}}, "The first payment"),
        ({"status": "incomplete"}, None),
        ({"status": "trialing", "current_period_end": "soon"}, "Your trial"),
        ({"status": "trialing", "current_period_end": "later"}, None),
        ({"status": "trialing", "current_period_end": "soon", "has_card": True}, None),
        ({"status": "trialing", "current_period_end": "soon", "cancel_at": WHEN}, None),
        ({"status": "canceled"}, None),
    ],
    ids=[
        "active",
        "past-due",
        "and-grace",
        "asked",
        "first",
        "first-unknown",
        "trial",
        "early",
        "card",
        "over",
        "ended",
    ],
)
def test_at_most_one_banner_the_most_urgent(host, rf, values, said):
    ends = {"soon": timedelta(days=2), "later": timedelta(days=5)}
    if values.get("current_period_end") in ends:
        values = values | {"current_period_end": clock.now() + ends[values["current_period_end"]]}
    row_of(host, paid_tier="individual", **values)
    request = rf.get("/")
    request.user = host
    found = banner.banner_for(request)
    assert (found is None) if said is None else said in found.text


def test_a_change_of_plan_is_seen_at_once(host, host_client, django_capture_on_commit_callbacks):
    shown(host_client)
    row_of(host, status="past_due", paid_tier="individual", past_due_since=WHEN)
    assert 'aria-label="Your plan"' not in shown(host_client)[0]  # from the cache, for a minute
    with django_capture_on_commit_callbacks(execute=True):
        banner.forget(host.pk)
    assert 'aria-label="Your plan"' in shown(host_client)[0]
