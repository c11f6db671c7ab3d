"""The market as a visitor reads it, and what staff and readers see when a source goes wrong (J1, J10)."""

import re
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import caches
from playwright.sync_api import expect

from gpuadvisor.core import clock, formats
from market import cache
from tests.factories import PASSWORD, UserFactory
from tests.market.documents import document, machine, machines

SOURCE = "500farm_machines"
CARD = "/market/rtx-4090/?period=7d"
BOARDS = (("RTX 4090", 24564), ("RTX 3090", 24576), ("RTX 5090", 32607))
HELD = "They are held back"


# -- J1: first value before sign-up ------------------------------------------------------------------------------------


@pytest.fixture
def expected(site):
    """What the calculator of portfolios makes of two RTX 4090 at 0.22 USD per kWh, in words of the page."""
    from dataclasses import replace

    from market.models import GPUModel
    from market.pages.platforms import platform_facts
    from market.selectors import market_now
    from portfolios.calculator import calculate, starting_values

    model = GPUModel.objects.get(name="RTX 4090")
    now = market_now([model.name])[model.name]
    asked = starting_values(model, now, platform_facts()[now.platform])
    outcome = calculate(model, now, replace(asked, cards=2, usd_per_kwh=Decimal("0.22")))
    low, high = outcome.net_range
    return [
        formats.figure(outcome.net),
        f"from {formats.money(low)} at p10 to {formats.money(high)} at p90",
        formats.figure(outcome.break_even),
        formats.figure(outcome.electricity),
        formats.figure(outcome.payback),
    ]


def test_a_visitor_reads_the_market_and_what_two_cards_would_leave(expected, site, page):
    """J1 steps 1 and 2: median, band and rented share with their time; net range and break-even without sign-up."""
    page.goto(f"{site}/market/rtx-4090/")
    for label, figure in (
        ("Median price", r"\$\d+\.\d{4}/GPU-h"),
        ("p10 to p90", r"\$\d+\.\d{2,4} – \$\d+\.\d{2,4}"),
        ("Rented share", r"\d+(\.\d)?%"),
    ):
        stat = page.locator(".stat", has=page.get_by_role("heading", name=label, exact=True))
        expect(stat.locator(".value")).to_have_text(re.compile(figure))
        expect(stat.locator(".about")).to_contain_text("as of")
        expect(stat.locator(".about time")).to_have_attribute("datetime", re.compile(r"^\d{4}-\d\d-\d\dT"))
    panel = page.locator("#calculator")
    panel.locator("input[name=kwh]").fill("0.22")
    panel.locator("input[name=cards]").fill("2")
    panel.locator("input[name=cards]").press("Tab")
    for text in expected:
        expect(panel).to_contain_text(text)
    assert "/market/rtx-4090/" in page.url
    assert page.locator("input[type=password]").count() == 0


def test_the_calculator_works_without_javascript(expected, site, without_javascript):
    """J1 step 2 by a plain form: the same figures."""
    page = without_javascript
    page.goto(f"{site}/market/rtx-4090/")
    page.fill("#earn-cards", "2")
    page.fill("#earn-kwh", "0.22")
    page.locator("#earn button[type=submit]").click()
    assert "/calculator/" in page.url
    for text in expected:
        expect(page.locator("#calculator")).to_contain_text(text)
    page.fill("#calculator-cards", "0")
    page.locator("#calculator button[type=submit]").click()
    expect(page.locator("#calculator [role=alert]")).to_be_visible()
    assert page.input_value("#calculator-kwh") == "0.22"


def test_an_error_told_twice_sets_no_style(site, page):
    """CSP: htmx gives a field the style that the one before it had, which no page of ours may set."""
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{site}/calculator/")
    for typed in ("many", "more", "most"):
        for color in ("red", ""):  # leaves an empty style, as tools do
            page.evaluate("c => document.querySelectorAll('input').forEach(one => { one.style.color = c; })", color)
        page.fill("#calculator-kwh", typed)
        with page.expect_response(re.compile(f"kwh={typed}")):
            page.locator("#calculator button[type=submit]").click()
        page.wait_for_timeout(300)
    assert not [text for text in said if "Content Security Policy" in text]


