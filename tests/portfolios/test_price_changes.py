"""The journal of price changes: typed, or seen in the figures."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_months
from portfolios import journal
from portfolios.models import PerformanceMetric, PriceChange
from tests.factories import PerformanceMetricFactory, PriceChangeFactory

D = Decimal


@pytest.fixture
def today(db):
    day = clock.today()
    ensure_months(PerformanceMetric, day - timedelta(days=60), day)
    return day


def results(gpu, today, *rates):
    """The last one is today's; None: no rate on that day."""
    for age, rate in enumerate(reversed(rates)):
        PerformanceMetricFactory(
            gpu_configuration=gpu,
            metric_date=today - timedelta(days=age),
            hourly_rate=None if rate is None else D(rate),
        )


def seen(gpu, today):
    first = today - timedelta(days=30)
    journal.see_changes([gpu.pk], first, today)
    return [
        ((today - row.changed_at.date()).days, str(row.from_rate), str(row.to_rate))
        for row in gpu.price_changes.filter(origin="seen").order_by("changed_at")
    ]


@pytest.mark.parametrize(
    ("rates", "found"),
    [
        (("0.40", "0.44", "0.44"), [(1, "0.4000", "0.4400")]),
        (("0.4000", "0.4015", "0.4020"), []),  # less than half a percent
        (("0.0100", "0.0101"), [(0, "0.0100", "0.0101")]),
        (("0.40", None, "0.50"), [(0, "0.4000", "0.5000")]),  # over a gap
        (("0.40", "0.50", "0.40"), [(1, "0.4000", "0.5000"), (0, "0.5000", "0.4000")]),
        (("0.40",), []),
    ],
    ids=["rise", "rounding", "small rate", "gap", "there and back", "nothing before"],
)
def test_another_rate_than_on_the_known_day_before_is_seen(gpu, today, rates, found):
    results(gpu, today, *rates)
    assert seen(gpu, today) == found
    assert seen(gpu, today) == found, "running it again changes nothing"


def test_what_was_corrected_is_no_longer_seen(gpu, today):
    results(gpu, today, "0.40", "0.50")
    assert seen(gpu, today)
    PerformanceMetric.objects.update(hourly_rate=D("0.40"))
    assert seen(gpu, today) == []


def test_a_typed_change_of_that_day_stands_in_place_of_the_seen_one(gpu, today):
    results(gpu, today, "0.40", "0.50", "0.50")
    assert seen(gpu, today)
    at = datetime.combine(today - timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=9)
    change = journal.record_change(gpu=gpu, platform="vast", changed_at=at, from_rate=D("0.40"), to_rate=D("0.50"))
    assert seen(gpu, today) == []
    journal.delete_change(change=change)
    assert seen(gpu, today) == [(1, "0.4000", "0.5000")]


def test_the_job_looks_at_what_was_written_since(gpu, today):
    results(gpu, today, "0.40", "0.50")
    assert journal.follow() == 1
    assert journal.follow() == 0


def test_marks_stand_on_their_days(gpu, today):
    PriceChangeFactory(gpu_configuration=gpu, changed_at=clock.now() - timedelta(days=3))
    PriceChangeFactory(gpu_configuration=gpu, changed_at=clock.now() - timedelta(days=90))
    (mark,) = journal.marks(gpu, today - timedelta(days=30), today)
    assert (mark.at, mark.text) == (today - timedelta(days=3), "$0.40 → $0.44")


def test_a_change_is_typed_once_however_often_it_is_sent(host_client, gpu, today):
    results(gpu, today, "0.4100")
    url = reverse("portfolios:price-change-add", args=[gpu.pk])
    page = host_client.get(url)
    assert page.context["form"].initial["from_rate"] == "0.41"
    at = (clock.now() - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")
    data = {"once": page.context["form"]["once"].value(), "platform": "vast", "changed_at": at, "to_rate": "0.45"}
    for _attempt in range(2):
        assert host_client.post(url, data).status_code == 302
    assert PriceChange.objects.get().to_rate == D("0.45")
    listed = host_client.get(reverse("portfolios:price-changes", args=[gpu.pk]))
    assert "$0.4500" in listed.content.decode()
    assert "0.4500" in host_client.get(reverse("portfolios:price-changes", args=[gpu.pk]), {"csv": 1}).content.decode()
    assert host_client.get(reverse("portfolios:price-changes-panel", args=[gpu.pk])).status_code == 200


@pytest.mark.parametrize(
    "data",
    [
        {"to_rate": ""},
        {"to_rate": "0"},
        {"to_rate": "abc"},
        {"to_rate": "0.40", "from_rate": "0.40"},
        {"changed_at": "2100-01-01T00:00"},
        {"changed_at": "1990-01-01T00:00"},
        {"changed_at": "x"},
        {"platform": "nowhere"},
        {"note": "a\x00b"},
    ],
    ids=["empty", "zero", "word", "the same", "ahead", "too old", "no date", "platform", "control"],
)
def test_what_cannot_be_a_change_gets_a_message(host_client, gpu, data):
    url = reverse("portfolios:price-change-add", args=[gpu.pk])
    good = {"platform": "vast", "changed_at": "2026-01-05T10:00", "from_rate": "0.40", "to_rate": "0.45"}
    assert host_client.post(url, good | data).status_code == 422
    assert not PriceChange.objects.exists()


def test_only_typed_changes_can_be_deleted(host_client, gpu):
    typed = PriceChangeFactory(gpu_configuration=gpu)
    kept = PriceChangeFactory(gpu_configuration=gpu, origin="seen", changed_at=clock.now())
    assert host_client.post(reverse("portfolios:price-change-delete", args=[typed.pk])).status_code == 302
    assert host_client.post(reverse("portfolios:price-change-delete", args=[kept.pk])).status_code == 422
    assert list(PriceChange.objects.all()) == [kept]
