"""The database mirrors the contract's diagram, column by column (R-001 to R-023)."""

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import CheckConstraint

from tests.test_migrations import OURS

DIAGRAM = Path(settings.BASE_DIR) / "docs" / "erd.md"
CONTRACT = Path(settings.BASE_DIR).parent / "shared" / "design" / "data-models.md"
TABLES = {
    "User": "users",
    "Portfolio": "portfolios",
    "GPUConfiguration": "gpu_configurations",
    "GPUModel": "gpu_models",
    "PerformanceMetric": "performance_metrics",
    "MarketData": "market_data",
    "PricingSnapshot": "pricing_snapshots",
    "UtilizationTrend": "utilization_trends",
    "Conversation": "conversations",
    "Message": "messages",
    "Alert": "alerts",
    "AlertLog": "alert_logs",
    "Analytics": "analytics",
    "Insight": "insights",
    "Subscription": "subscriptions",
    "OptimizationSuggestion": "optimization_suggestions",
}
KINDS = {
    "uuid": {"uuid"},
    "string": {"character varying", "text"},
    "text": {"text"},
    "enum": {"character varying"},
    "jsonb": {"jsonb"},
    "decimal": {"numeric"},
    "integer": {"integer", "smallint", "bigint"},
    "boolean": {"boolean"},
    "timestamp": {"timestamp with time zone"},
    "date": {"date"},
}
ENUMS = {
    ("users", "subscription_tier"): {"free", "individual", "professional", "enterprise"},
    ("messages", "role"): {"system", "user", "assistant", "tool"},
    ("alerts", "alert_type"): {"utilization_drop", "pricing_change", "optimization_opportunity"},
    ("alert_logs", "delivery_status"): {"pending", "delivered", "failed", "suppressed"},
    ("insights", "priority_level"): {"low", "medium", "high", "critical"},
    ("subscriptions", "tier"): {"free", "individual", "professional", "enterprise"},
    ("subscriptions", "status"): {
        *("incomplete", "incomplete_expired", "trialing", "active"),
        *("past_due", "canceled", "unpaid", "paused"),
    },
    ("optimization_suggestions", "confidence_level"): {"low", "medium", "high"},
}


def entities(text):
    """Each entity of a mermaid diagram with its columns: {"User": {"id": ("uuid", "PK"), …}}."""
    block = text[text.index("```mermaid") :]
    block = block[: block.index("```", 10)]
    found = {}
    for name, body in re.findall(r"^\s*(\w+) \{\n(.*?)\n\s*\}", block, re.MULTILINE | re.DOTALL):
        columns = (line.split() for line in body.splitlines())
        found[name] = {parts[1]: (parts[0], parts[2] if len(parts) > 2 else "") for parts in columns}
    return found


ERD = entities(DIAGRAM.read_text())
COLUMNS = [(entity, column, kind, key) for entity, columns in ERD.items() for column, (kind, key) in columns.items()]


def our_models():
    return [model for app in OURS for model in apps.get_app_config(app).get_models()]


def rows(sql, *args):
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        return cursor.fetchall()


def test_diagram_has_the_sixteen_entities():
    assert set(ERD) == set(TABLES)


def test_diagram_is_the_contract():
    if not CONTRACT.exists():
        pytest.skip("the contract does not lie beside this checkout")
    assert entities(CONTRACT.read_text()) == ERD


@pytest.mark.parametrize(("entity", "column", "kind", "key"), COLUMNS, ids=[f"{e}.{c}" for e, c, *_ in COLUMNS])
def test_column_is_in_the_database_with_its_type(db, entity, column, kind, key):
    found = dict(
        rows(
            "select column_name, data_type from information_schema.columns where table_name = %s"
            " and table_schema = current_schema()",
            TABLES[entity],
        )
    )
    assert found.get(column) in KINDS[kind], f"{TABLES[entity]}.{column} is {found.get(column)}"
    unique = {
        tuple(names)
        for (names,) in rows(
            "select array_agg(a.attname order by a.attname)::text[] from pg_index i"
            " join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)"
            " where i.indrelid = %s::regclass and i.indisunique and i.indpred is null group by i.indexrelid",
            TABLES[entity],
        )
    }
    if key == "UK":
        assert (column,) in unique
    if key == "PK":
        keys = {names for names in unique if column in names}
        assert keys, "no key holds the id"
    if key == "FK" and (entity, column) not in {
        ("PricingSnapshot", "market_data_id"),
        ("UtilizationTrend", "market_data_id"),
    }:
        constraints = rows(
            "select 1 from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any(c.conkey)"
            " where c.contype = 'f' and c.conrelid = %s::regclass and a.attname = %s",
            TABLES[entity],
            column,
        )
        assert constraints, f"{TABLES[entity]}.{column} has no foreign key"


@pytest.mark.parametrize(("table", "column"), ENUMS)
def test_enum_is_checked_by_the_database(db, table, column):
    checks = rows(
        "select pg_get_constraintdef(c.oid) from pg_constraint c where c.contype = 'c' and c.conrelid = %s::regclass",
        table,
    )
    values = [set(re.findall(r"'(\w+)'::character varying", check)) for (check,) in checks if f"(({column})" in check]
    assert ENUMS[table, column] in values


def test_every_enum_of_the_diagram_is_in_the_table_above():
    drawn = {(TABLES[entity], column) for entity, column, kind, _ in COLUMNS if kind == "enum"}
    assert drawn == set(ENUMS)


@pytest.mark.parametrize("table", ["performance_metrics", "market_data", "pricing_snapshots", "utilization_trends"])
def test_large_table_is_partitioned(db, table):
    """R-060; a class forgotten in a migration would silently make one whole table."""
    assert rows("select relkind from pg_class where oid = %s::regclass", table) == [("p",)]


@pytest.mark.parametrize("entity", sorted(TABLES))
def test_keys_are_uuid_version_7(entity):
    """R-023: in the order they were made."""
    model = next(model for model in apps.get_models() if model._meta.db_table == TABLES[entity])
    first, second = model._meta.pk.get_default(), model._meta.pk.get_default()
    assert (first.version, first < second) == (7, True)


def test_nan_never_enters_a_bounded_column(db):
    """A check of one side alone lets NaN in, and one NaN makes every average NaN."""
    unbounded = rows(
        "select c.table_name, c.column_name from information_schema.columns c"
        " where c.table_schema = current_schema() and c.data_type = 'numeric' and c.table_name = any(%s)"
        " and not exists (select 1 from pg_constraint k where k.contype = 'c' and k.conrelid = c.table_name::regclass"
        " and pg_get_constraintdef(k.oid) like '%%' || c.column_name || '%%<=%%')",
        [model._meta.db_table for model in our_models()],
    )
    assert unbounded == []


@pytest.mark.parametrize("model", our_models(), ids=lambda model: model.__name__)
def test_a_broken_check_says_what_is_wrong(model):
    """A form shows the constraint's sentence; Django's own names the constraint."""
    checks = [check for check in model._meta.constraints if isinstance(check, CheckConstraint)]
    plain = CheckConstraint.default_violation_error_message
    assert [check.name for check in checks if check.violation_error_message == plain] == []