def test_filters_sorting_and_comparison_work_without_javascript(site, without_javascript):
    """The overview by its plain form and links, then two ticked models side by side."""
    page = without_javascript
    page.goto(f"{site}/market/")
    page.fill("#market-query", "4090")
    page.locator("#market-filter button[type=submit]").click()
    assert "q=4090" in page.url
    names = page.locator("#models tbody th").all_inner_texts()
    assert names
    assert all("4090" in name for name in names)
    page.get_by_role("link", name=re.compile("^Median")).first.click()
    assert re.search(r"[?&]q=4090\b", page.url)
    assert re.search(r"[?&]sort=-?\w", page.url)
    boxes = page.locator("#compare-form input[type=checkbox]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Compare the ticked ones").click()
    assert page.url.count("gpu=") == 2
    expect(page.locator("#comparison thead").first).to_contain_text("RTX 4090")
    page.locator("#compare-add").select_option("rtx-3090")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#comparison thead").first).to_contain_text("RTX 3090")


# -- J10: bad market data at three in the morning ----------------------------------------------------------------------


def told(at, *, count=30, factor=1.0):
    """A document of 500.farm made at `at`: three models, some machines each; `factor` times what they cost."""
    rows = []
    for number in range(1, count + 1):
        name, memory = BOARDS[number % 3]
        rows.append(machine(number, gpu_name=name, gpu_ram=memory, dph_base=round((1 + number % 5 / 10) * factor, 4)))
    return machines(*rows, at=at)


@pytest.fixture
def farm(server, transactional_db):
    """`farm(hours, …)`: a document comes that many hours ago and is refreshed; the run stands at its time."""
    from django.core.management import call_command

    from market import ingest
    from market.models import SourceRun

    call_command("load_gpu_catalog", verbosity=0)
    start = ingest.bucket(clock.now())

    def arrive(hours, **faults):
        at = start - timedelta(hours=hours)
        report = ingest.refresh(SOURCE, document=document(told(at, **faults), now=clock.now()))
        run = SourceRun.objects.filter(source=SOURCE).latest("pk")
        SourceRun.objects.filter(pk=run.pk).update(started_at=at, finished_at=at + timedelta(seconds=4))
        later()
        return report, at

    return arrive


def later():
    """Twenty seconds later: what the page on the state of the data kept is outdated."""
    caches["pages"].delete(f"{cache._prefix()}:v:source-reports")


@pytest.fixture
def visit(browser, server):
    """`visit(path)`: somebody else opens a page, with an empty cache of their own."""
    contexts = []

    def open_page(path):
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.goto(server + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def until(look, seconds=15):
    """Look again until it is so: while a page is made anew, the one before is shown once more."""
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.2)
    assert found


def per_hour(price):
    """A price as the head of a model's page writes it."""
    return f"{formats.price(price)}/GPU-h"


def head(page):
    """The figures at the head of a model's page: label to text and time."""
    stats = page.locator(".stats.five .stat")
    return {
        stat.locator(".label").inner_text(): (
            stat.locator(".value").inner_text(),
            stat.locator(".about time").first.get_attribute("datetime") if stat.locator(".about time").count() else "",
        )
        for stat in stats.all()
    }


def median_stored(at):
    from market.models import MarketData

    return MarketData.objects.get(gpu_model="RTX 4090", region="global", data_timestamp=at).median_price


def source_line(page):
    return page.locator("tr", has=page.get_by_role("rowheader", name=re.compile("^500.farm machines")))


def decide(page, server, action, note):
    """Staff tick every open row of the quarantine and decide."""
    page.goto(f"{server}/admin/market/quarantine/?decision__exact=open")
    page.check("#action-toggle")
    page.select_option("select[name=action]", action)
    page.fill("input[name=note]", note)
    page.click("button[name=index]")
    expect(page.locator(".messagelist")).to_contain_text("decided. The figures follow within a minute.")


@pytest.fixture
def staff(server, transactional_db, page, sign_in):
    """A superuser's browser, signed in."""
    UserFactory(email="staff@example.com", is_staff=True, is_superuser=True)
    sign_in("staff@example.com", PASSWORD)
    return page


