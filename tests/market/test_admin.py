"""What staff see of runs and of held documents."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from market.models import Quarantine, SourceRun
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
HELD_AT = datetime(2026, 11, 20, 12, 7, 31, tzinfo=UTC)
BODY = json.dumps({"offers": [{"gpu_name": "<script>alert(1)</script>"}]}).encode()


@pytest.fixture
def staff(client):
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


def held(**fields):
    told = {"source": "500farm_machines", "rule": "scale_step", "subject": "a" * 64, "scope": "batch"}
    moments = dict.fromkeys(("observed_at", "first_seen_at", "last_seen_at"), HELD_AT)
    return Quarantine.objects.create(
        **told | moments | {"document": zlib.compress(BODY), "reason": "10 times"} | fields
    )


def document_of(row):
    return reverse("admin:market_quarantine_document", args=[row.pk])


def test_staff_take_the_document_of_a_held_batch_away_as_a_file(client, staff):
    """R-037: it is shown by no browser, whatever stands in it."""
    row = held()
    assert document_of(row) in client.get(reverse("admin:market_quarantine_change", args=[row.pk])).content.decode()
    answer = client.get(document_of(row))
    assert (answer.status_code, answer.content) == (200, BODY)
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="500farm_machines-20261120T120731Z.json"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("fields", [{"document": None}, {"scope": "row", "document": None}], ids=["dropped", "row"])
def test_a_document_that_is_not_kept_is_said_to_be_gone(client, staff, fields):
    row = held(**fields)
    answer = client.get(document_of(row), follow=True)
    assert answer.redirect_chain[-1][0] == reverse("admin:market_quarantine_change", args=[row.pk])
    assert "The document was dropped" in answer.content.decode()
    assert document_of(row) not in answer.content.decode()


def test_a_document_of_no_row_is_not_found(client, staff):
    row = held()
    address = document_of(row)
    row.delete()
    assert client.get(address).status_code == 404
    assert client.get(address.replace(str(row.pk), "nonsense")).status_code == 404


def test_a_document_is_for_staff_who_may_see_the_quarantine(client):
    row = held()
    assert client.get(document_of(row)).status_code == 302
    client.force_login(UserFactory())
    assert client.get(document_of(row)).status_code in (302, 403, 404)
    reader = UserFactory(is_staff=True)
    client.force_login(reader)
    assert client.get(document_of(row)).status_code == 403
    reader.user_permissions.add(Permission.objects.get(codename="view_quarantine"))
    assert client.get(document_of(row)).status_code == 200


def test_held_runs_are_told_from_failed_ones(client, staff):
    SourceRun.objects.create(source="runpod", status="failed", started_at=HELD_AT, error="down")
    SourceRun.objects.create(source="salad", status="failed", started_at=HELD_AT, is_held=True)
    page = client.get(reverse("admin:market_sourcerun_changelist"), {"is_held__exact": "1"})
    assert [run.source for run in page.context["cl"].result_list] == ["salad"]
    assert "is_held" in page.context["cl"].list_display


@pytest.mark.parametrize(
    ("name", "columns"),
    [("sourcerun", ("refusals", "notes")), ("quarantine", ("fragment", "note"))],
)
def test_a_list_reads_no_column_that_it_does_not_show(client, staff, name, columns):
    """Up to 50 refused rows in each of 50 runs, and whole documents in quarantine."""
    SourceRun.objects.create(source="salad", status="ok", started_at=HELD_AT, refusals=[{"reason": "x"}])
    held()
    with CaptureQueriesContext(connection) as queries:
        assert client.get(reverse(f"admin:market_{name}_changelist")).status_code == 200
    for column in (*columns, "document"):
        assert not any(f'"{column}",' in query["sql"] or f'"{column}" FROM' in query["sql"] for query in queries)


def test_a_run_is_read_with_its_refused_rows(client, staff):
    run = SourceRun.objects.create(
        source="salad", status="ok", started_at=HELD_AT, refusals=[{"reason": "price is negative"}], notes="Checked 3"
    )
    page = client.get(reverse("admin:market_sourcerun_change", args=[run.pk])).content.decode()
    assert "price is negative" in page
    assert "Checked 3" in page
