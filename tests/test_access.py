"""Every URL as nobody, as a stranger and as the owner (promise 22). A new route without an entry here fails."""

import uuid

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.factories import GPUConfigurationFactory, MarketDataFactory, PerformanceMetricFactory, UserFactory

# Anybody may open these. The value is the status for nobody.
PUBLIC = {
    "core:health-live": 200,
    "core:health-ready": {200, 503},
    "core:offline": 200,
    "core:service-worker": 200,
    "core:mailbox": 200,
    "market:home": 200,
    "market:index": 200,
    "market:strip": 200,
    "market:gpu": 200,
    "accounts:demo": 405,
    "accounts:confirm-email": 200,
    "account_login": 200,
    "account_signup": 200,
    "account_logout": 302,
    "account_reset_password": 200,
    "account_reset_password_done": 200,
    "account_reset_password_from_key": 200,
    "account_reset_password_from_key_done": 200,
    "account_email_verification_sent": 200,
    "account_confirm_email": 200,
    "account_inactive": 200,
    "mfa_login_webauthn": 302,
    "socialaccount_login_cancelled": 200,
    "socialaccount_login_error": 401,
}
# Only in the middle of something that a session remembers: without it, back to the start (or refused).
IN_BETWEEN = {
    "account_reauthenticate",
    "account_confirm_login_code",
    "mfa_authenticate",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    "socialaccount_signup",
    "core:mailbox-mail",
    "core:mailbox-html",
}
# Any signed-in user, who sees their own.
MEMBER = {
    "accounts:settings",
    "portfolios:dashboard",
    "portfolios:list",
    "portfolios:create",
    "portfolios:gpu-search",
    "portfolios:metric-import",
    "portfolios:metric-import-example",
    "account_change_password",
    "account_set_password",
    "account_email",
    "mfa_index",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_download_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "usersessions_list",
    "socialaccount_connections",
}
# Someone's own object: which row of the `world` fixture its id names.
OWNED = {
    "portfolios:detail": "portfolio",
    "portfolios:edit": "portfolio",
    "portfolios:deactivate": "portfolio",
    "portfolios:restore": "portfolio",
    "portfolios:gpu-add": "portfolio",
    "portfolios:gpu": "gpu",
    "portfolios:gpu-edit": "gpu",
    "portfolios:gpu-move": "gpu",
    "portfolios:gpu-remove": "gpu",
    "portfolios:metric-add": "gpu",
    "portfolios:metric-edit": "metric",
    "portfolios:metric-delete": "metric",
    "portfolios:metric-import-preview": "import",
    "portfolios:metric-import-refused": "import",
    "portfolios:metric-import-discard": "import",
    "mfa_remove_webauthn": "passkey",
    "mfa_edit_webauthn": "passkey",
}
PROVIDERS = ("google", "github", "discord")


def routes(patterns=None, namespace="", above=()):
    """Every named route of ours and allauth's with its parameter names; the admin has its own test."""
    found = {}
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        names = above + (tuple(entry.pattern.converters) or tuple(entry.pattern.regex.groupindex))
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            if entry.namespace != "admin":
                found |= routes(entry.url_patterns, inner, names)
        elif isinstance(entry, URLPattern) and entry.name:
            found[namespace + entry.name] = names
    return found


ROUTES = {name: names for name, names in routes().items() if not name.startswith(PROVIDERS)}


def test_every_route_has_an_entry():
    known = {*PUBLIC, *IN_BETWEEN, *MEMBER, *OWNED}
    assert set(ROUTES) - known == set(), "say here who may open these"
    assert known - set(ROUTES) == set(), "these routes are gone"


@pytest.fixture
def world(host, settings, tmp_path):
    """One row of each kind, the host's own."""
    settings.DATA_DIR = tmp_path
    gpu = GPUConfigurationFactory(portfolio__user=host)
    MarketDataFactory()
    return {
        "portfolio": gpu.portfolio.pk,
        "gpu": gpu.pk,
        "metric": PerformanceMetricFactory(gpu_configuration=gpu).pk,
        "import": uuid.uuid4(),  # whose file is nobody's: its own tests open a real one
        "passkey": 1,
    }


