"""A passkey is added later and signs in, alone or as the second factor, under the site's own policy."""

import re

import pytest
from playwright.sync_api import expect

from tests.factories import PASSWORD, UserFactory

KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def with_key(page):
    """A device with a built-in authenticator whose owner always says yes."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
    return page


def leave(page, server):
    page.goto(f"{server}/accounts/logout/")
    page.locator("main form button[type=submit]").click()
    page.wait_for_url(lambda address: "logout" not in address)


def test_a_passkey_signs_in_alone_and_as_second_factor(server, transactional_db, with_key):
    host = UserFactory(preferences={"welcomed": True})
    page = with_key

    def sign_in():
        page.goto(f"{server}/accounts/login/")
        page.fill("input[name=login]", host.email)
        page.fill("input[name=password]", PASSWORD)
        page.locator("main form button[type=submit]").first.click()

    sign_in()
    page.wait_for_url("**/dashboard/")
    page.goto(f"{server}/accounts/2fa/webauthn/add/")
    page.fill("main input[name=password]", PASSWORD)  # asked once more before a way in is added
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url("**/webauthn/add/")
    page.check("input[name=passwordless]")
    page.click("#mfa_webauthn_add")
    page.wait_for_url("**/recovery-codes/")
    expect(page.locator("main")).to_contain_text("10 of 10 are left")

    leave(page, server)
    page.goto(f"{server}/accounts/login/")
    page.click("#passkey_login")
    page.wait_for_url("**/dashboard/")

    leave(page, server)
    sign_in()
    page.wait_for_url("**/2fa/authenticate/")
    page.click("#mfa_webauthn_authenticate")
    page.wait_for_url(re.compile("/dashboard/"))
