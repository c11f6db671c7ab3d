"""How long each table is kept stands in one place, and no table is forgotten (R-064, promise 18)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, models
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.models import JobRun
from gpuadvisor.core.partitions import partitioned_models
from gpuadvisor.operations.retention.policies import BATCHES, BY_NAME, JOBS, MONTHS, OURS, POLICIES, How, Period
from gpuadvisor.operations.schedule import BY_NAME as SCHEDULED

TODAY = date(2026, 11, 25)
DOCS = (settings.BASE_DIR / "docs" / "operations.md").read_text()


def with_a_time():
    """Every table with a column of time, but dj-stripe's copies of what Stripe has."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.proxy or not model._meta.managed or model._meta.app_label == "djstripe":
            continue
        if any(isinstance(column, models.DateField) for column in model._meta.local_fields):
            yield model


def test_every_table_with_a_time_is_classified():
    """A new table fails here until somebody says how long its rows are kept."""
    said = {policy.model_class for policy in POLICIES}
    assert [model._meta.label for model in with_a_time() if model not in said] == []


def test_every_table_by_month_drops_its_months():
    assert {policy.model_class: policy.moment for policy in MONTHS} == partitioned_models()


def test_names_are_unique_and_every_moment_is_a_column():
    assert len(BY_NAME) == len(POLICIES)
    for policy in POLICIES:
        if policy.moment and "." not in policy.moment:
            assert policy.model_class._meta.get_field(policy.moment), policy.name


@pytest.mark.parametrize("policy", JOBS, ids=lambda one: one.name)
def test_what_a_job_of_its_own_deletes_has_that_job(policy):
    assert policy.by in SCHEDULED


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("metrics", "2 years; months dropped"),
        ("samples", "2 years; months dropped"),
        ("market", "2 years; months dropped"),
        ("offers", "2 years; months dropped"),
        ("trends", "2 years; months dropped"),
        ("market-days", "5 years; months dropped"),
        ("conversations", "1 year (free), 2 years (individual), until deleted (professional, enterprise); in batches"),
        ("alert-logs", "90 days; in batches"),
        ("analytics", "3 years; by the job portfolios.clean-up"),
        ("messages", "with its conversation"),
        ("portfolios", "kept until deletion"),
    ],
)
def test_r_064_word_for_word(name, rule):
    assert BY_NAME[name].rule == rule


@pytest.mark.parametrize(
    ("period", "today", "first"),
    [
        (Period(years=2), TODAY, date(2024, 11, 25)),
        (Period(years=1), date(2028, 2, 29), date(2027, 2, 28)),
        (Period(years=4), date(2028, 2, 29), date(2024, 2, 29)),
        (Period(days=90), TODAY, date(2026, 8, 27)),
        (Period(years=2, days=1), TODAY, date(2024, 11, 24)),
    ],
)
def test_the_first_day_that_is_kept(period, today, first):
    assert period.before(today) == first


@pytest.mark.parametrize("policy", BATCHES, ids=lambda one: one.name)
def test_an_index_leads_to_what_is_past(db, policy):
    """Batches follow an index on the moment, else each would read the whole table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_get_indexdef(indexrelid, 1, true) from pg_index where indrelid = %s::regclass", [policy.table]
        )
        first = {row[0].lower() for row in cursor.fetchall()}
    assert policy.moment.replace("t.", "") in first


def test_what_purge_deletes_is_said_to_operators():
    for policy in OURS:
        line = next((line for line in DOCS.splitlines() if f"`{policy.table}`" in line and "|" in line), "")
        for period in (policy.by_plan or {"": policy.period}).values():
            assert str(period) in line, f"{policy.table}: docs/operations.md, How long it is kept"


@pytest.mark.parametrize("policy", [one for one in POLICIES if one.how is How.WITH], ids=lambda one: one.name)
def test_what_goes_with_another_row_hangs_on_one_that_goes(policy):
    parents = {column.related_model for column in policy.model_class._meta.concrete_fields if column.related_model}
    going = {one.model_class for one in POLICIES if one.how in (How.BATCHES, How.JOB, How.WITH)}
    assert parents & going


def test_staff_see_each_table_with_its_last_run(admin_client, django_assert_max_num_queries):
    """One query for all runs, whatever number of tables there is."""
    slot = datetime(2026, 11, 25, tzinfo=UTC)
    JobRun.objects.create(job="purge:metrics", slot=slot - timedelta(days=1), rows=1)
    JobRun.objects.create(job="purge:metrics", slot=slot, rows=4711, error="performance_metrics is held")
    JobRun.objects.create(job="market.clean-up", slot=slot, rows=0, finished_at=clock.now())
    with django_assert_max_num_queries(12):
        page = admin_client.get(reverse("admin:core_jobstate_retention")).content.decode()
    for policy in POLICIES:
        assert policy.table in page
    assert "4711" in page
    assert "performance_metrics is held" in page


def test_a_host_does_not_see_it(host_client):
    assert host_client.get(reverse("admin:core_jobstate_retention")).status_code in (302, 403, 404)
