"""Daily results typed in: R-016 and rows 23-30 of section f."""

from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.urls import reverse
from django.utils.html import strip_tags

from gpuadvisor.core import clock, formats
from gpuadvisor.core.errors import DomainError
from portfolios import services
from portfolios.imports.cells import first_day
from portfolios.models import PerformanceMetric
from tests.factories import GPUConfigurationFactory, PerformanceMetricFactory

FIGURES = {"utilization_percentage": "87.5", "hourly_rate": "0.4125", "daily_revenue": "17.64", "uptime_hours": "24"}


def url(name, **kwargs):
    return reverse(f"portfolios:{name}", kwargs=kwargs or None)


def add(client, gpu, **data):
    today = clock.today().isoformat()
    return client.post(url("metric-add", pk=gpu.pk), {"platform": "vast", "metric_date": today, **FIGURES, **data})


def test_a_result_is_stored_and_shown(host_client, gpu):
    assert add(host_client, gpu).status_code == 302
    metric = gpu.metrics.get()
    assert (metric.utilization_percentage, metric.hourly_rate) == (Decimal("87.5"), Decimal("0.4125"))
    assert (metric.daily_revenue, metric.uptime_hours, metric.platform) == (Decimal("17.64"), 24, "vast")
    page = host_client.get(url("gpu", pk=gpu.pk)).content.decode()
    for text in ("87.5%", "$0.4125/GPU-h", "$17.64"):
        assert text in page
    gpu.portfolio.refresh_from_db()
    assert gpu.portfolio.estimated_monthly_revenue == Decimal("529.20")


def test_the_gpu_page_teaches_while_there_are_no_results(host_client, gpu):
    page = host_client.get(url("gpu", pk=gpu.pk)).content.decode()
    assert "No daily results yet" in page
    assert "board power of 450 W" in page


def test_the_figures_of_the_gpu_page_say_their_days_and_their_time(host_client, gpu):
    today = clock.today()
    window = f"{formats.moment(today - timedelta(days=6))} to {formats.moment(today)} (UTC days)"

    def shown():
        return " ".join(strip_tags(host_client.get(url("gpu", pk=gpu.pk)).content.decode()).split())

    assert window in shown()
    assert "as of" not in shown()
    add(host_client, gpu)
    assert f"{window} · as of just now" in shown()


def test_typing_the_same_day_again_edits_it_and_says_so(host_client, gpu):
    add(host_client, gpu)
    response = add(host_client, gpu, daily_revenue="20", utilization_percentage="", hourly_rate="", uptime_hours="")
    metric = gpu.metrics.get()
    assert (metric.daily_revenue, metric.utilization_percentage) == (Decimal(20), Decimal("87.5"))
    page = host_client.get(response.url).content.decode()
    assert "it now has the figures that you typed" in page


def test_editing_can_make_a_figure_unknown_but_not_move_the_day(host_client, gpu):
    add(host_client, gpu)
    metric = gpu.metrics.get()
    data = {"platform": "x", "metric_date": "2001-01-01", "daily_revenue": "5"}
    assert host_client.post(url("metric-edit", pk=metric.pk), data).status_code == 302
    stored = gpu.metrics.get()
    assert (stored.metric_date, stored.platform) == (metric.metric_date, "vast")
    assert (stored.daily_revenue, stored.hourly_rate) == (Decimal(5), None)


def test_deleting_asks_first_and_takes_one_day_alone(host_client, gpu):
    add(host_client, gpu)
    PerformanceMetricFactory(gpu_configuration=gpu, metric_date=clock.today() - timedelta(days=1))
    metric = gpu.metrics.get(metric_date=clock.today())
    assert "gone for good" in host_client.get(url("metric-delete", pk=metric.pk)).content.decode()
    assert gpu.metrics.count() == 2
    assert host_client.post(url("metric-delete", pk=metric.pk)).status_code == 302
    assert [m.metric_date for m in gpu.metrics.all()] == [clock.today() - timedelta(days=1)]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("utilization_percentage", "100.01", "Enter a number between 0 and 100"),
        ("utilization_percentage", "-0.01", "Enter a number between 0 and 100"),
        ("utilization_percentage", "NaN", "Enter a number between 0 and 100"),
        ("hourly_rate", "10000.1", "Enter a number between 0 and 10,000 in plain digits, with up to 4 decimals."),
        ("hourly_rate", "0.00001", "Enter a number between 0 and 10,000 in plain digits, with up to 4 decimals."),
        ("hourly_rate", "-0", "Enter a number between 0 and 10,000 in plain digits, with up to 4 decimals."),
        ("hourly_rate", "1e5", "Enter a number between 0 and 10,000 in plain digits, with up to 4 decimals."),
        ("hourly_rate", "1,5", "Write the decimals after a point"),
        ("hourly_rate", "1_000", "in plain digits"),
        ("daily_revenue", "100000001", "Enter a number between 0 and 100,000,000"),
        ("daily_revenue", "1.005", "with up to 2 decimals"),
        ("uptime_hours", "25", "Enter a whole number from 0 to 24."),
        ("uptime_hours", "23.5", "Enter a whole number from 0 to 24."),
        ("platform", "mars", "Select a valid choice."),
        ("platform", "", "This field is required."),
        ("metric_date", "2026-02-30", "This is not a date."),
        ("metric_date", "0000-01-01", "This is not a date."),
        ("metric_date", "10000-01-01", "This is not a date."),
        ("metric_date", "24.11.2026", "This is not a date."),
        ("metric_date", "", "This field is required."),
    ],
)
def test_a_figure_out_of_range_is_refused_at_its_field_and_kept(host_client, gpu, field, value, message):
    """f 9-30"""
    response = add(host_client, gpu, **{field: value})
    page = response.content.decode()
    assert response.status_code == 422
    assert message in page
    assert not value or value in page
    assert "17.64" in page or field == "daily_revenue"
    assert not gpu.metrics.exists()


