"""What is open ends without a message, where its host or their rule ends it: the timeline says why."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import translation

from .models import Episode, EpisodeEvent, Watch


def close(alerts: Collection[UUID], why: Any, *, now: datetime) -> int:
    """End what is open under these alerts, and forget what they watched; the number of episodes that ended.

    `why`: one sentence, translated lazily, said in the language of the host. Call inside a transaction.
    """
    Watch.objects.filter(alert__in=alerts).delete()
    return _end(Episode.objects.filter(alert__in=alerts), why, now)


def end(episodes: Collection[UUID], why: Any, *, now: datetime) -> int:
    """End these, as `close` does; nothing is watched for them any more."""
    return _end(Episode.objects.filter(pk__in=episodes), why, now)


def _end(rows: QuerySet[Episode], why: Any, now: datetime) -> int:
    held = rows.filter(state=Episode.State.OPEN).order_by("pk").select_for_update(of=("self",))
    languages = dict(held.values_list("pk", "user__language"))
    Episode.objects.filter(pk__in=languages).update(state=Episode.State.RESOLVED, resolved_at=now)
    events = []
    for pk, language in languages.items():
        with translation.override(language):
            events.append(EpisodeEvent(episode_id=pk, kind="resolved", text=str(why), at=now))
    EpisodeEvent.objects.bulk_create(events)
    return len(events)
