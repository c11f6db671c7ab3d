"""What staff give for a time: it raises a plan, never lowers one, ends by itself, and the journal says who and why."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.urls import reverse

from billing import grants, tasks_grants
from billing.models import Grant, PlanChange, Subscription
from billing.services import set_tier
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.models import AuditEntry
from tests.factories import UserFactory

REASON = "Tried it at the fair"


@pytest.fixture
def staff(db):
    return UserFactory(is_staff=True, is_superuser=True)


@pytest.fixture
def give(host, staff):
    """Give the host a plan for 30 days."""

    def make(tier="professional", days=30):
        return grants.grant(user=host, tier=tier, until=clock.now() + timedelta(days=days), reason=REASON, by=staff)

    return make


def pay(host, tier):
    """What a payment leaves: the plan paid for, and the plan that the account has."""
    Subscription.objects.filter(user=host).update(paid_tier=tier)
    set_tier(host, tier)


def tiers(host):
    host.refresh_from_db()
    host.subscription.refresh_from_db()
    return host.subscription_tier, host.subscription.tier


def journal():
    return list(AuditEntry.objects.order_by("at").values_list("action", flat=True))


def test_a_grant_gives_the_plan_and_is_written_down(host, staff, give):
    given = give()
    assert tiers(host) == ("professional", "professional")
    entry = AuditEntry.objects.get(action="plan.granted")
    assert entry.user == staff
    assert entry.details == {
        "account": str(host.pk),
        "grant": str(given.pk),
        "plan": "professional",
        "until": given.until.isoformat(),
        "before": "free",
        "after": "professional",
        "reason": REASON,
    }
    change = PlanChange.objects.get()
    assert (change.before, change.after, change.source, change.price_after) == ("free", "professional", "staff", 0)


def test_revoked_it_ends_at_once_with_a_reason(host, staff, give):
    given = give()
    assert grants.revoke(given, reason="A mistake", by=staff)
    assert tiers(host) == ("free", "free")
    given.refresh_from_db()
    assert (given.revoked_by, given.revoke_reason, given.ended_at is not None) == (staff, "A mistake", True)
    assert AuditEntry.objects.get(action="plan.grant-revoked").details["reason"] == "A mistake"
    assert not grants.revoke(given, reason="Again", by=staff)
    assert journal() == ["plan.granted", "plan.grant-revoked"]


def test_without_a_reason_nothing_is_revoked(host, staff, give):
    with pytest.raises(DomainError, match="Say why"):
        grants.revoke(give(), reason=" ", by=staff)
    assert tiers(host) == ("professional", "professional")


def test_its_time_ends_it_once(host, give):
    given = give()
    assert grants.end_due() == 0
    Grant.objects.update(until=clock.now() - timedelta(seconds=1))
    assert tasks_grants.end_grants() == 1
    assert tasks_grants.end_grants() == 0
    assert tiers(host) == ("free", "free")
    given.refresh_from_db()
    assert (given.ended_at is not None, given.revoked_by) == (True, None)
    assert journal() == ["plan.granted", "plan.grant-ended"]
    assert AuditEntry.objects.get(action="plan.grant-ended").user is None


def test_one_that_cannot_be_ended_holds_up_no_other(host, stranger, staff, give, monkeypatch):
    give()
    grants.grant(user=stranger, tier="individual", until=clock.now() + timedelta(days=40), reason=REASON, by=staff)
    Grant.objects.filter(user=host).update(until=clock.now() - timedelta(days=2))
    Grant.objects.filter(user=stranger).update(until=clock.now() - timedelta(days=1))
    real = grants.set_tier
    monkeypatch.setattr(grants, "set_tier", lambda user, tier: 1 / 0 if user == host else real(user, tier))
    assert tasks_grants.end_grants() == 1
    assert (tiers(host)[0], tiers(stranger)[0]) == ("professional", "free")
    assert Grant.objects.get(user=host).ended_at is None


def test_its_end_leaves_what_is_paid_for(host, staff, give):
    """A grant never lowers a paid plan, neither when it begins nor when it ends."""
    pay(host, "individual")
    given = give("professional")
    assert tiers(host) == ("professional", "professional")
    grants.revoke(given, reason="Over", by=staff)
    assert tiers(host) == ("individual", "individual")


@pytest.mark.parametrize("tier", ["individual", "professional"])
def test_what_is_no_more_than_the_plan_paid_for_is_refused(host, give, tier):
    pay(host, "professional")
    with pytest.raises(DomainError, match="already, or a larger one"):
        give(tier)
    assert tiers(host) == ("professional", "professional")
    assert not Grant.objects.exists()


def test_a_plan_paid_for_meanwhile_stands_above_a_smaller_grant(host, give):
    give("individual")
    assert grants.entitled(host, "professional", now=clock.now()) == "professional"
    assert grants.entitled(host, "free", now=clock.now()) == "individual"
    assert grants.entitled(host, "free", now=clock.now() + timedelta(days=31)) == "free"


def test_one_at_a_time_and_none_that_has_ended(host, staff, give):
    with pytest.raises(DomainError, match="in the past"):
        give(days=-1)
    first = give()
    with pytest.raises(DomainError, match="revoke that one first"):
        give("enterprise")
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.create(user=host, tier="enterprise", until=first.until, reason=REASON)
    grants.revoke(first, reason="More", by=staff)
    assert give("enterprise").tier == tiers(host)[0]


def test_the_demo_account_keeps_its_plan(host, give):
    type(host).objects.update(is_demo=True)
    with pytest.raises(DomainError, match="demo"):
        give()


def test_the_host_reads_until_when_and_what_then(host_client, host, give):
    pay(host, "individual")
    given = give("enterprise")
    response = host_client.get(reverse("billing:plan"))
    standing = response.context["standing"]
    assert (standing.until, standing.is_granted, standing.then.title) == (given.until, True, "Individual")
    assert standing.since > host.created_at
    assert b"at no charge" in response.content
    assert REASON.encode() not in response.content


def asked(host, **more):
    until = clock.now() + timedelta(days=9)
    return {
        "user": str(host.pk),
        "tier": "individual",
        "until_0": until.date().isoformat(),
        "until_1": "12:00",
        "reason": REASON,
    } | more


def test_staff_grant_and_revoke_in_the_admin(client, host, staff):
    client.force_login(staff)
    add, rows = reverse("admin:billing_grant_add"), reverse("admin:billing_grant_changelist")
    assert client.get(add).status_code == 200
    assert client.post(add, asked(host, reason="")).status_code == 200
    assert client.post(add, asked(host, tier="free")).status_code == 200
    assert client.post(add, asked(host, until_0="2020-01-01")).status_code == 200
    assert not Grant.objects.exists()
    assert client.post(add, asked(host)).status_code == 302
    given = Grant.objects.get()
    assert (given.by, tiers(host)) == (staff, ("individual", "individual"))
    assert client.post(add, asked(host, tier="professional")).status_code == 200, "one at a time"
    page = client.get(reverse("admin:billing_grant_change", args=[given.pk]))
    assert REASON in page.content.decode()
    chosen = {"action": "revoke", "_selected_action": [str(given.pk)]}
    assert "Say why" in client.post(rows, chosen, follow=True).content.decode()
    assert tiers(host)[0] == "individual"
    assert "1 plan was revoked." in client.post(rows, chosen | {"reason": "Over"}, follow=True).content.decode()
    assert tiers(host)[0] == "free"


def test_staff_without_the_right_neither_grant_nor_revoke(client, host, give):
    given = give()
    helper = UserFactory(is_staff=True)
    helper.user_permissions.add(Permission.objects.get(codename="view_grant"))
    client.force_login(helper)
    rows = reverse("admin:billing_grant_changelist")
    assert client.get(rows).status_code == 200
    assert client.post(reverse("admin:billing_grant_add"), asked(host)).status_code == 403
    client.post(rows, {"action": "revoke", "_selected_action": [str(given.pk)], "reason": "Mine"})
    assert tiers(host)[0] == "professional"
