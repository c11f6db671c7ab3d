"""The standing of things between two evaluations: read as watches, followed, written back in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection

from gpuadvisor.core.nudge import nudge

from ..conditions import Reading, Standing, Step, follow
from ..models import Alert, Mark, Watch
from .causes import Split

AGAIN_SECONDS = 10.0
SLICE_USERS = 20_000
LOCKS = {"shares": 5_201_701, "prices": 5_201_702, "suggestions": 5_201_703}


@dataclass(frozen=True)
class Change:
    """What an evaluation found of one thing of one alert. `money_per_day` USD at risk, None where unknown."""

    alert: Alert
    subject: str
    step: Step
    standing: Standing
    reading: Reading
    cause: str = "unknown"
    cause_key: str = ""
    title: str = ""
    portfolio: UUID | None = None
    money_per_day: Decimal | None = None
    split: Split | None = None


def is_alone(kind: str) -> bool:
    """Whether no other evaluation of its kind works, until this transaction ends; else it is asked for again."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", [LOCKS[kind]])
        (is_mine,) = cursor.fetchone()
    if not is_mine:
        nudge("alerts.tasks_evaluating.look_around", countdown=AGAIN_SECONDS)
    return bool(is_mine)


def slices(kind: str) -> Iterator[tuple[UUID, UUID]]:
    """Users with an active alert of a type, as spans of their keys: after one, up to another."""
    after = UUID(int=0)
    rows = Alert.objects.watching().filter(alert_type=kind, user__is_active=True).order_by("user_id")
    users = rows.values_list("user_id", flat=True).distinct()
    while last := users.filter(user__gt=after)[SLICE_USERS - 1 : SLICE_USERS].first() or users.last():
        if last <= after:
            break
        yield after, last
        after = last


def watches_of(alerts: Iterable[Alert]) -> dict[tuple[UUID, str], Watch]:
    rows = Watch.objects.filter(alert__in=[alert.pk for alert in alerts]).select_related("episode")
    return {(row.alert_id, row.subject): row for row in rows}


def marks_of(subjects: Iterable[str]) -> dict[str, datetime]:
    return dict(Mark.objects.filter(pk__in=list(subjects)).values_list("subject", "seen_until"))


def set_marks(marks: dict[str, datetime]) -> None:
    """Move marks on, never back."""
    if not marks:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into alert_marks (subject, seen_until) select * from unnest(%s::text[], %s::timestamptz[])"
            " on conflict (subject) do update set seen_until = greatest(alert_marks.seen_until, excluded.seen_until)",
            [list(marks), list(marks.values())],
        )


def standing_of(watch: Watch | None) -> Standing:
    if watch is None:
        return Standing()
    return Standing(watch.true_since, timedelta(minutes=watch.held_minutes), is_told=watch.episode_id is not None)


def followed(
    alert: Alert, subject: str, readings: Sequence[Reading], watch: Watch | None, for_minutes: int
) -> Iterator[tuple[Step, Standing, Reading]]:
    """Each step that new readings give, and at last how it stands, with an empty step where it holds."""
    standing, last = standing_of(watch), None
    for reading in readings:
        if watch is not None and reading.at <= watch.seen_at:
            continue
        standing, step = follow(standing, reading, for_minutes)
        last = reading
        if step:
            yield step, standing, reading
            last = None
    if last is not None and standing.true_since is not None:
        yield "", standing, last
