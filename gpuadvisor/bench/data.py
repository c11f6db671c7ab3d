"""Databases full of hosts: made by PostgreSQL itself, month by month, ten million daily metrics in minutes."""

from __future__ import annotations

import os
from datetime import date, timedelta
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.core.management import call_command
from django.db import connection
from tqdm import tqdm

DAYS = 100
GPUS_PER_HOST = 10
MODELS = ("RTX 4090", "RTX 3090", "RTX A6000", "RTX 5090", "A100 SXM4 80GB")


def database_url(name: str) -> str:
    """The owner's address with another database name."""
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


def create_database(name: str) -> None:
    """Make the database where it is missing."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        if not server.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            server.execute(psycopg.sql.SQL("create database {}").format(psycopg.sql.Identifier(name)))


def use_database(name: str) -> None:
    """Let Django's connection of this thread speak to another database of the same server."""
    connection.close()
    connection.settings_dict["NAME"] = name


HOSTS = """
insert into users (id, email, password_hash, name, timezone, language, preferences, subscription_tier, created_at,
                   updated_at, email_verified, is_active, is_staff, is_superuser, is_demo, session_epoch)
select uuidv7(), 'bench' || n || '@example.com', '!', 'Bench ' || n, 'UTC', 'en-us', '{}', 'professional', now(), now(),
       true, true, false, false, false, 0
from generate_series(1, %(hosts)s) n;

insert into portfolios (id, user_id, name, description, configuration, total_power_consumption, created_at, updated_at,
                        is_active, state)
select uuidv7(), u.id, 'Rack ' || n, '', '{}', 4000, now(), now(), true, 'active'
from users u cross join generate_series(1, 2) n;

insert into cost_profiles (id, portfolio_id, currency, price_per_kwh, tariff_bands, timezone, created_at, updated_at)
select uuidv7(), id, 'USD', 0.15, '[]', '', now(), now() from portfolios;

insert into gpu_configurations (id, portfolio_id, gpu_model_id, custom_name, hardware_details, platform_mappings,
                                power_consumption, quantity, added_at, updated_at, is_active)
select uuidv7(), p.id, m.id, m.name || ' ' || n, '{"idle_watts": "20"}', '{}', 350, n, now() - interval '100 days',
       now(), true
from portfolios p cross join generate_series(1, %(half)s) n
join lateral (select id, name from gpu_models where name = (%(models)s::text[])[1 + n %% 5]) m on true;
"""

METRICS = """
insert into performance_metrics (id, gpu_configuration_id, platform, utilization_percentage, hourly_rate, daily_revenue,
                                 uptime_hours, detailed_metrics, metric_date, recorded_at, updated_at)
select uuidv7(), c.id, 'vast', u, 0.4, round(u * 0.096 * c.quantity, 2), 24, '{}', %(day)s, now(), now()
from (select id, quantity, round((60 + 40 * random())::numeric, 2) u from gpu_configurations) c
"""


def fill(rows: int, today: date) -> None:
    """Fill the present database with `rows` daily metrics of the last hundred days; skipped where they stand already.

    Triggers are off while it runs: ten million foreign keys need no check where the rows come from their own table.
    """
    call_command("migrate", verbosity=0)
    call_command("createcachetable")
    call_command("load_gpu_catalog", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("select max(metric_date) from performance_metrics")
        (last,) = cursor.fetchone()
        if last == today:
            return
        cursor.execute("truncate users, portfolios, gpu_configurations, performance_metrics cascade")
        cursor.execute("set session_replication_role = replica")
        hosts = rows // DAYS // GPUS_PER_HOST
        cursor.execute(HOSTS, {"hosts": hosts, "half": GPUS_PER_HOST // 2, "models": list(MODELS)})
        for back in tqdm(range(DAYS - 1, -1, -1), unit="day", desc=f"{rows:,} metrics", disable=None):
            cursor.execute(METRICS, {"day": today - timedelta(days=back)})
        cursor.execute("set session_replication_role = origin")
    for table in ("performance_metrics", "gpu_configurations", "portfolios", "users"):
        with connection.cursor() as cursor:
            cursor.execute(f"vacuum analyze {table}")
