"""What the account tests share: the mails written, links in them, limits that begin at nought."""

import re

import pytest
from django.conf import settings as django_settings
from django.core.cache import caches

from gpuadvisor.core import mail
from gpuadvisor.core.models import QueuedMail
from tests.factories import PASSWORD

NEW = "new.host@example.com"


@pytest.fixture(autouse=True)
def _fresh_limits(request):
    """Sign-in limits stand in a table that no model owns, so the flush after a transactional test leaves them."""
    marker = request.node.get_closest_marker("django_db")
    commits = bool(marker and marker.kwargs.get("transaction"))
    if commits:
        request.getfixturevalue("transactional_db")
        caches["default"].clear()
    yield
    if commits:
        caches["default"].clear()


@pytest.fixture
def no_limits(settings):
    settings.ACCOUNT_RATE_LIMITS = False


def written(to=None):
    """The mails in the outbox, oldest first."""
    rows = QueuedMail.objects.order_by("created_at", "pk")
    return [mail.read(row) for row in (rows.filter(to=to) if to else rows)]


def link_of(message):
    """The path of the first link of a mail's text that leads into the site."""
    return re.search(re.escape(django_settings.SITE_URL) + r"(/accounts/\S+)", message.body).group(1)


def sign_up(client, email=NEW, password=PASSWORD, **more):
    return client.post("/accounts/signup/", {"email": email, "password1": password, **more})


def sign_in(client, email, password=PASSWORD):
    return client.post("/accounts/login/", {"login": email, "password": password})


def confirm_password(client, password=PASSWORD):
    """What the security pages ask before a change."""
    return client.post("/accounts/reauthenticate/", {"password": password})


def is_signed_in(client):
    return client.get("/accounts/logout/").status_code == 200  # asks a host whether to go; sends a visitor home
