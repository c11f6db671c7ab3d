"""Sign-up, verification by link and sign-in (R-002, R-006, R-008; bad input 64-69, 80-82)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client

from gpuadvisor.accounts.models import User
from tests.accounts.conftest import NEW, is_signed_in, link_of, sign_in, sign_up, written
from tests.factories import PASSWORD, UserFactory


def test_a_newcomer_signs_up_confirms_by_link_and_signs_in(db, client):
    answer = sign_up(client, "New.Host@Example.COM", timezone="Europe/Berlin")
    assert (answer.status_code, answer.headers["location"]) == (302, "/accounts/confirm-email/")
    assert b"Check your mail" in client.get(answer.headers["location"]).content

    user = User.objects.get(email=NEW)
    assert (user.timezone, user.email_verified, user.is_active) == ("Europe/Berlin", False, True)
    [message] = written(NEW)
    link = link_of(message)
    assert b"Confirm my address" in client.get(link).content
    assert not User.objects.get(pk=user.pk).email_verified, "looking at the page confirms nothing"

    assert client.post(link).headers["location"] == "/accounts/login/"
    assert User.objects.get(pk=user.pk).email_verified
    assert sign_in(client, NEW).headers["location"] == "/welcome/"
    assert is_signed_in(client)


def test_an_unconfirmed_address_does_not_sign_in(db, client, no_limits):
    sign_up(client)
    answer = sign_in(client, NEW)
    assert answer.headers["location"] == "/accounts/confirm-email/"
    assert not is_signed_in(client)
    assert len(written(NEW)) == 2, "the link was sent again"


@pytest.mark.parametrize("spelling", ["NEW.HOST@example.com", "new.host@EXAMPLE.com", "  new.host@example.com "])
def test_one_mailbox_is_one_account_in_any_spelling(db, client, no_limits, spelling):
    """R-002."""
    sign_up(client)
    answer = sign_up(Client(), spelling)
    assert answer.headers["location"] == "/accounts/confirm-email/"
    assert User.objects.count() == 1
    assert written(NEW)[-1].subject == "You already have an account"


@pytest.mark.parametrize(
    "email",
    [
        "a@b",
        "two@@example.com",
        "two@at@example.com",
        f"{'a' * 243}@example.com",
        "new\r\nBcc: x@example.com@example.com",
        '"quoted part"@example.com',
        "ünïcode@example.com",
        "host@münchen.example",
        "nul\x00@example.com",
        "",
    ],
)
def test_an_address_that_is_none_gets_a_field_message(db, client, email):
    answer = sign_up(client, email)
    assert answer.status_code == 200
    assert answer.context["form"].errors["email"]
    assert not User.objects.exists()


def test_254_characters_of_address_are_enough(db, client):
    longest = f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 57}.com"
    assert len(longest) == 254
    assert sign_up(client, longest).status_code == 302
    assert sign_up(Client(), f"e{longest}").context["form"].errors["email"]


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short-7", "at least 10 characters"),
        ("x9" * 2500, "at most 128 characters"),
        ("onlyletterswithout", "Mix letters with digits"),
        ("836451902746", "Mix letters with digits"),
        ("password123", "too common"),
        ("new.host@example.com", "too similar to the e-mail address"),
        ("nul\x00-inside-99", "characters are not allowed"),
        ("", "required"),
    ],
)
def test_a_weak_password_is_told_why(db, client, password, words):
    """R-008."""
    answer = sign_up(client, password=password)
    assert answer.status_code == 200
    assert words in " ".join(answer.context["form"].errors["password1"])
    assert not User.objects.exists()


def test_ten_to_128_mixed_characters_are_a_password(db, client):
    assert sign_up(client, password="kx7-wqm2zt").status_code == 302
    assert sign_up(Client(), "long@example.com", password="k7" * 64).status_code == 302


def test_what_was_typed_stays_in_a_refused_form(db, client):
    answer = sign_up(client, password="short")
    assert NEW.encode() in answer.content


@pytest.mark.parametrize("zone", ["Mars/Base", "EST5EDT4", "../../etc/passwd", ""])
def test_an_unknown_zone_of_the_browser_fails_no_sign_up(db, client, zone):
    assert sign_up(client, timezone=zone).status_code == 302
    assert User.objects.get().timezone == "UTC"


def test_sign_up_takes_the_language_of_the_page(db):
    client = Client(headers={"accept-language": "de"})
    sign_up(client)
    assert User.objects.get().language == "de"


def test_sign_up_takes_no_other_field(db, client):
    sign_up(client, subscription_tier="enterprise", is_staff="1", is_superuser="on", email_verified="1", is_demo="1")
    user = User.objects.get()
    assert (user.subscription_tier, user.is_staff, user.is_superuser) == ("free", False, False)
    assert (user.email_verified, user.is_demo) == (False, False)


@pytest.mark.django_db(transaction=True)
def test_one_address_signed_up_twice_at_once_is_one_account(no_limits):
    """Bad input 81: a double submit makes one record and two equal answers."""

    def once(_):
        try:
            return sign_up(Client()).headers["location"]
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=6) as pool:
        answers = list(pool.map(once, range(6)))
    assert set(answers) == {"/accounts/confirm-email/"}
    assert (User.objects.count(), EmailAddress.objects.count()) == (1, 1)


def _answer(response):
    """All that a visitor could compare: status, target, text and cookies by name."""
    text = response.content.decode()
    token = response.context["csrf_token"] if response.context else ""
    return response.status_code, response.headers.get("location"), text.replace(str(token), ""), set(response.cookies)


def _steps(client, path, data):
    posted = client.post(path, data)
    pages = [posted]
    while location := pages[-1].headers.get("location"):
        pages.append(client.get(location))
    for page in pages:
        yield _answer(page)[:2], _without_tokens(page), _answer(page)[3]


def _without_tokens(page):
    """The page's text without what differs at every request: form tokens, the request's id, the address typed."""
    import re

    text = re.sub(r'(csrfmiddlewaretoken" value="|X-CSRFToken": ")\w+', "", page.content.decode())
    return re.sub(r"[\w.]+@example\.com", "ADDRESS", text)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/accounts/signup/", {"email": "{}", "password1": PASSWORD}),
        ("/accounts/login/", {"login": "{}", "password": "wrong-horse-77"}),
        ("/accounts/password/reset/", {"email": "{}"}),
    ],
)
def test_a_known_and_an_unknown_address_get_the_same_answer(db, path, data):
    """Promise 21; the times are printed by tests/accounts/measure_enumeration.py."""
    UserFactory(email="known1@example.com")
    seen = []
    for email in ("known1@example.com", "nobody1@example.com"):
        typed = {key: value.format(email) for key, value in data.items()}
        seen.append(list(_steps(Client(), path, typed)))
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "javascript:alert(1)", "\\\\evil.example"]
)
def test_sign_in_leads_to_no_other_site(host, client, target):
    """Bad input 80."""
    answer = client.post(f"/accounts/login/?next={target}", {"login": host.email, "password": PASSWORD, "next": target})
    assert answer.headers["location"] == "/welcome/"


def test_a_form_without_its_token_gets_a_page_that_offers_a_reload(host):
    """Bad input 82."""
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": host.email, "password": PASSWORD})
    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["put", "delete", "patch", "trace"])
def test_a_method_that_no_page_has_is_405(host_client, method):
    """Bad input 79."""
    assert getattr(host_client, method)("/settings/").status_code == 405
    assert getattr(host_client, method)("/demo/").status_code == 405
