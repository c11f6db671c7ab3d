"""The mails about an export and about a deletion, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from gpuadvisor.accounts.adapters import site_url, speaking_to
from gpuadvisor.accounts.models import User
from gpuadvisor.core import formats, mail

from ..models import Erasure, Export
from . import links


def export_ready(user: User, row: Export) -> None:
    with speaking_to(user):
        _send(
            user,
            _("Your export is ready"),
            [
                _("Everything that we hold of your account is in one file of %(size)s.")
                % {"size": filesizeformat(row.bytes or 0)},
                _("It can be taken until %(when)s, by you alone: sign in first. Then it is deleted here.")
                % {"when": formats.moment(row.expires_at or row.asked_at)},
            ],
            action=_("Take the file"),
            url=site_url(reverse("privacy:index")),
            after=[_("You did not ask for it? Then somebody has your password: change it, and end all sessions.")],
        )


def erasure_asked(user: User, row: Erasure) -> None:
    with speaking_to(user):
        _send(
            user,
            _("Your account will be deleted"),
            [
                _("On %(when)s your account and all that is in it will be deleted for good.")
                % {"when": formats.moment(row.due_at)},
                _("Until then everything works as before, and you can keep it: press the button, or do it on the page"
                  " Privacy. Nobody can bring it back afterwards."),
            ],
            action=_("Keep my account"),
            url=site_url(reverse("privacy:keep", args=[links.make(row)])),
            after=[_("You did not ask for it? Keep the account, then change your password.")],
        )  # fmt: skip


def erasure_undone(user: User) -> None:
    with speaking_to(user):
        _send(
            user,
            _("Your account stays"),
            [_("The deletion of your account was taken back. Nothing was deleted.")],
            action=_("Privacy"),
            url=site_url(reverse("privacy:index")),
        )


def erasure_done(user: User) -> list[UUID]:
    """To an address that we forget once this has left; the keys of its rows."""
    with speaking_to(user):
        return _send(
            user,
            _("Your account is deleted"),
            [
                _("Your account at %(site)s and all that was in it are deleted.") % {"site": settings.SITE_NAME},
                _("What law makes us keep says what was paid and when, and nothing of you. Copies in backups are gone"
                  " within %(days)d days.") % {"days": settings.BACKUP_DAYS},
                _("This is our last mail: your address is forgotten with it."),
            ],
            reason=_("You get this mail because an account of this address was deleted."),
        )  # fmt: skip


def _send(
    user: User,
    subject: str,
    lines: Sequence[str],
    *,
    action: str = "",
    url: str = "",
    after: Sequence[str] = (),
    reason: str = "",
) -> list[UUID]:
    context: dict[str, Any] = {
        "subject": subject,
        "lines": lines,
        "action": action,
        "action_url": url,
        "after": after,
        "reason": reason,
        "site_url": settings.SITE_URL,
    }
    text = render_to_string("operations/email/letter_mail.txt", context)
    message = EmailMultiAlternatives(subject, text, settings.DEFAULT_FROM_EMAIL, [user.email])
    message.attach_alternative(mail.render_html("operations/email/letter_mail.html", context), "text/html")
    return [row.pk for row in mail.queue(message)]
