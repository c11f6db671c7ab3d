"""Doorways for Celery."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from celery import shared_task

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from gpuadvisor.core.jobs import once_per_slot

from . import comparing, demo, estimates, journal, retention
from .analysis import service as analysis
from .imports import jobs
from .ingest import again, merging
from .insights import service as insights
from .suggestions import service as suggestions


@shared_task
@once_per_slot("portfolios.top-up-demo", every=timedelta(hours=1))
def top_up_demo() -> int:
    """Give the demo host the days that have passed; the number of rows added."""
    return demo.top_up_demo(clock.today())


@shared_task
@once_per_slot("portfolios.merge-ingest", every=timedelta(minutes=5))
def merge_ingest() -> int:
    """Merge what programs have posted; the number of batches (R-055)."""
    return merging.merge_waiting()


@shared_task
def merge_waiting() -> int:
    """The same at once, after a post; the number of batches."""
    return merging.merge_waiting()


@shared_task
@once_per_slot("portfolios.purge-ingest", every=timedelta(hours=1))
def purge_ingest() -> int:
    """Delete batches that were merged more than 30 days ago; their number."""
    return merging.purge()


@shared_task(soft_time_limit=780, time_limit=800)  # one transaction of a million rows; below the visibility timeout
def work_imports() -> int:
    """Read, store and take back files of daily results, each in its turn; the number of turns."""
    return jobs.work()


@shared_task
@once_per_slot("portfolios.purge-imports", every=timedelta(hours=1))
def purge_imports() -> int:
    """Throw away imports that nobody said yes to within a day, and rows behind an undo of 30 days ago; their number."""
    return jobs.purge()


@shared_task
@once_per_slot("portfolios.clean-up", every=timedelta(hours=24))
def clean_up() -> int:
    """Let go of analyses and comp days that are past their time (R-064); rows deleted."""
    return retention.clean_up()


@shared_task
def analyse_host(user_id: str) -> int:
    """Analyse one host's fleet anew: a nudge from a page that found an outdated analysis."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    return int(user is not None and analysis.make(user))


@shared_task
@once_per_slot("portfolios.analyse-fleets", every=timedelta(hours=1))
def analyse_fleets() -> int:
    """Analyse the fleets of hosts who looked in lately or whose figures came in; the rest in further messages."""
    insights.close_expired(clock.now())
    return analyse_slice(None)


@shared_task
def analyse_slice(after: str | None = None) -> int:
    done, rest = analysis.make_slice(UUID(after) if after else None)
    if rest is not None:
        analyse_slice.delay(str(rest))
    return done


@shared_task
def estimate_portfolios(pks: list[str]) -> int:
    """Estimate what these portfolios will earn; how many estimates changed."""
    return estimates.store([UUID(pk) for pk in pks])


@shared_task
@once_per_slot("portfolios.estimate-all", every=timedelta(hours=24))
def estimate_all() -> int:
    """Estimate every active portfolio anew, as the market moves; the rest in further messages."""
    return estimate_slice(None)


@shared_task
def estimate_slice(after: str | None = None) -> int:
    rest = estimates.refresh_slice(UUID(after) if after else None)
    if rest is not None:
        estimate_slice.delay(str(rest))
    return int(rest is not None)


@shared_task
@once_per_slot("portfolios.comp-days", every=timedelta(hours=1))
def make_comp_days() -> int:
    """Store the days of all that hosts are compared with; rows that were new or different."""
    return comparing.make_days().written


@shared_task
def make_new_comp_days() -> int:
    """The same at once, after a host changed a comp set; for a short while."""
    return comparing.make_days(seconds=20).written


@shared_task
@once_per_slot("portfolios.follow-price-changes", every=timedelta(hours=1))
def follow_price_changes() -> int:
    """See the price changes in the daily results that were written lately; entries that came, went or changed."""
    return journal.follow()


@shared_task
def suggest_host(user_id: str) -> int:
    """Make one host's suggestions anew: a nudge from a page that found them outdated."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    return int(user is not None and suggestions.make(user))


@shared_task
@once_per_slot("portfolios.suggest-fleets", every=timedelta(hours=1))
def suggest_fleets() -> int:
    """Suggestions for hosts whose figures changed or whose day is over; the rest in further messages."""
    suggestions.close_expired(clock.now())
    return suggest_slice(None)


@shared_task
def suggest_slice(after: str | None = None) -> int:
    done, rest = suggestions.make_slice(UUID(after) if after else None)
    if rest is not None:
        suggest_slice.delay(str(rest))
    return done


@shared_task
def settle_again(user_id: str, first: str, last: str) -> int:
    """Days of one host anew, as staff asked for; rows that came out different."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        return 0
    return again.settle_again(user=user, first=date.fromisoformat(first), last=date.fromisoformat(last)).changed
