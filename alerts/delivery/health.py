"""The health of channels: ten failures in a row pause one, an alert without any goes off, and its owner is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core import mail

from .. import banner, closing
from ..messages import site_url
from ..models import Alert, AlertDelivery, Channel

if TYPE_CHECKING:
    from .recording import Sent

FAILURES = 10
NO_CHANNEL = "no_channel"  # Alert.off_reason
OFF = _("The rule went off: no channel was left.")

COUNT = """
update alert_channels c set
  failures_in_row = least(case when w.good then 0 else c.failures_in_row end + w.failures, 32000),
  last_success_at = case when w.good then %(now)s else c.last_success_at end,
  last_failure_at = case when w.error <> '' then %(now)s else c.last_failure_at end,
  last_error = case when w.error <> '' then w.error when w.good then '' else c.last_error end,
  state = case when c.state = 'active' and (w.gone or
    case when w.good then 0 else c.failures_in_row end + w.failures >= %(most)s) then 'failed' else c.state end
from unnest(%(ids)s::uuid[], %(good)s::bool[], %(failures)s::int[], %(gone)s::bool[], %(errors)s::text[])
  as w (id, good, failures, gone, error), alert_channels o
where c.id = w.id and o.id = c.id
returning c.id, c.state = 'failed' and o.state <> 'failed'
"""


def count(sent: Iterable[Sent], *, now: datetime) -> None:
    """Count attempts on their channels; what is our fault counts on none.

    A failed test is shown as any failure, and counts towards no pause: whoever tries out an address breaks nothing.
    """
    tally: dict[UUID, list[Sent]] = defaultdict(list)
    for one in sent:
        if not one.outcome.is_ours:
            tally[one.row.channel_id].append(one)
    if not tally:
        return
    ids = sorted(tally)
    good, failures, gone, errors = [], [], [], []
    for pk in ids:
        wins = [n for n, one in enumerate(tally[pk]) if one.outcome.status == "delivered"]
        since = tally[pk][wins[-1] + 1 :] if wins else tally[pk]
        good.append(bool(wins))
        counted = [one for one in since if one.row.purpose != "test"]
        failures.append(len(counted))
        gone.append(any(one.outcome.is_gone for one in counted))
        errors.append((since[-1].outcome.error or "It failed.")[:200] if since else "")
    with connection.cursor() as cursor:
        cursor.execute(
            COUNT,
            {
                "ids": ids,
                "good": good,
                "failures": failures,
                "gone": gone,
                "errors": errors,
                "now": now,
                "most": FAILURES,
            },
        )
        failed = sorted(pk for pk, has_failed in cursor.fetchall() if has_failed)
    if failed:
        _close(failed, now=now)


def _close(failed: list[UUID], *, now: datetime) -> None:
    """What follows from channels that have failed: nothing more goes there, their owners know."""
    from .recording import settle

    waiting = AlertDelivery.objects.filter(channel__in=failed, status="pending", lease=None)
    ended = list(waiting.values_list("pk", "log_id"))
    waiting.update(status="cancelled", ended_at=now, last_error="The channel was paused after failures.")
    settle(ended)
    for channel in Channel.objects.filter(pk__in=failed).select_related("user"):
        off = list(
            Alert.objects.filter(channels=channel, is_active=True)
            .exclude(channels__in=Channel.objects.filter(user=channel.user_id, state=Channel.State.ACTIVE))
            .order_by("name")
        )
        Alert.objects.filter(pk__in=[alert.pk for alert in off]).update(is_active=False, off_reason=NO_CHANNEL)
        closing.close([alert.pk for alert in off], OFF, now=now)
        banner.forget(channel.user_id)
        _tell(channel, off)


def _tell(channel: Channel, off: list[Alert]) -> None:
    with translation.override(channel.user.language):
        context = {
            "channel": channel,
            "off": off,
            "site_url": settings.SITE_URL,
            "action_url": site_url("/alerts/channels/"),
        }
        subject = " ".join(render_to_string("alerts/email/channel_failed_subject.txt", context).split())
        text = render_to_string("alerts/email/channel_failed_mail.txt", context)
        message = EmailMultiAlternatives(subject, text, settings.DEFAULT_FROM_EMAIL, [channel.user.email])
        message.attach_alternative(mail.render_html("alerts/email/channel_failed_mail.html", context), "text/html")
    mail.queue(message)
