"""What /health says of exports and deletions: late ones stop no page."""

from __future__ import annotations

from datetime import timedelta

from gpuadvisor.core import clock
from gpuadvisor.core.health import Trouble

from ..models import Erasure, Export

EXPORT_LATE = timedelta(hours=1)
ERASURE_LATE = timedelta(hours=24)  # promise 19


def privacy() -> None:
    """Raises: Trouble where an export waits for an hour, or a deletion for a day after its seven."""
    now = clock.now()
    late = Erasure.objects.filter(state__in=(Erasure.State.ASKED, Erasure.State.WORKING), due_at__lt=now - ERASURE_LATE)
    if (number := late.count()) > 0:
        raise Trouble(f"{number} deletions of accounts are a day late: the admin's list says what they wait for")
    waiting = Export.objects.filter(state__in=(Export.State.WAITING, Export.State.WORKING))
    if (number := waiting.filter(asked_at__lt=now - EXPORT_LATE).count()) > 0:
        raise Trouble(f"{number} exports of accounts wait for more than an hour")
