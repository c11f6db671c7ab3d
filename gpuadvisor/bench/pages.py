"""P1 to P3, P5: the dashboard cold, growing and warm; analytics."""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.test import Client
from django.urls import reverse

from .data import MODELS, database_url, use_database
from .measure import Row, milliseconds, p95, summary

USERS = 40
ROUNDS = 9
LIMIT_QUERIES = (
    # the page's rows, as the contract writes it
    "SELECT p.id, p.name, p.estimated_monthly_revenue, gc.custom_name, gm.name as gpu_model, pm.utilization_percentage,"
    " pm.daily_revenue FROM portfolios p JOIN gpu_configurations gc ON p.id = gc.portfolio_id JOIN gpu_models gm ON"
    " gc.gpu_model_id = gm.id LEFT JOIN performance_metrics pm ON gc.id = pm.gpu_configuration_id AND pm.metric_date ="
    " CURRENT_DATE WHERE p.user_id = %(user)s AND p.is_active = true ORDER BY p.created_at DESC, gc.custom_name",
    # the chart and the sums with the thirty days before them, by day
    "SELECT pm.metric_date, sum(pm.daily_revenue), avg(pm.utilization_percentage) FROM performance_metrics pm"
    " JOIN gpu_configurations gc ON gc.id = pm.gpu_configuration_id JOIN portfolios p ON p.id = gc.portfolio_id"
    " WHERE p.user_id = %(user)s AND pm.metric_date > CURRENT_DATE - 60 GROUP BY 1",
)
MARKET_QUERY = (  # once for each GPU model of the page
    "SELECT md.platform, md.average_price, md.min_price, md.max_price, md.average_utilization, md.active_instances"
    " FROM market_data md WHERE md.gpu_model = %s AND md.data_timestamp >= NOW() - INTERVAL '24 hours'"
    " ORDER BY md.average_price DESC"
)


def _clients(database: str) -> list[tuple[Client, Any]]:
    use_database(database)
    users = get_user_model().objects.filter(email__startswith="bench").order_by("pk")[:USERS]
    found = []
    for user in users:
        client = Client(HTTP_HOST="localhost")
        client.force_login(user)
        found.append((client, user))
    return found


def _forget_pages() -> None:
    """Empty the cache of pages and market figures; marks that hold back writes (`seen:`) are no cache and stay."""
    cache: Any = caches["pages"]
    server = cache._cache.get_client(None, write=True)
    kept = [key for key in server.scan_iter(cache.make_key("*"), count=1000) if b":seen:" not in key]
    if kept:
        server.delete(*kept)


def _cold(clients: list[tuple[Client, Any]], turn: int) -> float:
    client, _ = clients[turn % len(clients)]
    _forget_pages()
    address = reverse("portfolios:dashboard") + "?period=30d"
    statuses = []
    took = milliseconds(lambda: statuses.append(client.get(address, secure=True).status_code))
    if statuses != [200]:
        raise RuntimeError(f"the dashboard answered {statuses}")
    return took


def _raw(raw: psycopg.Connection[Any], user: Any) -> float:
    def ask() -> None:
        for query in LIMIT_QUERIES:
            raw.execute(query, {"user": user}).fetchall()
        for model in MODELS:
            raw.execute(MARKET_QUERY, [model]).fetchall()

    return milliseconds(ask)


