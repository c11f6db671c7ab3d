"""What staff see and may change."""

import pytest
from django.contrib import admin
from django.test import Client

from gpuadvisor.accounts.models import User
from tests.factories import UserFactory

OURS = ("accounts", "core", "billing", "chat", "alerts", "account", "mfa", "usersessions", "socialaccount")


@pytest.fixture
def root_client(db):
    client = Client()
    client.force_login(UserFactory(email="root@example.com", is_staff=True, is_superuser=True))
    return client


def test_sign_in_to_the_admin_is_the_sites_own(db, client):
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/login/?next=")


def test_a_host_is_no_staff(host_client):
    assert host_client.get("/admin/", follow=True).status_code == 403


@pytest.mark.slow
def test_every_list_and_search_answers(root_client, host):
    for model, shown in admin.site._registry.items():
        if model._meta.app_label not in OURS:
            continue
        url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert root_client.get(url).status_code == 200, url
        if shown.search_fields:
            assert root_client.get(url, {"q": "host@example.com"}).status_code == 200, url


def test_a_user_is_found_and_shown_without_the_password(root_client, host):
    page = root_client.get("/admin/accounts/user/", {"q": host.email}).content
    assert str(host.pk).encode() in page
    page = root_client.get(f"/admin/accounts/user/{host.pk}/change/").content
    assert host.password.encode() not in page
    assert b"password" not in page.lower().replace(b"password_change", b"").replace(b"change password", b"")


def test_plan_and_address_are_not_changed_there(root_client, host):
    root_client.post(
        f"/admin/accounts/user/{host.pk}/change/",
        {"name": "By staff", "timezone": "UTC", "language": "en-us", "is_active": "on",
         "subscription_tier": "enterprise", "email": "taken@example.com", "email_verified": ""},
    )  # fmt: skip
    user = User.objects.get(pk=host.pk)
    assert (user.name, user.subscription_tier, user.email, user.email_verified) == (
        "By staff",
        "free",
        host.email,
        True,
    )


def test_only_a_superuser_grants_rights(host):
    from django.contrib.auth.models import Permission

    staff = UserFactory(is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client = Client()
    client.force_login(staff)
    client.post(
        f"/admin/accounts/user/{staff.pk}/change/",
        {
            "name": "Me",
            "timezone": "UTC",
            "language": "en-us",
            "is_active": "on",
            "is_staff": "on",
            "is_superuser": "on",
        },
    )
    staff.refresh_from_db()
    assert (staff.name, staff.is_superuser) == ("Me", False)
