"""Links of confirmation and reset: the newest alone counts, once, and not for ever (R-006)."""

import time
from datetime import datetime, timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import signing
from django.test import Client

from gpuadvisor.accounts.models import User
from gpuadvisor.accounts.tokens import ResetTokenGenerator, digest
from gpuadvisor.core import clock
from tests.accounts.conftest import NEW, confirm_password, is_signed_in, link_of, sign_in, sign_up, written
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.usefixtures("no_limits")
WORTHLESS = b"does not work any more"
OTHER = "another-horse-55"


@pytest.fixture
def tick(monkeypatch):
    """Signatures carry whole seconds: each is dated a minute after the one before."""
    moments = iter(range(int(time.time()) - 6000, int(time.time()), 60))
    monkeypatch.setattr(signing.TimestampSigner, "timestamp", lambda self: signing.b62_encode(next(moments)))


def ask_reset(email):
    Client().post("/accounts/password/reset/", {"email": email})
    return link_of(written(email)[-1])


def set_password(link, password=OTHER):
    """Open a reset link and send its form; the last answer."""
    client = Client()
    page = client.get(link, follow=True)
    if WORTHLESS in page.content:
        return page
    return client.post(page.request["PATH_INFO"], {"password1": password, "password2": password})


def test_the_row_holds_the_digest_of_the_confirmation_links_key(db, client):
    sign_up(client)
    key = link_of(written(NEW)[0]).rstrip("/").rpartition("/")[2]
    assert User.objects.get().verification_token == digest(key)
    assert key not in str(User.objects.values().get())


def test_a_newer_confirmation_link_makes_the_older_one_worthless(db, client, tick):
    sign_up(client)
    sign_in(client, NEW)  # sends another
    older, newer = (link_of(message) for message in written(NEW))
    assert older != newer
    assert WORTHLESS in client.get(older).content
    assert WORTHLESS in client.post(older).content
    assert not User.objects.get().email_verified
    client.post(newer)
    assert User.objects.get().email_verified


def test_a_confirmation_link_works_once(db, client):
    sign_up(client)
    link = link_of(written(NEW)[0])
    client.post(link)
    assert User.objects.get().verification_token is None
    assert WORTHLESS in client.get(link).content
    assert WORTHLESS in client.post(link).content


def test_a_confirmation_link_ends_after_three_days(db, client, monkeypatch):
    sign_up(client)
    link = link_of(written(NEW)[0])
    now = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: now + 3 * 86_400 + 60)
    assert WORTHLESS in client.get(link).content


@pytest.mark.parametrize("key", ["x", "Mg:1xW0mI:wrong", "%F0%9F%98%80", "a" * 500])
def test_an_invented_confirmation_link_is_told_so(db, client, key):
    assert client.get(f"/accounts/confirm-email/{key}/").status_code in (200, 404)


def test_the_row_holds_the_digest_of_the_reset_links_key_and_its_end(host):
    link = ask_reset(host.email)
    host.refresh_from_db()
    assert host.reset_token == digest(link.rstrip("/").rpartition("/")[2].partition("-")[2])
    assert timedelta(hours=23) < host.reset_expires - clock.now() <= timedelta(hours=24)


def test_a_reset_link_sets_a_password_once_and_signs_every_device_out(host, host_client):
    assert is_signed_in(host_client)
    link = ask_reset(host.email)
    assert set_password(link).headers["location"] == "/accounts/password/reset/key/done/"
    assert not is_signed_in(host_client)
    assert WORTHLESS in set_password(link).content
    host.refresh_from_db()
    assert (host.reset_token, host.reset_expires, host.check_password(OTHER)) == (None, None, True)
    assert sign_in(Client(), host.email, OTHER).headers["location"] == "/welcome/"


def test_a_newer_reset_link_makes_the_older_one_worthless(host, monkeypatch):
    monkeypatch.setattr(ResetTokenGenerator, "_now", lambda self: datetime.now() - timedelta(minutes=5))
    older = ask_reset(host.email)
    monkeypatch.undo()
    newer = ask_reset(host.email)
    assert older != newer
    assert WORTHLESS in set_password(older).content
    assert set_password(newer).status_code == 302


def test_reset_expires_ends_a_link(host):
    link = ask_reset(host.email)
    User.objects.filter(pk=host.pk).update(reset_expires=clock.now() - timedelta(seconds=1))
    assert WORTHLESS in set_password(link).content


def test_a_changed_password_ends_an_open_reset_link(host, host_client):
    link = ask_reset(host.email)
    host_client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": OTHER, "password2": OTHER})
    host.refresh_from_db()
    assert (host.check_password(OTHER), host.reset_token) == (True, None)
    assert WORTHLESS in set_password(link, "third-horse-33").content


def test_the_demo_host_gets_no_reset_link(db):
    UserFactory(email="demo@gpuadvisor.example", is_demo=True)
    Client().post("/accounts/password/reset/", {"email": "demo@gpuadvisor.example"})
    assert written() == []


def test_a_change_of_address_counts_once_confirmed_and_ends_other_sessions(host):
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        sign_in(client, host.email)
    confirm_password(here)
    here.post("/accounts/email/", {"email": "Moved@Example.com", "action_add": ""})
    host.refresh_from_db()
    assert host.email != "moved@example.com"
    assert host.email_verified, "the old address still holds"

    here.post(link_of(written("moved@example.com")[0]))
    host.refresh_from_db()
    assert (host.email, host.email_verified, host.verification_token) == ("moved@example.com", True, None)
    assert EmailAddress.objects.get(user=host).email == "moved@example.com"
    assert is_signed_in(here)
    assert not is_signed_in(elsewhere)


def test_the_old_address_is_told_of_the_change(host, host_client):
    old = host.email
    confirm_password(host_client)
    host_client.post("/accounts/email/", {"email": "moved@example.com", "action_add": ""})
    host_client.post(link_of(written("moved@example.com")[0]))
    assert "moved@example.com" in written(old)[-1].body


def test_a_change_of_address_called_off_leaves_its_link_worthless(host):
    client = Client()
    sign_in(client, host.email)
    confirm_password(client)
    client.post("/accounts/email/", {"email": "moved@example.com", "action_add": ""})
    link = link_of(written("moved@example.com")[0])
    client.post("/accounts/email/", {"email": "moved@example.com", "action_remove": ""})
    host.refresh_from_db()
    assert (host.verification_token, host.email_verified) == (None, True)
    assert WORTHLESS in client.get(link).content


def test_mails_name_the_configured_site_whatever_host_was_asked(host, settings):
    settings.ALLOWED_HOSTS = ["testserver", "other.example"]
    settings.SITE_URL = "https://gpu.example"
    Client(headers={"host": "other.example"}).post("/accounts/password/reset/", {"email": host.email})
    assert "https://gpu.example/accounts/password/reset/key/" in written(host.email)[-1].body
    assert "other.example" not in written(host.email)[-1].body
