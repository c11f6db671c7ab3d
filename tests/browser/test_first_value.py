"""First value in five minutes (J1), and whether to buy two more (J6), as a person does it."""

import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from portfolios.models import GPUConfiguration, Portfolio
from tests.factories import PASSWORD, UserFactory

PHONE = {"width": 390, "height": 844}


def confirm_by_mail(site, page):
    """Open the newest mail and follow its link, as the address's owner."""
    page.goto(f"{site}/mailbox/")
    page.get_by_role("link", name=re.compile("confirm", re.I)).first.click()
    link = re.search(r"https?://\S+/accounts/confirm-email/\S+", page.inner_text("main")).group().rstrip(".")
    page.goto(link)
    page.locator("main form button[type=submit]").first.click()


def enter(site, page, email, password=PASSWORD):
    page.goto(f"{site}/accounts/login/")
    page.fill("input[name=login]", email)
    page.fill("input[name=password]", password)
    page.locator("main form button[type=submit]").first.click()


def no_figure_reads_zero(page):
    expect(page.locator("main")).not_to_contain_text(re.compile(r"\$0\.00(?![0-9])"))


def next_step(page, words):
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(words)


def first_value(site, page, email):
    """J1 from the market's page to a dashboard of one's own."""
    # 1 the market: each figure with as-of
    page.goto(f"{site}/market/rtx-4090/")
    expect(page.locator("main")).to_contain_text("Median")
    expect(page.locator("main")).to_contain_text("as of")
    # 2 price of power and two cards: net and break-even without an account
    page.goto(f"{site}/calculator/?gpu=rtx-4090")
    page.fill("input[name=cards]", "2")
    page.fill("input[name=kwh]", "0.22")
    page.get_by_role("button", name="Calculate").click()
    page.wait_for_url(re.compile(r"cards=2&kwh=0\.22"))
    expect(page.locator("main")).to_contain_text(re.compile(r"from \$[\d,.]+ at p10 to \$[\d,.]+ at p90"))
    expect(page.locator("main")).to_contain_text("Break-even rate")
    # 3 sign-up: the entries survive
    page.get_by_role("link", name="Sign up and keep this").click()
    page.fill("input[name=email]", email)
    page.fill("input[name=password1]", PASSWORD)
    page.locator("main form button[type=submit]").first.click()
    expect(page.locator("main")).to_contain_text("mail")
    confirm_by_mail(site, page)
    enter(site, page, email)
    # 4 the steps: GPUs filled in, power estimated, platform skipped
    page.wait_for_url("**/welcome/")
    expect(page.get_by_text("Step 1 of 4")).to_be_visible()
    expect(page.locator("input[name=gpu_model]")).to_have_value("RTX 4090")
    expect(page.locator("input[name=quantity]")).to_have_value("2")
    next_step(page, "What does power cost you?")
    expect(page.locator("input[name=price_per_kwh]")).to_have_value("0.22")
    expect(page.locator("main")).to_contain_text("Estimated for an RTX 4090")
    next_step(page, "Where do you rent them out?")
    page.get_by_role("link", name="Skip this").click()
    expect(page.get_by_text("Step 4 of 4")).to_be_visible()
    page.get_by_label("Know what is left after fees and power").check()
    page.get_by_role("button", name="To my dashboard").click()
    # 5 the dashboard: the market of that GPU, nothing that nobody measured reads 0
    page.wait_for_url("**/dashboard/**")
    expect(page.locator("main")).to_contain_text("RTX 4090")
    no_figure_reads_zero(page)
    page.goto(f"{site}/portfolios/")
    expect(page.locator("main")).to_contain_text("My GPUs")


def test_first_value_in_five_minutes(site, page):
    """J1; no step asks for a card or a key."""
    began = time.monotonic()
    first_value(site, page, "first.value@example.com")
    assert time.monotonic() - began < 300
    gpu = GPUConfiguration.objects.get(portfolio__user__email="first.value@example.com")
    assert (gpu.quantity, gpu.portfolio.estimate_method) == (2, "market_only")


def test_first_value_without_javascript(site, without_javascript):
    first_value(site, without_javascript, "no.script@example.com")


def test_first_value_on_a_phone(site, page):
    page.set_viewport_size(PHONE)
    first_value(site, page, "on.a.phone@example.com")


