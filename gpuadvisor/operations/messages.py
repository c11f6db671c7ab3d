"""Sentences of staff at the top of every page for a time. They go by themselves: nobody has to click them away."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.core.cache import caches
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from gpuadvisor.core import clock
from gpuadvisor.core.notices import Notice

from .models import SystemMessage

KEY = "operations:messages"
SECONDS = 30
MOST = 3  # at once: a page is for its host


def notices(request: HttpRequest) -> Iterable[Notice]:
    """What holds now; all pages together ask the database twice a minute."""
    rows: list[tuple[str, Any, Any, Any]] | None = caches["pages"].get(KEY)
    if rows is None:
        coming = SystemMessage.objects.filter(ends_at__gt=clock.now()).order_by("begins_at", "pk")
        rows = list(coming.values_list("text", "level", "begins_at", "ends_at")[:20])
        caches["pages"].set(KEY, rows, SECONDS)
    now = timezone.now()
    shown = [Notice(text, level=level) for text, level, begins, ends in rows if begins <= now < ends]
    return shown[:MOST]


def forget() -> None:
    """Look anew once the transaction is over."""
    transaction.on_commit(partial(caches["pages"].delete, KEY), robust=True)
