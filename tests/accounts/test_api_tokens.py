"""Keys for programs: made on the settings page, shown once, revoked (R-061)."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse

from gpuadvisor.accounts import api_tokens
from gpuadvisor.accounts.models import ApiToken
from gpuadvisor.accounts.token_forms import TokenForm
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.models import AuditEntry
from tests.accounts.conftest import confirm_password
from tests.factories import PortfolioFactory, UserFactory

PAGE, NEW = "/settings/tokens/", "/settings/tokens/new/"
KEY = re.compile(r"gpa_[A-Za-z0-9_-]{43}")


def make(client, name="Home server", **more):
    return client.post(NEW, {"name": name, **more})


def shown_key(response):
    return KEY.search(response.content.decode()).group()


def once_of(client):
    return re.search(r'name="once" value="([^"]+)"', client.get(PAGE).content.decode()).group(1)


@pytest.fixture
def confirmed(host_client):
    """The host, who has just confirmed the password."""
    confirm_password(host_client)
    return host_client


def test_a_key_is_shown_once_and_only_its_fingerprint_is_kept(confirmed, host):
    """R-061"""
    response = make(confirmed)
    key = shown_key(response)
    token = host.api_tokens.get()
    assert response.status_code == 200
    assert (token.name, token.hint, token.digest) == ("Home server", key[:10], api_tokens.digest(key))
    assert key not in str(token.__dict__)
    page = confirmed.get(PAGE).content.decode()
    assert key not in page
    assert "Home server" in page
    assert key[:10] in page
    assert "never" in page
    assert api_tokens.authenticate(key) == token


def test_no_page_with_a_key_is_kept_by_a_cache(confirmed):
    assert make(confirmed)["Cache-Control"] == "private, no-store"


def test_making_one_asks_for_the_password_again_and_goes_on_where_it_was(host_client, host):
    response = make(host_client)
    assert (response.status_code, response["Location"].partition("?")[0]) == (302, reverse("account_reauthenticate"))
    assert not host.api_tokens.exists()
    resumed = host_client.post(response["Location"], {"password": "correct-horse-battery-9"})
    assert shown_key(resumed)
    assert host.api_tokens.count() == 1


def test_a_form_sent_twice_makes_one_token_and_the_key_shown_last_works(confirmed, host):
    once = once_of(confirmed)
    first, second = shown_key(make(confirmed, once=once)), shown_key(make(confirmed, once=once))
    assert host.api_tokens.count() == 1
    assert api_tokens.authenticate(first) is None
    assert api_tokens.authenticate(second) is not None


@pytest.mark.parametrize("change", ["used", "late", "revoked"])
def test_a_form_sent_again_later_gives_no_second_key(confirmed, host, change):
    once = once_of(confirmed)
    key = shown_key(make(confirmed, once=once))
    past = clock.now() - timedelta(minutes=1)
    change = {"used": {"last_used_at": past}, "late": {"created_at": past}, "revoked": {"revoked_at": past}}[change]
    host.api_tokens.update(**change)
    response = make(confirmed, once=once)
    assert response.status_code == 422
    assert not KEY.search(response.content.decode())
    assert host.api_tokens.get().digest == api_tokens.digest(key)


def test_a_form_of_another_user_makes_a_token_of_ones_own(confirmed, host, stranger):
    theirs = TokenForm(user=stranger)["once"].initial
    made = make(confirmed, once=theirs)
    assert (made.status_code, host.api_tokens.count(), stranger.api_tokens.count()) == (200, 1, 0)
    assert str(host.api_tokens.get().pk.hex) not in theirs


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "This field is required"),
        ("   ", "This field is required"),
        ("x" * 61, "at most 60 characters"),
        ("nul\x00", "Null characters"),
        ("\u202eevil", "characters that are not allowed"),
        ("\u200b", "Enter a visible name."),
    ],
)
def test_a_name_that_nobody_can_read_is_refused_and_kept_in_the_form(confirmed, host, name, words):
    response = make(confirmed, name)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not host.api_tokens.exists()


def test_a_name_is_shown_literally(confirmed):
    assert "&lt;script&gt;{{7*7}}" in make(confirmed, "<script>{{7*7}}").content.decode()


def test_a_name_is_free_again_once_its_token_is_revoked(confirmed, host):
    make(confirmed)
    refused = make(confirmed)
    assert refused.status_code == 422
    assert "You have a token of this name." in refused.content.decode()
    confirmed.post(reverse("accounts:token-revoke", args=[host.api_tokens.get().pk]))
    assert make(confirmed).status_code == 200


def test_a_user_has_at_most_ten_live_tokens(confirmed, host):
    for number in range(10):
        api_tokens.create_token(user=host, name=f"Token {number}")
    response = make(confirmed, "Eleventh")
    assert response.status_code == 422
    assert "You have 10 tokens: revoke one first." in response.content.decode()
    assert 'name="name"' not in confirmed.get(PAGE).content.decode()
    api_tokens.revoke_token(host.api_tokens.first(), by=host)
    assert make(confirmed, "Eleventh").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_tenth_token_is_the_last_also_when_asked_for_in_parallel():
    host = UserFactory()

    def one(number):
        try:
            api_tokens.create_token(user=host, name=f"Token {number}")
        except DomainError as error:
            return error.code
        finally:
            connection.close()
        return "made"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(16)))
    assert (answers.count("made"), answers.count("limit")) == (10, 6)


def test_the_demo_host_makes_no_token(db, client):
    demo = UserFactory(is_demo=True)
    with pytest.raises(DomainError):
        api_tokens.create_token(user=demo, name="Demo")
    client.force_login(demo)
    assert make(client).status_code == 403
    assert 'name="name"' not in client.get(PAGE).content.decode()


def test_revoking_ends_the_key_at_once_and_asks_first(confirmed, host):
    key = shown_key(make(confirmed))
    url = reverse("accounts:token-revoke", args=[host.api_tokens.get().pk])
    assert "Revoke this token?" in confirmed.get(url).content.decode()
    assert api_tokens.authenticate(key)
    assert confirmed.post(url)["Location"] == PAGE
    assert api_tokens.authenticate(key) is None
    assert confirmed.post(url).status_code == 302
    assert host.api_tokens.get().revoked_at
    assert "Home server" not in confirmed.get(PAGE).content.decode().split("</form>")[-1]


@pytest.mark.parametrize("field", ["is_active", "is_demo"])
def test_who_may_not_sign_in_has_no_key_either(host, field):
    key = api_tokens.create_token(user=host, name="x")[1]
    setattr(host, field, field != "is_active")
    host.save()
    assert api_tokens.authenticate(key) is None


@pytest.mark.parametrize("key", ["", "gpa_", "gpa_" + "x" * 43, "GPA_" + "x" * 43, "gpa_" + "x" * 42 + "é", "x" * 5000])
def test_what_is_no_key_opens_nothing(db, key):
    assert api_tokens.authenticate(key) is None


def test_the_last_use_is_written_once_a_minute(host, django_assert_num_queries):
    key = api_tokens.create_token(user=host, name="x")[1]
    with django_assert_num_queries(2):
        api_tokens.authenticate(key)
    first = ApiToken.objects.get().last_used_at
    with django_assert_num_queries(1):
        api_tokens.authenticate(key)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    api_tokens.authenticate(key)
    assert ApiToken.objects.get().last_used_at >= first


def test_making_and_revoking_are_written_down_without_the_key(confirmed, host):
    key = shown_key(make(confirmed))
    url = reverse("accounts:token-revoke", args=[host.api_tokens.get().pk])
    confirmed.post(url)
    confirmed.post(url)
    entries = AuditEntry.objects.filter(user=host).order_by("at")
    assert [entry.action for entry in entries] == ["token.created", "token.revoked"]
    assert key not in str([entry.details for entry in entries])


def test_staff_revoke_a_leaked_key_and_never_read_its_fingerprint(client, host):
    """R-067"""
    token, key = api_tokens.create_token(user=host, name="Leaked")
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = reverse("admin:accounts_apitoken_changelist")
    assert token.digest not in client.get(page).content.decode()
    assert token.digest not in client.get(reverse("admin:accounts_apitoken_change", args=[token.pk])).content.decode()
    client.post(page, {"action": "revoke", "_selected_action": [str(token.pk)]})
    assert api_tokens.authenticate(key) is None


def test_a_token_is_made_for_sending_and_for_some_portfolios(confirmed, host):
    """R-055: scopes and portfolios are chosen on the form; without a choice it reads, for all of them."""
    portfolio, other = PortfolioFactory(user=host, name="Garage"), PortfolioFactory(user=host, name="Rack")
    make(confirmed, "Reader")
    make(confirmed, "Rigs", may="both", portfolios=[str(portfolio.pk)])
    made = {token.name: (token.scopes, token.portfolio_ids) for token in host.api_tokens.all()}
    assert made == {"Reader": (["read"], []), "Rigs": (["read", "ingest"], [portfolio.pk])}
    page = confirmed.get(PAGE).content.decode()
    assert "read, send figures" in page
    assert make(confirmed, "Pager", may="alerts_read", portfolios=[str(portfolio.pk)]).status_code == 422
    make(confirmed, "Pager", may="alerts")
    assert host.api_tokens.get(name="Pager").scopes == ["read", "alerts.read", "alerts"]
    assert "(Garage)" in page
    assert other.name in page


@pytest.mark.parametrize(
    "more",
    [{"may": "everything"}, {"portfolios": ["nonsense"]}, {"portfolios": ["01998f2e-7d3a-7c31-9d0a-3a1f5c2b7e10"]}],
)
def test_a_token_for_what_is_not_there_is_refused(confirmed, host, more):
    """Another host's portfolio is as unknown as a random one."""
    PortfolioFactory(user=host)
    theirs = PortfolioFactory()
    assert make(confirmed, "Rigs", **more).status_code == 422
    assert make(confirmed, "Rigs", portfolios=[str(theirs.pk)]).status_code == 422
    assert not host.api_tokens.exists()
