"""Prices of electricity move into cost profiles and back (R-013)."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import connection

from portfolios.models import CostProfile, GPUConfiguration, Portfolio
from tests.factories import GPUConfigurationFactory, PortfolioFactory

moving = import_module("portfolios.migrations.0004_prices_into_cost_profiles")
EDITOR = SimpleNamespace(connection=connection)


@pytest.fixture
def rows(db):
    """Two portfolios and two GPUs with prices in the JSON as they stood once, one of each without."""
    portfolios = [PortfolioFactory(configuration=it) for it in ({"usd_per_kwh": "0.18"}, {"usd_per_kwh": 0.2}, {})]
    details = {"usd_per_kwh": "0.115", "idle_watts": "20"}
    gpus = [GPUConfigurationFactory(portfolio=portfolios[0], hardware_details=it) for it in (details, {})]
    return portfolios, gpus


def stored():
    return (
        {p.pk: p.configuration for p in Portfolio.objects.all()},
        {g.pk: g.hardware_details for g in GPUConfiguration.objects.all()},
    )


def profiles():
    return sorted(
        (str(p.portfolio_id), str(p.gpu_configuration_id or ""), p.currency, str(p.price_per_kwh))
        for p in CostProfile.objects.all()
    )


@pytest.mark.parametrize("batch", [1, 2, 2000])
def test_prices_move_into_profiles_in_batches_and_back(rows, monkeypatch, batch):
    monkeypatch.setattr(moving, "BATCH", batch)
    (garage, cellar, _bare), (gpu, _plain) = rows
    moving.into_profiles(None, EDITOR)
    assert profiles() == sorted(
        [
            (str(garage.pk), "", "USD", "0.1800"),
            (str(cellar.pk), "", "USD", "0.2000"),
            (str(garage.pk), str(gpu.pk), "USD", "0.1150"),
        ]
    )
    after = stored()
    assert all("usd_per_kwh" not in entries for part in after for entries in part.values())
    assert after[1][gpu.pk] == {"idle_watts": "20"}
    moving.into_json(None, EDITOR)
    portfolios, gpus = stored()
    assert portfolios[garage.pk] == {"usd_per_kwh": "0.18"}
    assert portfolios[cellar.pk] == {"usd_per_kwh": "0.2"}
    assert gpus[gpu.pk] == {"usd_per_kwh": "0.115", "idle_watts": "20"}
    moving.into_profiles(None, EDITOR)
    assert stored() == after


def test_a_second_run_changes_nothing(rows):
    moving.into_profiles(None, EDITOR)
    before = profiles()
    moving.into_profiles(None, EDITOR)
    assert profiles() == before


def test_a_price_in_another_currency_stays_in_its_profile(rows):
    moving.into_profiles(None, EDITOR)
    CostProfile.objects.update(currency="EUR")
    moving.into_json(None, EDITOR)
    assert all("usd_per_kwh" not in entries for part in stored() for entries in part.values())
