"""What hosts change of alerts, channels and quiet times. How an alert triggers stands in `triggers`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from billing import limits
from billing import shrinking as by_plan
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, crypto
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7
from gpuadvisor.core.nudge import nudge
from portfolios.models import MaintenanceWindow, Portfolio
from portfolios.services import refuse_read_only

from . import banner, beginning, closing, messages, shrinking
from . import channels as kinds
from .channels import webhook
from .conditions import Conditions, dump
from .delivery.recording import settle
from .models import Alert, AlertDelivery, Channel, Episode, EpisodeEvent, QuietHours

MOST_CHANNELS = 20
MOST_WINDOWS = 50
LONGEST_SNOOZE = timedelta(days=30)
LONGEST_WINDOW = timedelta(days=30)
OVERLAP = timedelta(hours=24)
MOST_OLD = 3
BETWEEN_TESTS = timedelta(seconds=30)
DELIVER = "alerts.tasks.deliver_due"
PURPOSE = "channel"


def _hold(user: User) -> None:
    """One writer of an account's alerts and channels at a time."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)


# Rules


@transaction.atomic
def create_alert(
    *,
    user: User,
    name: str,
    alert_type: str,
    conditions: Conditions,
    notification_settings: Mapping[str, Any],
    channels: Iterable[Channel] = (),
    pk: UUID | None = None,
) -> Alert:
    """A new alert; `pk` makes a repeated call answer with the row of the first one.

    Raises: LimitReached where the plan has no room.
    """
    _hold(user)
    if pk and (made := Alert.objects.visible_to(user).filter(pk=pk).first()):
        return made
    limits.claim(user, "alerts")
    alert = Alert(
        pk=pk or uuid7(),
        user=user,
        name=name,
        alert_type=alert_type,
        conditions=dump(conditions),
        notification_settings=dict(notification_settings),
    )
    alert.save(force_insert=True)
    alert.channels.set(channels)
    beginning.note(alert)
    return alert


@transaction.atomic
def create_recommended(*, user: User, wanted: Sequence[Mapping[str, Any]]) -> int:
    """Those of `wanted` that are not there yet, as far as the plan has room; the number made."""
    _hold(user)
    own = list(Alert.objects.visible_to(user).values_list("alert_type", "conditions"))
    channels = list(Channel.objects.visible_to(user).filter(state=Channel.State.ACTIVE))
    made = 0
    for one in wanted:
        if (one["alert_type"], dump(one["conditions"])) in own:
            continue
        try:
            create_alert(user=user, channels=channels, **one)
        except limits.LimitReached:
            break
        made += 1
    return made


@transaction.atomic
def change_alert(
    alert: Alert,
    *,
    name: str,
    conditions: Conditions,
    notification_settings: Mapping[str, Any],
    channels: Iterable[Channel],
) -> None:
    """Change it; with other conditions, what was open under the old ones is closed without a message."""
    _hold(alert.user)  # before the rule: who is to pause it by the plan has this row, and waits for the rule
    alert = Alert.objects.select_for_update().get(pk=alert.pk)
    is_other = dump(conditions) != alert.conditions
    alert.name, alert.conditions = name, dump(conditions)
    alert.notification_settings = dict(notification_settings)
    alert.save(update_fields=["name", "conditions", "notification_settings", "updated_at"])
    alert.channels.set(channels)
    if is_other:
        closing.close([alert.pk], _lazy("The rule was changed."), now=clock.now())
        beginning.note(alert)


@transaction.atomic
def pause_alert(alert: Alert) -> bool:
    """Stop looking; what is open is closed without a message. False where it was paused already."""
    now = clock.now()
    paused = Alert.objects.filter(pk=alert.pk, is_active=True).update(is_active=False, updated_at=now)
    if paused:
        closing.close([alert.pk], _lazy("The rule was paused."), now=now)
    return bool(paused)


@transaction.atomic
def resume_alert(alert: Alert) -> bool:
    """Look again, as a new one does: what goes on now is told, what was meanwhile is not. False where it was on.

    Raises: DomainError where the plan has no room for it.
    """
    _hold(alert.user)
    shrinking.refuse_if_closed(alert)
    rows = Alert.objects.filter(pk=alert.pk, is_active=False)
    if not rows.update(is_active=True, off_reason="", snoozed_until=None, updated_at=clock.now()):
        return False
    beginning.note(alert)
    return True


@transaction.atomic
def delete_alert(alert: Alert) -> None:
    """Delete it with its episodes and its log; one that the plan had no room for comes back in its place."""
    _hold(alert.user)
    beginning.looked_at(alert.pk)
    alert.delete()
    by_plan.settle(alert.user)


# Episodes


