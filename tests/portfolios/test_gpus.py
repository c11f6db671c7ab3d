"""GPU configurations: R-012, R-013, R-014 and the sums that follow."""

from decimal import Decimal
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.urls import reverse

from billing.services import set_tier
from gpuadvisor.core.errors import DomainError
from market.models import Platform
from portfolios import services
from portfolios.hardware import load_watts
from portfolios.mappings import check_mappings, identifiers
from portfolios.models import GPUConfiguration, Portfolio
from tests.factories import (
    GPUConfigurationFactory,
    GPUModelFactory,
    PerformanceMetricFactory,
    PlatformFactory,
    PortfolioFactory,
    UserFactory,
)


def url(name, **kwargs):
    return reverse(f"portfolios:{name}", kwargs=kwargs or None)


def add(client, portfolio, **data):
    return client.post(url("gpu-add", pk=portfolio.pk), {"gpu_model": "RTX 4090", "quantity": "2", **data})


@pytest.mark.parametrize(
    ("details", "watts", "quality"),
    [
        ({}, "450.0", "estimated"),
        ({"power_limit_percentage": "75"}, "337.5", "estimated"),
        ({"power_limit_percentage": "33.3"}, "149.9", "estimated"),
        ({"measured_watts": "312.4"}, "312.4", "measured"),
        ({"measured_watts": "312.4", "power_limit_percentage": "75"}, "312.4", "measured"),
    ],
)
def test_power_is_what_was_measured_else_board_power_times_limit(details, watts, quality):
    """R-013"""
    assert load_watts(Decimal("450"), details) == (Decimal(watts), quality)


def test_the_first_gpu_activates_and_the_last_one_going_undoes_it(host_client, host, model, vast):
    """R-011"""
    portfolio = services.create_portfolio(user=host, name="Garage")
    response = add(host_client, portfolio, power_limit_percentage="80", custom_name="Rack 1")
    assert response.status_code == 302
    portfolio.refresh_from_db()
    gpu = portfolio.gpus.get()
    assert (portfolio.state, portfolio.is_active, portfolio.total_power_consumption) == ("active", True, Decimal("720"))
    assert (gpu.power_consumption, gpu.quantity, gpu.custom_name) == (Decimal("360"), 2, "Rack 1")
    asked = host_client.get(url("gpu-remove", pk=gpu.pk)).content.decode()
    assert "goes back to being set up" in asked
    host_client.post(url("gpu-remove", pk=gpu.pk))
    portfolio.refresh_from_db()
    assert (portfolio.state, portfolio.is_active, portfolio.total_power_consumption) == ("setup", False, Decimal(0))


def test_a_removed_gpu_keeps_its_results_and_its_page(host_client, gpu):
    PerformanceMetricFactory(gpu_configuration=gpu)
    host_client.post(url("gpu-remove", pk=gpu.pk))
    gpu.refresh_from_db()
    assert (gpu.is_active, gpu.metrics.count()) == (False, 1)
    page = host_client.get(url("gpu", pk=gpu.pk)).content.decode()
    assert "Its daily results are kept" in page
    response = host_client.post(
        url("metric-add", pk=gpu.pk), {"platform": "vast", "metric_date": "2026-11-20", "daily_revenue": "1"}
    )
    assert response.status_code == 422


def test_sending_a_form_twice_adds_one_gpu(host_client, portfolio, model, vast):
    """f 81"""
    form = host_client.get(url("gpu-add", pk=portfolio.pk)).context["form"]
    for _ in range(2):
        assert add(host_client, portfolio, once=form["once"].value()).status_code == 302
    assert portfolio.gpus.count() == 1


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "99999999999", "two", "1_000", "１", "", "NaN", "1e3"])
def test_a_quantity_is_a_whole_number_from_1_to_10_000(host_client, portfolio, model, vast, quantity):
    """f 18-22"""
    response = add(host_client, portfolio, quantity=quantity, custom_name="kept")
    page = response.content.decode()
    assert response.status_code == 422
    assert ("This field is required." if not quantity else "Enter a whole number from 1 to 10,000.") in page
    assert "kept" in page
    assert not portfolio.gpus.exists()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("power_limit_percentage", "9", "between 10 and 150"),
        ("power_limit_percentage", "151", "between 10 and 150"),
        ("measured_watts", "0", "between 1 and 10,000"),
        ("measured_watts", "NaN", "between 1 and 10,000"),
        ("idle_watts", "451", "More than it draws under load (450 W)."),
        ("core_offset_mhz", "1001", "Enter a whole number from -1,000 to 1,000."),
        ("memory_offset_mhz", "1.5", "Enter a whole number from -5,000 to 5,000."),
        ("price_per_kwh", "10.5", "between 0 and 10"),
        ("cooling", "fire", "Select a valid choice."),
        ("custom_name", "a\u202eb", "characters that are not allowed"),
        ("gpu_model", "RTX 9999", "The catalog knows no GPU of this name."),
        ("gpu_model", "4090", "RTX 4090"),
        ("gpu_model", "", "This field is required."),
        ("map-vast-machine_id", "abc", "This is not a Machine ID of Vast.ai. The number on the Machines page."),
    ],
)
def test_what_cannot_be_true_of_a_gpu_is_refused_at_its_field(
    host_client, portfolio, model, vast, field, value, message
):
    response = add(host_client, portfolio, **{field: value})
    assert response.status_code == 422
    assert message in response.content.decode()
    assert not portfolio.gpus.exists()


