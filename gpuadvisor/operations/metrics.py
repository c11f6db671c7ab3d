"""Figures for Prometheus in its text format (version 0.0.4), written by hand: a few lines spare a dependency.

Requests are counted in the memory of the process that answered them, under its own label `process`: each web process is
scraped at its own address, and where several share one, their series stay apart. All else is read from the database, so
any one process tells it for the whole site.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Lock

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from gpuadvisor.core import clock
from gpuadvisor.core.models import Heartbeat, Incident

from . import checks, running, waiting

log = logging.getLogger(__name__)
PREFIX = "gpuadvisor_"
BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LAG_BUCKETS = (5, 15, 30, 60, 120, 300, 900, 3_600)
MOST_SERIES = 2_000  # views times classes of status: names of ours, so far fewer
Sample = tuple[str, Mapping[str, str], float]
Section = Callable[[], Iterator[tuple[str, str, str, list[Sample]]]]  # name, type, help, samples


class Histogram:
    """Seconds of requests by view and class of status; safe among threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[tuple[str, str], list[int]] = {}
        self._sums: dict[tuple[str, str], float] = {}

    def observe(self, view: str, status: str, seconds: float) -> None:
        with self._lock:
            key = (view, status)
            if key not in self._counts and len(self._counts) >= MOST_SERIES:
                key = ("others", status)
            counts = self._counts.setdefault(key, [0] * (len(BUCKETS) + 1))
            counts[bisect_left(BUCKETS, seconds)] += 1
            self._sums[key] = self._sums.get(key, 0.0) + seconds

    def samples(self) -> list[Sample]:
        with self._lock:
            taken = [(key, list(counts), self._sums[key]) for key, counts in sorted(self._counts.items())]
        found: list[Sample] = []
        for (view, status), counts, total in taken:
            labels = {"view": view, "status": status, "process": PROCESS}
            found += _buckets("request_seconds", labels, BUCKETS, counts)
            found.append(("request_seconds_sum", labels, total))
            found.append(("request_seconds_count", labels, sum(counts)))
        return found


def _buckets(name: str, labels: Mapping[str, str], limits: Iterable[float], counts: list[int]) -> Iterator[Sample]:
    number = 0
    for limit, count in zip((*map(str, limits), "+Inf"), counts, strict=True):
        number += count
        yield f"{name}_bucket", {**labels, "le": limit}, number


PROCESS = f"{socket.gethostname()}:{os.getpid()}"
requests = Histogram()


