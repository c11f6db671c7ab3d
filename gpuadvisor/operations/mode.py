"""Read-only mode: for a time hosts look and nothing of theirs is written, while staff work on the site.

Read by every page and before every write, from a cache that a change empties; with Redis away each process asks
the database again within seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from django.core.cache import caches
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import audit
from gpuadvisor.core.notices import Notice

from .models import SiteMode

KEY = "operations:mode"
SECONDS = 10
LONGEST = 300  # characters


@dataclass(frozen=True)
class Mode:
    """How the site stands: `sentence` says why it is read-only, in the words of staff; it may be empty."""

    is_read_only: bool
    sentence: str


def current() -> Mode:
    """The mode now, at most ten seconds old."""
    kept: Mode | None = caches["pages"].get(KEY)
    if kept is None:
        row = SiteMode.objects.first()
        kept = Mode(row.is_read_only, row.sentence) if row else Mode(is_read_only=False, sentence="")
        caches["pages"].set(KEY, kept, SECONDS)
    return kept


def sentence_of(mode: Mode) -> str:
    """What hosts read."""
    return mode.sentence or _("The site is being worked on: you can look at everything, and change things again soon.")


@transaction.atomic
def switch(*, is_read_only: bool, sentence: str = "", by: User | None = None) -> SiteMode:
    """Make the site read-only, or open it again; `by` is None at the console."""
    row, _is_new = SiteMode.objects.select_for_update().get_or_create(pk=1)
    row.is_read_only, row.sentence, row.by = is_read_only, " ".join(sentence.split())[:LONGEST], by
    row.save()
    details = {"is_read_only": is_read_only, "sentence": row.sentence}
    audit.record(user=by, action="operations.read-only" if is_read_only else "operations.open", details=details)
    transaction.on_commit(partial(caches["pages"].delete, KEY), robust=True)
    return row


def notices(request: HttpRequest) -> Iterable[Notice]:
    """The banner of every page meanwhile."""
    mode = current()
    return [Notice(sentence_of(mode), level="warn")] if mode.is_read_only else []
