"""What waited: the digest of a channel (daily, weekly), and what came up during quiet hours, told at their end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import ngettext

from gpuadvisor.core.nudge import nudge

from . import messages, quiet
from .models import Alert, AlertDelivery, AlertLog, Channel, QuietHours
from .models.rules import RANKS
from .triggers import DELIVER, FOLDED_BACK

Status, Suppressed = AlertLog.Status, AlertLog.Suppressed

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
    return _send_digests(now=now) + _tell_held(now=now)


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
    # a channel that was paused for long, or told at once before, gets no old news
    since = max(since, now - 2 * SINCE[Channel.Digest(channel.digest)])
    logs = [
        log
        for log in AlertLog.objects.filter(alert__channels=channel, triggered_at__gt=since, triggered_at__lte=now)
        .exclude(deliveries__channel=channel)
        .select_related("alert__user", "episode")
        .order_by("-triggered_at")
        if RANKS[log.severity] >= RANKS[channel.least_severity]
    ]
    if not logs:
        return 0
    _queue(channel, logs, purpose=AlertDelivery.Purpose.DIGEST, now=now)
    AlertLog.objects.filter(pk__in=[log.pk for log in logs], delivery_status=Status.SUPPRESSED).filter(
        suppressed_by=Suppressed.DIGEST
    ).update(delivery_status=Status.PENDING)
    return 1


def _held(*, now: datetime) -> QuerySet[AlertLog]:
    """What waits for the end of quiet hours, or for a digest."""
    return AlertLog.objects.filter(
        delivery_status=Status.SUPPRESSED,
        suppressed_by__in=[Suppressed.QUIET, Suppressed.DIGEST],
        folded_into=None,
        triggered_at__gt=now - FOLDED_BACK,
    )


def _tell_held(*, now: datetime) -> int:
    """Tell what quiet hours held back and what waited for a digest that was switched off."""
    queued = 0
    waiting = set(_held(now=now).values_list("alert__user", flat=True))
    hours = {one.user_id: one for one in QuietHours.objects.filter(user__in=waiting).select_related("user")}
    for user in sorted(waiting):
        own = hours.get(user)
        if own is None or not quiet.is_quiet(own, zone=own.user.timezone, now=now):
            queued += _tell(user, now=now)
    return queued


@transaction.atomic
def _tell(user: UUID, *, now: datetime) -> int:
    """One message to each channel that takes any of it at once; the rest waits for its digest, or the next message."""
    held = list(
        _held(now=now)
        .filter(alert__user=user)
        .select_for_update(of=("self",), skip_locked=True)
        .select_related("alert__user", "episode")
        .order_by("-triggered_at")
    )
    links = Alert.channels.through.objects.filter(alert__in={log.alert_id for log in held})
    of_alert: dict[UUID, list[Channel]] = defaultdict(list)
    open_ones = Channel.objects.filter(pk__in=links.values("channel"), state=Channel.State.ACTIVE).in_bulk()
    for alert, pk in links.values_list("alert_id", "channel_id"):
        if pk in open_ones:
            of_alert[alert].append(open_ones[pk])
    by_channel: dict[Channel, list[AlertLog]] = defaultdict(list)
    told, for_digest = [], []
    for log in held:
        loud = [one for one in of_alert[log.alert_id] if RANKS[log.severity] >= RANKS[one.least_severity]]
        at_once = [one for one in loud if one.digest == Channel.Digest.OFF]
        # a digest tells of it to its own channels only; what waits for one is not told before it
        takers = [] if log.suppressed_by == Suppressed.DIGEST and len(at_once) < len(loud) else at_once
        for channel in takers:
            by_channel[channel].append(log)
        if takers:
            told.append(log.pk)
        elif loud and log.suppressed_by == Suppressed.QUIET:
            for_digest.append(log.pk)
    for channel, logs in by_channel.items():
        _queue(channel, logs, purpose=AlertDelivery.Purpose.SUMMARY, now=now)
    AlertLog.objects.filter(pk__in=told).update(delivery_status=Status.PENDING)
    AlertLog.objects.filter(pk__in=for_digest).update(suppressed_by=Suppressed.DIGEST)
    return len(by_channel)


def _queue(channel: Channel, logs: Sequence[AlertLog], *, purpose: str, now: datetime) -> None:
    user = logs[0].alert.user
    with translation.override(user.language):
        title = ngettext("%(count)d alert", "%(count)d alerts", len(logs)) % {"count": len(logs)}
        payload = messages.digest(title, logs, now=now)
    delivery = AlertDelivery.objects.create(
        user=user, channel=channel, purpose=purpose, payload=payload, next_at=now, created_at=now
    )
    delivery.tells.set(logs)
    transaction.on_commit(partial(nudge, DELIVER), robust=True)