def test_a_day_lies_within_two_years_back_and_today(host_client, gpu):
    """f 29-30: UTC days"""
    today = clock.today()
    first = first_day(today)
    for day, status in ((today + timedelta(days=1), 422), (first - timedelta(days=1), 422), (first, 302), (today, 302)):
        assert add(host_client, gpu, metric_date=day.isoformat()).status_code == status
    assert gpu.metrics.count() == 2


def test_two_years_before_a_leap_day_is_a_day():
    assert first_day(date(2028, 2, 29)) == date(2026, 2, 28)


def test_a_result_without_any_figure_is_refused(host_client, gpu):
    response = add(host_client, gpu, **dict.fromkeys(FIGURES, ""))
    assert response.status_code == 422
    assert "Enter at least one figure." in response.content.decode()


def test_the_table_is_paged_by_key(host_client, gpu):
    today = clock.today()
    PerformanceMetric.objects.bulk_create(
        PerformanceMetric(
            gpu_configuration=gpu, platform=platform, metric_date=today - timedelta(days=n), daily_revenue=1
        )
        for n in range(50)
        for platform in ("runpod", "vast")
    )
    address, seen = url("gpu", pk=gpu.pk), []
    while True:
        context = host_client.get(address).context
        seen += [(metric.metric_date, metric.platform) for metric, *_rest in context["rows"]]
        if not context["next_url"]:
            break
        address = url("gpu", pk=gpu.pk) + context["next_url"]
    assert len(seen) == len(set(seen)) == 100
    assert seen == sorted(seen, key=lambda key: (-key[0].toordinal(), key[1]))
    for after in ("x", "2026-02-30.vast", ".", "2026-11-01", "0001-01-01.a"):
        assert host_client.get(f"{url('gpu', pk=gpu.pk)}?after={after}").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_same_day_typed_twenty_times_at_once_is_one_row():
    gpu, start, outcomes = GPUConfigurationFactory(), Barrier(20), []

    def run():
        start.wait()
        try:
            outcomes.append(
                services.record_metric(
                    gpu=gpu, platform="vast", day=clock.today(), figures={"daily_revenue": Decimal(5)}
                )[1]
            )
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["new"] + ["unchanged"] * 19
    assert PerformanceMetric.objects.count() == 1


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["metric-edit", "metric-delete"])
def test_a_strangers_result_is_a_404_as_a_random_id_is(host_client, foreign_gpu, name, method):
    """promise 22"""
    metric = PerformanceMetricFactory(gpu_configuration=foreign_gpu)
    assert [getattr(host_client, method)(url(name, pk=pk)).status_code for pk in (metric.pk, uuid4())] == [404, 404]
    assert foreign_gpu.metrics.count() == 1


NEW = dict.fromkeys(("utilization_percentage", "hourly_rate", "uptime_hours")) | {"daily_revenue": Decimal(9)}


def test_an_edit_of_a_result_that_was_deleted_meanwhile_brings_nothing_back(gpu):
    metric = PerformanceMetricFactory(gpu_configuration=gpu)
    services.delete_metric(metric=metric)
    with pytest.raises(DomainError, match="deleted in the meantime"):
        services.edit_metric(metric=metric, figures=NEW)
    assert not gpu.metrics.exists()
    services.delete_metric(metric=metric)


@pytest.mark.parametrize("name", ["metric-edit", "metric-delete"])
def test_a_removed_gpus_results_stay_as_they_are(host_client, gpu, name):
    metric = PerformanceMetricFactory(gpu_configuration=gpu)
    services.remove_gpu(gpu=gpu)
    response = host_client.post(url(name, pk=metric.pk), {"daily_revenue": "9"})
    assert response.status_code == 422
    assert "its results stay as they are" in response.content.decode()
    assert gpu.metrics.get().daily_revenue == metric.daily_revenue
    assert url(name, pk=metric.pk) not in host_client.get(url("gpu", pk=gpu.pk)).content.decode()


def test_an_edit_keeps_what_another_has_written_beside_the_figures(gpu):
    metric = PerformanceMetricFactory(gpu_configuration=gpu)
    gpu.metrics.update(detailed_metrics={"source": "csv", "note": "kept"})
    services.edit_metric(metric=metric, figures=NEW)
    assert gpu.metrics.get().detailed_metrics == {"source": "typed", "note": "kept"}
    assert gpu.metrics.get().daily_revenue == 9


@pytest.mark.django_db(transaction=True)
def test_an_edit_waits_for_the_gpus_removal_and_then_knows_of_it(gpu):
    metric = PerformanceMetricFactory(gpu_configuration=gpu)
    refused = []

    def run():
        try:
            services.edit_metric(metric=metric, figures=NEW)
        except DomainError as error:
            refused.append(error.code)
        finally:
            connection.close()

    thread = Thread(target=run)
    with transaction.atomic():
        services.remove_gpu(gpu=gpu)
        thread.start()
        thread.join(0.5)
    thread.join()
    assert refused == ["removed"]
    assert gpu.metrics.get().daily_revenue == metric.daily_revenue