class MetricsMiddleware:
    """Count each request with the seconds until its answer began."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        view = request.resolver_match.view_name if request.resolver_match else ""
        requests.observe(view or "none", f"{response.status_code // 100}xx", time.perf_counter() - began)
        return response


# -- What the database knows ------------------------------------------------------------------------------------------
def _jobs() -> Iterator[tuple[str, str, str, list[Sample]]]:
    now, rows = clock.now(), running.standings()

    def of(value: Callable[[running.Standing], float | None], name: str) -> list[Sample]:
        return [(name, {"job": row.job.name}, found) for row in rows if (found := value(row)) is not None]

    ages = of(lambda row: (now - row.ok_at).total_seconds() if row.ok_at else None, "job_age_seconds")
    yield "job_age_seconds", "gauge", "Seconds since the job's last good run.", ages
    yield "job_seconds", "gauge", "Seconds that the job's last run took.", of(lambda row: row.seconds, "job_seconds")
    yield "job_fails", "gauge", "Runs that failed since the last good one.", of(lambda row: row.fails, "job_fails")
    late = of(lambda row: ("ok", "amber", "red").index(row.level), "job_level")
    yield "job_level", "gauge", "0 fine, 1 late or failing, 2 far too late.", late


def _due() -> Iterator[tuple[str, str, str, list[Sample]]]:
    boxes = waiting.outboxes()
    rows = [("due_rows", {"outbox": box.outbox.name}, float(box.rows)) for box in boxes]
    ages = [("due_age_seconds", {"outbox": box.outbox.name}, box.seconds) for box in boxes]
    yield "due_rows", "gauge", "Rows that are due and not taken, at most 10000.", [*rows]
    yield "due_age_seconds", "gauge", "Seconds for which the oldest of them has been due.", [*ages]


def _broker() -> Iterator[tuple[str, str, str, list[Sample]]]:
    queues = waiting.messages()
    numbers = [("broker_messages", {"queue": one.queue}, float(one.number)) for one in queues]
    ages = [("broker_age_seconds", {"queue": one.queue}, one.seconds or 0.0) for one in queues]
    yield "broker_messages", "gauge", "Messages that no worker has taken.", [*numbers]
    yield "broker_age_seconds", "gauge", "Seconds since the oldest of them was sent.", [*ages]


def _alive() -> Iterator[tuple[str, str, str, list[Sample]]]:
    now, beats = clock.now(), list(Heartbeat.objects.order_by("name"))
    ages: list[Sample] = [("heartbeat_age_seconds", {"name": one.name}, one.age_seconds(now)) for one in beats]
    yield "heartbeat_age_seconds", "gauge", "Seconds since a process or queue was seen alive.", ages
    ahead: list[Sample] = [
        ("clock_ahead_seconds", {"name": one.name}, float(one.details["clock"]))
        for one in beats
        if "clock" in one.details
    ]
    yield "clock_ahead_seconds", "gauge", "Seconds by which a process's clock is ahead of the database's.", ahead
    open_ones = Incident.objects.filter(ended_at=None).exclude(name__startswith="public/").order_by("name")
    troubles: list[Sample] = [("trouble", {"name": one.name, "level": one.level}, 1.0) for one in open_ones]
    yield "trouble", "gauge", "1 for each trouble that is open.", troubles


def _deliveries() -> Iterator[tuple[str, str, str, list[Sample]]]:
    from alerts.delivery import figures

    counted: list[Sample] = [
        ("deliveries", {"status": one.status}, float(one.number)) for one in figures.states(now=clock.now())
    ]
    yield "deliveries", "gauge", "Deliveries that wait or were given up, and what ended in 24 hours.", counted
    limits = ", ".join(f"count(*) filter (where lag <= {limit})" for limit in LAG_BUCKETS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {limits}, count(*), coalesce(sum(lag), 0) from (select"  # noqa: S608 - our own numbers
            " extract(epoch from (select min(t.at) from alert_delivery_attempts t where t.delivery_id = d.id)"
            " - d.created_at) as lag from alert_deliveries d where d.id >= %s and d.purpose = 'alert'"
            " and d.created_at > clock_timestamp() - interval '1 hour') as told where lag is not null",
            [waiting.floor(3_600)],
        )
        *numbers, total, seconds = cursor.fetchone()
    lag: list[Sample] = [
        ("alert_lag_seconds_bucket", {"le": str(limit)}, float(number))
        for limit, number in zip((*LAG_BUCKETS, "+Inf"), (*numbers, total), strict=True)
    ]
    lag += [("alert_lag_seconds_sum", {}, float(seconds)), ("alert_lag_seconds_count", {}, float(total))]
    text = "Seconds from an alert's trigger to its first attempt, of the last hour's alerts: no counter (promise 3)."
    yield "alert_lag_seconds", "untyped", text, lag


def _advisor() -> Iterator[tuple[str, str, str, list[Sample]]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select coalesce(sum(used), 0), coalesce(sum(cost_usd), 0) from chat_token_days where day = %s",
            [clock.today()],
        )
        tokens, dollars = cursor.fetchone()
    yield "advisor_tokens_today", "gauge", "Tokens of this UTC day.", [("advisor_tokens_today", {}, float(tokens))]
    yield "advisor_dollars_today", "gauge", "USD of this UTC day.", [("advisor_dollars_today", {}, float(dollars))]


def _mails() -> Iterator[tuple[str, str, str, list[Sample]]]:
    failed, sent = checks.mail_counts()
    counted: list[Sample] = [("mails", {"status": "failed"}, float(failed)), ("mails", {"status": "sent"}, float(sent))]
    yield "mails", "gauge", "Mails of the last 24 hours.", counted


def _database() -> Iterator[tuple[str, str, str, list[Sample]]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select coalesce(state, 'background'), count(*) from pg_stat_activity"
            " where datname = current_database() group by 1"
        )
        counted: list[Sample] = [
            ("database_connections", {"state": row[0]}, float(row[1])) for row in cursor.fetchall()
        ]
        cursor.execute("select pg_database_size(current_database()), current_setting('max_connections')::int")
        size, most = cursor.fetchone()
    yield "database_connections", "gauge", "Connections to the database.", counted
    yield "database_bytes", "gauge", "Size of the database.", [("database_bytes", {}, float(size))]
    text = "Connections that the server allows."
    yield "database_connections_max", "gauge", text, [("database_connections_max", {}, float(most))]


def _sources() -> Iterator[tuple[str, str, str, list[Sample]]]:
    from market.pages import status as market_status

    now = clock.now()
    told = [one for one in market_status.reports() if one.state not in ("off", "no_key")]
    ages: list[Sample] = [
        ("source_age_seconds", {"source": one.name}, (now - one.told_at).total_seconds()) for one in told if one.told_at
    ]
    held: list[Sample] = [("source_held", {"source": one.name}, float(one.state == "held")) for one in told]
    yield "source_age_seconds", "gauge", "Age of a source's newest figures.", ages
    yield "source_held", "gauge", "1 where a source's newest batch is held back.", held


SECTIONS: dict[str, Section] = {
    "jobs": _jobs,
    "due": _due,
    "broker": _broker,
    "alive": _alive,
    "deliveries": _deliveries,
    "advisor": _advisor,
    "mails": _mails,
    "database": _database,
    "sources": _sources,
}


def text() -> str:
    """Everything, as Prometheus reads it. A section that fails is missing, and `scrape_error` names it."""
    lines = _family("request_seconds", "histogram", "Seconds until an answer began.", requests.samples())
    errors: list[Sample] = []
    for name, section in SECTIONS.items():
        try:
            told = [line for family in section() for line in _family(*family)]
        except Exception as error:  # whatever one meets, the others are told
            log.warning("metrics: %s failed (%s)", name, type(error).__name__)
            errors.append(("scrape_error", {"section": name}, 1.0))
            if isinstance(error, DatabaseError):
                connection.close_if_unusable_or_obsolete()
        else:
            lines += told
            errors.append(("scrape_error", {"section": name}, 0.0))
    lines += _family("scrape_error", "gauge", "1 for each section that could not be read.", errors)
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> list[str]:
    lines = [f"# HELP {PREFIX}{name} {words}", f"# TYPE {PREFIX}{name} {kind}"]
    for sample, labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(
            f"{PREFIX}{sample}{{{inside}}} {_number(value)}" if inside else f"{PREFIX}{sample} {_number(value)}"
        )
    return lines


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.6f}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
