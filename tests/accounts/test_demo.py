"""The demo host: visitors look and change nothing."""

import pytest
from django.test import Client

from gpuadvisor.accounts.models import User
from tests.accounts.conftest import NEW, is_signed_in, sign_up, written
from tests.factories import PASSWORD, UserFactory


@pytest.fixture
def demo_host(db):
    return UserFactory(email="demo@gpuadvisor.example", name="Demo host", is_demo=True)


@pytest.fixture
def visitor(demo_host):
    client = Client()
    assert client.post("/demo/").headers["location"] == "/dashboard/"
    return client


def test_the_button_signs_a_visitor_in(visitor):
    assert b"Demo host" in visitor.get("/settings/").content
    assert visitor.session.get_expiry_age() <= 4 * 3600


def test_without_a_demo_host_a_sentence_says_so(db, client):
    answer = client.post("/demo/", follow=True)
    assert answer.redirect_chain[0][0] == "/"
    assert b"There is no demo on this installation" in answer.content
    assert not is_signed_in(client)


def test_a_host_with_an_account_keeps_it(host_client, host, demo_host):
    assert host_client.post("/demo/").headers["location"] == "/dashboard/"
    assert host.email.encode() in host_client.get("/settings/").content


def test_it_is_a_post(client):
    assert client.get("/demo/").status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/email/",
        "/accounts/password/change/",
        "/accounts/2fa/",
        "/accounts/2fa/totp/activate/",
        "/accounts/2fa/webauthn/",
        "/accounts/2fa/recovery-codes/generate/",
        "/accounts/sessions/",
        "/accounts/3rdparty/",
        "/accounts/reauthenticate/",
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_security_pages_are_closed(visitor, path, method):
    answer = getattr(visitor, method)(path)
    assert answer.status_code == 403
    assert b"The demo is read-only" in answer.content
    assert b"/accounts/signup/" in answer.content


def test_the_profile_is_shown_and_not_changed(visitor, demo_host):
    assert b"read-only" in visitor.get("/settings/").content
    assert visitor.post("/settings/", {"name": "Mine now"}).status_code == 403
    demo_host.refresh_from_db()
    assert demo_host.name == "Demo host"


def test_htmx_gets_a_403_that_becomes_a_toast(visitor):
    answer = visitor.post("/settings/", {"name": "Mine now"}, headers={"hx-request": "true"})
    assert answer.status_code == 403
    assert "read-only" in answer.headers["HX-Trigger"]


def test_leaving_is_allowed(visitor):
    visitor.post("/accounts/logout/")
    assert not is_signed_in(visitor)


def test_a_visitor_who_signs_up_is_signed_out_first(visitor):
    page = visitor.get("/accounts/signup/")
    assert page.status_code == 200
    assert b"Demo host" not in page.content
    assert visitor.get("/settings/").status_code == 200, "looking at the form ends nothing"
    assert sign_up(visitor).headers["location"] == "/accounts/confirm-email/"
    assert User.objects.filter(email=NEW).exists()
    assert written(NEW)
    assert not is_signed_in(visitor)


def test_a_visitor_who_signs_in_gets_the_own_account(visitor, host):
    assert visitor.get("/accounts/login/").status_code == 200
    visitor.post("/accounts/login/", {"login": host.email, "password": PASSWORD})
    assert host.email.encode() in visitor.get("/settings/").content


def test_the_demo_host_by_its_password_is_read_only_too(demo_host):
    client = Client()
    client.post("/accounts/login/", {"login": demo_host.email, "password": PASSWORD})
    assert client.post("/settings/", {"name": "Mine now"}).status_code == 403
