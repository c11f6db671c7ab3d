"""Whether a host acted on an episode (R-044): by its own rates and suggestions, not by a button alone."""

from datetime import timedelta
from decimal import Decimal

import pytest

from alerts.evaluating import evaluate_prices, evaluate_shares, evaluate_suggestions, note_acts
from alerts.models import Alert, Episode
from gpuadvisor.core import clock
from portfolios.models import PriceChange
from tests.alerts.figures import sample
from tests.factories import NOON, GPUConfigurationFactory, SuggestionFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def episode(gpu):
    """Open from noon to one."""
    Alert.objects.create(
        user=gpu.portfolio.user, name="Idle", alert_type="utilization_drop", conditions={"threshold": "60"}
    )
    sample(gpu, *[2] * 8)
    evaluate_shares(NOON)
    sample(gpu, *[4] * 2, until=NOON + HOUR)
    evaluate_shares(NOON + HOUR)
    return Episode.objects.get()


def change(gpu, at):
    PriceChange.objects.create(gpu_configuration=gpu, platform="vast", changed_at=at, to_rate=Decimal("0.40"))


@pytest.mark.parametrize(("hours", "acted"), [(-1, False), (0.5, True), (24, True), (26, False)])
def test_a_rate_changed_meanwhile_or_within_a_day_is_an_act(gpu, episode, hours, acted):
    """R-044"""
    change(gpu, NOON + hours * HOUR)
    assert note_acts(NOON + 27 * HOUR) == acted
    episode.refresh_from_db()
    assert episode.acted_at == (NOON + hours * HOUR if acted else None)
    assert episode.acted_how == ("price" if acted else "")


def test_an_act_is_noted_once_and_the_first_counts(gpu, episode):
    """R-044"""
    change(gpu, NOON + 3 * HOUR)
    change(gpu, NOON + 2 * HOUR)
    assert [note_acts(NOON + 4 * HOUR), note_acts(NOON + 4 * HOUR)] == [1, 0]
    episode.refresh_from_db()
    assert episode.acted_at == NOON + 2 * HOUR
    assert episode.events.filter(kind="acted").count() == 1


def test_another_machines_rate_is_no_act(gpu, episode):
    """R-044"""
    change(GPUConfigurationFactory(portfolio=gpu.portfolio), NOON + HOUR)
    assert note_acts(NOON + 2 * HOUR) == 0


def test_a_suggestion_accepted_for_the_machine_is_an_act(gpu, episode):
    """R-044"""
    SuggestionFactory(gpu_configuration=gpu, state="rejected", decided_at=NOON + HOUR)
    assert note_acts(NOON + 2 * HOUR) == 0
    SuggestionFactory(gpu_configuration=gpu, suggestion_type="power", state="accepted", decided_at=NOON + HOUR)
    assert note_acts(NOON + 2 * HOUR) == 1
    episode.refresh_from_db()
    assert episode.acted_how == "suggestion"


def test_a_rate_of_the_model_answers_a_fall_of_its_prices(gpu, price):
    """R-044"""
    conditions = {"gpu_model": gpu.gpu_model.name, "threshold": "10", "direction": "down"}
    Alert.objects.create(user=gpu.portfolio.user, name="Cheaper", alert_type="pricing_change", conditions=conditions)
    for hours in range(30, 1, -1):
        price("0.60", hours * 60)
    for minutes in (45, 30, 15, 0):
        price("0.50", minutes)
    evaluate_prices()
    assert note_acts() == 0
    change(gpu, clock.now())
    assert note_acts() == 1


def test_a_suggestion_that_was_told_and_accepted_is_an_act(gpu):
    """R-044"""
    Alert.objects.create(
        user=gpu.portfolio.user, name="Worth", alert_type="optimization_opportunity", conditions={"threshold": "20"}
    )
    suggestion = SuggestionFactory(gpu_configuration=gpu, estimated_impact=Decimal(21))
    evaluate_suggestions()
    suggestion.state, suggestion.decided_at = "accepted", clock.now()
    suggestion.save()
    evaluate_suggestions()
    assert note_acts() == 1
