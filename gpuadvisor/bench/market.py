"""P4: the market comparison, cold and warm, and a reader while figures are made anew."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.urls import reverse

from market import cache
from market.models import GPUModel

from .data import database_url, use_database
from .measure import Row, milliseconds, p95, summary

DATABASE = "bench_market"
MODELS, QUARTERS = 60, 96
PLATFORMS = ("vast", "runpod", "salad", "clore", "akash", "lambda", "aws", "gcp")
REGIONS = ("global", "north-america", "europe", "asia", "US", "DE", "SE", "JP", "FR", "GB")
ROUNDS = 3
READINGS = 20
SLOW_SECONDS = 10.0
COMPARISON = (  # as the contract writes it
    "SELECT md.platform, md.average_price, md.min_price, md.max_price, md.average_utilization, md.active_instances"
    " FROM market_data md WHERE md.gpu_model = %s AND md.data_timestamp >= NOW() - INTERVAL '24 hours'"
    " ORDER BY md.average_price DESC"
)
FILL = """
insert into market_data (id, gpu_model, platform, region, average_price, min_price, max_price, median_price, p10_price,
                         p90_price, average_utilization, active_instances, gpu_count, offer_count, demand_indicators,
                         origin, data_timestamp, created_at)
select uuidv7(), m.name, p, r, x, x * 0.6, x * 2, x, x * 0.7, x * 1.4, 70, 70, 100, 20,
       jsonb_build_object('source', '500farm_machines', 'price_basis', 'ask', 'demand_score', 55), 'live',
       date_bin('15 minutes', now(), '2020-01-01Z') - q * interval '15 minutes', now()
from unnest(%(models)s::text[]) with ordinality m(name, n)
cross join unnest(%(platforms)s::text[]) p cross join unnest(%(regions)s::text[]) r
cross join generate_series(0, %(quarters)s - 1) q
cross join lateral (select round((0.2 + m.n * 0.05 + random() * 0.02)::numeric, 4) x) price
"""


def fill() -> list[str]:
    """Market rows of the last 24 hours, made by PostgreSQL; the models' slugs."""
    from django.core.management import call_command

    from gpuadvisor.core.partitions import ensure_standing_months

    call_command("migrate", verbosity=0)
    call_command("createcachetable")
    call_command("load_gpu_catalog", verbosity=0)
    ensure_standing_months()
    models = list(GPUModel.objects.order_by("name").values_list("name", "slug")[:MODELS])
    with connection.cursor() as cursor:
        cursor.execute("truncate market_data cascade")
        cursor.execute(
            FILL,
            {
                "models": [name for name, _slug in models],
                "platforms": list(PLATFORMS),
                "regions": list(REGIONS),
                "quarters": QUARTERS,
            },
        )
        cursor.execute("vacuum analyze market_data")
    return [slug for _name, slug in models]


def _forget() -> None:
    """Nothing kept is found any more, as after a restart of the cache."""
    server: Any = caches["pages"]
    client = server._cache.get_client(None, write=True)
    if keys := list(client.scan_iter(server.make_key("market:*"), count=1000)):
        client.delete(*keys)


def _open(client: Client, slug: str) -> None:
    response = client.get(reverse("market:gpu", args=[slug]), secure=True)
    if response.status_code != 200:
        raise RuntimeError(f"the page of {slug} answered {response.status_code}")


def comparison() -> list[Row]:
    """The page of one model, which compares every platform and region, against the contract's own query."""
    import gpuadvisor.wsgi  # noqa: F401 (tunes the collector as in the web process)

    use_database(DATABASE)
    slugs = fill()
    names = dict(GPUModel.objects.values_list("slug", "name"))
    client = Client(HTTP_HOST="localhost")
    cold: list[float] = []
    warm: list[float] = []
    limit: list[float] = []
    with psycopg.connect(database_url(DATABASE), autocommit=True) as raw:
        for round_number in range(ROUNDS + 1):  # the first warms up
            for slug in slugs:
                _forget()
                times = (
                    milliseconds(lambda slug=slug: _open(client, slug)),  # type: ignore[misc]
                    milliseconds(lambda slug=slug: _open(client, slug)),  # type: ignore[misc]
                    milliseconds(lambda slug=slug: raw.execute(COMPARISON, [names[slug]]).fetchall()),  # type: ignore[misc]
                )
                if round_number:
                    for kept, took in zip((cold, warm, limit), times, strict=True):
                        kept.append(took)
    quiet, during = _while_made_anew(client)
    rows = MODELS * len(PLATFORMS) * len(REGIONS) * QUARTERS
    sizes = f"{rows:,} market rows of 24 hours, {rows // MODELS:,} of each model"
    ratio = p95(cold) / p95(limit)
    return [
        Row(
            "P4",
            "market comparison, cold",
            p95(cold),
            p95(limit),
            ratio,
            "ms p95",
            "≤ 8, p95 < 200 ms",
            ratio <= 8 and p95(cold) < 200,
            f"{sizes}; cold: {summary(cold)}; its SQL: {summary(limit)}",
        ),
        Row(
            "P4",
            "market comparison, warm",
            p95(warm),
            p95(limit),
            p95(warm) / p95(limit),
            "ms p95",
            "≤ 8",
            p95(warm) <= 8 * p95(limit),
            f"warm: {summary(warm)}",
        ),
        Row(
            "P4",
            "a reader while a refresh runs",
            max(during),
            SLOW_SECONDS * 1000,
            max(during) / SLOW_SECONDS / 1000,
            "ms at most",
            "< 0.5 of the refresh",
            max(during) < SLOW_SECONDS * 500,
            f"the overview; before: {summary(quiet)}; while its maker is held up for {SLOW_SECONDS:.0f} s:"
            f" {summary(during)}",
        ),
    ]


def _while_made_anew(client: Client) -> tuple[list[float], list[float]]:
    """Times of readers of the overview before, and while its maker is held up by a lock on the catalog."""
    address = reverse("market:index")

    def read() -> list[float]:
        return [milliseconds(lambda: client.get(address, secure=True)) for _ in range(READINGS)]

    read()
    quiet = read()
    began = threading.Event()

    def hold() -> None:
        with psycopg.connect(database_url(DATABASE)) as raw:
            raw.execute("lock table gpu_models in access exclusive mode")
            began.set()
            time.sleep(SLOW_SECONDS)

    cache.forget_market()
    blocker = threading.Thread(target=hold)
    blocker.start()
    began.wait()
    during = read()
    blocker.join()
    return quiet, during
