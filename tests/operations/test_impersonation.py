"""Staff look at the site as a host: with a reason, for a time, and never writing (J9; reliability, staff)."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import caches
from django.urls import reverse

from gpuadvisor.accounts import consents
from gpuadvisor.core import clock
from gpuadvisor.core.models import AuditEntry
from gpuadvisor.operations import impersonating
from gpuadvisor.operations.middleware import ImpersonationMiddleware
from gpuadvisor.operations.models import Impersonation
from tests.factories import UserFactory
from tests.test_access import MEMBER, OWNED, PUBLIC, ROUTES, address

REASON = "Ticket 7: the numbers look wrong"
CLOSED = ImpersonationMiddleware.closed


@pytest.fixture
def staff(db):
    return UserFactory(is_staff=True, is_superuser=True)


@pytest.fixture
def looking(client, staff, host):
    """A member of staff who looks as the host."""
    client.force_login(staff)
    begin = client.post(reverse("admin:operations_impersonation_add") + f"?user={host.pk}", {"reason": REASON})
    assert begin.status_code == 302, begin.content.decode()[:2000]
    return client


def test_a_look_needs_a_reason_of_ten_characters(client, staff, host):
    """J9, step 1"""
    client.force_login(staff)
    url = reverse("admin:operations_impersonation_add") + f"?user={host.pk}"
    assert client.get(url).status_code == 200
    for reason in ("", "too short", "         a          ", "x" * 201):
        assert client.post(url, {"reason": reason}).status_code == 422
    assert not Impersonation.objects.exists()
    assert client.post(url, {"reason": REASON}).status_code == 302
    assert client.get(reverse("portfolios:list")).wsgi_request.user == host


def test_only_superusers_and_holders_of_the_right_may_look(client, host):
    helper = UserFactory(is_staff=True)
    client.force_login(helper)
    url = reverse("admin:operations_impersonation_add") + f"?user={host.pk}"
    assert client.post(url, {"reason": REASON}).status_code == 403
    helper.user_permissions.add(Permission.objects.get(codename="impersonate"))
    assert client.post(url, {"reason": REASON}).status_code == 302
    helper.user_permissions.clear()
    over = client.get(reverse("portfolios:list"))
    assert over.status_code == 302, "the right was lost"
    assert client.get(reverse("portfolios:list")).wsgi_request.user == helper


@pytest.mark.parametrize("who", [{"is_staff": True}, {"is_superuser": True}, {"is_demo": True}], ids=str)
def test_nobody_looks_as_staff_or_as_the_demo(client, staff, who):
    other = UserFactory(**who)
    client.force_login(staff)
    url = reverse("admin:operations_impersonation_add") + f"?user={other.pk}"
    assert client.post(url, {"reason": REASON}).status_code == 403
    assert not Impersonation.objects.exists()


def test_an_unknown_host_is_absent(client, staff):
    client.force_login(staff)
    url = reverse("admin:operations_impersonation_add")
    assert client.get(url).status_code == 302
    for key in ("nonsense", "01900000-0000-7000-8000-000000000000"):
        assert client.get(f"{url}?user={key}").status_code in (302, 404)


def test_every_page_says_so(looking, host, staff):
    """J9, step 1: the banner, with a way out."""
    for page in (reverse("portfolios:dashboard"), reverse("market:home"), reverse("accounts:settings")):
        body = looking.get(page, follow=True).content.decode()
        for said in (host.email, REASON, reverse("operations:leave")):
            assert said in body, (page, said)
    looking.post(reverse("operations:leave"))
    page = looking.get(reverse("market:home"))
    assert REASON not in page.content.decode()
    assert page.wsgi_request.user == staff, "the staff member's own session stays"


def test_the_host_sees_who_looked_and_why(looking, host, client):
    """J9, step 1: an audit entry that the user can see."""
    looking.post(reverse("operations:leave"))
    looking.post(reverse("operations:leave"))
    actions = list(AuditEntry.objects.filter(details__account=str(host.pk)).values_list("action", flat=True))
    assert sorted(actions) == ["impersonation.begun", "impersonation.ended"]
    client.force_login(host)
    assert REASON in client.get(reverse("privacy:index")).content.decode()


# Leaving and signing out are open; programs bring a token of their own, and a look has none.
DOORS = [
    name
    for name in sorted({*MEMBER, *OWNED, *PUBLIC} & set(ROUTES))
    if name not in ("operations:leave", "account_logout") and not name.startswith("api")
]


def test_no_door_writes_while_staff_look(looking, world):
    """The task's rule: a post to every write route is refused."""
    for name in DOORS:
        assert looking.post(address(name, world), headers={"HX-Request": "true"}).status_code == 403, name


