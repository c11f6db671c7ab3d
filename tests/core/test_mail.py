"""The mail outbox: nothing is lost, nothing is kept longer than needed (faults 33, reliability c)."""

import smtplib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from aiosmtpd.controller import Controller
from django.core.mail import BadHeaderError, EmailMessage, EmailMultiAlternatives
from django.db import connection

from gpuadvisor.core import clock, crypto, mail
from gpuadvisor.core.models import QueuedMail

Status = QueuedMail.Status


class Postbox:
    """A mail server that keeps what it gets, or answers as it is told."""

    def __init__(self):
        self.kept = []
        self.answer = ""
        self.lock = threading.Lock()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 (the name is aiosmtpd's)
        if self.answer:
            return self.answer
        with self.lock:
            self.kept.append(envelope)
        return "250 kept"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def smtp_settings(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.MAILBOX_ENABLED = False
    return settings


@pytest.fixture
def postbox(smtp_settings):
    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=smtp_settings.EMAIL_PORT)
    controller.start()
    yield box
    controller.stop()


def a_mail(to="host@example.com"):
    message = EmailMultiAlternatives("Übersicht", "Text mit https://gpu.example/geheim", "a@gpu.example", [to])
    message.attach_alternative("<p>Text</p>", "text/html")
    return message


def make_due(row):
    QueuedMail.objects.filter(pk=row.pk).update(next_at=clock.now())


def test_a_mail_reaches_a_real_server_whole_and_its_body_is_emptied(db, postbox):
    [row] = mail.queue(a_mail())
    assert b"geheim" not in bytes(row.body)
    assert mail.send_due() == 1
    [envelope] = postbox.kept
    assert envelope.rcpt_tos == ["host@example.com"]
    assert f"Message-ID: <{row.pk}@localhost>".encode() in envelope.content
    assert b"text/html" in envelope.content
    row.refresh_from_db()
    assert (row.status, bytes(row.body), row.attempts) == (Status.SENT, b"", 1)
    assert row.sent_at
    assert mail.send_due() == 0


def test_several_receivers_are_several_mails(db, postbox):
    message = EmailMessage("To all", "Text", "a@gpu.example", ["one@example.com"], bcc=["two@example.com"])
    mail.queue(message)
    assert mail.send_due() == 2
    assert [envelope.rcpt_tos for envelope in postbox.kept] == [["one@example.com"], ["two@example.com"]]
    assert b"two@example.com" not in postbox.kept[0].content


def test_a_dead_server_loses_nothing(db, smtp_settings):
    rows = [mail.queue(a_mail(f"host{n}@example.com"))[0] for n in range(3)]
    assert mail.send_due() == 1, "one try says that it is away"
    first = QueuedMail.objects.get(attempts=1)
    assert (first.status, first.lease, first.last_error) == (Status.PENDING, None, "ConnectionRefusedError")
    assert timedelta(seconds=3) < first.next_at - clock.now() < timedelta(seconds=7)

    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=smtp_settings.EMAIL_PORT)
    controller.start()
    try:
        make_due(first)
        assert mail.send_due() == 3
    finally:
        controller.stop()
    assert len(box.kept) == len(rows)
    assert set(QueuedMail.objects.values_list("status", flat=True)) == {Status.SENT}


def test_a_busy_answer_is_tried_again_later_and_later(db, postbox):
    postbox.answer = "451 busy"
    [row] = mail.queue(a_mail())
    waits = []
    for _ in range(8):
        make_due(row)
        mail.send_due()
        row.refresh_from_db()
        waits.append((row.next_at - clock.now()).total_seconds())
    for seconds, planned in zip(waits, (5, 60, 300, 1800, 7200, 18000, 36000), strict=False):
        assert 0.75 * planned < seconds < 1.25 * planned
    assert (row.status, row.attempts, bytes(row.body)) == (Status.FAILED, 8, b"")


@pytest.mark.parametrize(("answer", "status"), [("550 no such mailbox", "failed"), ("421 later", "pending")])
def test_a_final_refusal_stops_at_once(db, postbox, answer, status):
    postbox.answer = answer
    [row] = mail.queue(a_mail())
    mail.send_due()
    row.refresh_from_db()
    assert (row.status, row.attempts) == (status, 1)
    assert "mailbox" not in row.last_error


def test_a_refused_login_is_our_fault_and_waits():
    assert not mail._is_final(smtplib.SMTPAuthenticationError(535, b"no"))
    assert mail._is_final(smtplib.SMTPRecipientsRefused({"a@b.example": (550, b"no")}))
    assert not mail._is_final(smtplib.SMTPRecipientsRefused({"a@b.example": (450, b"greylisted")}))


