"""A model whose board power changes takes the fleets along: page, sums and cost never disagree (R-013)."""

from decimal import Decimal
from threading import Thread

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection, transaction
from django.urls import reverse

from market.models import GPUModel
from market.signals import gpu_models_changed
from portfolios import services
from portfolios.caching import dashboard_version
from portfolios.hardware import load_watts
from portfolios.models import GPUConfiguration
from tests.factories import GPUConfigurationFactory, GPUModelFactory, PortfolioFactory, UserFactory

D = Decimal


@pytest.fixture
def fleet(portfolio, model, vast):
    """Two GPUs as the catalog says, one limited, one measured, one removed, one of another model."""
    other = GPUModelFactory(name="RTX 3090", base_power_consumption=D(350))
    for details in ({}, {"power_limit_percentage": "33.3"}, {"measured_watts": "312.4"}):
        services.add_gpu(portfolio=portfolio, gpu_model=model, quantity=2, hardware_details=details)
    services.remove_gpu(gpu=services.add_gpu(portfolio=portfolio, gpu_model=model))
    services.add_gpu(portfolio=portfolio, gpu_model=other)
    return portfolio


def assert_in_line(portfolio):
    portfolio.refresh_from_db()
    gpus = GPUConfiguration.objects.filter(portfolio=portfolio).select_related("gpu_model")
    for gpu in gpus:
        assert gpu.power_consumption == load_watts(gpu.gpu_model.base_power_consumption, gpu.hardware_details)[0]
    total = sum(gpu.power_consumption * gpu.quantity for gpu in gpus if gpu.is_active)
    assert portfolio.total_power_consumption == total


def test_a_reload_of_the_catalog_takes_stored_watts_along(fleet, host, django_capture_on_commit_callbacks):
    GPUModel.objects.filter(name="RTX 4090").update(base_power_consumption=D("451.7"))
    services.follow_models(GPUModel.objects.values_list("pk", flat=True))
    assert_in_line(fleet)
    before, seen = fleet.total_power_consumption, dashboard_version(host.pk)
    with django_capture_on_commit_callbacks(execute=True):
        call_command("load_gpu_catalog", verbosity=0)
    assert GPUModel.objects.get(name="RTX 4090").base_power_consumption == 450
    assert_in_line(fleet)
    assert fleet.total_power_consumption < before
    assert dashboard_version(host.pk) != seen


def test_staff_change_a_model_and_the_host_sees_it(client, fleet, host, model, django_capture_on_commit_callbacks):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    seen = dashboard_version(host.pk)
    data = {
        "name": model.name,
        "slug": model.slug,
        "manufacturer": model.manufacturer,
        "memory_gb": model.memory_gb,
        "base_power_consumption": "500",
        "specifications": "{}",
        "aliases-TOTAL_FORMS": "0",
        "aliases-INITIAL_FORMS": "0",
    }
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(reverse("admin:market_gpumodel_change", args=[model.pk]), data).status_code == 302
    assert_in_line(fleet)
    assert fleet.gpus.get(hardware_details={}, gpu_model=model, is_active=True).power_consumption == 500
    assert dashboard_version(host.pk) != seen


def test_twenty_fleets_ask_as_many_statements_as_one(model, django_assert_max_num_queries):
    for _ in range(20):
        GPUConfigurationFactory(portfolio=PortfolioFactory(), gpu_model=model, power_consumption=D(1))
    with django_assert_max_num_queries(5):
        services.follow_models([model.pk])
    assert set(GPUConfiguration.objects.values_list("power_consumption", flat=True)) == {D(450)}


def test_a_sum_beyond_the_bound_refuses_nobodys_change(portfolio, model):
    GPUConfigurationFactory(portfolio=portfolio, gpu_model=model, quantity=10_000)
    GPUModel.objects.update(base_power_consumption=D(10_000))
    services.follow_models([model.pk])
    portfolio.refresh_from_db()
    assert portfolio.total_power_consumption == 10_000_000


@pytest.mark.django_db(transaction=True)
def test_a_gpu_added_while_its_model_changes_gets_the_new_watts(portfolio, model, vast):
    def run():
        try:
            services.add_gpu(portfolio=portfolio, gpu_model=model)
        finally:
            connection.close()

    thread = Thread(target=run)
    with transaction.atomic():
        GPUModel.objects.filter(pk=model.pk).update(base_power_consumption=D(500))
        thread.start()
        thread.join(0.5)
        gpu_models_changed.send(GPUModel, pks=[model.pk])
    thread.join()
    assert_in_line(portfolio)
    assert portfolio.gpus.get().power_consumption == 500


def test_a_version_that_the_cache_lost_is_not_one_of_before(host):
    versions = set()
    for _ in range(3):
        versions |= {dashboard_version(host.pk), dashboard_version(host.pk)}
        caches["pages"].delete(f"fleet-version:{host.pk}")
    assert len(versions) == 3
    assert all(versions)
