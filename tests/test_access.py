"""Every URL as nobody, as a stranger and as the owner (promise 22). A new route without an entry here fails."""

import uuid
from itertools import product

import pytest
from allauth.mfa.models import Authenticator
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.factories import (
    PASSWORD,
    GPUConfigurationFactory,
    UserFactory,
)

# Anybody may open these. The value is the status for nobody.
PUBLIC = {
    "core:health-live": 200,
    "core:health-ready": {200, 503},
    "core:offline": 200,
    "operations:status": 200,
    "operations:metrics": 404,
    "core:service-worker": 200,
    "core:mailbox": 200,
    "market:home": 200,
    "market:index": 200,
    "market:strip": 200,
    "market:csv": 200,
    "market:compare": 200,
    "market:compare-csv": 200,
    "market:gpu": 200,
    "market:gpu-csv": 200,
    "market:gpu-card": 200,
    "market:card": 200,
    "market:platforms": 200,
    "market:platform": 200,
    "market:platform-csv": 200,
    "market:method": 200,
    "market:status": 200,
    "market:robots": 200,
    "market:sitemap": 200,
    "portfolios:calculator": 200,
    "billing:pricing": 200,
    "privacy:keep": 404,  # without a signed link
    "portfolios:calculator-save": 404,  # without a model; with one nobody is sent to sign up
    "chat:stream": 200,  # an EventSource gets a message that asks to sign in, not a page
    "api:home": 302,
    "api:v1": 302,
    "api:openapi": 200,
    "api:docs": 200,
    "api-v1:models": 200,
    "api-v1:market": 200,
    "api-v1:history": 200,
    "api-v1:forecast": 200,
    "api-v1:platforms": 200,
    "api-v1:status": 200,
    "api-v1:gpu-configurations": 401,
    "api-v1:batch": 401,
    "api-v1:metrics": 405,
    "api-v1:samples": 405,
    "api-v1:alert-rules": 401,
    "api-v1:alert-rule-add": 401,
    "api-v1:alert-rule": 401,
    "api-v1:alert-rule-change": 401,
    "api-v1:alert-rule-delete": 401,
    "api-v1:alert-channels": 401,
    "api-v1:alert-episodes": 401,
    "api-v1:alert-episode": 401,
    "api-v1:alert-episode-snooze": 405,
    "api-v1:alert-episode-act": 405,
    "api-v1:alert-log": 401,
    "accounts:demo": 405,
    "alerts:unsubscribe": 404,  # without a signed link
    "alerts:receive": 405,  # a platform posts there
    "billing:webhook": 405,  # Stripe posts there
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
# Any signed-in user, who sees their own. The value is the status for a host who has just confirmed the password.
MEMBER = {
    "alerts:index": 200,
    "alerts:resolved": 200,
    "alerts:recent": 200,
    "alerts:rules": 200,
    "alerts:new": 200,
    "alerts:preview": 404,  # without a type
    "alerts:recommend": 405,
    "alerts:channels": 200,
    "alerts:channel-new": 200,
    "alerts:incoming": 200,
    "alerts:incoming-on": 405,
    "alerts:incoming-renew": 405,
    "alerts:incoming-off": 405,
    "alerts:log": 200,
    "alerts:quiet": 200,
    "alerts:quiet-off": 405,
    "alerts:window-add": 405,
    "chat:index": 200,
    "chat:ask": 405,
    "portfolios:suggestions": 200,
    "portfolios:suggestions-quiet": 200,
    "portfolios:next-steps": 200,
    "accounts:settings": 200,
    "billing:plan": 200,
    "billing:buy": 302,
    "billing:portal": 302,
    "billing:trial": 302,
    "billing:return": 302,  # without a visit
    "billing:left": 302,
    "billing:keep": 200,
    "accounts:tokens": 200,
    "privacy:index": 200,
    "privacy:export": 405,
    "privacy:delete": 200,
    "privacy:undo": 405,
    "privacy:consent": 405,
    "privacy:consent-end": 405,
    "operations:leave": 405,
    "accounts:tokens-create": 200,
    "portfolios:dashboard": 200,
    "portfolios:dashboard-index": 302,
    "portfolios:kpis": 200,
    "portfolios:kpis-csv": 200,
    "portfolios:analytics": 200,
    "portfolios:analytics-csv": 200,
    "portfolios:checkup": 200,
    "portfolios:insights": 200,
    "portfolios:insights-csv": 200,
    "portfolios:insights-history": 200,
    "portfolios:insights-panel": 200,
    "portfolios:list": 200,
    "portfolios:plan": 200,
    "portfolios:welcome": 200,
    "portfolios:welcome-power": 200,
    "portfolios:welcome-platform": 200,
    "portfolios:welcome-goal": 200,
    "portfolios:welcome-leave": 405,
    "portfolios:create": 200,
    "portfolios:fees": 200,
    "portfolios:list-csv": 200,
    "portfolios:gpu-search": 200,
    "portfolios:compset-list": 200,
    "portfolios:compset-csv": 200,
    "portfolios:compset-create": 200,
    "portfolios:compset-count": 200,
    "portfolios:me-or-market": 200,
    "portfolios:metric-imports": 200,
    "portfolios:metric-import": 200,
    "portfolios:metric-import-example": 200,
    "account_change_password": 200,
    "account_set_password": 302,
    "account_email": 200,
    "mfa_index": 200,
    "mfa_activate_totp": 200,
    "mfa_deactivate_totp": 404,
    "mfa_view_recovery_codes": 404,
    "mfa_download_recovery_codes": 404,
    "mfa_generate_recovery_codes": 200,
    "mfa_list_webauthn": 200,
    "mfa_add_webauthn": 200,
    "usersessions_list": 200,
    "socialaccount_connections": 200,
}
# Someone's own object: which row of the `world` fixture its id names.
OWNED = {
    "alerts:episode": "episode",
    "alerts:episode-snooze": "episode",
    "alerts:episode-wake": "episode",
    "alerts:episode-act": "episode",
    "alerts:edit": "alert",
    "alerts:pause": "alert",
    "alerts:resume": "alert",
    "alerts:delete": "alert",
    "alerts:channel": "channel",
    "alerts:channel-test": "channel",
    "alerts:channel-rotate": "channel",
    "alerts:channel-pause": "channel",
    "alerts:channel-resume": "channel",
    "alerts:channel-delete": "channel",
    "alerts:log-entry": "log",
    "alerts:resend": "delivery",
    "alerts:window-delete": "window",
    "billing:visit": "visit",
    "chat:why": "insight",
    "chat:conversation": "conversation",
    "chat:ask-in": "conversation",
    "chat:meter": "conversation",
    "chat:rename": "conversation",
    "chat:pin": "conversation",
    "chat:archive": "conversation",
    "chat:restore": "conversation",
    "chat:delete": "conversation",
    "chat:memory": "conversation",
    "chat:answer": "answer",
    "chat:stop": "answer",
    "chat:retry": "answer",
    "chat:sources": "looked_up",
    "chat:offer-confirm": "offer",
    "chat:offer-decline": "offer",
    "chat:message-delete": "question",
    "portfolios:price-changes": "gpu",
    "portfolios:price-changes-panel": "gpu",
    "portfolios:price-change-add": "gpu",
    "portfolios:price-change-delete": "price_change",
    "portfolios:suggestion": "suggestion",
    "portfolios:suggestion-accept": "suggestion",
    "portfolios:suggestion-reject": "suggestion",
    "portfolios:suggestion-snooze": "suggestion",
    "portfolios:suggestion-done": "suggestion",
    "portfolios:detail": "portfolio",
    "portfolios:edit": "portfolio",
    "portfolios:costs": "portfolio",
    "portfolios:detail-csv": "portfolio",
    "portfolios:gpu-csv": "gpu",
    "portfolios:gpu-results-csv": "gpu",
    "portfolios:deactivate": "portfolio",
    "portfolios:restore": "portfolio",
    "portfolios:plan-activate": "plan",
    "portfolios:plan-delete": "plan",
    "portfolios:gpu-add": "portfolio",
    "portfolios:gpu": "gpu",
    "portfolios:gpu-edit": "gpu",
    "portfolios:gpu-costs": "gpu",
    "portfolios:fee-delete": "fee",
    "portfolios:gpu-move": "gpu",
    "portfolios:gpu-remove": "gpu",
    "portfolios:compset-assign": "gpu",
    "portfolios:compset-edit": "comp_set",
    "portfolios:compset-delete": "comp_set",
    "portfolios:compset-default": "comp_set",
    "portfolios:metric-add": "gpu",
    "portfolios:metric-edit": "metric",
    "portfolios:metric-delete": "metric",
    "portfolios:insight-dismiss": "insight",
    "portfolios:metric-import-preview": "import",
    "portfolios:metric-import-columns": "import",
    "portfolios:metric-import-undo": "import",
    "portfolios:metric-import-refused": "import",
    "portfolios:metric-import-discard": "import",
    "accounts:token-revoke": "token",
    "privacy:download": "export",
    "mfa_remove_webauthn": "passkey",
    "mfa_edit_webauthn": "passkey",
}
READ_ONLY = {  # these answer 405 to the other
    "privacy:download",
    "alerts:episode",
    "alerts:log-entry",
    "billing:visit",
    "chat:conversation",
    "chat:meter",
    "chat:answer",
    "chat:sources",
    "portfolios:price-changes",
    "portfolios:price-changes-panel",
    "portfolios:suggestion",
    "portfolios:detail",
    "portfolios:detail-csv",
    "portfolios:gpu",
    "portfolios:gpu-csv",
    "portfolios:gpu-results-csv",
    "portfolios:metric-import-refused",
}
WRITE_ONLY = {
    "alerts:episode-snooze",
    "alerts:episode-wake",
    "alerts:episode-act",
    "alerts:pause",
    "alerts:resume",
    "alerts:channel-test",
    "alerts:channel-rotate",
    "alerts:channel-pause",
    "alerts:channel-resume",
    "alerts:resend",
    "alerts:window-delete",
    "chat:ask-in",
    "chat:pin",
    "chat:archive",
    "chat:restore",
    "chat:stop",
    "chat:retry",
    "chat:offer-confirm",
    "chat:offer-decline",
    "portfolios:suggestion-accept",
    "portfolios:suggestion-reject",
    "portfolios:suggestion-snooze",
    "portfolios:suggestion-done",
    "portfolios:compset-default",
    "portfolios:plan-activate",
    "portfolios:restore",
    "portfolios:insight-dismiss",
    "portfolios:metric-import-discard",
    "portfolios:metric-import-undo",
}
PROVIDERS = ("google", "github", "discord")
METHODS = ("get", "post", "put", "patch", "delete")


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


def address(name, world=None, *, random=False):
    names = ROUTES[name]
    if name == "market:gpu":
        return reverse(name, kwargs={names[0]: "rtx-4090"})
    values = {
        "kind": "insight",
        "key": "AbC:1-2",
        "uidb36": "1-x",
        "slug": "vast" if name.startswith("market:platform") else "rtx-4090",
    }
    if name == "chat:why":
        del values["key"]
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


def sign_in(client, user):
    """Signed in, with the password confirmed a moment ago, so that no page asks for it again."""
    client.force_login(user)
    assert client.post(reverse("account_reauthenticate"), {"password": PASSWORD}).status_code == 302


def is_sign_in(response):
    return response.status_code == 302 and response["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_anybody_opens_a_public_page(client, world, name):
    expected = PUBLIC[name]
    assert client.get(address(name, world)).status_code in (expected if isinstance(expected, set) else {expected})


@pytest.mark.parametrize("name", sorted({*MEMBER, *OWNED} & set(ROUTES)))
def test_nobody_is_asked_to_sign_in(client, world, name):
    for method in ("get", "post"):
        assert is_sign_in(getattr(client, method)(address(name, world))), method


@pytest.mark.parametrize("name", sorted(IN_BETWEEN & set(ROUTES)))
def test_a_page_in_between_shows_nothing_out_of_turn(client, world, name):
    assert client.get(address(name, world)).status_code in (302, 404, 405)


@pytest.mark.parametrize("name", sorted(set(MEMBER) & set(ROUTES)))
def test_a_member_opens_their_own_pages(client, host, world, name):
    sign_in(client, host)
    assert client.get(address(name, world)).status_code == MEMBER[name]


@pytest.mark.parametrize("name", sorted(set(OWNED) & set(ROUTES)))
def test_another_hosts_object_is_as_absent_as_a_random_id(client, world, stranger, name):
    """With each method, as a page and by htmx; one world for all of them, for none may change it."""
    sign_in(client, stranger)
    for method, headers in product(METHODS, ({}, {"HX-Request": "true"})):
        said = f"{method} {headers}"
        theirs = getattr(client, method)(address(name, world), headers=headers)
        random = getattr(client, method)(address(name, random=True), headers=headers)
        assert theirs.status_code == random.status_code, said
        assert theirs.status_code in (404, 405), said
        refused = {"post": READ_ONLY, "get": WRITE_ONLY}.get(method)
        assert refused is None or (theirs.status_code == 405) == (name in refused), said
        assert Authenticator.objects.filter(pk=world["passkey"]).exists(), said
        assert same_page(theirs) == same_page(random), said


@pytest.mark.parametrize("name", sorted(set(OWNED) & set(ROUTES)))
def test_the_owner_opens_their_own(client, host, world, name):
    """What a stranger is refused is really there."""
    sign_in(client, host)
    assert client.get(address(name, world)).status_code == (405 if name in WRITE_ONLY else 200)


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
    assert client.get(reverse(name), follow=True).status_code == 200  # what has one row goes on to it
    assert client.get(reverse(name), {"q": "rtx"}, follow=True).status_code == 200


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
    for name in sorted({*MEMBER, *OWNED} & set(ROUTES)):
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
