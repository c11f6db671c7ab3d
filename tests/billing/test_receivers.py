"""Every account has a plan from its first moment (R-021)."""

from billing.models import Subscription
from tests.factories import UserFactory


def test_a_new_account_starts_on_the_free_plan(db):
    user = UserFactory()
    assert (user.subscription.tier, user.subscription.status) == ("free", "active")
    assert user.subscription.stripe_customer_id is None


def test_saving_an_account_again_starts_no_second_plan(db):
    user = UserFactory()
    user.name = "Renamed"
    user.save()
    assert Subscription.objects.count() == 1