def test_one_can_leave_and_go_back(site, page):
    """The way back, a double click, and the way out."""
    host = UserFactory()
    enter(site, page, host.email)
    page.wait_for_url("**/welcome/")
    page.locator("input[name=gpu_model]").fill("RTX 3090")
    page.locator("#welcome-form button[type=submit]").dblclick()
    page.wait_for_url("**/welcome/power/")
    page.get_by_role("link", name="Back").click()
    expect(page.locator("input[name=gpu_model]")).to_have_value("RTX 3090")
    page.fill("input[name=quantity]", "3")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/welcome/power/")
    page.go_back()
    page.get_by_role("button", name="Leave the set-up").click()
    page.wait_for_url("**/dashboard/**")
    assert GPUConfiguration.objects.get(portfolio__user=host).quantity == 3
    enter_again = page.context.browser.new_context().new_page()
    enter(site, enter_again, host.email)
    enter_again.wait_for_url("**/dashboard/**")
    enter_again.context.close()


def test_typing_a_model_brings_its_facts_and_no_error(site, page):
    host = UserFactory()
    enter(site, page, host.email)
    page.wait_for_url("**/welcome/")
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.locator("input[name=gpu_model]").press_sequentially("RTX 4090")
    expect(page.locator("#gpu-facts")).to_contain_text("24 GB")
    assert errors == []


def test_on_a_models_page_the_calculator_is_the_only_form_to_type_into(site, page):
    page.goto(f"{site}/market/rtx-4090/")
    page.fill("#earn input[name=cards], #calculator input[name=cards]", "3")
    expect(page.locator("#calculator")).to_contain_text("Sign up and keep this")
    expect(page.locator("input[name=cards]")).to_have_value("3")


def should_i_buy(site, page):
    """J6 from the market's page to a plan, for a host who is signed in."""
    page.goto(f"{site}/market/rtx-4090/")
    page.get_by_role("link", name=re.compile("expand", re.I)).click()
    page.fill("input[name=cards]", "2")
    page.fill("input[name=price]", "1600")
    page.fill("input[name=kwh]", "0.22")
    page.fill("input[name=fixed]", "20")
    page.get_by_role("button", name="Work it out").click()
    page.wait_for_url(re.compile(r"price=1600&kwh=0\.22&fixed=20"))
    expect(page.locator("main")).to_contain_text("Strong demand")
    expect(page.locator("main")).to_contain_text("Weak demand")
    expect(page.locator("main")).to_contain_text("Our estimate for one card is")
    expect(page.locator("main")).to_contain_text("market as of")
    expect(page.locator("input[name=price]")).to_have_value("1600")
    page.get_by_role("link", name="Save as a plan").click()
    page.fill("input[name=name]", "Two more")
    page.locator("#save-form button[type=submit]").click()
    page.wait_for_url(re.compile(r"/portfolios/[0-9a-f-]{36}/$"))
    expect(page.locator("main")).to_contain_text("This is a plan")
    page.get_by_role("link", name="Work it out again").click()
    page.wait_for_url(re.compile(r"/plan/\?model=rtx-4090&cards=2&price=1600&kwh=0\.22&fixed=20&rented="))
    expect(page.locator("main")).to_contain_text("Strong demand")


def test_should_i_buy_two_more(site, page):
    """J6: the plan counts toward nothing."""
    host = UserFactory(preferences={"welcomed": True})
    enter(site, page, host.email)
    page.wait_for_url("**/dashboard/**")
    should_i_buy(site, page)
    plan = Portfolio.objects.get(user=host)
    assert (plan.state, plan.is_active, plan.gpus.get().quantity) == ("planned", False, 2)
    assert Portfolio.objects.filter(user=host).counting_towards_plan().count() == 0
    page.goto(f"{site}/dashboard/")
    no_figure_reads_zero(page)


def test_should_i_buy_without_javascript(site, without_javascript):
    host = UserFactory(preferences={"welcomed": True})
    enter(site, without_javascript, host.email)
    should_i_buy(site, without_javascript)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_have_no_findings_and_fit_a_phone(site, page, scheme):
    page.emulate_media(color_scheme=scheme)
    host = UserFactory(preferences={"welcomed": True})
    enter(site, page, host.email)
    page.wait_for_url("**/dashboard/**")
    addresses = [
        "/welcome/",
        "/plan/",
        "/plan/?model=rtx-4090&cards=2&price=1600",
        "/plan/?model=rtx-4090&price=x",
        "/calculator/save/?gpu=rtx-4090&cards=2",
        "/calculator/?gpu=rtx-4090&cards=2",
        "/welcome/goal/",
    ]
    page.goto(f"{site}/welcome/")
    page.locator("input[name=gpu_model]").fill("RTX 4090")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/welcome/power/")
    gpu = GPUConfiguration.objects.get(portfolio__user=host)
    for address in [*addresses, "/welcome/power/", "/welcome/platform/", f"/plan/?gpu={gpu.pk}"]:
        page.goto(site + address)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{address}: {found.generate_report()}"
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), address
        page.set_viewport_size({"width": 1280, "height": 800})
