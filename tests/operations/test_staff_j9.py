"""J9: "my numbers are wrong". Staff look as the host, see two days of low coverage, and settle the days again."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from gpuadvisor.core import clock
from gpuadvisor.core.models import AuditEntry
from gpuadvisor.core.partitions import ensure_months
from portfolios import tasks
from portfolios.analysis import service as analysis
from portfolios.ingest.again import settle_again
from portfolios.models import Insight, MetricSample, PerformanceMetric
from tests.factories import (
    AnswerFactory,
    ChannelFactory,
    GPUConfigurationFactory,
    PlatformFactory,
    PortfolioFactory,
    UserFactory,
)

DAYS, BAD = 14, (3, 4)  # days of figures; the two, counted back from today, on which the platform answered 401


def samples(gpu, day, quarters, is_online=lambda n: True):
    begin = datetime.combine(day, time(), UTC)
    return [
        MetricSample(
            gpu_configuration=gpu, platform="vast", source="api", sampled_at=begin + timedelta(minutes=15 * n),
            is_online=is_online(n), listed_gpus=1, rented_gpus=1, hourly_rate=Decimal("0.40"),
            gpu_revenue=Decimal("0.10"),
        )
        for n in quarters
    ]  # fmt: skip


@pytest.fixture
def rig(host, settings):
    """A host whose figures of two days are two fifths of what they should be."""
    PlatformFactory()
    gpu = GPUConfigurationFactory(portfolio=PortfolioFactory(user=host, name="Cellar"), quantity=1)
    today = clock.today()
    ensure_months(MetricSample, today - timedelta(days=40), today)
    ensure_months(PerformanceMetric, today - timedelta(days=40), today)
    for ago in range(1, DAYS + 1):
        day = today - timedelta(days=ago)
        if ago in BAD:  # what came of them says that the rig was away for hours
            MetricSample.objects.bulk_create(samples(gpu, day, range(38), lambda n: n < 14))
        else:
            MetricSample.objects.bulk_create(samples(gpu, day, range(96)))
    settle_again(user=host, first=today - timedelta(days=DAYS), last=today)
    analysis.make(host)
    return gpu


@pytest.mark.slow
def test_j9_my_numbers_are_wrong(rig, host, monkeypatch, django_capture_on_commit_callbacks):
    """Find, look with a reason, see the gap, read neither key nor talk, settle again, and nothing changes silently."""
    today = clock.today()
    talk = AnswerFactory(question__conversation__user=host, question__content="Sphalerite").question.conversation
    channel = ChannelFactory(user=host)
    staff = Client()
    staff.force_login(UserFactory(is_staff=True, is_superuser=True))

    # 1 by e-mail; a look with a reason
    found = staff.get(reverse("admin:accounts_user_changelist"), {"q": host.email})
    page = reverse("admin:accounts_user_change", args=[host.pk])
    assert page in found.content.decode()
    begin = reverse("admin:operations_impersonation_add", query={"user": host.pk})
    assert begin in staff.get(page).content.decode()
    assert staff.post(begin, {"reason": "Ticket 12: my numbers are wrong"}).url == reverse("portfolios:dashboard")

    # 2 data health: hours are missing
    assert "Data has gaps" in staff.get(reverse("portfolios:dashboard"), follow=True).content.decode()
    day = reverse("portfolios:gpu", args=[rig.pk])
    assert staff.get(day).status_code == 200

    # 3 neither keys nor talk
    for url in (
        reverse("chat:conversation", args=[talk.pk]),
        reverse("alerts:channel", args=[channel.pk]),
        reverse("accounts:tokens"),
    ):
        assert staff.get(url).status_code == 403
    staff.post(reverse("operations:leave"))
    message = reverse("admin:chat_message_change", args=[talk.messages.first().pk])
    assert "Sphalerite" not in staff.get(message).content.decode()

    # 4 what was missing has come, the days are settled again, the host's insights follow
    old = {row.pk: (row.title, row.description) for row in Insight.objects.filter(analytics__user=host)}
    assert old
    for ago in BAD:
        MetricSample.objects.bulk_create(samples(rig, today - timedelta(days=ago), range(38, 96)))
    MetricSample.objects.update(is_online=True)
    days = PerformanceMetric.objects.filter(gpu_configuration=rig, metric_date=today - timedelta(days=BAD[0]))
    assert days.get().daily_revenue == Decimal("3.80")
    monkeypatch.setattr("portfolios.admin.nudge", lambda task, *args: tasks.settle_again(*args))
    form = {
        "action": "settle_again",
        "_selected_action": [str(rig.portfolio_id)],
        "first": (today - timedelta(days=BAD[1])).isoformat(),
        "last": (today - timedelta(days=BAD[0])).isoformat(),
    }
    with django_capture_on_commit_callbacks(execute=True):
        assert staff.post(reverse("admin:portfolios_portfolio_changelist"), form).status_code == 302
    assert days.get().daily_revenue == Decimal("9.60"), "KPIs recompute"
    client = Client()
    client.force_login(host)
    assert "Data has gaps" not in client.get(reverse("portfolios:dashboard"), follow=True).content.decode()

    # nothing was changed silently: each insight says what it said, those that no longer hold are closed with a word
    rows = Insight.objects.filter(analytics__user=host)
    assert {row.pk: (row.title, row.description) for row in rows if row.pk in old} == old
    closed = rows.filter(pk__in=old).exclude(status="open")
    assert "downtime" in {row.insight_type for row in closed}, [(row.insight_type, row.status) for row in rows]
    assert all(row.closed_at and (row.status == "resolved" or row.superseded_by_id) for row in closed)

    # and the host can read who did what
    privacy = client.get(reverse("privacy:index")).content.decode()
    assert "Ticket 12: my numbers are wrong" in privacy
    assert AuditEntry.objects.filter(action="portfolios.days-settled-again", details__account=str(host.pk)).exists()


def test_settling_again_changes_nothing_where_nothing_came(rig, host):
    today = clock.today()
    before = list(PerformanceMetric.objects.order_by("pk").values())
    again = settle_again(user=host, first=today - timedelta(days=DAYS), last=today)
    assert (again.days, again.changed) == (DAYS, 0)
    assert list(PerformanceMetric.objects.order_by("pk").values()) == before


def test_days_are_asked_for_within_reason(rig, host, monkeypatch):
    """No days, turned days, years: a sentence, and nothing is asked of a worker."""
    asked = []
    monkeypatch.setattr("portfolios.admin.nudge", lambda *args: asked.append(args))
    staff = Client()
    staff.force_login(UserFactory(is_staff=True, is_superuser=True))
    url = reverse("admin:portfolios_portfolio_changelist")
    for first, last in (
        ("", ""),
        ("2026-11-02", "2026-11-01"),
        ("2020-01-01", "2026-01-01"),
    ):
        form = {"action": "settle_again", "_selected_action": [str(rig.portfolio_id)], "first": first, "last": last}
        assert "Say beside the action which days" in staff.post(url, form, follow=True).content.decode()
    assert asked == []
