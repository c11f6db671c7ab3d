"""What /health says of workers, beat, clocks, outboxes, mails and sources. None of it takes a host out of service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import connection

from gpuadvisor.core import clock
from gpuadvisor.core.health import AMBER, CLOCK_DIFFERENCE_SECONDS, Alarm, Trouble
from gpuadvisor.core.models import Heartbeat
from market.pages import status as market_status
from market.sources import SOURCES

from . import running, waiting

SILENT, BEAT_DEAD = timedelta(minutes=2), timedelta(minutes=30)
SOURCE_SILENT = timedelta(hours=2)
MAILS_FAILED, MAILS_FAILED_SHARE = 5, 0.2  # of a day's


def _raise(level: str, sentence: str) -> None:
    if level != "ok":
        raise (Alarm if level == "red" else Trouble)(sentence)


def beat() -> None:
    """Raises: Trouble where beat was not seen for two minutes, Alarm after thirty (fault e26)."""
    newest = Heartbeat.objects.filter(name__startswith="beat/").order_by("-seen_at").first()
    if newest is None:  # the worker's row, which beat's messages write, tells
        return
    silent = timedelta(seconds=newest.age_seconds(clock.now()))
    if silent > SILENT:
        age = running.age(silent.total_seconds())
        _raise("red" if silent > BEAT_DEAD else "amber", f"beat was not seen for {age}: no scheduled job is started")


def queues() -> None:
    """Raises: Trouble where no worker takes what lies in a queue."""
    now = clock.now()
    rows = Heartbeat.objects.filter(name__startswith="queue/", seen_at__lt=now - SILENT)
    names = ", ".join(sorted(row.name.partition("/")[2] for row in rows))
    if names:
        raise Trouble(f"for two minutes no worker has taken anything from: {names}")


def clocks() -> None:
    """Raises: Alarm where this machine's clock, or a worker's, differs from the database's (fault e28)."""
    now = clock.now()
    if abs((datetime.now(UTC) - now).total_seconds()) > CLOCK_DIFFERENCE_SECONDS:
        raise Alarm("this machine's clock differs from the database's by more than 5 seconds")
    for row in Heartbeat.objects.filter(seen_at__gt=now - SILENT).exclude(details={}):
        ahead = row.details.get("clock", 0)
        if abs(ahead) > CLOCK_DIFFERENCE_SECONDS:
            raise Alarm(f"the clock of {row.name} differs from the database's by {ahead:.0f} seconds")


def outboxes() -> None:
    """Raises: Trouble or Alarm where rows have been due for too long."""
    late = [box for box in waiting.outboxes() if box.level != "ok"]
    if late:
        said = "; ".join(f"{box.rows} {box.outbox.name}, the first for {running.age(box.seconds)}" for box in late)
        _raise("red" if any(box.level == "red" for box in late) else "amber", f"due and not done: {said}")


def mails() -> None:
    """Raises: Trouble where many of the last day's mails could not be sent."""
    failed, sent = mail_counts()
    if failed >= MAILS_FAILED and failed > MAILS_FAILED_SHARE * (failed + sent):
        raise Trouble(f"{failed} mails of the last 24 hours could not be sent")


def mail_counts() -> tuple[int, int]:
    """Mails of the last 24 hours that failed, and that were sent."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) filter (where status = 'failed'), count(*) filter (where status = 'sent')"
            " from mail_outbox where id >= %s and created_at > clock_timestamp() - interval '24 hours'",
            [waiting.floor(86_400)],
        )
        failed, sent = cursor.fetchone()
    return failed, sent


def sources() -> None:
    """Raises: Trouble where a source is held, fails, or has been silent; before anything was asked it says nothing."""
    now = clock.now()
    said = []
    for report in market_status.reports():
        title = SOURCES[report.name].title
        if SOURCES[report.name].origin != "live":
            continue
        if report.state == "held":
            said.append(f"{title} is held back")
        elif report.state in ("failing", "late") and report.told_at and now - report.told_at > SOURCE_SILENT:
            said.append(f"{title} tells nothing new for {running.age((now - report.told_at).total_seconds())}")
    if said:
        raise Trouble("; ".join(said))


def jobs() -> None:
    """Raises: Trouble where scheduled jobs are late or fail, Alarm where they are far too late."""
    bad = [row for row in running.standings() if row.level != "ok"]
    if bad:
        worst = "red" if any(row.level == "red" for row in bad) else "amber"
        _raise(worst, "scheduled jobs: " + ", ".join(f"{row.job.name} is {row.word}" for row in bad[:5]))


CHECKS: dict[str, Callable[[], None]] = {
    "clock": clocks,
    "beat": beat,
    "queues": queues,
    "outboxes": outboxes,
    "mails": mails,
    "sources": sources,
    "jobs": jobs,
}


def register() -> None:
    AMBER.update(CHECKS)
