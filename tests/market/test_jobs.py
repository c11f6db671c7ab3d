"""Scheduled jobs of the market: what a fresh site asks for at once, and what no worker finds piled up."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from gpuadvisor import celery
from gpuadvisor.core import clock
from market import forecasts, invented, tasks_history
from market.forecasting import needed_days
from market.models import MarketData, MarketForecast


def test_what_is_due_every_minute_or_more_often_expires_before_it_piles_up():
    """A worker that was down for a night would find thousands of messages that all say the same."""
    entries = {
        name: (entry, entry["schedule"].run_every.total_seconds())
        for name, entry in celery.app.conf.beat_schedule.items()
        if hasattr(entry["schedule"], "run_every")
    }
    often = {name: (entry, every) for name, (entry, every) in entries.items() if every <= 60}
    assert {"core.heartbeat", "core.send-due-mails", "market.apply-decisions", "portfolios.work-imports"} <= {
        name.partition(":")[0] for name in often
    }
    for entry, every in often.values():
        assert 0 < entry["options"]["expires"] <= every


def test_a_worker_that_comes_up_asks_for_the_forecasts_that_may_be_overdue(monkeypatch):
    asked = []
    monkeypatch.setattr(celery.app, "send_task", asked.append)
    celery.first_work(sender=SimpleNamespace(hostname="celery@site"))
    assert asked.index("market.tasks_history.roll_up") < asked.index("market.tasks_history.make_forecasts")


@pytest.mark.django_db
def test_forecasts_that_a_worker_asked_for_at_its_start_are_not_made_twice_in_their_slot(monkeypatch):
    made = []
    monkeypatch.setattr(forecasts, "make_forecasts", lambda: made.append(1) or 1)
    tasks_history.make_forecasts()
    tasks_history.make_forecasts()
    assert len(made) == 1


def test_the_days_that_are_filled_in_are_enough_for_30_days_ahead():
    assert needed_days(30) < invented.SEASON_DAYS  # today has hardly begun


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.usefixtures("catalog")
def test_the_last_hour_that_is_filled_in_makes_forecasts_and_seasons(monkeypatch):
    """A fresh site does not wait for the job, which may be six hours away."""
    monkeypatch.setattr(invented, "SEASON_DAYS", 2)
    made = []
    monkeypatch.setattr(forecasts, "forecast_origin", made.append)
    assert invented.fill_in(seconds=0) > 0
    assert made == []
    assert invented.fill_in(seconds=0) > 0
    assert made == ["simulated"]
    assert invented.fill_in(seconds=0) == 0
    assert made == ["simulated"]
    now = clock.now()
    assert MarketData.objects.filter(data_timestamp__gt=now - timedelta(days=2)).exists()
    assert not MarketForecast.objects.exists()
