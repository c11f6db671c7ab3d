"""Each page as people meet it: with a screen reader's eyes, in the dark, on a phone, without JavaScript."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.management import call_command
from django.db import connection

from gpuadvisor.core import clock
from market.cache import forget_market
from tests.factories import (
    PASSWORD,
    GPUConfigurationFactory,
    MarketDataFactory,
    PerformanceMetricFactory,
    PortfolioFactory,
    UserFactory,
)

MARKET = [
    "/",
    "/market/",
    "/market/?q=rtx&memory=24&platform=vast&region=europe&sort=-median&period=30d",
    "/market/?q=nothing-like-it",
    "/market/compare/",
    "/market/compare/?gpu=rtx-4090&gpu=rtx-5090&gpu=rtx-3090&gpu=h100-sxm",
    "/market/rtx-4090/",
    "/market/rtx-4090/?platform=vast&region=europe&period=1y",
    "/market/no-such-card/",
    "/market/platforms/",
    "/market/platforms/vast/",
    "/market/method/",
    "/market/status/",
    "/calculator/",
    "/calculator/?gpu=rtx-5090&cards=2&kwh=many",
]
PUBLIC = [
    "/api/v1/docs",
    "/pricing/",
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
    "/settings/tokens/",
    "/settings/plan/",
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
    portfolio = PortfolioFactory(user=host, name="Garage", price_per_kwh="0.22")
    gpu = GPUConfigurationFactory(
        portfolio=portfolio, gpu_model=GPUModel.objects.get(name="RTX 4090"), custom_name="rig"
    )
    GPUConfigurationFactory(portfolio=portfolio, gpu_model=GPUModel.objects.get(name="RTX 3090"), quantity=6)
    for back in range(10):
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=clock.today() - timedelta(days=back))
    return {"portfolio": portfolio.pk, "gpu": gpu.pk}


def faults_of(page):
    """Whatever axe finds on the page as it stands."""
    found = Axe().run(page).response["violations"]
    return [f"{fault['impact']} {fault['id']}: {fault['help']} ({fault['nodes'][0]['html'][:160]})" for fault in found]


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


@pytest.fixture
def many_rows(server, transactional_db):
    """Ten thousand rows of one live source: every model in ten places over the last hours."""
    from market import ingest
    from market.models import GPUModel, MarketData

    call_command("load_gpu_catalog", verbosity=0)
    names = sorted(GPUModel.objects.values_list("name", flat=True))
    regions = ["global", "europe", "north-america", "asia", "US", "CA", "DE", "FR", "CZ", "JP"]
    last = ingest.bucket(clock.now())
    moments = -(-10_000 // (len(names) * len(regions)))
    ingest.make_months([last, last - moments * timedelta(minutes=15)])
    MarketData.objects.bulk_create(
        [
            MarketDataFactory.build(
                gpu_model=name, region=region, data_timestamp=last - step * timedelta(minutes=15), offer_count=400
            )
            for step in range(moments)
            for name in names
            for region in regions
        ],
        batch_size=2000,
    )
    with connection.cursor() as cursor:
        cursor.execute("analyze market_data")
    forget_market()
    return server


def test_public_pages_have_no_serious_fault(site, page):
    assert [fault for path in PUBLIC for fault in look_at(page, site + path)] == []


def test_market_pages_have_no_serious_fault(site, page):
    """R-056, R-060: the market in both themes and on a phone; a model nobody knows is a page of its own."""
    assert [fault for path in MARKET for fault in look_at(page, site + path)] == []
    assert page.goto(f"{site}/market/no-such-card/").status == 404


def test_an_empty_market_has_no_fault_and_no_zero(server, transactional_db, page):
    """No row and no catalog, as before the first refresh: every page says so, none shows a zero for it."""
    for path in ("/", "/market/", "/market/compare/", "/market/platforms/", "/market/status/", "/calculator/"):
        assert look_at(page, server + path) == []
        assert "$0.00" not in page.inner_text("main")
    call_command("load_gpu_catalog", verbosity=0)
    forget_market()
    for path in ("/market/rtx-4090/", "/market/", "/market/platforms/vast/", "/calculator/"):
        assert look_at(page, server + path) == []
        assert "$0.00" not in page.inner_text("main")


def test_many_rows_neither_slow_nor_break_the_market(many_rows, page):
    """Ten thousand rows: pages stay whole and come within two seconds on a busy machine."""
    for path in (
        "/market/",
        "/market/rtx-4090/",
        "/market/compare/?gpu=rtx-4090&gpu=rtx-3090",
        "/market/platforms/vast/",
    ):
        assert look_at(page, many_rows + path) == []
        came = page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd")
        assert came < 2000, path


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


def test_every_public_page_is_whole_without_javascript(site, without_javascript):
    """Each has its heading, its figures and no leftover of what only a script would fill."""
    page = without_javascript
    for path in MARKET + PUBLIC:
        page.goto(site + path)
        assert page.locator("h1").count() == 1, path
        assert page.locator("main [aria-busy=true]").count() == 0, path
        assert page.locator("main").inner_text().strip(), path


def test_nothing_foreign_is_fetched(site, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/", "/market/", "/market/rtx-4090/", "/market/platforms/vast/", "/api/v1/docs"):
        page.goto(site + path)
    assert [url for url in asked if not url.startswith((site, "data:"))] == []