def address(name, world=None, *, random=False):
    names = ROUTES[name]
    if name == "market:gpu":
        return reverse(name, kwargs={names[0]: "rtx-4090"})
    values = {"key": "AbC:1-2", "uidb36": "1-x", "slug": "rtx-4090"}
    kwargs = {}
    for parameter in names:
        if parameter in values:
            kwargs[parameter] = values[parameter]
        elif name in OWNED and not random:
            kwargs[parameter] = world[OWNED[name]]
        elif name in OWNED and OWNED[name] == "passkey":
            kwargs[parameter] = 987654
        else:
            kwargs[parameter] = uuid.uuid4()
    return reverse(name, kwargs=kwargs)


def same_page(response):
    """The body without what differs from request to request."""
    return response.content.decode().replace(response["X-Request-ID"], "ID")


def is_sign_in(response):
    return response.status_code == 302 and response["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_anybody_opens_a_public_page(client, world, name):
    expected = PUBLIC[name]
    assert client.get(address(name, world)).status_code in (expected if isinstance(expected, set) else {expected})


@pytest.mark.parametrize("name", sorted({*MEMBER, *OWNED} & set(ROUTES)))
@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_is_asked_to_sign_in(client, world, name, method):
    assert is_sign_in(getattr(client, method)(address(name, world)))


@pytest.mark.parametrize("name", sorted(IN_BETWEEN & set(ROUTES)))
def test_a_page_in_between_shows_nothing_out_of_turn(client, world, name):
    assert client.get(address(name, world)).status_code in (302, 404, 405)


@pytest.mark.parametrize("name", sorted(MEMBER & set(ROUTES)))
def test_a_member_opens_their_own_pages(host_client, world, name):
    """302: asked to confirm the password, or nothing set up to show yet; 404: nothing of the kind exists."""
    assert host_client.get(address(name, world)).status_code in (200, 302, 404)


@pytest.mark.parametrize("name", sorted(set(OWNED) & set(ROUTES)))
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_another_hosts_object_is_as_absent_as_a_random_id(client, world, stranger, name, method):
    client.force_login(stranger)
    theirs = getattr(client, method)(address(name, world))
    random = getattr(client, method)(address(name, random=True))
    assert theirs.status_code == random.status_code
    if method in ("get", "post") and theirs.status_code != 405 and "webauthn" not in name:
        assert theirs.status_code == 404
    assert same_page(theirs) == same_page(random)


@pytest.mark.parametrize("name", sorted(name for name, row in OWNED.items() if row in ("portfolio", "gpu", "metric")))
def test_the_owner_opens_their_own(host_client, world, name):
    assert host_client.get(address(name, world)).status_code in (200, 405)


def test_the_admin_is_for_staff(client, host):
    assert client.get("/admin/", follow=True).redirect_chain[-1][0].startswith(reverse("account_login"))
    client.force_login(host)
    for page in ("/admin/", "/admin/accounts/user/"):
        assert client.get(page, follow=True).status_code == 403


def admin_addresses():
    from django.contrib import admin

    return [
        f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        for model in admin.site._registry
        if model._meta.app_label != "djstripe"
    ]


@pytest.mark.parametrize("name", admin_addresses())
def test_staff_open_every_list_of_the_admin(client, world, name):
    """R-067: every entity is there, with search."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert client.get(reverse(name)).status_code == 200
    assert client.get(reverse(name), {"q": "rtx"}).status_code == 200


def test_every_entity_is_in_the_admin():
    """R-067"""
    from django.contrib import admin

    from tests.test_erd import TABLES

    assert set(TABLES.values()) <= {model._meta.db_table for model in admin.site._registry}


def test_a_get_changes_nothing(host_client, world):
    """GET is safe: crawl the signed-in pages and compare the host's rows."""
    from portfolios.models import GPUConfiguration, PerformanceMetric, Portfolio

    def rows():
        return [
            list(model.objects.order_by("pk").values()) for model in (Portfolio, GPUConfiguration, PerformanceMetric)
        ]

    before = rows()
    for name in sorted((MEMBER | set(OWNED)) & set(ROUTES)):
        host_client.get(address(name, world))
    assert rows() == before


def test_two_hosts_never_see_each_others_dashboard(client, host, stranger):
    """The cache is keyed by user: alternate and look."""
    mine = GPUConfigurationFactory(portfolio__user=host, custom_name="mine alone")
    theirs = GPUConfigurationFactory(portfolio__user=stranger, custom_name="theirs alone")
    for _ in range(5):
        for user, own, other in ((host, mine, theirs), (stranger, theirs, mine)):
            client.force_login(user)
            page = client.get(reverse("portfolios:dashboard")).content.decode()
            assert own.custom_name in page
            assert other.custom_name not in page
