"""Each page as people meet it: with a screen reader's eyes, in the dark, on a phone, without JavaScript."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.factories import PASSWORD, GPUConfigurationFactory, PerformanceMetricFactory, PortfolioFactory, UserFactory

PUBLIC = [
    "/",
    "/market/",
    "/market/rtx-4090/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/mailbox/",
    "/offline/",
    "/no-such-page/",
]
MEMBER = [
    "/dashboard/",
    "/portfolios/",
    "/portfolios/new/",
    "/portfolios/{portfolio}/",
    "/portfolios/{portfolio}/edit/",
    "/portfolios/{portfolio}/deactivate/",
    "/portfolios/{portfolio}/gpus/add/",
    "/portfolios/gpus/{gpu}/",
    "/portfolios/gpus/{gpu}/edit/",
    "/portfolios/gpus/{gpu}/metrics/add/",
    "/portfolios/import/",
    "/settings/",
    "/accounts/email/",
    "/accounts/sessions/",
    "/accounts/2fa/",
]
THEMES = ("light", "dark")


@pytest.fixture
def fleet(site):
    """A host with one portfolio, one GPU with ten days of results and one without any."""
    from market.models import GPUModel

    host = UserFactory(email="pages@example.com")
    portfolio = PortfolioFactory(user=host, name="Garage", configuration={"usd_per_kwh": "0.22"})
    gpu = GPUConfigurationFactory(
        portfolio=portfolio, gpu_model=GPUModel.objects.get(name="RTX 4090"), custom_name="rig"
    )
    GPUConfigurationFactory(portfolio=portfolio, gpu_model=GPUModel.objects.get(name="RTX 3090"), quantity=6)
    from datetime import timedelta

    from gpuadvisor.core import clock

    for back in range(10):
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=clock.today() - timedelta(days=back))
    return {"portfolio": portfolio.pk, "gpu": gpu.pk}


def faults_of(page):
    """Serious findings of axe on the page as it stands."""
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {fault['help']} ({fault['nodes'][0]['html'][:160]})"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


def look_at(page, address):
    """Open a page in both themes, wide and on a phone; whatever a visitor would stumble over."""
    faults = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(address)
        faults += [f"{address} {theme}: {fault}" for fault in faults_of(page)]
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        faults.append(f"{address}: wider than a phone")
    if page.locator("h1").count() != 1:
        faults.append(f"{address}: {page.locator('h1').count()} first headings")
    return faults


def test_public_pages_have_no_serious_fault(site, page):
    assert [fault for path in PUBLIC for fault in look_at(page, site + path)] == []


def test_a_hosts_pages_have_no_serious_fault(fleet, site, page, sign_in):
    sign_in("pages@example.com", PASSWORD)
    assert [fault for path in MEMBER for fault in look_at(page, site + path.format(**fleet))] == []


def test_an_empty_account_shows_no_zero(site, page, sign_in):
    UserFactory(email="empty@example.com")
    sign_in("empty@example.com", PASSWORD)
    for path in ("/dashboard/", "/portfolios/"):
        page.goto(site + path)
        assert "$0.00" not in page.inner_text("main")
        assert faults_of(page) == []


@pytest.fixture
def without_javascript(browser, site):
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_a_host_gets_by_without_javascript(fleet, site, without_javascript):
    """Sign in, make a portfolio, add a GPU, type a result in: plain forms and links."""
    page = without_javascript
    page.goto(f"{site}/accounts/login/")
    page.fill("input[name=login]", "pages@example.com")
    page.fill("input[name=password]", PASSWORD)
    page.locator("main form button[type=submit]").first.click()
    assert page.url.endswith("/dashboard/")
    page.goto(f"{site}/portfolios/{fleet['portfolio']}/gpus/add/")
    page.fill("input[name=gpu_model]", "RTX 5090")
    page.fill("input[name=quantity]", "0")
    page.locator("main form button[type=submit]").first.click()
    assert "1" in page.inner_text("[role=alert]")
    assert page.input_value("input[name=gpu_model]") == "RTX 5090"
    page.fill("input[name=quantity]", "3")
    page.locator("main form button[type=submit]").first.click()
    assert "RTX 5090" in page.inner_text("main")
    page.goto(f"{site}/dashboard/?period=30d")
    assert "RTX 5090" in page.inner_text("main")


def test_nothing_foreign_is_fetched(site, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/", "/market/rtx-4090/"):
        page.goto(site + path)
    assert [url for url in asked if not url.startswith((site, "data:"))] == []