def test_one_bad_address_holds_up_nobody(db, smtp_settings):
    class Choosy(Postbox):
        async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
            if address.startswith("gone"):
                return "550 no such mailbox"
            envelope.rcpt_tos.append(address)
            return "250 ok"

    box = Choosy()
    controller = Controller(box, hostname="127.0.0.1", port=smtp_settings.EMAIL_PORT)
    controller.start()
    try:
        for name in ("gone", "here"):
            mail.queue(a_mail(f"{name}@example.com"))
        assert mail.send_due() == 2
    finally:
        controller.stop()
    assert [envelope.rcpt_tos for envelope in box.kept] == [["here@example.com"]]


def test_a_mail_older_than_a_day_fails_and_its_body_is_emptied(db, smtp_settings):
    [row] = mail.queue(a_mail())
    QueuedMail.objects.filter(pk=row.pk).update(created_at=clock.now() - timedelta(hours=24, seconds=1))
    assert mail.send_due() == 0
    row.refresh_from_db()
    assert (row.status, bytes(row.body)) == (Status.FAILED, b"")
    assert mail.read(row) is None


def test_where_the_mailbox_is_a_body_stays_for_a_day(db, postbox, settings):
    settings.MAILBOX_ENABLED = True
    [row] = mail.queue(a_mail())
    mail.send_due()
    row.refresh_from_db()
    assert row.status == Status.SENT
    assert mail.read(row).body.startswith("Text")
    mail.empty_old_bodies(clock.now() + timedelta(hours=25))
    row.refresh_from_db()
    assert bytes(row.body) == b""


def test_an_old_secret_key_still_opens_what_it_sealed(db, settings):
    [row] = mail.queue(a_mail())
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key"
    assert mail.read(row).subject == "Übersicht"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(crypto.CannotOpenError):
        mail.read(row)
    assert mail.send_due() == 1
    row.refresh_from_db()
    assert row.status == Status.FAILED


def test_what_was_sealed_for_one_use_opens_in_no_other():
    with pytest.raises(crypto.CannotOpenError):
        crypto.unseal(crypto.seal(b"secret", purpose="mail"), purpose="mfa")


def test_attachments_are_refused(db):
    message = a_mail()
    message.attach("report.csv", "a,b", "text/csv")
    with pytest.raises(ValueError, match="attachments"):
        mail.queue(message)


def test_a_line_break_in_a_subject_is_refused_at_once(db):
    with pytest.raises(BadHeaderError):
        mail.queue(EmailMessage("Hi\r\nBcc: x@example.com", "Text", "a@gpu.example", ["one@example.com"]))
    assert not QueuedMail.objects.exists()


def test_a_mail_that_cannot_be_built_holds_up_no_other(db, postbox):
    [poison] = mail.queue(a_mail("first@example.com"))
    QueuedMail.objects.filter(pk=poison.pk).update(body=crypto.seal(b"{", purpose=mail.PURPOSE))
    mail.queue(a_mail("second@example.com"))
    assert mail.send_due() == 2
    poison.refresh_from_db()
    assert poison.status == Status.FAILED
    assert [envelope.rcpt_tos for envelope in postbox.kept] == [["second@example.com"]]


@pytest.mark.django_db(transaction=True)
def test_many_workers_send_each_mail_once(postbox):
    for number in range(12):
        mail.queue(a_mail(f"host{number}@example.com"))

    def work(_):
        try:
            return mail.send_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=4) as pool:
        assert sum(pool.map(work, range(4))) == 12
    assert len({tuple(envelope.rcpt_tos) for envelope in postbox.kept}) == len(postbox.kept) == 12


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_died_only_delays(postbox):
    [row] = mail.queue(a_mail())
    assert mail._lease().pk == row.pk  # and then nothing: the worker was killed
    assert mail.send_due() == 0
    QueuedMail.objects.filter(pk=row.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    assert mail.send_due() == 1
    row.refresh_from_db()
    assert (row.status, row.attempts) == (Status.SENT, 2)


@pytest.mark.django_db(transaction=True)
def test_a_page_does_not_wait_for_a_dead_broker(monkeypatch):
    """Fault 6: the nudge goes in a thread of its own; the row is what counts."""
    import time

    from gpuadvisor.core import nudge

    monkeypatch.setattr(nudge, "_send", lambda *task: time.sleep(2))
    began = time.monotonic()
    mail.queue(a_mail())
    assert time.monotonic() - began < 1
    assert QueuedMail.objects.count() == 1
