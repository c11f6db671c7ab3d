"""Days of one host settled again from the samples and statements that are stored, by a wish of staff.

On untouched data nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import TruncDate
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core.errors import DomainError

from .. import caching, estimates
from ..analysis import service as analysis
from ..models import GPUConfiguration, MetricSample
from . import merging
from .days import Key

MOST_DAYS = 92


@dataclass(frozen=True, slots=True)
class Again:
    """How many days with samples there were, and how many rows came out different."""

    days: int
    changed: int


def settle_again(*, user: User, first: date, last: date) -> Again:
    """Settle these UTC days of all configurations in use, then look for insights anew: what was told is superseded.

    Raises: DomainError where the span is none, or where figures of this host are being stored at the moment.
    """
    if not first <= last <= first + timedelta(days=MOST_DAYS):
        raise DomainError(_("Choose at most %(days)d days.") % {"days": MOST_DAYS})
    with transaction.atomic():
        gpus = set(GPUConfiguration.objects.visible_to(user).active().values_list("pk", flat=True))
        held = merging.hold(gpus)
        if held.keys() != gpus:
            raise DomainError(_("Figures of this host are being stored: ask again in a minute."), code="busy")
        keys = _sampled_keys(gpus, first, last)
        changed = merging.settle(merging.in_order(keys), keys, {}, held, [])
        if changed:
            estimates.refresh({one.portfolio for one in held.values()})
            caching.bump(user.pk)
    if changed:
        analysis.make(user)
    return Again(len(keys), changed)


def _sampled_keys(gpus: set[UUID], first: date, last: date) -> set[Key]:
    """Configuration, platform and day of what is stored as samples."""
    rows = MetricSample.objects.filter(
        gpu_configuration__in=gpus,
        sampled_at__gte=datetime.combine(first, time(), UTC),
        sampled_at__lt=datetime.combine(last + timedelta(days=1), time(), UTC),
    )
    days = rows.annotate(day=TruncDate("sampled_at", tzinfo=UTC)).order_by()
    return set(days.values_list("gpu_configuration_id", "platform", "day").distinct())