@pytest.mark.parametrize("text", ["RTX 4090", "rtx4090", " RTX-4090 "])
def test_a_model_is_found_whatever_its_spaces_and_case(host_client, portfolio, model, vast, text):
    assert add(host_client, portfolio, gpu_model=text).status_code == 302


def test_negative_offsets_and_every_detail_are_stored_as_typed_and_come_back(host_client, portfolio, model, vast):
    details = {
        "power_limit_percentage": "75",
        "measured_watts": "300.5",
        "idle_watts": "22",
        "core_offset_mhz": "-150",
        "memory_offset_mhz": "500",
        "cooling": "water",
    }
    assert (
        add(host_client, portfolio, **details, price_per_kwh="0.0950", **{"map-vast-machine_id": "38941"}).status_code
        == 302
    )
    gpu = portfolio.gpus.get()
    assert gpu.hardware_details == details
    assert gpu.cost_profile.price_per_kwh == Decimal("0.0950")
    assert gpu.platform_mappings == {"vast": {"machine_id": "38941"}}
    gpu.full_clean()
    form = host_client.get(url("gpu-edit", pk=gpu.pk)).context["form"]
    assert form["core_offset_mhz"].value() == "-150"
    assert form["map-vast-machine_id"].value() == "38941"
    page = host_client.get(url("gpu", pk=gpu.pk)).content.decode()
    for text in ("measured by you", "38941", "Water", "$0.0950/kWh", "-150 MHz"):
        assert text in page


def test_mappings_know_their_platforms_and_the_form_of_each_identifier(vast):
    """R-014"""
    PlatformFactory(slug="old", name="Old", status=Platform.Status.CLOSED, mapping_schema=vast.mapping_schema)
    known = identifiers(Platform.objects.hostable())
    assert [(entry.platform, entry.key) for entry in known] == [("vast", "machine_id")]
    check_mappings({"vast": {"machine_id": "12"}}, known)
    for bad in ({"old": {"machine_id": "12"}}, {"vast": {"x": "1"}}, {"vast": "12"}, {"vast": {"machine_id": 12}}, []):
        with pytest.raises(ValidationError):
            check_mappings(bad, known)
    with pytest.raises(ValidationError, match="not a Machine ID"):
        check_mappings({"vast": {"machine_id": "12\n"}}, known)


@pytest.mark.parametrize(
    ("mappings", "words"),
    [
        ({"nowhere": {"machine_id": "12"}}, "Unknown platform"),
        ({"vast": {"serial": "12"}}, "Unknown entry"),
        ({"vast": {"machine_id": "twelve"}}, "not a Machine ID"),
        ({"vast": "12"}, "Unknown platform"),
        ([1], "named entries"),
    ],
)
def test_the_service_itself_refuses_an_unfit_mapping(portfolio, model, gpu, vast, mappings, words):
    """R-014: whoever calls it, not only the form."""
    with pytest.raises(DomainError, match=words):
        services.add_gpu(portfolio=portfolio, gpu_model=model, platform_mappings=mappings)
    entries = {"gpu_model": model, "quantity": 1, "custom_name": "", "hardware_details": {}}
    with pytest.raises(DomainError, match=words):
        services.edit_gpu(gpu=gpu, **entries, platform_mappings=mappings)
    assert list(GPUConfiguration.objects.exclude(platform_mappings={})) == []


def test_a_mapping_stays_after_its_platform_closed(gpu, vast):
    Platform.objects.update(status=Platform.Status.CLOSED)
    entries = {"gpu_model": gpu.gpu_model, "quantity": 1, "custom_name": "", "hardware_details": {}}
    mappings = {"vast": {"machine_id": "12"}}
    assert services.edit_gpu(gpu=gpu, **entries, platform_mappings=mappings).platform_mappings == mappings


