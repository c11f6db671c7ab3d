"""New and changed rules about shares: each is looked at once over what its preview showed, then by what is new.

Kept as marks, which the evaluation takes away with the first look.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction

from gpuadvisor.core import clock
from gpuadvisor.core.nudge import nudge

from .models import Alert, Mark

PREFIX = "new:"
AT_ONCE = 50  # first looks of one evaluation: the others wait for the next


def note(alert: Alert) -> None:
    """It shall be looked at as a new one. Call inside the transaction that writes it."""
    if alert.alert_type != Alert.Type.UTILIZATION_DROP:
        return
    now = clock.now()
    Mark.objects.update_or_create(subject=f"{PREFIX}{alert.pk}", defaults={"seen_until": now})
    transaction.on_commit(partial(nudge, "alerts.tasks_evaluating.look_at_shares"), robust=True)


def new_rules() -> list[UUID]:
    """Those that wait for their first look."""
    subjects = Mark.objects.filter(subject__startswith=PREFIX).values_list("subject", flat=True)
    return [UUID(subject.removeprefix(PREFIX)) for subject in subjects]


def looked_at(alert: UUID) -> None:
    """It had its first look, or is gone."""
    Mark.objects.filter(subject=f"{PREFIX}{alert}").delete()
