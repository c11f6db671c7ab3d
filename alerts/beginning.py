"""New and changed rules, and those that look again: each begins with what goes on now.

One about shares is looked at once over what its preview showed, then by what is new: kept as marks, which the
evaluation takes away with the first look. One about a price is looked at two hours back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction

from gpuadvisor.core import clock
from gpuadvisor.core.nudge import nudge

from .conditions import ConditionError, PricingChange, parse
from .models import Alert, Mark

PREFIX = "new:"
AT_ONCE = 50  # first looks of one evaluation: the others wait for the next
PRICES_BACK = timedelta(hours=2)


def note(*alerts: Alert) -> None:
    """They shall be looked at as new ones. Call inside the transaction that writes them."""
    now = clock.now()
    if prices := [alert for alert in alerts if alert.alert_type == Alert.Type.PRICING_CHANGE]:
        _skip_the_past(prices, now)
    if of_shares := [alert for alert in alerts if alert.alert_type == Alert.Type.UTILIZATION_DROP]:
        Mark.objects.bulk_create(
            [Mark(subject=f"{PREFIX}{alert.pk}", seen_until=now) for alert in of_shares],
            update_conflicts=True,
            unique_fields=["subject"],
            update_fields=["seen_until"],
        )
        transaction.on_commit(partial(nudge, "alerts.tasks_evaluating.look_at_shares"), robust=True)


def _skip_the_past(alerts: Iterable[Alert], now: datetime) -> None:
    """Where nobody else watches a series its mark may be months old: what it did since then is no news."""
    from .readings import MarketKey

    keys = set()
    for alert in alerts:
        try:
            wish = parse(alert.alert_type, alert.conditions)
        except ConditionError:
            continue
        if isinstance(wish, PricingChange):
            keys.add(MarketKey(wish.gpu_model, wish.platform, wish.region))
    own = [alert.pk for alert in alerts]
    others = Alert.objects.watching().filter(alert_type=Alert.Type.PRICING_CHANGE).exclude(pk__in=own)
    for key in keys:
        read_by = others.filter(
            conditions__gpu_model=key.gpu_model, conditions__platform=key.platform, conditions__region=key.region
        )
        old = Mark.objects.filter(subject=str(key), seen_until__lt=now - PRICES_BACK)
        if old.exists() and not read_by.exists():
            old.update(seen_until=now - PRICES_BACK)


def new_rules() -> list[UUID]:
    """Those that wait for their first look."""
    subjects = Mark.objects.filter(subject__startswith=PREFIX).values_list("subject", flat=True)
    return [UUID(subject.removeprefix(PREFIX)) for subject in subjects]


def looked_at(*alerts: UUID) -> None:
    """They had their first look, or are gone."""
    Mark.objects.filter(subject__in=[f"{PREFIX}{alert}" for alert in alerts]).delete()
