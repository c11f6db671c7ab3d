"""A plan stands on the account and in its subscription, and both say the same (R-005)."""

import pytest
from django.db import IntegrityError, connection, transaction

from billing.models import Subscription
from billing.services import set_tier
from billing.signals import plan_changed
from gpuadvisor.accounts.models import Tier, User
from tests.factories import UserFactory


def plans():
    """Each account's plan as the account and as its subscription tell it."""
    return list(User.objects.values_list("subscription_tier", "subscription__tier"))


@pytest.mark.parametrize("tier", Tier.values)
def test_account_and_subscription_change_together(host, tier):
    assert set_tier(host, tier).tier == tier
    assert plans() == [(tier, tier)]
    assert host.subscription_tier == tier


def test_an_account_made_with_a_plan_has_that_subscription(db):
    UserFactory(subscription_tier="individual")
    assert plans() == [("individual", "individual")]


def test_only_the_one_account_changes(host, stranger):
    set_tier(host, "enterprise")
    stranger.refresh_from_db()
    assert (stranger.subscription_tier, stranger.subscription.tier) == ("free", "free")


def test_a_plan_that_does_not_exist_changes_nothing(host):
    with pytest.raises(ValueError, match="platinum"):
        set_tier(host, "platinum")
    assert plans() == [("free", "free")]


def test_neither_changes_where_the_other_cannot(host):
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        cursor.execute("alter table subscriptions add constraint no_change check (tier = 'free')")
    with pytest.raises(IntegrityError), transaction.atomic():
        set_tier(host, "professional")
    assert plans() == [("free", "free")]


def test_an_account_without_a_subscription_gets_one(host):
    Subscription.objects.all().delete()
    set_tier(host, "individual")
    assert plans() == [("individual", "individual")]


def test_a_change_of_plan_is_told_once(host):
    heard = []

    def listen(sender, user, before, after, **more):
        heard.append((user, before, after, connection.in_atomic_block))

    plan_changed.connect(listen)
    try:
        set_tier(host, "individual")
        set_tier(host, "individual")
    finally:
        plan_changed.disconnect(listen)
    assert heard == [(host, "free", "individual", True)]
