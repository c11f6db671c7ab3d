"""The mails readable in the site: in development, never in production."""

import pytest
from django.core.mail import EmailMultiAlternatives

from gpuadvisor.core import mail
from gpuadvisor.core.ids import uuid7


@pytest.fixture
def row(db):
    message = EmailMultiAlternatives("Hello", "Text with <b> https://gpu.example/", "a@gpu.example", ["x@example.com"])
    message.attach_alternative("<html><head></head><body><p>Part</p></body></html>", "text/html")
    return mail.queue(message)[0]


def test_it_lists_and_shows_mails_to_a_visitor(row, client):
    assert b"Hello" in client.get("/mailbox/").content
    page = client.get(f"/mailbox/{row.pk}/").content
    assert b"Text with &lt;b&gt;" in page
    assert f"/mailbox/{row.pk}/html/".encode() in page


def test_the_html_part_has_a_policy_of_its_own(row, client):
    answer = client.get(f"/mailbox/{row.pk}/html/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "script-src" not in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert b'<base target="_blank">' in answer.content


def test_an_emptied_mail_says_so(row, client):
    type(row).objects.update(body=b"")
    assert b"Its body is gone" in client.get(f"/mailbox/{row.pk}/").content
    assert client.get(f"/mailbox/{row.pk}/html/").status_code == 404


@pytest.mark.parametrize("path", ["/mailbox/", "/mailbox/{}/", "/mailbox/{}/html/"])
def test_it_does_not_exist_where_it_is_off(row, client, settings, path):
    settings.MAILBOX_ENABLED = False
    assert client.get(path.format(row.pk)).status_code == 404


def test_an_unknown_mail_is_a_404(db, client):
    assert client.get(f"/mailbox/{uuid7()}/").status_code == 404


def test_the_pages_that_send_mail_lead_to_it_only_where_it_is_on(db, client, settings):
    assert b"/mailbox/" in client.get("/accounts/password/reset/done/").content
    settings.MAILBOX_ENABLED = False
    assert b"/mailbox/" not in client.get("/accounts/password/reset/done/").content


def test_production_has_no_mailbox():
    from pathlib import Path

    from django.conf import settings

    prod = (Path(settings.BASE_DIR) / "gpuadvisor/settings/prod.py").read_text()
    assert "MAILBOX_ENABLED = False" in prod
