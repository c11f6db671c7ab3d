"""How long rows that are computed for hosts are kept (R-064): analyses with their insights, days of comp sets.

Each deletion commits by itself and takes a thousand rows: the job may be stopped anywhere and goes on next time. What
hosts typed or decided (results, suggestions, price changes) is theirs and stays until they delete it.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import QuerySet

from gpuadvisor.core import clock
from market.models import CompDay

from .models import Analytics

BATCH = 1000
ANALYTICS_YEARS = 3
COMP_DAYS_YEARS = 2  # as long as the results that they are put beside


def clean_up() -> int:
    """Let go of what is past its time; the number of rows deleted, insights included."""
    today = clock.today()
    return forget_analytics(today) + forget_comp_days(today)


def forget_analytics(today: date) -> int:
    """Analyses of more than three years ago, and what was told from them."""
    return _delete(Analytics.objects.filter(analysis_date__lt=_years_before(today, ANALYTICS_YEARS)))


def forget_comp_days(today: date) -> int:
    """Days of those compared with that no window reaches back to."""
    return _delete(CompDay.objects.filter(day__lt=_years_before(today, COMP_DAYS_YEARS)))


def _years_before(day: date, years: int) -> date:
    """The same day of an earlier year; of 29 February the 28th."""
    return day.replace(year=day.year - years, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _delete(rows: QuerySet[Any]) -> int:
    done = 0
    while pks := list(rows.values_list("pk", flat=True)[:BATCH]):
        done += rows.model._default_manager.filter(pk__in=pks).delete()[0]
    return done
