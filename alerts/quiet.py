"""What holds a message back: snooze, maintenance, quiet hours, severity, digest, no channel. Measuring goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection
from django.db.models.expressions import RawSQL

from portfolios.models import MaintenanceWindow

from .copying import as_array
from .models import AlertLog, Channel, QuietHours
from .models.rules import RANKS

if TYPE_CHECKING:
    from .triggers import Trigger

Suppressed = AlertLog.Suppressed
LINKS = """
select l.alert_id, l.channel_id from alerts_channels l join alert_channels c on c.id = l.channel_id
 where l.alert_id = any(%s::uuid[]) and c.state = 'active' order by l.id
"""


@dataclass(frozen=True)
class Rules:
    """All that may hold back a set of triggers, read at once."""

    now: datetime
    hours: dict[UUID, QuietHours]
    channels: dict[UUID, list[Channel]]
    in_window: frozenset[UUID]

    def verdict(self, trigger: Trigger) -> tuple[str, list[Channel]]:
        """Why it is held back, empty where it is not, and the channels that are to be told at once."""
        alert, episode = trigger.alert, trigger.episode
        snoozed = [alert.snoozed_until]
        if episode and trigger.kind != AlertLog.Kind.RESOLVED:  # who snoozed it waits to hear that it is over
            snoozed.append(episode.snoozed_until)
        if any(moment and moment > self.now for moment in snoozed):
            return Suppressed.SNOOZE, []
        if trigger.portfolios and trigger.portfolios <= self.in_window:
            return Suppressed.WINDOW, []
        hours = self.hours.get(alert.user_id)
        is_low = hours is not None and RANKS[trigger.severity] < RANKS[hours.passes]
        if hours and is_low and is_quiet(hours, zone=alert.user.timezone, now=self.now):
            return Suppressed.QUIET, []
        open_ones = self.channels.get(alert.pk, [])
        if not open_ones:
            return Suppressed.CHANNELS, []
        loud = [c for c in open_ones if RANKS[trigger.severity] >= RANKS[c.least_severity]]
        if not loud:
            return Suppressed.SEVERITY, []
        at_once = [channel for channel in loud if channel.digest == Channel.Digest.OFF]
        return ("", at_once) if at_once else (Suppressed.DIGEST, [])


def rules_for(triggers: Sequence[Trigger], *, now: datetime) -> Rules:
    """The rules of the users, alerts and portfolios of these triggers, in three queries."""
    alerts = {trigger.alert.pk for trigger in triggers}
    portfolios = {pk for trigger in triggers for pk in trigger.portfolios}
    hours = QuietHours.objects.filter(user__in={trigger.alert.user_id for trigger in triggers})
    windows = MaintenanceWindow.objects.filter(portfolio__in=portfolios, starts_at__lte=now, ends_at__gt=now)
    with connection.cursor() as cursor:
        cursor.execute(LINKS, [as_array(alerts)])
        links = cursor.fetchall()
    named = RawSQL("select unnest(%s::uuid[])", [as_array({channel_pk for _alert_pk, channel_pk in links})])
    channels: dict[UUID, list[Channel]] = defaultdict(list)
    found = {c.pk: c for c in Channel.objects.filter(pk__in=named).defer("address", "secret")}
    for alert_pk, channel_pk in links:
        if channel := found.get(channel_pk):
            channels[alert_pk].append(channel)
    return Rules(
        now=now,
        hours={one.user_id: one for one in hours},
        channels=dict(channels),
        in_window=frozenset(windows.values_list("portfolio_id", flat=True)) if portfolios else frozenset(),
    )


def is_quiet(hours: QuietHours, *, zone: str, now: datetime) -> bool:
    """Whether `now` lies within quiet hours, by the clock on the host's wall."""
    try:
        wall = now.astimezone(ZoneInfo(zone)).time().replace(tzinfo=None)
    except (ZoneInfoNotFoundError, ValueError):
        wall = now.time().replace(tzinfo=None)
    if hours.starts <= hours.ends:
        return hours.starts <= wall < hours.ends
    return wall >= hours.starts or wall < hours.ends
