"""The front page of the administration: what is red comes first, with a figure and a link (step 7, part 1; J10, 6)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import Drift, Subscription
from chat.models import Ceiling, TokenDay
from gpuadvisor.core import clock
from gpuadvisor.operations import front
from gpuadvisor.operations.models import Erasure, RestoreCheck
from market.models import Quarantine
from tests.factories import AlertDeliveryFactory, ChannelFactory, UserFactory


@pytest.fixture
def root(db):
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def box(root, title):
    found = front.boxes(root.get(reverse("admin:index")).wsgi_request.user)
    return next(one for one in found if str(one.title) == title)


def trouble(host):
    """One of each that wants somebody."""
    now = clock.now()
    AlertDeliveryFactory(channel=ChannelFactory(user=host), status="dead")
    Subscription.objects.update_or_create(user=host, defaults={"status": "past_due"})
    Drift.objects.create(user=host, customer="cus_1", field="tier", ours="a", theirs="b", found_at=now)
    TokenDay.objects.create(user=host, day=now.date(), used=1, cost_usd="4.50")
    RestoreCheck.objects.create(started_at=now, finished_at=now, is_ok=False)
    Quarantine.objects.create(
        source="500farm_gpu_stats", scope="batch", rule="count", subject="1", reason="A third.", observed_at=now,
        first_seen_at=now, last_seen_at=now,
    )  # fmt: skip
    Erasure.objects.create(
        account=host.pk, asked_at=now - timedelta(days=9), due_at=now - timedelta(days=2), error="Stripe is away"
    )


def test_each_trouble_has_a_figure_and_a_link(root, host):
    trouble(host)
    Ceiling.objects.update_or_create(user=None, defaults={"usd_a_day": "5.00"})
    for title, level, figure in (
        ("Deliveries given up", "amber", "1"),
        ("Failed payments", "amber", "1"),
        ("Drift from Stripe", "red", "1"),
        ("Advisor today", "amber", "$4.50"),
        ("Held batches", "red", "1"),
        ("Erasures that hang", "red", "1"),
    ):
        found = box(root, title)
        assert (found.level, found.figure) == (level, figure), title
        assert root.get(found.url).status_code == 200, title


def test_red_stands_before_amber_before_well(root, host):
    trouble(host)
    levels = [one.level for one in front.boxes(root.get("/admin/").wsgi_request.user)]
    assert levels == sorted(levels, key=("red", "amber", "ok").index)
    body = root.get(reverse("admin:index")).content.decode()
    assert (
        body.index("Held batches")
        < body.index("Failed payments")
        < body.index("<details>")
        < body.index("Mails failed")
    )


@pytest.mark.slow
def test_every_box_leads_somewhere(root):
    for found in front.boxes(root.get(reverse("admin:index")).wsgi_request.user):
        assert root.get(found.url).status_code == 200, found.title


def test_a_box_that_fails_is_red_and_hides_no_other(root, monkeypatch):
    def breaks(now):
        raise ZeroDivisionError

    monkeypatch.setitem(front._boxes, "broken", (breaks, ""))
    found = box(root, "broken")
    assert found.level == "red"
    assert root.get(reverse("admin:index")).status_code == 200


def test_more_rows_ask_no_more_queries(root, host, stranger):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            assert root.get(reverse("admin:index")).status_code == 200
        return len(queries)

    asked()
    few = asked()
    trouble(host)
    for _number in range(5):
        AlertDeliveryFactory(channel=ChannelFactory(user=stranger), status="dead")
    assert asked() <= few


def test_staff_without_rights_see_no_money(db):
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    body = client.get(reverse("admin:index")).content.decode()
    assert "Failed payments" not in body
    assert "Advisor today" not in body
