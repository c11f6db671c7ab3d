"""Jobs run once per slot (promise 29)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from gpuadvisor.core import clock, jobs
from gpuadvisor.core.models import JobRun

QUARTER = timedelta(minutes=15)
SLOT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 11, 20, 12, 0, tzinfo=UTC), SLOT),
        (datetime(2026, 11, 20, 12, 14, 59, tzinfo=UTC), SLOT),
        (datetime(2026, 11, 20, 12, 15, tzinfo=UTC), SLOT + QUARTER),
    ],
)
def test_slot_at(moment, expected):
    assert jobs.slot_at(moment, QUARTER) == expected


@pytest.mark.django_db(transaction=True)
def test_of_twenty_parallel_claims_one_wins():
    def claim(_):
        try:
            return jobs.claim_slot("test.race", SLOT)
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        won = [run for run in pool.map(claim, range(20)) if run]
    assert len(won) == 1


def test_a_finished_slot_is_not_run_again(db):
    run = jobs.claim_slot("test.done", SLOT)
    jobs.finish(run, rows=3)
    JobRun.objects.update(started_at=clock.now() - timedelta(hours=1))
    assert jobs.claim_slot("test.done", SLOT) is None


@pytest.mark.parametrize(("minutes", "taken_over"), [(9, False), (11, True)])
def test_a_run_that_died_is_taken_over_after_ten_minutes(db, minutes, taken_over):
    run = jobs.claim_slot("test.died", SLOT)
    JobRun.objects.filter(pk=run).update(started_at=clock.now() - timedelta(minutes=minutes))
    assert (jobs.claim_slot("test.died", SLOT) == run) is taken_over


def test_once_per_slot_records_rows_and_skips_the_second_call(db):
    calls = []

    @jobs.once_per_slot("test.rows", every=timedelta(days=365))
    def work():
        calls.append(1)
        return 7

    assert (work(), work(), len(calls)) == (7, 0, 1)
    assert JobRun.objects.get(job="test.rows").rows == 7


def test_once_per_slot_records_the_error_and_lets_it_rise(db):
    @jobs.once_per_slot("test.fails", every=timedelta(days=365))
    def work():
        raise ValueError("no figures today")

    with pytest.raises(ValueError):
        work()
    run = JobRun.objects.get(job="test.fails")
    assert run.error == "ValueError: no figures today"
    assert run.finished_at
