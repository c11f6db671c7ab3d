"""Months of partitioned tables: made ahead, made behind, dropped, never missing (R-060)."""

from datetime import UTC, date, datetime

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, migrations, models, transaction

from gpuadvisor.core import partitions
from market.models import MarketData
from portfolios.models import PerformanceMetric
from tests.factories import MarketDataFactory, PerformanceMetricFactory


@pytest.mark.parametrize(
    ("month", "number", "expected"),
    [
        (date(2026, 11, 1), 2, date(2027, 1, 1)),
        (date(2026, 1, 1), -1, date(2025, 12, 1)),
        (date(2026, 11, 1), -25, date(2024, 10, 1)),
        (date(2026, 11, 30), 0, date(2026, 11, 1)),
    ],
)
def test_add_months(month, number, expected):
    assert partitions.add_months(month, number) == expected


def test_all_large_tables_say_by_which_column_they_are_cut():
    assert {model.__name__: by for model, by in partitions.partitioned_models().items()} == {
        "PerformanceMetric": "metric_date",
        "MetricSample": "sampled_at",
        "MarketData": "data_timestamp",
        "PricingSnapshot": "snapshot_time",
        "UtilizationTrend": "trend_date",
        "MarketDaily": "day",
    }


def test_standing_months_are_25_back_and_3_ahead(db):
    partitions.ensure_standing_months(date(2026, 11, 24))
    for model in partitions.partitioned_models():
        months = partitions.existing_months(model)
        assert {date(2024, 10, 1), date(2027, 2, 1)} <= set(months)


def test_ensure_months_makes_only_what_is_missing(db):
    made = partitions.ensure_months(MarketData, date(2019, 12, 5), date(2020, 2, 1))
    assert made == [date(2019, 12, 1), date(2020, 1, 1), date(2020, 2, 1)]
    assert partitions.ensure_months(MarketData, date(2019, 12, 5), date(2020, 2, 1)) == []


def test_a_month_ends_at_midnight_utc_whatever_the_session_zone(db):
    with connection.cursor() as cursor:
        cursor.execute("set local timezone to 'Asia/Tokyo'")
    partitions.ensure_months(MarketData, date(2019, 1, 1), date(2019, 2, 1))
    row = MarketDataFactory(data_timestamp=datetime(2019, 1, 31, 23, 59, tzinfo=UTC))
    with connection.cursor() as cursor:
        cursor.execute("select tableoid::regclass::text from market_data where id = %s", [row.pk])
        assert cursor.fetchone() == ("market_data_201901",)


def test_a_row_without_its_month_is_refused(db):
    with pytest.raises(IntegrityError, match="no partition"), transaction.atomic():
        MarketDataFactory(data_timestamp=datetime(2001, 1, 1, tzinfo=UTC))


@pytest.mark.django_db(transaction=True)
def test_drop_month_takes_its_rows_and_no_other():
    partitions.ensure_months(PerformanceMetric, date(2018, 1, 1), date(2018, 2, 1))
    PerformanceMetricFactory(metric_date=date(2018, 1, 15))
    kept = PerformanceMetricFactory(metric_date=date(2018, 2, 15))
    assert partitions.drop_month(PerformanceMetric, date(2018, 1, 1)) is True
    assert list(PerformanceMetric.objects.values_list("pk", flat=True)) == [kept.pk]
    assert partitions.drop_month(PerformanceMetric, date(2018, 1, 1)) is False
    kept.delete()
    partitions.drop_month(PerformanceMetric, date(2018, 2, 1))


def test_a_reader_of_another_month_reads_one_partition(db):
    MarketDataFactory()
    with connection.cursor() as cursor:
        cursor.execute(
            "explain select * from market_data where data_timestamp >= '2026-11-02' and data_timestamp < '2026-11-09'"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert plan.count("market_data_2026") >= 1
    assert "market_data_202610" not in plan


def test_create_partitioned_stays_partitioned_when_squashed():
    operation = partitions.CreatePartitioned(
        name="Thing", fields=[("id", models.UUIDField(primary_key=True))], by="day"
    )
    _, _, kwargs = operation.deconstruct()
    assert kwargs["by"] == "day"
    assert operation.reduce(migrations.AddField("Thing", "name", models.TextField()), "core") is False


def test_no_model_lacks_its_migration(db):
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_analyze_gives_the_months_their_statistics(db):
    month = date(2026, 11, 1)
    partitions.ensure_months(MarketData, month, month)
    MarketDataFactory(data_timestamp=datetime(2026, 11, 20, 12, tzinfo=UTC))
    partitions.analyze()
    with connection.cursor() as cursor:
        cursor.execute("select reltuples from pg_class where relname = 'market_data_202611'")
        assert cursor.fetchone() == (1,)
