"""How long rows that are computed for hosts are kept (R-064)."""

from datetime import date, timedelta

from gpuadvisor.core import clock
from market.models import CompDay
from portfolios import retention, tasks
from portfolios.models import Analytics, Insight
from tests.factories import AnalyticsFactory, InsightFactory

TODAY = date(2027, 3, 1)


def comp_day(day):
    return CompDay.objects.create(
        key="vast|RTX 4090||||", origin="live", day=day, offers=1, gpus=1, hours=24, made_at=clock.now()
    )


def test_analyses_and_their_insights_are_kept_three_years(db, monkeypatch):
    """R-064: analytics 3 y, to the day, in batches."""
    monkeypatch.setattr(retention, "BATCH", 2)
    last = AnalyticsFactory(analysis_date=date(2024, 3, 1))
    old = [AnalyticsFactory(analysis_date=date(2024, 2, 29) - timedelta(days=n)) for n in range(3)]
    InsightFactory(analytics=old[0])
    kept = InsightFactory(analytics=last)
    assert retention.forget_analytics(TODAY) == 4
    assert (Analytics.objects.get(), Insight.objects.get()) == (last, kept)


def test_days_of_comp_sets_are_kept_as_long_as_results(db):
    """R-064: as metrics, 2 y."""
    kept = comp_day(date(2025, 3, 1))
    comp_day(date(2025, 2, 28))
    assert retention.forget_comp_days(TODAY) == 1
    assert CompDay.objects.get() == kept


def test_a_leap_day_has_a_day_three_years_before(db):
    AnalyticsFactory(analysis_date=date(2025, 2, 27))
    assert retention.forget_analytics(date(2028, 2, 29)) == 1


def test_the_job_does_it_once_a_day(db):
    AnalyticsFactory(analysis_date=date(2001, 1, 1))
    assert tasks.clean_up() == 1
    assert tasks.clean_up() == 0, "its slot is taken"
