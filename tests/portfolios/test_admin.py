"""What staff see of fleets: lists that open, search and never count a large table whole."""

from datetime import date

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from gpuadvisor.core.admin import ReadOnlyAdmin, UncountedPaginator
from market.models import MarketData, PricingSnapshot, SourceRun, UtilizationTrend
from portfolios.models import PerformanceMetric, Portfolio
from tests.factories import PASSWORD, PerformanceMetricFactory

MODELS = [
    *("portfolio", "gpuconfiguration", "performancemetric", "analytics", "insight", "optimizationsuggestion"),
    *("costprofile", "feeoverride", "metricimport", "metricimportrow", "metricsample", "ingestbatch", "compset"),
    *("insightrulesetting", "pricechange"),
]


@pytest.fixture
def staff_client(client, db):
    client.force_login(get_user_model().objects.create_superuser("staff@example.com", PASSWORD))
    return client


@pytest.mark.parametrize("name", MODELS)
def test_a_list_opens_searches_and_lets_nobody_type_over_it(staff_client, gpu, name):
    PerformanceMetricFactory(gpu_configuration=gpu)
    address = reverse(f"admin:portfolios_{name}_changelist")
    with CaptureQueriesContext(connection) as queries:
        assert staff_client.get(address, {"q": "Garage"}).status_code == 200
    assert not [q for q in queries if "COUNT(*)" in q["sql"] and "performance_metrics" in q["sql"]]
    assert len(queries) <= 15
    assert staff_client.get(reverse(f"admin:portfolios_{name}_add")).status_code == 403


def test_staff_read_every_entity():
    """R-067: what a host enters or is told can be looked at."""
    assert set(apps.get_app_config("portfolios").get_models()) <= set(admin.site._registry)


def test_staff_archive_and_activate_through_the_services(staff_client, portfolio, gpu):
    address = reverse("admin:portfolios_portfolio_changelist")
    for action, state in (("archive", "archived"), ("activate", "active")):
        staff_client.post(address, {"action": action, "_selected_action": [portfolio.pk]})
        assert Portfolio.objects.get(pk=portfolio.pk).state == state


def test_staff_cannot_activate_a_portfolio_without_gpus(staff_client, portfolio):
    """R-011"""
    Portfolio.objects.filter(pk=portfolio.pk).update(state="setup", is_active=False)
    data = {"action": "activate", "_selected_action": [portfolio.pk]}
    page = staff_client.post(reverse("admin:portfolios_portfolio_changelist"), data, follow=True)
    assert "becomes active with its first GPU" in page.content.decode()
    assert Portfolio.objects.get(pk=portfolio.pk).state == "setup"


def test_one_base_serves_the_read_only_lists_of_fleets_and_market():
    read_only = {model for model, shown in admin.site._registry.items() if isinstance(shown, ReadOnlyAdmin)}
    assert {apps.get_model("portfolios", name) for name in MODELS} <= read_only
    assert {MarketData, PricingSnapshot, UtilizationTrend, SourceRun} <= read_only
    assert ReadOnlyAdmin.paginator is UncountedPaginator


def test_a_list_counts_no_further_than_anybody_pages(gpu, monkeypatch):
    monkeypatch.setattr("gpuadvisor.core.admin.COUNTED_ROWS", 2)
    for day in range(1, 4):
        PerformanceMetricFactory(gpu_configuration=gpu, metric_date=date(2026, 11, day))
    assert UncountedPaginator(PerformanceMetric.objects.newest_first(), 1).count == 2
