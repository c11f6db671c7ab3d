"""E-mail to the account's own confirmed address, with a way to stop it in one click (RFC 8058)."""

from __future__ import annotations

import smtplib
import zoneinfo
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import formats, mail

from .base import ChannelError, Outcome, Parcel

LABEL = _("E-mail")
HELP = _("The confirmed address of your account.")
PLACEHOLDER = ""
in_order = False
has_secret = False
SHOWN = 20


def validate(address: str, user: User) -> str:
    address = address.strip().lower()
    if not EmailAddress.objects.filter(user=user, email__iexact=address, verified=True).exists():
        raise ChannelError(str(_("Alerts go to a confirmed address of your own account only.")))
    return address


def hint(address: str) -> str:
    return address[:120]


def receiver(address: str) -> str:
    return address.rpartition("@")[2][:253]


def message(parcel: Parcel) -> EmailMultiAlternatives:
    """The mail, in the host's language and zone."""
    payload = dict(parcel.payload)
    more: dict[str, Any] = payload.get("more") or {}
    try:
        zone = zoneinfo.ZoneInfo(parcel.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        zone = zoneinfo.ZoneInfo("UTC")
    with translation.override(parcel.language), timezone.override(zone):
        items = [{**item, "at": _moment(item.get("timestamp"))} for item in more.get("items", [])[:SHOWN]]
        at = _moment(payload.get("timestamp"))
        context = {
            "zone": f"{parcel.at.astimezone(zone):%Z}",
            "site_url": settings.SITE_URL,
            "payload": payload,
            "at": at,
            "items": items,
            "rest": max(0, int(more.get("count", 0)) - len(items)),
            "action_url": payload.get("url", ""),
            "unsubscribe": parcel.unsubscribe,
        }
        text = render_to_string("alerts/email/message_mail.txt", context)
        html = mail.render_html("alerts/email/message_mail.html", context)
        subject = " ".join(str(payload.get("title", "")).split())[:180]
    host = settings.SITE_URL.partition("://")[2].partition("/")[0].partition(":")[0]
    headers = {"Message-ID": f"<{parcel.id}@{host}>", "Auto-Submitted": "auto-generated"}
    if parcel.unsubscribe:
        headers |= {
            "List-Unsubscribe": f"<{parcel.unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    made = EmailMultiAlternatives(subject, text, settings.DEFAULT_FROM_EMAIL, [parcel.address], headers=headers)
    made.attach_alternative(html, "text/html")
    return made


def _moment(value: Any) -> str:
    """As pages show it, in the zone that is active."""
    try:
        return formats.moment(datetime.fromisoformat(str(value)))
    except ValueError:
        return ""


def send(parcel: Parcel) -> Outcome:
    if not parcel.is_open:
        return Outcome("dead", error="The address is no longer confirmed.", is_gone=True)
    made = message(parcel)
    try:
        made.send()
    except smtplib.SMTPRecipientsRefused as error:
        code = next(iter(error.recipients.values()))[0]
        return Outcome("dead" if code >= 500 else "retry", code, f"The mail server answered {code}")
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
        code = int(error.smtp_code)
        is_ours = isinstance(error, smtplib.SMTPSenderRefused)
        is_final = code >= 500 and not is_ours
        return Outcome("dead" if is_final else "retry", code, f"The mail server answered {code}", is_ours=is_ours)
    except (OSError, smtplib.SMTPException) as error:
        return Outcome("retry", error=f"The mail server could not be reached ({type(error).__name__}).", is_ours=True)
    return Outcome("delivered", 250, keep=made if settings.MAILBOX_ENABLED else None)