def cold_and_growth(small: str, large: str, sizes: str) -> list[Row]:
    """P1 on the large database, P2 as large ÷ small, measured in turn so that the machine's moods hit both alike."""
    import gpuadvisor.wsgi  # noqa: F401 (tunes the collector as in the web process)

    times: dict[str, list[float]] = {small: [], large: []}
    limit: list[float] = []
    clients = {name: _clients(name) for name in times}
    with psycopg.connect(database_url(large), autocommit=True) as raw:
        for round_number in range(ROUNDS + 1):  # the first warms up
            for name in times:
                use_database(name)
                found = [_cold(clients[name], turn) for turn in range(USERS)]
                times[name] += found if round_number else []
            found = [_raw(raw, user.pk) for _, user in clients[large]]
            limit += found if round_number else []
    ours = times[large]
    # The middle of the rounds' ratios: a moment in which the machine was busy elsewhere spoils one round alone.
    rounds = [slice(start, start + USERS) for start in range(0, len(ours), USERS)]
    ratio = statistics.median(p95(ours[part]) / p95(limit[part]) for part in rounds)
    growth = statistics.median(statistics.median(ours[part]) / statistics.median(times[small][part]) for part in rounds)
    return [
        Row(
            "P1",
            "dashboard, cold",
            p95(ours),
            p95(limit),
            ratio,
            "ms p95",
            "≤ 8, p95 < 100 ms",
            ratio <= 8 and p95(ours) < 100,
            f"{sizes}; ours: {summary(ours)}; its SQL: {summary(limit)}",
        ),
        Row(
            "P2",
            "growth of P1",
            statistics.median(ours),
            statistics.median(times[small]),
            growth,
            "ms",
            "≤ 1.2",
            growth <= 1.2,
            f"medians, {sizes}; small: {summary(times[small])}",
        ),
    ]


def analytics(database: str) -> Row:
    """P5: the analytics page of a host of whom nothing is kept: neither in a cache nor as stored analyses."""
    from portfolios.models import Analytics

    clients = _clients(database)
    use_database(database)
    address = reverse("portfolios:analytics") + "?period=30d"
    times: list[float] = []
    for turn, (client, user) in enumerate([clients[0], *clients]):  # the first warms up
        _forget_pages()
        Analytics.objects.filter(user=user).delete()
        statuses: list[int] = []
        took = milliseconds(lambda: statuses.append(client.get(address, secure=True).status_code))  # noqa: B023
        if statuses != [200]:
            raise RuntimeError(f"analytics answered {statuses}")
        times += [took] if turn else []
    ours = p95(times)
    return Row("P5", "analytics, cold", ours, None, None, "ms p95", "< 500 ms", ours < 500, summary(times))


@contextmanager
def serve(env: dict[str, str]) -> Iterator[tuple[int, int]]:
    """The real server in this environment; its port and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "gpuadvisor.asgi:application", "--port", str(port), "--lifespan", "off"]
    server = subprocess.Popen([*command, "--no-proxy-headers", "--no-access-log", "--log-level", "warning"], env=env)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=2)
                break
            except OSError:
                time.sleep(0.2)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(15)


def _wrk(url: str, cookie: str, seconds: int = 8) -> float:
    """Requests per second at 50 connections."""
    command = ["wrk", "-t2", "-c50", f"-d{seconds}s", "--timeout", "10s", "-H", f"Cookie: {cookie}", url]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out:
        raise RuntimeError(out)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])  # type: ignore[index]


def warm(database: str) -> Row:
    """P3: requests per second of the warm dashboard against an empty page of the same shell and server."""
    row: Callable[..., Row] = lambda *rest: Row("P3", "dashboard, warm, 50 connections", *rest)  # noqa: E731
    if not shutil.which("wrk"):
        return row(None, None, None, "requests/s", "≥ 0.6", None, "wrk is not installed (Debian package wrk)")
    client, _ = _clients(database)[0]
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    ours, limit = [], []
    with serve(os.environ | {"DATABASE_URL": database_url(database), "DATABASE_ROLE": "owner"}) as (port, _pid):
        pages = {"ours": reverse("portfolios:dashboard") + "?period=30d", "limit": "/bench/empty/"}
        for address in pages.values():
            _wrk(f"http://127.0.0.1:{port}{address}", cookie, 3)
        for _ in range(3):
            ours.append(_wrk(f"http://127.0.0.1:{port}{pages['ours']}", cookie))
            limit.append(_wrk(f"http://127.0.0.1:{port}{pages['limit']}", cookie))
    mine, empty = statistics.median(ours), statistics.median(limit)
    note = f"ours {[round(n) for n in ours]}, empty page {[round(n) for n in limit]}"
    return row(mine, empty, mine / empty, "requests/s", "≥ 0.6", mine / empty >= 0.6, note)
