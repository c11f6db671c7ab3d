"""J8: leave with my data. Take everything along, delete the account, take that back, mean it, and be gone."""

import json
import re
import zipfile
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.models import AuditEntry
from gpuadvisor.operations.models import Erasure
from gpuadvisor.operations.privacy import erasing, exporting, ledger, steps
from tests.browser.conftest import run_site
from tests.browser.test_passkeys import KEY
from tests.factories import PASSWORD, PerformanceMetricFactory, UserFactory

pytestmark = pytest.mark.slow


@pytest.fixture
def leaving(transactional_db, settings, tmp_path, monkeypatch):
    """A site whose files lie where the test, which does the workers' part, finds them."""
    monkeypatch.setattr(steps, "DRAIN_SECONDS", 0)
    settings.EXPORT_DIR, settings.ERASURE_LEDGER_DIR = tmp_path / "exports", tmp_path / "erasures"
    settings.DATA_DIR, settings.BACKUP_DIR, settings.BACKUP_COPY_DIR = tmp_path, "", ""
    yield from _site(EXPORT_DIR=str(tmp_path / "exports"))


def _site(**more):
    with run_site(**more) as address:
        yield address


def enter(page, site, host):
    page.goto(f"{site}/accounts/login/")
    page.fill("input[name=login]", host.email)
    page.fill("input[name=password]", PASSWORD)
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url("**/dashboard/**")


def ask_for_deletion(page, site, host, *, prove):
    page.goto(f"{site}/settings/privacy/")
    page.get_by_role("link", name="Delete my account").click()
    page.wait_for_url("**/reauthenticate/**")
    prove()
    page.wait_for_url("**/settings/privacy/delete/")
    expect(page.locator("main")).to_contain_text("all conversations with the advisor")
    expect(page.locator("main")).to_contain_text("which law wants kept")
    page.get_by_label("Type your e-mail address").fill(host.email)
    page.get_by_role("button", name="Delete my account in seven days").click()
    page.wait_for_url("**/settings/privacy/")


def test_leave_with_my_data(leaving, page, tmp_path):
    host = UserFactory(preferences={"welcomed": True})
    metric = PerformanceMetricFactory(gpu_configuration__portfolio__user=host)
    enter(page, leaving, host)

    # 1. Everything, in one file: a job with progress, a mail, a link.
    page.goto(f"{leaving}/settings/privacy/")
    page.get_by_role("button", name="Make an export").click()
    expect(page.locator("#exports progress")).to_be_visible()
    exporting.work()
    take = page.get_by_role("link", name="Take the file")
    expect(take).to_be_visible(timeout=15_000)  # by itself, within a poll
    with page.expect_download() as download:
        take.click()
    download.value.save_as(tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as book:
        assert book.testzip() is None
        assert [row["id"] for row in json.loads(book.read("json/performance_metrics.json"))] == [str(metric.pk)]
        assert host.password not in book.read("csv/users.csv").decode()
    page.goto(f"{leaving}/mailbox/")
    expect(page.locator("main")).to_contain_text("Your export is ready")

    # 2. Delete, with the password; a banner on every page; taken back by the mail's link, signed in nowhere.
    def by_password():
        page.fill("main input[name=password]", PASSWORD)
        page.locator("main form button[type=submit]").first.click()

    ask_for_deletion(page, leaving, host, prove=by_password)
    page.goto(f"{leaving}/portfolios/")
    expect(page.get_by_text("This account will be deleted on")).to_be_visible()
    page.goto(f"{leaving}/mailbox/")
    page.get_by_role("link", name="Your account will be deleted").first.click()
    link = re.search(r"https?://\S+/settings/privacy/keep/[^\s\"<]+", page.inner_text("main")).group()
    other = page.context.browser.new_context().new_page()
    other.goto(link)
    other.get_by_role("button", name="Keep my account").click()
    expect(other.locator("main")).to_contain_text("Your account stays")
    other.context.close()
    page.goto(f"{leaving}/settings/privacy/")
    expect(page.get_by_text("This account will be deleted on")).to_have_count(0)
    expect(page.locator("main")).to_contain_text("The deletion was taken back")

    # Meant: asked again within the five minutes in which the password counts, taken back by the button, asked again.
    for _time in ("taken back", "meant"):
        page.goto(f"{leaving}/settings/privacy/delete/")
        page.get_by_label("Type your e-mail address").fill(host.email)
        page.get_by_role("button", name="Delete my account in seven days").click()
        page.wait_for_url("**/settings/privacy/")
        if _time == "taken back":
            page.get_by_role("button", name="Keep my account").click()
            expect(page.get_by_role("link", name="Delete my account")).to_be_visible()

    # 3. Seven days later.
    Erasure.objects.filter(state="asked").update(due_at=clock.now() - timedelta(seconds=1))
    erasing.work()
    assert not User.objects.filter(pk=host.pk).exists()
    assert [line.account for line in ledger.read().lines] == [host.pk]
    assert AuditEntry.objects.get(action="privacy.account-deleted").details == {"account": str(host.pk)}
    assert list(exporting.folder().iterdir()) == []
    page.goto(f"{leaving}/settings/privacy/")
    page.wait_for_url("**/accounts/login/**")
    page.fill("input[name=login]", host.email)
    page.fill("input[name=password]", PASSWORD)
    page.locator("main form button[type=submit]").first.click()
    expect(page.locator("main")).to_contain_text(re.compile("not correct", re.I))
    page.goto(f"{leaving}/mailbox/")
    expect(page.locator("main")).to_contain_text("Your account is deleted")


def test_a_passkey_is_as_good_as_the_password_and_no_script_is_needed(leaving, page, browser):
    host = UserFactory(preferences={"welcomed": True})
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
    enter(page, leaving, host)
    page.goto(f"{leaving}/accounts/2fa/webauthn/add/")
    page.fill("main input[name=password]", PASSWORD)
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url("**/webauthn/add/")
    page.click("#mfa_webauthn_add")
    page.wait_for_url("**/recovery-codes/")
    page.context.clear_cookies()
    page.goto(f"{leaving}/accounts/login/")
    page.fill("input[name=login]", host.email)
    page.fill("input[name=password]", PASSWORD)
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url("**/2fa/authenticate/")
    page.click("#mfa_webauthn_authenticate")
    page.wait_for_url("**/dashboard/**")

    def by_passkey():
        page.locator("main a[href*=webauthn]").click()
        page.locator("main button").first.click()

    ask_for_deletion(page, leaving, host, prove=by_passkey)
    plain = browser.new_context(java_script_enabled=False)
    plain.add_cookies(page.context.cookies())
    bare = plain.new_page()
    bare.goto(f"{leaving}/settings/privacy/")
    bare.get_by_role("button", name="Keep my account").click()
    bare.get_by_role("button", name="Make an export").click()
    exporting.work()
    bare.get_by_role("link", name="Look again").click()
    expect(bare.get_by_role("link", name="Take the file")).to_be_visible()
    plain.close()