@pytest.mark.slow
def test_every_method_is_refused_and_every_page_read(looking, world):
    """Each method, as a page and by htmx; then each page, which is shown or is the host's alone."""
    for name in DOORS:
        url = address(name, world)
        for method in ("post", "put", "patch", "delete"):
            for headers in ({}, {"HX-Request": "true"}):
                assert getattr(looking, method)(url, headers=headers).status_code == 403, (name, method, headers)
        read = looking.get(url).status_code
        assert read in (200, 302, 403, 404, 405, 503), name
        is_closed = name.startswith((*CLOSED, "chat:")) or (name.startswith("portfolios:") and "csv" in name)
        assert (read == 403) == is_closed, name


def test_the_administration_is_closed_meanwhile(looking):
    assert looking.get(reverse("admin:index")).status_code == 403
    assert looking.post(reverse("admin:core_auditentry_changelist")).status_code == 403


def test_nothing_is_kept_of_a_page_that_writes(looking, host, monkeypatch):
    """A GET with an effect: the transaction cannot write, whatever a page wants."""

    def writes(*args, **kwargs):
        type(host).objects.filter(pk=host.pk).update(name="changed")

    monkeypatch.setattr("gpuadvisor.core.notices._sources", [lambda request: writes() or []])
    assert looking.get(reverse("portfolios:list")).status_code == 403
    host.refresh_from_db()
    assert host.name != "changed"


def test_the_hosts_sessions_are_not_touched(looking, host, client):
    """The list of the host's sessions holds none of staff."""
    from allauth.usersessions.models import UserSession

    caches["pages"].clear()
    looking.get(reverse("portfolios:list"))
    assert not UserSession.objects.filter(user=host).exists()


def test_the_advisor_is_closed_without_consent(looking, host, world):
    """J9, step 3"""
    url = reverse("chat:conversation", args=[world["conversation"]])
    assert looking.get(url).status_code == 403
    consents.give(host)
    assert looking.get(url).status_code == 200
    assert looking.post(reverse("chat:ask"), {"text": "Why?"}).status_code == 403
    consents.take_back(host)
    assert looking.get(url).status_code == 403


def test_a_look_ends_after_half_an_hour(looking, host, staff):
    Impersonation.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    over = looking.post(reverse("portfolios:create"), {"name": "by mistake"})
    assert over.status_code == 302, "nothing is done under the name of staff either"
    assert not staff.portfolios.exists()
    assert not host.portfolios.exists()
    assert looking.get(reverse("portfolios:list")).wsgi_request.user == staff
    assert AuditEntry.objects.get(action="impersonation.ended").details["by"] == "time"


def test_a_look_ends_when_the_host_joins_the_staff(looking, host):
    type(host).objects.filter(pk=host.pk).update(is_staff=True)
    assert looking.get(reverse("portfolios:list")).status_code == 302
    assert Impersonation.objects.get().ended_at


def test_a_look_ends_with_the_session(looking, host):
    """Signing out signs staff out, and ends the look."""
    looking.post(reverse("account_logout"))
    assert Impersonation.objects.get().ended_at
    assert AuditEntry.objects.get(action="impersonation.ended").details["by"] == "sign-out"
    assert looking.get(reverse("portfolios:list")).status_code == 302


def test_a_second_look_ends_the_first(looking, staff, host, stranger):
    looking.post(reverse("operations:leave"))
    for user in (host, stranger):
        impersonating.begin(staff=staff, user=user, reason=REASON, session={})
    assert Impersonation.objects.filter(ended_at=None).get().user == stranger


def test_the_api_knows_no_look(looking):
    """A cookie is nobody there."""
    assert looking.get(reverse("api-v1:gpu-configurations")).status_code == 401
