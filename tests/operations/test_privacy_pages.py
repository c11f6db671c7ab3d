"""The page "Privacy", its file and its links."""

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.urls import reverse

from gpuadvisor.accounts import consents
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.health import Trouble
from gpuadvisor.core.models import AuditEntry
from gpuadvisor.operations.models import Erasure, Export
from gpuadvisor.operations.privacy import erasing, exporting, health, links, steps
from tests.factories import PASSWORD, UserFactory


@pytest.fixture(autouse=True)
def folders(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "DRAIN_SECONDS", 0)
    settings.DATA_DIR, settings.EXPORT_DIR = tmp_path, tmp_path / "exports"


def make(user):
    row = exporting.ask(user)
    exporting.advance(row.pk)
    row.refresh_from_db()
    return row


def whole(answer):
    async def read():
        return b"".join([block async for block in answer.streaming_content])

    return async_to_sync(read)()


def test_the_file_is_its_owners_alone_and_gone_after_a_day(client, host, stranger):
    row = make(host)
    url = reverse("privacy:download", args=[row.pk])
    assert exporting.path_of(row.pk).stat().st_mode & 0o777 == 0o600
    for other in (stranger, UserFactory(is_staff=True, is_superuser=True)):
        client.force_login(other)
        assert client.get(url).status_code == 404
    client.logout()
    assert client.get(url).status_code == 302
    client.force_login(host)
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert whole(answer) == exporting.path_of(row.pk).read_bytes()
    assert AuditEntry.objects.filter(user=host, action="privacy.export-taken").count() == 1
    Export.objects.filter(pk=row.pk).update(expires_at=clock.now())
    assert client.get(url).status_code == 404, "before the job has come round too"
    assert exporting.expire() == 1
    assert list(exporting.folder().iterdir()) == []
    row.refresh_from_db()
    assert (row.state, row.file) == ("expired", "")


def test_the_banner_stands_on_every_page_until_it_is_taken_back(host_client, host):
    assert b"will be deleted" not in host_client.get("/settings/").content
    erasing.ask(host)
    caches["pages"].clear()
    assert b"This account will be deleted on" in host_client.get("/settings/").content
    host_client.post(reverse("privacy:undo"))
    caches["pages"].clear()
    assert b"This account will be deleted on" not in host_client.get("/settings/").content


def test_it_needs_the_password_and_the_address(host_client, host):
    url = reverse("privacy:delete")
    assert host_client.get(url)["Location"].startswith(reverse("account_reauthenticate"))
    assert host_client.post(url, {"email": host.email}).status_code == 302
    assert not Erasure.objects.exists()
    host_client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert host_client.post(url, {"email": "else@example.com"}).status_code == 422
    assert not Erasure.objects.exists()
    host_client.post(url, {"email": host.email.upper()})
    host_client.post(url, {"email": host.email})
    assert Erasure.objects.get().user == host


def test_the_link_of_the_mail_keeps_the_account_without_signing_in(client, host):
    row = erasing.ask(host)
    url = reverse("privacy:keep", args=[links.make(row)])
    assert client.get(url).status_code == 200
    row.refresh_from_db()
    assert row.state == "asked", "a look changes nothing: mail programs open links"
    assert client.post(url).status_code == 200
    row.refresh_from_db()
    assert row.state == "undone"
    assert client.post(url).status_code == 404
    assert client.get(reverse("privacy:keep", args=["x:y:z"])).status_code == 404


def test_the_page_shows_what_staff_did(host_client, host):
    staff = UserFactory(is_staff=True, name="Nosy")
    AuditEntry.objects.create(
        user=staff, action="plan.granted", details={"account": str(host.pk), "reason": "She asked"}
    )
    AuditEntry.objects.create(user=staff, action="plan.granted", details={"account": str(staff.pk)})
    page = host_client.get(reverse("privacy:index")).content.decode()
    assert page.count("Staff gave you a plan") == 1
    assert "She asked" in page
    assert "Nosy" not in page


@pytest.mark.parametrize("path", ["privacy:export", "privacy:undo"])
def test_the_demo_only_looks(client, host, path):
    User.objects.filter(pk=host.pk).update(is_demo=True)
    client.force_login(host)
    assert client.get(reverse("privacy:index")).status_code == 200
    assert client.post(reverse(path)).status_code == 403
    assert not Export.objects.exists()


def test_staff_delete_for_a_host_who_asks_by_mail(host, client):
    """R-066: on request, too; never past the seven days, the ledger and Stripe."""
    call_command("erase_account", host.email.upper(), "--reason", "asked by mail")
    assert Erasure.objects.get().state == "asked"
    (line,) = AuditEntry.objects.all()
    assert (line.user, line.action, line.details["reason"]) == (None, "privacy.staff-asked", "asked by mail")
    call_command("erase_account", host.email, "--reason", "a mistake", "--undo")
    assert Erasure.objects.get().state == "undone"
    with pytest.raises(CommandError):
        call_command("erase_account", host.email, "--reason", "again", "--undo")
    with pytest.raises(CommandError):
        call_command("erase_account", "nobody@example.com", "--reason", "x")
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert client.post(f"/admin/accounts/user/{host.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_host_lets_staff_read_along_and_takes_it_back(host_client, host):
    """Chat text is not readable without consent; giving and taking back stand in the list."""
    page = reverse("privacy:index")
    host_client.post(reverse("privacy:consent"))
    assert consents.open_of(host.pk)
    assert "Take it back" in host_client.get(page).content.decode()
    host_client.post(reverse("privacy:consent-end"))
    host_client.post(reverse("privacy:consent-end"))
    assert consents.open_of(host.pk) is None
    assert "You took back" in host_client.get(page).content.decode()


def test_health_tells_of_what_is_late(host):
    health.privacy()
    row = erasing.ask(host)
    Erasure.objects.filter(pk=row.pk).update(due_at=clock.now() - timedelta(hours=25))
    with pytest.raises(Trouble, match="1 deletions"):
        health.privacy()
    erasing.undo(row)
    exporting.ask(host)
    Export.objects.update(asked_at=clock.now() - timedelta(hours=2))
    with pytest.raises(Trouble, match="1 exports"):
        health.privacy()