@transaction.atomic
def snooze(episode: Episode, *, until: datetime) -> None:
    """Tell nothing of this episode until then; measuring goes on.

    Raises: DomainError where `until` lies in the past or too far ahead.
    """
    now = clock.now()
    _check_until(until, now)
    Episode.objects.filter(pk=episode.pk).update(snoozed_until=until)
    text = _("Snoozed until %(time)s UTC") % {"time": f"{until:%Y-%m-%d %H:%M}"}
    EpisodeEvent.objects.create(episode=episode, kind="snoozed", text=text, data={"until": until.isoformat()}, at=now)


@transaction.atomic
def wake(episode: Episode) -> bool:
    """End the snooze; False where there was none."""
    now = clock.now()
    if not Episode.objects.filter(pk=episode.pk, snoozed_until__gt=now).update(snoozed_until=None):
        return False
    EpisodeEvent.objects.create(episode=episode, kind="snoozed", text=_("The snooze was ended."), at=now)
    return True


@transaction.atomic
def act_on(episode: Episode) -> bool:
    """Note that the host says to have done something about it, and remind of it no more; False where it was noted."""
    now = clock.now()
    rows = Episode.objects.filter(pk=episode.pk).exclude(acted_at__isnull=False, acted_how="noted")
    if not rows.update(acted_at=Coalesce("acted_at", now), acted_how="noted"):
        return False
    EpisodeEvent.objects.create(episode=episode, kind="acted", text=_("You did something about it."), at=now)
    return True


def _check_until(until: datetime, now: datetime) -> None:
    if until <= now:
        raise DomainError(_("Choose a time to come."), code="until")
    if until > now + LONGEST_SNOOZE + timedelta(minutes=1):
        raise DomainError(_("A snooze lasts 30 days at most."), code="until")


# Channels


@transaction.atomic
def create_channel(
    *,
    user: User,
    kind: str,
    name: str,
    address: str,
    least_severity: str = "info",
    digest: str = "off",
    pk: UUID | None = None,
    for_all: bool = False,
) -> tuple[Channel, str]:
    """A new channel, and its secret to show once (empty where its kind has none, or the call is a repeated one).

    `for_all`: all rules that are there tell it.

    Raises: ChannelError where its kind does not take the address; DomainError where it is there already.
    """
    module = kinds.kind(kind)
    checked = module.validate(address, user)
    _hold(user)
    if pk and (made := Channel.objects.visible_to(user).filter(pk=pk).first()):
        return made, ""
    digest_of_address = hashlib.sha256(checked.encode()).hexdigest()
    mine = Channel.objects.visible_to(user)
    if mine.filter(kind=kind, digest_of_address=digest_of_address).exists():
        raise DomainError(_("You have this address already."), code="address")
    if mine.count() >= MOST_CHANNELS:
        raise DomainError(_("You have 20 channels: delete one first."), code="limit")
    channel = Channel(
        pk=pk or uuid7(),
        user=user,
        kind=kind,
        name=name,
        address=crypto.seal(checked.encode(), purpose=PURPOSE),
        digest_of_address=digest_of_address,
        hint=module.hint(checked),
        receiver=module.receiver(checked),
        least_severity=least_severity,
        digest=digest,
    )
    secret = _new_secret(channel) if module.has_secret else ""
    channel.save(force_insert=True)
    if for_all:
        channel.alerts.set(Alert.objects.visible_to(user))
    return channel, secret


def _new_secret(channel: Channel) -> str:
    secret = webhook.new_secret()
    channel.secret = crypto.seal(secret, purpose=PURPOSE)
    return webhook.shown(secret)


def change_channel(channel: Channel, *, name: str, least_severity: str, digest: str) -> None:
    """Its address stays: another address is another channel."""
    Channel.objects.filter(pk=channel.pk).update(name=name, least_severity=least_severity, digest=digest)


@transaction.atomic
def rotate_secret(channel: Channel) -> str:
    """A new secret to show once; for 24 hours messages carry the signature of the old one too.

    Asked for twice, by a second click, the one that receivers know signs on beside the two new ones.

    Raises: DomainError where this kind of channel signs nothing.
    """
    if not kinds.kind(channel.kind).has_secret:
        raise DomainError(_("This channel has no secret."), code="secret")
    locked = Channel.objects.select_for_update().get(pk=channel.pk)
    now = clock.now()
    with suppress(crypto.CannotOpenError):  # sealed under a key that is gone: then there is nothing to overlap with
        olds = crypto.unseal(bytes(locked.secret), purpose=PURPOSE)
        if locked.old_secret and locked.old_secret_until and locked.old_secret_until > now:
            olds += crypto.unseal(bytes(locked.old_secret), purpose=PURPOSE)
        locked.old_secret = crypto.seal(olds[: MOST_OLD * webhook.KEY], purpose=PURPOSE)
        locked.old_secret_until = now + OVERLAP
    shown = _new_secret(locked)
    locked.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return shown


