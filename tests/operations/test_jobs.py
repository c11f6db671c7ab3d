"""The table of scheduled jobs: what beat is told, and that two beats or a dead one start each job once (promise 29)."""

from datetime import UTC, datetime, timedelta

import pytest
from celery.beat import Scheduler

from gpuadvisor.celery import app
from gpuadvisor.core import jobs
from gpuadvisor.operations.schedule import JOBS, QUARTER, beat_schedule

BY_THEMSELVES = {  # each has a test of its own
    "market.refresh",  # tests/market/test_schedule.py
    "backups.back-up",  # tests/operations/test_backups_rows.py
    "backups.check",
}


def test_every_job_is_a_task_that_a_queue_takes(db):
    app.loader.import_default_modules()
    for job in JOBS:
        assert job.task in app.tasks, job.name
        assert job.queue in ("alerts", "ingest", "bulk", "chat"), job.name
        assert job.what, job.name
        assert timedelta() < job.amber < job.red, job.name
    assert len({job.name for job in JOBS}) == len({job.task for job in JOBS}) == len(JOBS)


def test_beat_is_told_of_every_job_and_of_nothing_else():
    entries = app.conf.beat_schedule
    assert entries == beat_schedule()
    assert {entry["task"] for entry in entries.values()} == {job.task for job in JOBS}


def test_every_job_of_a_quarter_of_an_hour_takes_the_slot_that_its_row_names(db):
    app.loader.import_default_modules()
    for job in JOBS:
        if job.slot:
            assert jobs.SLOTS.get(job.name) == job.slot, job.name
        elif job.every >= QUARTER:
            assert job.by_itself, job.name
        assert not (job.slot and job.slot > job.every), f"{job.name}: a slot longer than its interval skips runs"
    assert {job.name for job in JOBS if job.by_itself} == BY_THEMSELVES
    assert {name for name in jobs.SLOTS if not name.startswith("test.")} == {job.name for job in JOBS if job.slot}


def test_what_is_frequent_or_takes_no_slot_makes_no_pile():
    rows = {job.name: job for job in JOBS}
    for name, entry in beat_schedule().items():
        job = rows[name.partition(":")[0]]
        expires = None if job.slot and job.every >= QUARTER else job.every.total_seconds()
        assert entry["options"].get("expires") == expires, name


class Noting(Scheduler):
    """A beat whose messages are noted instead of sent."""

    def setup_schedule(self):
        self.sent = []
        self.merge_inplace(self.app.conf.beat_schedule)

    def apply_async(self, entry, producer=None, advance=True, **kwargs):
        self.sent.append(entry.name)

    def pass_by(self):
        """What Scheduler.tick does once for each entry that is due."""
        for entry in list(self.schedule.values()):
            if entry.is_due()[0]:
                self.reserve(entry)
                self.apply_entry(entry)


@pytest.mark.parametrize("silent", [timedelta(minutes=30), timedelta(days=3)], ids=["30 min", "3 days"])
def test_a_beat_that_was_dead_starts_each_job_once_on_return(silent):
    """e26: what was missed is not made up for, and what is due runs once."""
    beat = Noting(app)
    for entry in beat.schedule.values():
        entry.last_run_at = datetime.now(UTC) - silent
    for _ in range(3):
        beat.pass_by()
    assert len(beat.sent) == len(set(beat.sent))
    due = {job.name for job in JOBS if silent > job.every + timedelta(minutes=1)}
    assert due <= {name.partition(":")[0] for name in beat.sent}
