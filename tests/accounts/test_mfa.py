"""Second factors: secrets sealed, codes used once, providers only where their keys are."""

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from django.test import Client

from tests.accounts.conftest import confirm_password, is_signed_in, sign_in, written


@pytest.fixture(autouse=True)
def _standing_clock(monkeypatch):
    monkeypatch.setattr(auth, "yield_hotp_counters_from_time", lambda: iter([42]))


def code_of(secret):
    return auth.format_hotp_value(auth.hotp_value(secret, 42))


@pytest.fixture
def protected(host, no_limits, django_capture_on_commit_callbacks):
    """The host after setting up an authenticator app by its pages: client, secret, recovery codes."""
    client = Client()
    sign_in(client, host.email)
    confirm_password(client)
    page = client.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    with django_capture_on_commit_callbacks(execute=True):  # mails of a new factor leave with the commit
        answer = client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert answer.headers["location"] == "/accounts/2fa/recovery-codes/"
    codes = client.get("/accounts/2fa/recovery-codes/").context["unused_codes"]
    return client, secret, codes


def test_the_security_pages_ask_for_the_password_first(host, no_limits):
    client = Client()
    sign_in(client, host.email)
    assert client.get("/accounts/2fa/totp/activate/").headers["location"].startswith("/accounts/reauthenticate/")
    refused = client.post("/accounts/reauthenticate/", {"password": "wrong-horse-77"})
    assert refused.context["form"].errors


def test_secrets_are_sealed_in_the_database(protected):
    _client, secret, codes = protected
    stored = " ".join(str(data) for data in Authenticator.objects.values_list("data", flat=True))
    assert secret not in stored
    assert "gAAAA" in stored
    assert not any(code in stored for code in codes)


def test_a_secret_sealed_under_a_lost_key_lets_nobody_in(protected, host, settings):
    """An empty secret would make codes that anyone can compute."""
    settings.SECRET_KEY = "another-secret-key-of-the-same-length-as-before-000000"
    client = Client()
    sign_in(client, host.email)
    for code in (code_of(""), code_of("A" * 32)):
        assert client.post("/accounts/2fa/authenticate/", {"code": code}).context["form"].errors
    assert not is_signed_in(client)


def test_a_recovery_code_works_once(protected, host):
    _client, _secret, codes = protected
    assert len(codes) == 10
    first, second = Client(), Client()
    sign_in(first, host.email)
    assert first.post("/accounts/2fa/authenticate/", {"code": codes[0]}).headers["location"] == "/welcome/"
    sign_in(second, host.email)
    assert second.post("/accounts/2fa/authenticate/", {"code": codes[0]}).context["form"].errors
    assert not is_signed_in(second)


@pytest.mark.parametrize("code", ["000000", "", "abc", "1" * 500, "\x00"])
def test_a_wrong_code_gets_a_message(protected, host, code):
    client = Client()
    sign_in(client, host.email)
    assert client.post("/accounts/2fa/authenticate/", {"code": code}).context["form"].errors
    assert not is_signed_in(client)


def test_a_mail_tells_of_a_new_factor(protected, host):
    bodies = [message.body for message in written(host.email)]
    assert any("Authenticator app activated" in body for body in bodies), bodies
    message = written(host.email)[0]
    assert "127.0.0.1" in message.body
    html = message.alternatives[0][0]
    assert "<style" not in html
    assert 'style="' in html


def test_the_factor_is_taken_away_only_with_the_password(protected, host):
    client = Client()
    sign_in(client, host.email)
    _client, _secret, codes = protected
    client.post("/accounts/2fa/authenticate/", {"code": codes[1]})
    answer = client.post("/accounts/2fa/totp/deactivate/")
    assert "reauthenticate" in answer.headers["location"]
    assert Authenticator.objects.filter(user=host, type="totp").exists()


@pytest.mark.parametrize("provider", ["google", "github", "discord"])
def test_a_provider_without_keys_does_not_exist(db, client, provider):
    assert client.get(f"/accounts/{provider}/login/").status_code == 404
    assert client.post(f"/accounts/{provider}/login/").status_code == 404
    assert client.get(f"/accounts/{provider}/login/callback/").status_code == 404
    assert f"/accounts/{provider}/".encode() not in client.get("/accounts/login/").content


def test_a_provider_with_keys_is_offered_and_asked(db, client, settings):
    settings.SOCIALACCOUNT_PROVIDERS = {"github": {"APPS": [{"client_id": "an-id", "secret": "s", "key": ""}]}}
    assert b"Continue with GitHub" in client.get("/accounts/login/").content
    answer = client.post("/accounts/github/login/")
    assert answer.headers["location"].startswith("https://github.com/login/oauth/authorize?client_id=an-id")


def test_no_account_page_breaks_the_policy(protected, host):
    client, *_ = protected
    for path in (
        "/accounts/login/",
        "/accounts/email/",
        "/accounts/password/change/",
        "/accounts/2fa/",
        "/accounts/2fa/totp/deactivate/",
        "/accounts/2fa/webauthn/",
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/recovery-codes/",
        "/accounts/sessions/",
        "/settings/",
    ):
        page = client.get(path, follow=True)
        assert page.status_code == 200
        text = page.content.decode()
        assert not re.search(r"<[^>]+\s(style|on\w+)=", text), path
        for attributes in re.findall(r"<script([^>]*)>", text):
            assert "src=" in attributes or "application/json" in attributes, path
