"""J7: upgrade, fail, downgrade, against the real server and worker, a mail server and Stripe's stand-in (product.md).

What falls due at Stripe comes by the stand-in's clock, which the tests move on; the site's own clock stays, so a grace
that has run out is written into its row.
"""

import re
import time
from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
import stripe
from aiosmtpd.controller import Controller
from django.core.management import call_command
from playwright.sync_api import expect

from alerts.models import Alert
from billing import client, shrinking
from billing.models import PlanChange, StripeEvent, Subscription, Visit
from gpuadvisor.core import clock
from portfolios.models import GPUConfiguration, Portfolio
from tests.billing.conftest import KEY, SECRET, started
from tests.browser.conftest import free_port, run_site
from tests.core.test_mail import Postbox
from tests.factories import (
    PASSWORD,
    AlertFactory,
    GPUConfigurationFactory,
    PerformanceMetricFactory,
    PortfolioFactory,
    UserFactory,
)

AT_STRIPE = re.compile(r"127\.0\.0\.1:\d+/(pay|portal)/")
SOON = 60  # seconds in which the worker has done what an event told
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def letters():
    """The mail server: what it got."""
    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    box.address = f"smtp://127.0.0.1:{controller.port}"
    yield box
    controller.stop()


@pytest.fixture(scope="module")
def stage(letters, django_db_setup, django_db_blocker):
    """The site with its worker, and the stand-in that tells it: (address, stand-in)."""
    port = free_port()
    with (
        started("--deliver-to", f"http://127.0.0.1:{port}/billing/webhook/", "--secret", SECRET) as standin,
        django_db_blocker.unblock(),
        run_site(
            port,
            has_worker=True,
            STRIPE_KEY=KEY,
            STRIPE_WEBHOOK_SECRET=SECRET,
            STRIPE_API_BASE=standin.address,
            EMAIL_URL=letters.address,
        ) as address,
    ):
        yield address, standin


@pytest.fixture
def shop(stage, letters, transactional_db, settings, monkeypatch):
    """The stand-in anew, with our plans on sale; this process calls it, too."""
    address, standin = stage
    standin.reset()
    letters.kept.clear()
    settings.CACHE_KEY_PREFIX, settings.SITE_URL = "browser", address
    settings.STRIPE_KEY = settings.STRIPE_SECRET_KEY = KEY
    settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_API_BASE = SECRET, standin.address
    settings.BILLING_ENABLED = True
    monkeypatch.setattr(stripe, "api_base", standin.address)
    monkeypatch.setattr(stripe, "api_key", KEY)
    monkeypatch.setattr(stripe, "default_http_client", client.DeadlineClient())
    call_command("sync_plans", verbosity=0)
    yield standin
    with suppress(AssertionError):  # the worker lets go of the tables that are about to be emptied
        until(lambda: not StripeEvent.objects.filter(state="due").exists(), seconds=10)


@pytest.fixture
def site(stage):
    return stage[0]


@pytest.fixture
def host(shop):
    """A host on the free plan with one portfolio, a GPU and its figures."""
    user = UserFactory(email="grows@example.com")
    garage = PortfolioFactory(user=user, name="Garage")
    rig = GPUConfigurationFactory(portfolio=garage, custom_name="rig-01")
    PerformanceMetricFactory(gpu_configuration=rig, metric_date=clock.today() - timedelta(days=1))
    return user


def until(condition, seconds=SOON):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def enter(page, site, user):
    page.goto(f"{site}/accounts/login/")
    page.fill("input[name=login]", user.email)
    page.fill("input[name=password]", PASSWORD)
    page.click("main form button[type=submit] >> nth=0")
    page.wait_for_url(re.compile("/(dashboard|welcome)/"))


def plan_of(user):
    return Subscription.objects.get(user=user)


def at_stripe(page):
    """Wait until the way is prepared and the browser has gone it."""
    expect(page, page.locator("body").inner_text()).to_have_url(AT_STRIPE, timeout=SOON * 1000)
    expect(page.locator("body")).to_contain_text("No money moves")


def subjects(letters):
    return [message_from_bytes(mail.content, policy=policy.default)["subject"] for mail in list(letters.kept)]


def buy(page, site, price):
    """From the plan page to Stripe's, by the button with this price."""
    page.goto(f"{site}/settings/plan/")
    page.get_by_role("button", name=price).click()
    at_stripe(page)


def to_portal(page, site, button):
    page.goto(f"{site}/settings/plan/")
    page.get_by_role("button", name=button).click()
    at_stripe(page)


def names(user, **where):
    return set(Portfolio.objects.filter(user=user, **where).values_list("name", flat=True))


def closed_portfolios(user):
    return names(user, closed_by_plan_at__isnull=False)


def closed_rules(user):
    return set(Alert.objects.filter(user=user, closed_by_plan_at__isnull=False).values_list("name", flat=True))


