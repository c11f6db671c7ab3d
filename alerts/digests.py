"""What waited: the digest of a channel (daily, weekly), and what came up during quiet hours, told at their end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction
from django.utils import translation
from django.utils.translation import ngettext

from gpuadvisor.core.nudge import nudge

from . import messages, quiet
from .models import Alert, AlertDelivery, AlertLog, Channel, QuietHours
from .models.rules import RANKS
from .triggers import DELIVER, FOLDED_BACK

AT = time(8)  # on the host's wall
WEEKDAY = 0  # Monday
SINCE = {Channel.Digest.DAILY: timedelta(days=1), Channel.Digest.WEEKLY: timedelta(days=7)}


def last_due(digest: str, *, zone: str, now: datetime) -> datetime:
    """The last moment, up to `now`, at which such a digest was due."""
    try:
        wall = now.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        wall = now
    due = wall.replace(hour=AT.hour, minute=0, second=0, microsecond=0)
    if digest == Channel.Digest.WEEKLY:
        due -= timedelta(days=(due.weekday() - WEEKDAY) % 7)
    if due > wall:
        due -= SINCE[Channel.Digest(digest)]
    return due


def send_due(*, now: datetime) -> int:
    """Queue the digests that are due, and what quiet hours held back; the number of messages."""
    return _send_digests(now=now) + _tell_after_quiet(now=now)


def _send_digests(*, now: datetime) -> int:
    waiting = Channel.objects.exclude(digest=Channel.Digest.OFF).filter(state=Channel.State.ACTIVE)
    queued = 0
    for channel in waiting.select_related("user").iterator(chunk_size=500):
        since = channel.digest_sent_at or channel.created_at
        if last_due(channel.digest, zone=channel.user.timezone, now=now) > since:
            queued += _digest(channel.pk, now=now)
    return queued


@transaction.atomic
def _digest(pk: UUID, *, now: datetime) -> int:
    channel = Channel.objects.select_for_update(of=("self",), no_key=True).select_related("user").get(pk=pk)
    since = channel.digest_sent_at or channel.created_at
    if channel.digest == Channel.Digest.OFF or last_due(channel.digest, zone=channel.user.timezone, now=now) <= since:
        return 0  # another worker was quicker
    Channel.objects.filter(pk=pk).update(digest_sent_at=now)
    logs = [
        log
        for log in AlertLog.objects.filter(alert__channels=channel, triggered_at__gt=since, triggered_at__lte=now)
        .select_related("alert__user", "episode")
        .order_by("-triggered_at")
        if RANKS[log.severity] >= RANKS[channel.least_severity]
    ]
    if not logs:
        return 0
    _queue(channel.user_id, [channel], logs, purpose=AlertDelivery.Purpose.DIGEST, now=now)
    AlertLog.objects.filter(
        pk__in=[log.pk for log in logs], delivery_status="suppressed", suppressed_by=AlertLog.Suppressed.DIGEST
    ).update(delivery_status=AlertLog.Status.DELIVERED, delivered_at=now)
    return 1


def _tell_after_quiet(*, now: datetime) -> int:
    queued = 0
    for hours in QuietHours.objects.select_related("user").iterator(chunk_size=500):
        if not quiet.is_quiet(hours, zone=hours.user.timezone, now=now):
            queued += _after_quiet(hours, now=now)
    return queued


@transaction.atomic
def _after_quiet(hours: QuietHours, *, now: datetime) -> int:
    """One message for all that a night held back, to the channels that take it at once."""
    held = list(
        AlertLog.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(
            alert__user=hours.user_id,
            delivery_status=AlertLog.Status.SUPPRESSED,
            suppressed_by=AlertLog.Suppressed.QUIET,
            folded_into=None,
            triggered_at__gt=now - FOLDED_BACK,
        )
        .select_related("alert__user", "episode")
        .order_by("-triggered_at")
    )
    if not held:
        return 0
    most = max(RANKS[log.severity] for log in held)
    links = Alert.channels.through.objects.filter(alert__in={log.alert_id for log in held})
    channels = [
        channel
        for channel in Channel.objects.filter(
            pk__in=links.values("channel"), state=Channel.State.ACTIVE, digest=Channel.Digest.OFF
        )
        if RANKS[channel.least_severity] <= most
    ]
    if not channels:
        return 0
    _queue(hours.user_id, channels, held, purpose=AlertDelivery.Purpose.SUMMARY, now=now)
    AlertLog.objects.filter(pk__in=[log.pk for log in held]).update(
        delivery_status=AlertLog.Status.DELIVERED, delivered_at=now
    )
    return len(channels)


def _queue(user: UUID, channels: Sequence[Channel], logs: Sequence[AlertLog], *, purpose: str, now: datetime) -> None:
    with translation.override(logs[0].alert.user.language):
        title = ngettext("%(count)d alert", "%(count)d alerts", len(logs)) % {"count": len(logs)}
        payload = messages.digest(title, logs, now=now)
    AlertDelivery.objects.bulk_create(
        AlertDelivery(user_id=user, channel=channel, purpose=purpose, payload=payload, next_at=now, created_at=now)
        for channel in channels
    )
    transaction.on_commit(partial(nudge, DELIVER), robust=True)
