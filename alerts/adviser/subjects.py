"""What "ask why" beside an episode points at."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core.advising import Resolver, Subject
from portfolios.adviser.common import title

from ..models import Episode


def episode(user: User, key: str) -> Subject | None:
    """The host's own, open or over; None for any other key."""
    try:
        row = Episode.objects.visible_to(user).filter(pk=UUID(key)).first() if len(key) == 36 else None
    except ValueError:
        row = None
    if row is None:
        return None
    question = _("Why did “%s” happen: is it me or the market, and what should I do about it?") % title(row.title)
    return Subject(title(row.title), question, "episodes", {"episode": str(row.pk)})


SUBJECTS: Mapping[str, Resolver] = {"episode": episode}