def test_j7_upgrade_fail_downgrade(site, host, shop, letters, page):
    enter(page, site, host)

    # 1: a second portfolio: the limit is explained, what was typed is kept
    page.goto(f"{site}/portfolios/new/")
    page.fill("input[name=name]", "Attic")
    page.locator("main form button[type=submit]").first.click()
    expect(page.locator("main")).to_contain_text("Your plan holds 1 portfolio")
    expect(page.locator("input[name=name]")).to_have_value("Attic")
    assert names(host) == {"Garage"}
    page.locator("main a[href^='/settings/plan/']").first.click()
    page.wait_for_url(re.compile("/settings/plan/"))
    expect(page.locator("body")).to_contain_text("Payments here are a rehearsal: no money moves.")

    # 2: Checkout; the plan follows what Stripe tells, not the way back
    buy(page, site, "Individual: $9 a month")
    shop.hold()
    page.get_by_role("button", name="Subscribe").click()
    page.wait_for_url(re.compile("/settings/plan/return/"))
    expect(page.locator("main")).to_contain_text("You are back from Stripe")
    page.wait_for_timeout(3000)
    assert plan_of(host).tier == "free"
    assert len(shop.held()) > 3
    shop.release(order="reverse")
    expect(page.locator("main")).to_contain_text("Your account is on the Individual plan", timeout=SOON * 1000)
    row = plan_of(host)
    assert (row.tier, row.paid_tier, row.status, row.interval) == ("individual", "individual", "active", "month")
    host.refresh_from_db()
    assert host.subscription_tier == "individual"

    # a replayed webhook changes nothing, a forged one is refused
    until(lambda: not StripeEvent.objects.filter(state="due").exists())
    row = plan_of(host)
    [event] = shop.events("customer.subscription.created")
    known = StripeEvent.objects.count()
    changes = list(PlanChange.objects.filter(user=host).values_list("before", "after"))
    assert shop.send(event.id, times=5, parallel=True) == [200] * 5
    assert shop.send(event.id, secret="whsec_forged") == [400]
    assert shop.send(event.id, age=400) == [400]
    until(lambda: not StripeEvent.objects.filter(state="due").exists())
    assert StripeEvent.objects.count() == known
    assert list(PlanChange.objects.filter(user=host).values_list("before", "after")) == changes
    after = plan_of(host)
    assert (after.tier, after.stripe_subscription_id, after.synced_at) == (
        row.tier,
        row.stripe_subscription_id,
        row.synced_at,
    )

    # there is room now
    for name in ("Attic", "Barn"):
        page.goto(f"{site}/portfolios/new/")
        page.fill("input[name=name]", name)
        page.locator("main form button[type=submit]").first.click()
        page.wait_for_url(re.compile(r"/portfolios/[0-9a-f-]{36}/"))
    for number in range(1, 6):
        AlertFactory(user=host, name=f"Rule {number}")

    # 3: the card fails at the renewal: a banner with a date, nothing is gone; a new card ends it
    shop.cards("fails", id=row.stripe_customer_id)
    shop.advance(days=31, seconds=2 * 3600)
    until(lambda: plan_of(host).status == "past_due")
    page.goto(f"{site}/dashboard/")
    banner = page.get_by_label("Your plan")
    until_day = plan_of(host).past_due_since + timedelta(days=14)
    expect(banner).to_contain_text(f"the plan ends on {until_day:%b} {until_day.day}, {until_day.year}")
    assert plan_of(host).tier == "individual"
    assert names(host) == {"Garage", "Attic", "Barn"}
    shop.cards("", id=row.stripe_customer_id)
    banner.get_by_role("button").click()
    at_stripe(page)
    page.get_by_role("button", name="New card 4242").click()
    until(lambda: plan_of(host).status == "active")
    page.goto(f"{site}/dashboard/")
    expect(page.get_by_label("Your plan")).to_have_count(0)

    # 4: cancelled: it stays to the end of the period
    to_portal(page, site, "Cancel the plan")
    page.get_by_role("button", name="Cancel plan").click()
    until(lambda: plan_of(host).cancel_at is not None)
    page.goto(f"{site}/settings/plan/")
    expect(page.locator("main")).to_contain_text("until")
    assert plan_of(host).tier == "individual"
    shop.advance(days=31)
    until(lambda: plan_of(host).tier == "free")

    # 31 days of grace: a banner with their end, all goes on, the host chooses
    ends = plan_of(host).grace_until
    assert timedelta(days=30, hours=23) < ends - clock.now() <= timedelta(days=31)
    assert (closed_portfolios(host), closed_rules(host)) == (set(), set())
    page.goto(f"{site}/dashboard/")
    banner = page.get_by_label("Your plan")
    expect(banner).to_contain_text(f"{ends:%b} {ends.day}, {ends.year}")
    expect(banner).to_contain_text("2 portfolios, 2 alert rules")
    banner.get_by_role("link", name="Choose what to keep").click()
    page.get_by_label("Barn", exact=True).check()
    page.get_by_role("button", name="Keep this one").click()
    expect(page.locator("body")).to_contain_text("Saved: “Portfolios in use”")
    expect(page.get_by_label("Barn", exact=True)).to_be_checked()
    assert closed_portfolios(host) == set()

    # its end: what was chosen stays, else the oldest; pages and exports stay open, writing does not
    Subscription.objects.filter(user=host).update(grace_until=clock.now() - timedelta(minutes=1))
    shrinking.settle_due()
    assert closed_portfolios(host) == {"Garage", "Attic"}
    assert closed_rules(host) == {"Rule 4", "Rule 5"}
    garage = Portfolio.objects.get(user=host, name="Garage")
    rig = GPUConfiguration.objects.get(portfolio=garage)
    page.goto(f"{site}/portfolios/{garage.pk}/")
    expect(page.locator("main")).to_contain_text("is read-only since")
    expect(page.locator("main")).to_contain_text("rig-01")
    page.goto(f"{site}/portfolios/{garage.pk}/edit/")
    if page.locator("main input[name=name]").count():
        page.fill("input[name=name]", "Mine again")
        page.locator("main form button[type=submit]").first.click()
    expect(page.locator("main")).to_contain_text("plan")
    assert names(host) == {"Garage", "Attic", "Barn"}
    for path in (f"{garage.pk}/gpus.csv", f"gpus/{rig.pk}/days.csv", f"gpus/{rig.pk}/results.csv", "portfolios.csv"):
        export = page.request.get(f"{site}/portfolios/{path}")
        assert (export.status, export.headers["content-type"].split(";")[0]) == (200, "text/csv"), path
    page.goto(f"{site}/alerts/rules/")
    expect(page.get_by_role("row", name="Rule 5")).to_contain_text("Paused")
    expect(page.get_by_role("row", name="Rule 3")).not_to_contain_text("Paused")

    # 5: a plan again opens all of it
    buy(page, site, "Individual: $9 a month")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.locator("main")).to_contain_text("Your account is on the Individual plan", timeout=SOON * 1000)
    assert (closed_portfolios(host), closed_rules(host)) == (set(), set())
    assert plan_of(host).grace_until is None
    assert names(host) == {"Garage", "Attic", "Barn"}
    assert Alert.objects.filter(user=host, is_active=True).count() == 5
    page.goto(f"{site}/portfolios/{garage.pk}/")
    expect(page.locator("main")).not_to_contain_text("read-only since")
    sold = PlanChange.objects.filter(user=host).order_by("at").values_list("before", "after")
    assert list(sold) == [("free", "individual"), ("individual", "free"), ("free", "individual")]
    told = " | ".join(map(str, subjects(letters)))
    assert "Your card was declined: update it by" in told
    assert "Your Individual plan has ended" in told


