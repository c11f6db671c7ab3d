"""A day from its samples, and whether samples or a statement speak for each figure (docs/economics.md)."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from portfolios import services, settling, statements
from portfolios.ingest.days import sampled_days
from portfolios.models import MetricSample, PerformanceMetric
from portfolios.settling import Sample, Statement, fold, settle

D = Decimal
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
DAY = date(2026, 11, 22)


def quarters(number, start=0, **figures):
    told = {"is_online": True, "listed_gpus": 4, "rented_gpus": 3, "hourly_rate": D("0.40"), "gpu_revenue": D("0.30")}
    return [Sample(MIDNIGHT + timedelta(minutes=15 * (start + n)), **(told | figures)) for n in range(number)]


def stated(source="typed", **figures):
    return Statement(source, figures)


def columns(statement, samples, quantity=4):
    return settle(statement, fold(samples), quantity).columns


def test_a_full_day_of_samples():
    """R-016: the daily row is derived, with hours observed of 24."""
    day = columns(None, quarters(96, watts=D(250), storage_revenue=D("0.001")))
    assert (day["available_gpu_hours"], day["rented_gpu_hours"]) == (D(96), D(72))
    assert day["utilization_percentage"] == D("75.00")
    assert (day["hourly_rate"], day["gpu_revenue"], day["storage_revenue"]) == (D("0.40"), D("28.80"), D("0.10"))
    assert day["daily_revenue"] == D("28.90")
    assert day["bandwidth_revenue"] is day["bonus_revenue"] is None
    assert (day["uptime_hours"], day["hours_observed"], day["energy_kwh"]) == (24, D(24), D(24))
    assert day["observed_by_hour"] == [D(1)] * 24
    assert day["rented_by_hour"] == [D(3)] * 24
    assert day["kwh_by_hour"] == [D(1)] * 24


def test_what_is_absent_is_not_zero():
    """Hours without samples are not observed; a figure that no sample tells is unknown."""
    day = columns(None, quarters(8, start=4, hourly_rate=None, gpu_revenue=None))
    assert day["hours_observed"] == D(2)
    assert day["observed_by_hour"][:4] == [0, 1, 1, 0]
    assert day["rented_by_hour"][:4] == [None, 3, 3, None]
    assert day["daily_revenue"] is day["hourly_rate"] is day["energy_kwh"] is day["kwh_by_hour"] is None
    assert day["uptime_hours"] == 2


def test_a_quarter_that_tells_half_of_it_counts_for_neither():
    """Rented GPUs unknown: not offered-and-idle."""
    day = columns(None, quarters(2) + quarters(2, start=2, rented_gpus=None))
    assert (day["available_gpu_hours"], day["rented_gpu_hours"]) == (D(2), D("1.50"))
    assert day["rented_by_hour"][0] is None


def test_offline_offers_nothing():
    day = columns(None, quarters(48) + quarters(48, start=48, is_online=False, listed_gpus=None, rented_gpus=None))
    assert (day["available_gpu_hours"], day["utilization_percentage"]) == (D(48), D(75))
    assert (day["uptime_hours"], day["hours_observed"]) == (12, D(24))
    idle = columns(None, quarters(96, is_online=False))
    assert (idle["available_gpu_hours"], idle["utilization_percentage"]) == (0, None)


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (quarters(2, hourly_rate=D("0.40")) + quarters(1, start=2, rented_gpus=1, hourly_rate=D("0.80")), D("0.4571")),
        (quarters(1, rented_gpus=0) + quarters(1, start=1, rented_gpus=0, hourly_rate=D("0.50")), D("0.4500")),
    ],
    ids=["weighed by rented GPUs", "else the mean listed rate"],
)
def test_the_rate_of_a_day(samples, rate):
    assert columns(None, samples)["hourly_rate"] == rate


def test_watts_missing_in_an_observed_quarter_leave_the_hour_unmeasured():
    day = columns(None, quarters(4, watts=D(250)) + quarters(3, start=4, watts=D(250)) + quarters(1, start=7))
    assert day["kwh_by_hour"][:3] == [D(1), None, None]
    assert day["energy_kwh"] == D("1.75")


@pytest.mark.parametrize(("quarters_told", "revenue", "source"), [(48, D("14.40"), "samples"), (47, D(20), "typed")])
def test_samples_speak_from_half_a_day_on(quarters_told, revenue, source):
    """Samples of 48 quarters outweigh a statement, those of 47 do not."""
    day = settle(stated(daily_revenue=D(20)), fold(quarters(quarters_told)), 4)
    assert (day.columns["daily_revenue"], day.conflicts) == (
        revenue,
        ("daily_revenue",) if quarters_told == 48 else (),
    )
    assert (day.source == "samples") == (source == "samples") or quarters_told == 47
    assert (day.columns["observed_by_hour"] is None) == (quarters_told == 47)


def test_each_figure_has_its_own_speaker():
    """Samples without revenue leave the revenue to the statement."""
    day = settle(
        stated(daily_revenue=D(20), bonus_revenue=D(1), utilization_percentage=D(10), uptime_hours=24),
        fold(quarters(96, gpu_revenue=None)),
        4,
    )
    assert day.columns["daily_revenue"] == D(20)
    assert day.columns["utilization_percentage"] == D(75)
    assert day.columns["bonus_revenue"] == 1
    assert day.conflicts == ("utilization_percentage",)


def test_few_samples_do_not_stand_in_for_a_stated_day():
    """Sums of two hours beside the utilization of a day would make a wrong yield: unknown instead."""
    day = columns(stated("csv", utilization_percentage=D(50)), quarters(8, hourly_rate=D("0.42")))
    assert day["daily_revenue"] is None
    assert (day["hourly_rate"], day["available_gpu_hours"], day["rented_gpu_hours"]) == (D("0.42"), D(96), D(48))
    assert day["hours_observed"] is None


def test_few_samples_speak_where_nothing_else_does():
    day = columns(None, quarters(8))
    assert (day["daily_revenue"], day["hours_observed"], day["available_gpu_hours"]) == (D("2.40"), D(2), D(8))


@pytest.mark.parametrize(
    ("figures", "available", "rented"),
    [
        ({"utilization_percentage": D(50), "uptime_hours": 20}, D(80), D(40)),
        ({"utilization_percentage": D(50)}, D(96), D(48)),
        ({"daily_revenue": D(5)}, D(96), None),
    ],
    ids=["by its uptime", "24 hours where unknown", "share unknown"],
)
def test_the_gpu_hours_of_a_stated_day(figures, available, rented):
    day = columns(stated(**figures), [])
    assert (day["available_gpu_hours"], day["rented_gpu_hours"]) == (available, rented)
    assert day["hours_observed"] is day["observed_by_hour"] is day["rented_by_hour"] is None


@pytest.mark.parametrize(
    ("one", "other", "is_conflict"),
    [
        (D("10.00"), D("10.20"), False),
        (D("10.00"), D("10.21"), True),
        (D("0.10"), D("0.11"), False),
        (D("0.10"), D("0.12"), True),
        (0, 0, False),
        (D(0), D("0.02"), True),
        (24, 23, True),
    ],
)
def test_what_differs(one, other, is_conflict):
    """By more than 2 % and more than 0.01."""
    assert settling.differ(one, other) is settling.differ(other, one) is is_conflict


def test_a_later_statement_replaces_figure_by_figure():
    first = Statement("csv", {"daily_revenue": D(20), "gpu_revenue": D(19), "hourly_rate": D("0.4")})
    kept = first.updated({"hourly_rate": D("0.5"), "uptime_hours": None}, "api")
    assert kept.figures == {"daily_revenue": D(20), "gpu_revenue": D(19), "hourly_rate": D("0.5")}
    assert kept.source == "api"
    whole = first.updated({"daily_revenue": D(21)}, "typed")
    assert whole.figures == {"daily_revenue": D(21), "hourly_rate": D("0.4")}, "its old parts are gone with it"


def store(gpu, samples):
    MetricSample.objects.bulk_create(
        MetricSample(
            gpu_configuration=gpu,
            platform="vast",
            source="api",
            **{name: getattr(one, name) for name in Sample.__dataclass_fields__},
        )
        for one in samples
    )


def some_samples(luck):
    """A day as it may come: gaps, parts unknown, traits that change."""
    found = []
    for n in sorted(luck.sample(range(96), luck.randint(1, 96))):
        listed = luck.choice([None, 4, 4, 4])
        found.append(
            Sample(
                MIDNIGHT + timedelta(minutes=15 * n),
                is_online=luck.choice([True, True, True, False, None]),
                listed_gpus=listed,
                rented_gpus=luck.choice([None, 0, 2, 4]),
                hourly_rate=luck.choice([None, D("0.4"), D("0.4567")]),
                gpu_revenue=luck.choice([None, D("0.123456")]),
                storage_revenue=luck.choice([None, None, D("0.01")]),
                bandwidth_revenue=luck.choice([None, D("0.002")]),
                watts=luck.choice([None, D("310.5"), D("310.5"), D("310.5")]),
                order_type=luck.choice(["on_demand", "interruptible"]),
                currency=luck.choice(["USD", "USD", "EUR"]),
                is_after_fee=luck.choice([False, True]),
            )
        )
    return found


@pytest.mark.parametrize("seed", range(12))
def test_postgresql_sums_as_the_pure_function_does(gpu, seed):
    samples = some_samples(random.Random(seed))
    store(gpu, samples)
    key = (gpu.pk, "vast", DAY)
    other = (gpu.pk, "vast", DAY - timedelta(days=1))
    found = sampled_days([key, other])
    assert found.keys() == {key}
    assert settle(None, found[key], 4) == settle(None, fold(samples), 4)
    assert found[key] == fold(samples)


def test_days_of_many_configurations_cost_one_query(gpu, django_assert_num_queries):
    store(gpu, quarters(96))
    keys = [(gpu.pk, "vast", DAY - timedelta(days=n)) for n in range(300)]
    with django_assert_num_queries(1):
        sampled_days(keys)


def typed(gpu, **figures):
    told = {"utilization_percentage": None, "hourly_rate": None, "daily_revenue": None, "uptime_hours": None}
    return services.record_metric(gpu=gpu, platform="vast", day=DAY, figures=told | figures)


def test_a_day_typed_over_its_samples_keeps_both(gpu):
    """The samples speak, the statement is kept, what differs is named; deleting the statement leaves the samples."""
    store(gpu, quarters(96, listed_gpus=2, rented_gpus=1))
    metric, outcome = typed(gpu, daily_revenue=D("40.00"), uptime_hours=24)
    assert outcome == "new"
    metric.refresh_from_db()
    assert metric.daily_revenue == D("28.80")
    assert metric.detailed_metrics["source"] == "samples"
    assert metric.detailed_metrics["stated"]["daily_revenue"] == "40.00"
    assert metric.detailed_metrics["conflicts"] == ["daily_revenue"]
    assert statements.conflict_words(metric) == ["Revenue: $28.80 by samples, $40.00 typed in."]
    assert typed(gpu, daily_revenue=D("40.00"))[1] == "unchanged"
    assert typed(gpu, hourly_rate=D("0.40"))[1] == "changed"
    services.edit_metric(
        metric=metric,
        figures={
            "utilization_percentage": None,
            "hourly_rate": None,
            "daily_revenue": D("28.80"),
            "uptime_hours": None,
        },
    )
    metric.refresh_from_db()
    assert "conflicts" not in metric.detailed_metrics
    assert statements.conflict_words(metric) == []
    services.delete_metric(metric=metric)
    metric.refresh_from_db()
    assert (metric.daily_revenue, "stated" in metric.detailed_metrics) == (D("28.80"), False)
    MetricSample.objects.all().delete()
    services.delete_metric(metric=metric)
    assert not PerformanceMetric.objects.exists()


def test_a_typed_day_has_gpu_hours(gpu):
    metric, _outcome = typed(gpu, utilization_percentage=D(50), uptime_hours=12)
    assert (metric.available_gpu_hours, metric.rented_gpu_hours, metric.hours_observed) == (D(24), D(12), None)
