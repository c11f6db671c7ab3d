"""A smaller plan: nothing is deleted, 31 days of grace, then what the host did not choose is closed (R-033, J7)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections, transaction

from billing import limits, shrinking, tasks_shrinking
from billing.models import Subscription
from billing.services import set_tier
from gpuadvisor.core import clock
from gpuadvisor.core.errors import DomainError
from portfolios import services
from portfolios.models import Portfolio
from tests.factories import PortfolioFactory, UserFactory

GRACE = timedelta(days=31)


@pytest.fixture
def seven(host):
    """A professional with seven portfolios, the oldest first."""
    set_tier(host, "professional")
    return [PortfolioFactory(user=host, name=f"Place {n}") for n in range(7)]


def grace(host):
    return Subscription.objects.get(user=host).grace_until


def end_grace(host, **ago):
    """Let the grace have ended, and the job come."""
    Subscription.objects.filter(user=host).update(grace_until=clock.now() - timedelta(**(ago or {"seconds": 1})))
    return shrinking.settle_due()


def opened(host):
    rows = Portfolio.objects.filter(user=host).counting_towards_plan().writable()
    return list(rows.order_by("created_at", "pk").values_list("name", flat=True))


def names(*numbers):
    return [f"Place {n}" for n in numbers]


def keep(host, rows):
    shrinking.choose(host, "portfolios", [row.pk for row in rows])


def settle(host):
    with transaction.atomic():
        shrinking.settle(host)


# -- Grace -------------------------------------------------------------------------------------------------------------
def test_a_smaller_plan_begins_a_grace_in_which_nothing_closes(host, seven):
    """R-033, J7.4"""
    before = clock.now()
    set_tier(host, "free")
    assert before + GRACE <= grace(host) <= clock.now() + GRACE
    settle(host)
    assert shrinking.settle_due() == 0
    assert opened(host) == names(0, 1, 2, 3, 4, 5, 6)
    assert shrinking.closed(host) == {}


def test_a_smaller_plan_that_holds_everything_needs_no_grace(host):
    set_tier(host, "professional")
    PortfolioFactory(user=host)
    set_tier(host, "free")
    assert grace(host) is None


def test_when_the_grace_ends_the_oldest_stay_and_nothing_is_deleted(host, seven):
    """R-033, J7.4"""
    set_tier(host, "individual")
    assert end_grace(host) == 1
    assert opened(host) == names(0, 1, 2)
    assert Portfolio.objects.filter(user=host).count() == 7
    assert shrinking.closed(host) == {"portfolios": 4}
    assert grace(host) is None
    assert shrinking.settle_due() == 0


def test_not_a_moment_before_the_grace_ends(host, seven):
    set_tier(host, "free")
    Subscription.objects.filter(user=host).update(grace_until=clock.now() + timedelta(seconds=5))
    assert shrinking.settle_due() == 0
    assert opened(host) == names(0, 1, 2, 3, 4, 5, 6)


def test_a_larger_plan_opens_everything_at_once(host, seven):
    """R-033: upgrading restores them; J7.5"""
    set_tier(host, "free")
    end_grace(host)
    set_tier(host, "professional")
    assert opened(host) == names(0, 1, 2, 3, 4, 5, 6)
    assert grace(host) is None


def test_a_somewhat_larger_plan_opens_what_it_holds(host, seven):
    set_tier(host, "free")
    end_grace(host)
    set_tier(host, "individual")
    assert opened(host) == names(0, 1, 2)


def test_a_larger_plan_in_the_grace_that_does_not_hold_all_leaves_the_date(host, seven):
    """Who buys a little back must not lose days for it."""
    set_tier(host, "free")
    until = grace(host)
    set_tier(host, "individual")
    assert grace(host) == until
    assert opened(host) == names(0, 1, 2, 3, 4, 5, 6)


def test_a_second_drop_during_the_grace_begins_it_anew(host, seven):
    set_tier(host, "individual")
    Subscription.objects.filter(user=host).update(grace_until=clock.now() + timedelta(days=2))
    set_tier(host, "free")
    assert grace(host) > clock.now() + timedelta(days=30)
    assert opened(host) == names(0, 1, 2, 3, 4, 5, 6)


def test_a_second_drop_after_the_grace_keeps_closed_what_was(host, seven):
    set_tier(host, "individual")
    end_grace(host)
    set_tier(host, "free")
    assert grace(host) > clock.now() + timedelta(days=30)
    assert opened(host) == names(0, 1, 2)
    keep(host, [seven[5]])  # closed: it opens when the others close, not beside them
    assert opened(host) == names(0, 1, 2)
    end_grace(host)
    assert opened(host) == names(5)


def test_settling_again_changes_nothing(host, seven):
    set_tier(host, "individual")
    end_grace(host)
    before = list(Portfolio.objects.order_by("pk").values())
    for _again in range(3):
        settle(host)
    assert list(Portfolio.objects.order_by("pk").values()) == before


# -- Choice ------------------------------------------------------------------------------------------------------------
def test_the_host_chooses_what_stays(host, seven):
    """J7.4"""
    set_tier(host, "individual")
    keep(host, [seven[6], seven[2]])
    end_grace(host)
    assert opened(host) == names(0, 2, 6)  # two are chosen, the third is the oldest


def test_another_choice_after_the_grace_holds_at_once(host, seven):
    set_tier(host, "individual")
    end_grace(host)
    keep(host, [seven[4], seven[5], seven[6]])
    assert opened(host) == names(4, 5, 6)
    assert grace(host) is None


def test_more_than_the_plan_holds_cannot_be_chosen(host, seven):
    set_tier(host, "individual")
    with pytest.raises(DomainError, match="holds 3"):
        keep(host, seven[:4])


def test_a_strangers_row_cannot_be_chosen(host, seven, stranger):
    set_tier(host, "individual")
    with pytest.raises(DomainError, match="not there any more"):
        keep(host, [PortfolioFactory(user=stranger)])


def test_archiving_makes_room_for_the_next(host, seven):
    """Of those that are closed the chosen ones come first, then the oldest."""
    set_tier(host, "individual")
    end_grace(host)
    services.archive_portfolio(portfolio=seven[1])
    assert opened(host) == names(0, 2, 3)
    services.archive_portfolio(portfolio=seven[6])  # a closed one: nothing opens for it
    assert opened(host) == names(0, 2, 3)
    assert not Portfolio.objects.get(pk=seven[6].pk).is_read_only


def test_an_archived_one_comes_back_only_where_there_is_room(host, seven):
    """R-030: coming back counts"""
    set_tier(host, "individual")
    end_grace(host)
    services.archive_portfolio(portfolio=seven[1])
    with pytest.raises(limits.LimitReached, match="holds 3 of your 6 portfolios: archive 4"):
        services.restore_portfolio(portfolio=seven[1])
    for portfolio in seven[2:6]:
        services.archive_portfolio(portfolio=portfolio)
    assert opened(host) == names(0, 6)
    services.restore_portfolio(portfolio=seven[1])
    assert opened(host) == names(0, 1, 6)


def test_archiving_down_to_the_limit_ends_the_grace(host, seven):
    set_tier(host, "individual")
    for portfolio in seven[:4]:
        services.archive_portfolio(portfolio=portfolio)
    assert grace(host) is None
    assert opened(host) == names(4, 5, 6)


# -- Ceilings of single accounts ---------------------------------------------------------------------------------------
@pytest.fixture
def ceiling(host, monkeypatch):
    """Give the host a limit of portfolios of their own."""
    meter = limits._meters["portfolios"]

    def set_to(most):
        def own(user):
            return limits.Usage(meter(user).used, most) if user.pk == host.pk else meter(user)

        monkeypatch.setitem(limits._meters, "portfolios", own)

    return set_to


def test_an_accounts_own_ceiling_counts_instead_of_the_plans(host, seven, ceiling):
    ceiling(5)
    set_tier(host, "free")
    end_grace(host)
    assert opened(host) == names(0, 1, 2, 3, 4)


def test_a_ceiling_that_is_lowered_without_a_change_of_plan_begins_a_grace(host, seven, ceiling):
    ceiling(2)
    settle(host)
    assert grace(host) > clock.now() + timedelta(days=30)
    assert opened(host) == names(0, 1, 2, 3, 4, 5, 6)
    end_grace(host)
    assert opened(host) == names(0, 1)


# -- The job -----------------------------------------------------------------------------------------------------------
def test_the_job_runs_once_in_its_hour_and_one_account_does_not_hold_up_others(host, seven, monkeypatch):
    other = UserFactory()
    set_tier(other, "individual")
    for _n in range(2):
        PortfolioFactory(user=other)
    for user in (host, other):
        set_tier(user, "free")
    Subscription.objects.update(grace_until=clock.now() - timedelta(days=1))
    monkeypatch.setattr(shrinking, "BATCH", 1)
    kind = shrinking._kinds["portfolios"]

    def rows(user):
        if user.pk == host.pk:
            raise RuntimeError("these rows cannot be read")
        return kind.rows(user)

    monkeypatch.setitem(
        shrinking._kinds, "portfolios", shrinking.Kind("portfolios", rows, close=kind.close, open=kind.open)
    )
    assert tasks_shrinking.settle_plans() == 1
    assert shrinking.closed(other) == {"portfolios": 1}
    assert not tasks_shrinking.settle_plans()  # its hour is taken
    monkeypatch.setitem(shrinking._kinds, "portfolios", kind)
    assert shrinking.settle_due() == 1
    assert opened(host) == names(0)


@pytest.mark.django_db(transaction=True)
def test_a_plan_that_comes_back_while_the_job_runs_leaves_everything_open():
    """R-033, promise 9: whoever is first, the account's row is locked and all are open in the end"""
    host = UserFactory()
    set_tier(host, "professional")
    for n in range(7):
        PortfolioFactory(user=host, name=f"Place {n}")

    def run(act):
        try:
            return act()
        finally:
            connections.close_all()

    for _round in range(4):
        set_tier(host, "free")
        Subscription.objects.filter(user=host).update(grace_until=clock.now() - timedelta(seconds=1))
        acts = [shrinking.settle_due, lambda: set_tier(host, "professional"), shrinking.settle_due]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(run, acts))
        assert opened(host) == names(0, 1, 2, 3, 4, 5, 6)
        assert grace(host) is None