PAGES = ["/dashboard/", "/portfolios/", "/alerts/", "/chat/", "/market/", "/pricing/", "/settings/plan/"]


def test_while_stripe_hangs_every_page_has_a_sentence_and_a_second_click_buys_nothing_twice(site, host, shop, page):
    """Stripe is silent for 60 s: under 15 s to a sentence, everywhere; one session in the end."""
    enter(page, site, host)
    shop.fault("hang", seconds=60, times=0)
    waits = {}

    def timed(name, act):
        began = time.monotonic()
        act()
        waits[name] = time.monotonic() - began

    page.goto(f"{site}/settings/plan/")
    asked = time.monotonic()
    page.get_by_role("button", name="Individual: $9 a month").click()
    page.wait_for_url("**/settings/plan/visits/**")
    for path in PAGES:
        timed(path, lambda path=path: page.goto(site + path))
        expect(page.locator("h1")).to_be_visible()
    page.goto(f"{site}/settings/plan/")
    page.get_by_role("button", name="Individual: $9 a month").dblclick()
    page.wait_for_url("**/settings/plan/visits/**")
    assert Visit.objects.filter(user=host).count() == 1
    sentence = re.compile("This takes longer than it should|Stripe does not answer just now")
    expect(page.locator("main")).to_contain_text(sentence, timeout=15_000)
    assert time.monotonic() - asked < 15
    expect(page.locator("main")).to_contain_text("Stripe does not answer just now", timeout=SOON * 1000)
    assert max(waits.values()) < 5, waits

    shop.clear_faults()
    page.get_by_role("button", name="Try again").dblclick()
    at_stripe(page)
    counts = shop.call()["counts"]
    assert (counts["checkout.session"], counts["customer"], counts["subscription"]) == (1, 1, 0)