def test_a_bad_batch_is_held_the_last_good_figures_stay_and_a_gap_stays_a_gap(farm, server, visit, staff):
    """J10 steps 1 to 3 and 5: quarantine, figures with their as-of, amber with its since, staff, recovery."""
    from market.models import PricingSnapshot, Quarantine

    for hours in (6, 5.5, 5, 4.5):
        report, good_at = farm(hours)
        assert report.status == "ok"
    before = head(visit(CARD))
    assert before["Median price"] == (per_hour(median_stored(good_at)), good_at.isoformat(timespec="seconds"))

    offers = PricingSnapshot.objects.count()
    report, held_at = farm(4, count=10, factor=1.6)
    assert (report.status, report.is_held, Quarantine.objects.get().rule) == ("failed", True, "offers_lost")
    farm(3, count=9, factor=1.6)

    card = visit(CARD)
    assert head(card) == before
    expect(card.locator("#market .note.warn")).to_contain_text("over 30 minutes old")
    assert PricingSnapshot.objects.count() == offers
    status = visit("/market/status/")
    expect(status.locator("#state .note").first).to_have_class(re.compile(r"\bwarn\b"))
    expect(status.locator("#state .note").first).to_contain_text(HELD)
    since = status.locator("#state .note time").first
    expect(since).to_have_attribute("datetime", good_at.isoformat(timespec="seconds"))
    line = source_line(status)
    expect(line).to_contain_text("Held back")
    expect(line.locator("td time").first).to_have_attribute("datetime", held_at.isoformat(timespec="seconds"))
    expect(line).to_contain_text("4 good, 0 failed, 2 held back")
    expect(line).to_contain_text("More than 60 % of the offers vanished at once")

    staff.goto(f"{server}/admin/market/quarantine/")
    row = staff.locator("#result_list tbody tr").first
    for word in (SOURCE, "offers_lost", "offers of 30 are left, less than 40 %", "Open"):
        expect(row).to_contain_text(word)
    decide(staff, server, "confirm", "a third of the offers, and they cost more")
    assert set(Quarantine.objects.values_list("decision", "note")) == {
        ("confirmed", "a third of the offers, and they cost more")
    }
    assert head(visit(CARD)) == before

    for hours in (1, 0.5, 0):
        report, good_at = farm(hours, factor=1.05)
        assert report.status == "ok"
    fresh = (per_hour(median_stored(good_at)), good_at.isoformat(timespec="seconds"))
    assert fresh[0] != before["Median price"][0]
    until(lambda: head(visit(CARD))["Median price"] == fresh)
    card = visit(CARD)
    expect(card.locator("#market .note.warn")).to_have_count(0)
    price = card.locator("figure.chart", has=card.get_by_role("heading", name="Price", exact=True))
    assert price.locator("path.line").first.get_attribute("d").count("M") == 2
    status = visit("/market/status/")
    expect(status.locator("#state .note").first).to_have_class(re.compile(r"\bok\b"))
    expect(source_line(status)).to_contain_text("Answers")


def test_a_batch_that_staff_release_counts_once_a_worker_was_there(farm, server, visit, staff):
    """R-037: released through the admin, followed by the figures, and what the next documents are compared with."""
    from market import decisions
    from market.models import MarketData

    for hours in (2, 1.5):
        _report, good_at = farm(hours)
    before = head(visit(CARD))
    report, held_at = farm(1, count=10, factor=1.6)
    assert report.is_held
    decide(staff, server, "release", "the market did move")
    assert head(visit(CARD)) == before
    assert not MarketData.objects.filter(data_timestamp=held_at).exists()

    assert decisions.apply_due() == 1
    moved = (per_hour(median_stored(held_at)), held_at.isoformat(timespec="seconds"))
    assert median_stored(held_at) > Decimal("1.5") * median_stored(good_at)
    until(lambda: head(visit(CARD))["Median price"] == moved)
    assert farm(0, count=10, factor=1.6)[0].status == "ok"
    later()
    expect(source_line(visit("/market/status/"))).to_contain_text("Answers")
    staff.goto(f"{server}/admin/market/quarantine/")
    row = staff.locator("#result_list tbody tr").first
    expect(row).to_contain_text("Released")
    expect(row.locator(".field-is_applied img")).to_have_attribute("alt", "True")
