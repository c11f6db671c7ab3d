"""What is open under a rule that looks no more ends: its timeline says why, nobody is told."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import translation

from .models import Episode, EpisodeEvent, Watch


def close(alerts: Collection[UUID], why: Any, *, now: datetime) -> int:
    """End what is open under these alerts, and forget what they watched; the number of episodes that ended.

    `why`: one sentence, translated lazily, said in the language of the host. Call inside a transaction.
    """
    Watch.objects.filter(alert__in=alerts).delete()
    rows = Episode.objects.filter(alert__in=alerts, state=Episode.State.OPEN).order_by("pk")
    languages = dict(rows.select_for_update(of=("self",)).values_list("pk", "user__language"))
    Episode.objects.filter(pk__in=languages).update(state=Episode.State.RESOLVED, resolved_at=now)
    events = []
    for pk, language in languages.items():
        with translation.override(language):
            events.append(EpisodeEvent(episode_id=pk, kind="resolved", text=str(why), at=now))
    EpisodeEvent.objects.bulk_create(events)
    return len(events)