def test_moving_takes_the_watts_and_the_results_along(host_client, host, gpu, portfolio):
    set_tier(host, "individual")
    PerformanceMetricFactory(gpu_configuration=gpu)
    other = services.create_portfolio(user=host, name="Cellar")
    response = host_client.post(url("gpu-move", pk=gpu.pk), {"portfolio": other.pk})
    assert response.status_code == 302
    portfolio.refresh_from_db()
    other.refresh_from_db()
    assert (portfolio.state, portfolio.total_power_consumption) == ("setup", Decimal(0))
    assert (other.state, other.total_power_consumption) == ("active", Decimal(900))
    assert other.gpus.get().metrics.count() == 1


def test_a_gpu_cannot_be_moved_to_a_stranger_or_into_the_archive(host_client, host, gpu, foreign_gpu):
    archived = PortfolioFactory(user=host, is_active=False, state="archived")
    answers = [
        host_client.post(url("gpu-move", pk=gpu.pk), {"portfolio": pk})
        for pk in (foreign_gpu.portfolio_id, archived.pk, uuid4(), "x", "")
    ]
    assert {answer.status_code for answer in answers} == {422}
    with pytest.raises(DomainError):
        services.move_gpu(gpu=gpu, to=archived)
    with pytest.raises(ValueError):
        services.move_gpu(gpu=gpu, to=foreign_gpu.portfolio)
    gpu.refresh_from_db()
    assert gpu.portfolio.user == host


def test_an_archived_portfolio_takes_no_gpu_and_no_change_of_one(host_client, host, model, vast):
    archived = PortfolioFactory(user=host, is_active=False, state="archived")
    response = add(host_client, archived)
    assert response.status_code == 422
    assert "restore it first" in response.content.decode()
    held = GPUConfigurationFactory(portfolio=archived, gpu_model=model)
    data = {"gpu_model": "RTX 4090", "quantity": "3"}
    assert host_client.post(url("gpu-edit", pk=held.pk), data).status_code == 422


def test_more_watts_than_can_be_stored_are_refused_with_a_sentence(host_client, portfolio, model, vast):
    response = add(host_client, portfolio, quantity="10000", measured_watts="10000")
    assert response.status_code == 422
    assert "10 MW" in response.content.decode()
    assert not portfolio.gpus.exists()


def test_the_type_ahead_offers_at_most_twenty_models_and_the_facts_of_the_one_named(host_client, model):
    for n in range(30):
        GPUModelFactory(name=f"Card {n}")
    assert host_client.get(url("gpu-search"), {"gpu_model": "card"}).content.count(b"<option") == 20
    page = host_client.get(url("gpu-search"), {"gpu_model": "rtx 4090"}).content.decode()
    assert '<option value="RTX 4090">' in page
    assert "NVIDIA, 24 GB, board power 450\u00a0W" in page
    assert "no GPU of this name" in host_client.get(url("gpu-search"), {"gpu_model": "%_"}).content.decode()


def test_the_form_works_without_javascript(host_client, portfolio, model, vast):
    page = host_client.get(url("gpu-add", pk=portfolio.pk)).content.decode()
    assert 'list="gpu-models"' in page
    assert '<option value="RTX 4090">' in page


@pytest.mark.django_db(transaction=True)
def test_the_sum_of_watts_is_right_after_twenty_parallel_adds():
    portfolio, model = PortfolioFactory(user=UserFactory()), GPUModelFactory()
    start = Barrier(20)

    def run():
        start.wait()
        try:
            services.add_gpu(portfolio=portfolio, gpu_model=model)
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    portfolio.refresh_from_db()
    assert portfolio.total_power_consumption == Decimal(20 * 450)


@pytest.mark.django_db(transaction=True)
def test_two_gpus_that_cross_do_not_wait_for_each_other():
    user, model = UserFactory(subscription_tier="professional"), GPUModelFactory()
    a, b = PortfolioFactory(user=user), PortfolioFactory(user=user)
    gpus = [GPUConfigurationFactory(portfolio=p, gpu_model=model) for p in [a, b] * 5]
    start = Barrier(10)

    def run(gpu):
        start.wait()
        try:
            services.move_gpu(gpu=gpu, to=b if gpu.portfolio_id == a.pk else a)
        finally:
            connection.close()

    threads = [Thread(target=run, args=(gpu,)) for gpu in gpus]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {p.total_power_consumption for p in Portfolio.objects.all()} == {Decimal(5 * 2 * 450)}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["gpu", "gpu-edit", "gpu-move", "gpu-remove", "metric-add"])
def test_a_strangers_gpu_is_a_404_as_a_random_id_is(host_client, foreign_gpu, name, method):
    """promise 22"""
    answers = [getattr(host_client, method)(url(name, pk=pk)) for pk in (foreign_gpu.pk, uuid4())]
    assert [answer.status_code for answer in answers] == [405, 405] if (name, method) == ("gpu", "post") else [404, 404]
    assert GPUConfiguration.objects.get(pk=foreign_gpu.pk).is_active
