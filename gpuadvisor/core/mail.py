"""The mail outbox: a mail is a row before it is sent, so a dead mail server loses nothing and holds up no page."""

from __future__ import annotations

import json
import logging
import random
import smtplib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import css_inline
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.message import EmailMessage
from django.db import models, transaction
from django.template.loader import render_to_string

from . import clock
from .crypto import CannotOpenError, seal, unseal
from .ids import uuid7
from .models import QueuedMail
from .nudge import nudge

log = logging.getLogger(__name__)

BODY_KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=60)
WAITS = tuple(timedelta(seconds=s) for s in (5, 60, 300, 1_800, 7_200, 18_000, 36_000))  # after attempt 1, 2, …
PURPOSE = "mail"
TASK = "gpuadvisor.core.tasks.send_due_mails"


# -- Writing ---------------------------------------------------------------------------------------------------------
def render_html(template: str, context: Mapping[str, Any]) -> str:
    """A mail's HTML with its styles written into the elements, as mail programs want them."""
    html = render_to_string(template, {"site_url": settings.SITE_URL, **context})
    return css_inline.CSSInliner(load_remote_stylesheets=False).inline(html)


def queue(message: EmailMessage) -> list[QueuedMail]:
    """Put `message` into the outbox, one row for each recipient; it leaves once the transaction commits.

    Raises: ValueError where it has attachments (a file is offered as a link) or a header that no mail may have.
    """
    if message.attachments:
        raise ValueError("the outbox takes no attachments")
    message.message()  # a bad header is found here, not by a worker that can tell nobody
    now = clock.now()
    rows = []
    for address in message.recipients():
        row = QueuedMail(id=uuid7(), to=address, subject=message.subject[:200], next_at=now)
        row.body = seal(json.dumps(_content(message, address, row)).encode(), purpose=PURPOSE)
        rows.append(row)
    QueuedMail.objects.bulk_create(rows)
    transaction.on_commit(partial(nudge, TASK), robust=True)
    return rows


def _content(message: EmailMessage, address: str, row: QueuedMail) -> dict[str, Any]:
    host = settings.SITE_URL.partition("://")[2].partition("/")[0].partition(":")[0]
    return {
        "from": message.from_email,
        "to": address,
        "subject": str(message.subject),
        "text": str(message.body),
        "html": next((str(a[0]) for a in getattr(message, "alternatives", []) if a[1] == "text/html"), ""),
        # the id stays over attempts: a mail that left twice after a crash is known by it
        "headers": {"Message-ID": f"<{row.pk}@{host}>", "Auto-Submitted": "auto-generated", **message.extra_headers},
    }


def read(row: QueuedMail) -> EmailMultiAlternatives | None:
    """The mail of an outbox row; None once its body is emptied.

    Raises: CannotOpenError.
    """
    if not row.body:
        return None
    content = json.loads(unseal(bytes(row.body), purpose=PURPOSE))
    message = EmailMultiAlternatives(
        content["subject"], content["text"], content["from"], [content["to"]], headers=content["headers"]
    )
    if content["html"]:
        message.attach_alternative(content["html"], "text/html")
    return message


# -- Sending ---------------------------------------------------------------------------------------------------------
def send_due(limit: int = 20) -> int:
    """Send what is due, oldest first, up to `limit`; the number attempted. Any number of workers may run it at once.

    Each mail is leased and committed before it is sent: no lock is held while the mail server is waited for, and a
    worker that dies only delays.
    """
    empty_old_bodies()
    attempted = 0
    connection = get_connection()
    try:
        while attempted < limit and (row := _lease()):
            attempted += 1
            error = _send(row, connection)
            if error and not _is_final(error):
                break  # the server is away or busy: the others wait for the next sweep, untouched
    finally:
        _close(connection)
    return attempted


def _close(connection: Any) -> None:
    try:
        connection.close()
    except (OSError, smtplib.SMTPException):
        log.info("the mail server closed first")


@transaction.atomic
def _lease() -> QueuedMail | None:
    now = clock.now()
    due = QueuedMail.objects.filter(status=QueuedMail.Status.PENDING, next_at__lte=now)
    free = due.filter(models.Q(lease_until=None) | models.Q(lease_until__lt=now))
    row = free.order_by("next_at").select_for_update(skip_locked=True).first()
    if row:
        row.attempts += 1
        row.lease, row.lease_until = uuid4(), now + LEASE
        row.save(update_fields=["attempts", "lease", "lease_until"])
    return row


def _send(row: QueuedMail, connection: Any) -> Exception | None:
    error: Exception | None = None
    try:
        message = read(row)
        if message is None:
            raise CannotOpenError("its body is gone")
        message.connection = connection
        message.send()
    except (OSError, smtplib.SMTPException, ValueError) as raised:
        error = raised
    _record(row, error)
    return error


def _record(row: QueuedMail, error: Exception | None) -> None:
    now = clock.now()
    mine = QueuedMail.objects.filter(pk=row.pk, lease=row.lease)  # nobody else took it meanwhile
    done: dict[str, Any] = {"lease": None, "lease_until": None, "last_error": ""}
    if error is None:
        done |= {"status": QueuedMail.Status.SENT, "sent_at": now}
        if not settings.MAILBOX_ENABLED:
            done["body"] = b""
    elif _is_final(error) or row.attempts > len(WAITS):
        done |= {"status": QueuedMail.Status.FAILED, "last_error": _words(error), "body": b""}
    else:
        done |= {"next_at": now + _wait(row.attempts), "last_error": _words(error)}
    mine.update(**done)
    if error:
        log.warning("mail %s not sent at attempt %d: %s", row.pk, row.attempts, _words(error))


def _wait(attempts: int) -> timedelta:
    return WAITS[attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311 (spreads retries, guards nothing)


def _is_final(error: Exception) -> bool:
    """Whether the mail server refused this very mail for good (5xx); a refused login is our setting's fault: wait."""
    if isinstance(error, ValueError):  # it cannot be opened, or makes no mail: no try will change that
        return True
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500


def _words(error: Exception) -> str:
    """The error in short, without what the mail server says about the address."""
    code = getattr(error, "smtp_code", "")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = next(iter(error.recipients.values()))[0]
    return f"{type(error).__name__} {code}".strip()[:200]


def empty_old_bodies(now: datetime | None = None) -> int:
    """Empty what is older than 24 hours, for its links are dead; a mail that never left is failed then."""
    old = QueuedMail.objects.filter(created_at__lt=(now or clock.now()) - BODY_KEPT)
    old.filter(status=QueuedMail.Status.PENDING).update(
        status=QueuedMail.Status.FAILED, last_error="not delivered within 24 hours", lease=None, lease_until=None
    )
    return old.exclude(body=b"").update(body=b"")


def keep_sent(message: EmailMultiAlternatives) -> None:
    """Show a mail that left by itself in the mailbox of a development server."""
    if not settings.MAILBOX_ENABLED:
        return
    now = clock.now()
    rows = [
        QueuedMail(
            id=uuid7(),
            to=address,
            subject=message.subject[:200],
            next_at=now,
            sent_at=now,
            status=QueuedMail.Status.SENT,
        )
        for address in message.recipients()
    ]
    for row in rows:
        row.body = seal(json.dumps(_content(message, row.to, row)).encode(), purpose=PURPOSE)
    QueuedMail.objects.bulk_create(rows)