def pause_channel(channel: Channel) -> bool:
    """Send nothing there; False where it was paused already."""
    rows = Channel.objects.filter(pk=channel.pk).exclude(state=Channel.State.PAUSED)
    done = bool(rows.update(state=Channel.State.PAUSED))
    banner.forget(channel.user_id)
    return done


def resume_channel(channel: Channel) -> bool:
    """Send there again, and count failures anew."""
    rows = Channel.objects.filter(pk=channel.pk).exclude(state=Channel.State.ACTIVE)
    done = bool(rows.update(state=Channel.State.ACTIVE, failures_in_row=0))
    banner.forget(channel.user_id)
    return done


def delete_channel(channel: Channel) -> None:
    """Delete it; what waits for it is dropped, and the log says so."""
    with transaction.atomic():
        waiting = AlertDelivery.objects.filter(channel=channel, status=AlertDelivery.Status.PENDING)
        ended = list(waiting.values_list("pk", "log_id"))
        waiting.update(status=AlertDelivery.Status.CANCELLED, ended_at=clock.now())
        settle(ended)
        channel.delete()
    banner.forget(channel.user_id)


@transaction.atomic
def send_test(channel: Channel) -> AlertDelivery:
    """Queue a test message; one within 30 seconds is enough.

    Raises: DomainError where the channel is paused.
    """
    locked = Channel.objects.select_for_update().get(pk=channel.pk)
    if locked.state == Channel.State.PAUSED:
        raise DomainError(_("This channel is paused: resume it first."), code="paused")
    now = clock.now()
    tests = AlertDelivery.objects.filter(channel=locked, purpose=AlertDelivery.Purpose.TEST)
    if recent := tests.filter(created_at__gt=now - BETWEEN_TESTS).first():
        return recent
    delivery = AlertDelivery.objects.create(
        user_id=locked.user_id,
        channel=locked,
        purpose=AlertDelivery.Purpose.TEST,
        payload=messages.test(locked, now=now),
        next_at=now,
        created_at=now,
    )
    transaction.on_commit(partial(nudge, DELIVER), robust=True)  # only a nudge: the sweep makes it sure
    return delivery


@transaction.atomic
def resend(delivery: AlertDelivery) -> bool:
    """Try a message that was given up once more, from its first attempt on; False where it is on its way already.

    Raises: DomainError where its channel is paused: it would be dropped.
    """
    if not Channel.objects.filter(pk=delivery.channel_id, state=Channel.State.ACTIVE).exists():
        raise DomainError(_("This channel is paused: resume it first."), code="paused")
    rows = AlertDelivery.objects.filter(pk=delivery.pk, status=AlertDelivery.Status.DEAD)
    now = clock.now()
    if not rows.update(status=AlertDelivery.Status.PENDING, attempts=0, next_at=now, ended_at=None, lease=None):
        return False
    settle([(delivery.pk, delivery.log_id)])
    transaction.on_commit(partial(nudge, DELIVER), robust=True)
    return True


# Quiet times


def set_quiet_hours(*, user: User, starts: time, ends: time, passes: str) -> None:
    values = {"starts": starts, "ends": ends, "passes": passes}
    QuietHours.objects.update_or_create(user=user, defaults=values)


def end_quiet_hours(*, user: User) -> None:
    QuietHours.objects.filter(user=user).delete()


@transaction.atomic
def add_window(
    *, portfolio: Portfolio, starts_at: datetime, ends_at: datetime, note: str = "", pk: UUID | None = None
) -> MaintenanceWindow:
    """A time in which nothing is told of a portfolio.

    Raises: DomainError where it ends before it starts, is over already, or lasts more than 30 days; where the portfolio
    is read-only.
    """
    _hold(portfolio.user)
    refuse_read_only(portfolio)
    if pk and (made := MaintenanceWindow.objects.filter(pk=pk, portfolio__user=portfolio.user_id).first()):
        return made
    now = clock.now()
    if ends_at <= starts_at:
        raise DomainError(_("A window ends after it starts."), code="ends_at")
    if ends_at <= now:
        raise DomainError(_("This window is over already."), code="ends_at")
    if ends_at - starts_at > LONGEST_WINDOW:
        raise DomainError(_("A window lasts 30 days at most."), code="ends_at")
    coming = MaintenanceWindow.objects.filter(portfolio__user=portfolio.user_id, ends_at__gt=now)
    if coming.count() >= MOST_WINDOWS:
        raise DomainError(_("You have 50 windows to come: delete one first."), code="limit")
    window = MaintenanceWindow(pk=pk or uuid7(), portfolio=portfolio, starts_at=starts_at, ends_at=ends_at, note=note)
    window.save(force_insert=True)
    return window


def delete_window(window: MaintenanceWindow) -> None:
    """Raises: ReadOnly."""
    refuse_read_only(window.portfolio)
    window.delete()
