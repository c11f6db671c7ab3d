"""How long rows beside the figures are kept (R-064)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from market import retention, tasks
from market.models import Quarantine, SourceRun, UnknownGPUName

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def run(days=0.0, status="ok", **fields):
    return SourceRun.objects.create(source="salad", status=status, started_at=NOW - timedelta(days=days), **fields)


def quarantined(days, decision="open", **fields):
    moment = NOW - timedelta(days=days)
    told = {"source": "salad", "rule": "above_band", "subject": f"{days} {decision} {fields}"[:160], "reason": "dear"}
    moments = dict.fromkeys(("observed_at", "first_seen_at", "last_seen_at"), moment)
    return Quarantine.objects.create(**told | moments, decision=decision, **fields)


def left(model):
    return set(model.objects.values_list("pk", flat=True))


def test_refused_rows_of_runs_go_after_30_days_and_their_number_stays(monkeypatch):
    """R-064: in batches, so that a stopped job has done a part."""
    monkeypatch.setattr(retention, "BATCH", 2)
    old = [run(30.1 + n, rows_refused=1, refusals=[{"reason": "x"}]) for n in range(3)]
    young = run(29.9, rows_refused=1, refusals=[{"reason": "x"}])
    assert retention.forget_refusals(NOW) == 3
    told = SourceRun.objects.in_bulk()
    assert [(told[each.pk].refusals, told[each.pk].rows_refused) for each in old] == [([], 1)] * 3
    assert told[young.pk].refusals == [{"reason": "x"}]
    assert retention.forget_refusals(NOW) == 0


def test_runs_without_figures_go_after_90_days_and_those_with_stay(monkeypatch):
    """R-064: figures are computed again from the offers of a run that stored them."""
    monkeypatch.setattr(retention, "BATCH", 2)
    kept = {run(500).pk, run(89.9, "failed").pk, run(89.9, "unchanged").pk}
    gone = [run(90.1 + n, status) for n in range(3) for status in ("failed", "unchanged")]
    row = quarantined(10, run=gone[0])
    assert retention.delete_runs(NOW) == 6
    assert left(SourceRun) == kept
    row.refresh_from_db()
    assert row.run is None


def test_quarantined_rows_go_after_180_days_without_sight_unless_they_were_released():
    """R-064, R-037: a released row is part of the figures, and a decision that is still to be followed is kept."""
    kept = {
        quarantined(179.9).pk,
        quarantined(400, "released", decided_at=NOW, applied_at=NOW).pk,
        quarantined(400, "confirmed", decided_at=NOW, applied_at=None).pk,
    }
    quarantined(180.1)
    quarantined(400, "confirmed", decided_at=NOW, applied_at=NOW)
    assert retention.delete_unseen(NOW) == 2
    assert left(Quarantine) == kept


def test_spellings_that_nobody_uses_any_more_go_as_well():
    seen = [NOW - timedelta(days=days) for days in (179, 181)]
    for number, moment in enumerate(seen):
        UnknownGPUName.objects.create(source="salad", spelling=f"{number}", first_seen_at=moment, last_seen_at=moment)
    assert retention.delete_unseen(NOW) == 1
    assert UnknownGPUName.objects.get().spelling == "0"


def test_a_run_that_nobody_finished_is_called_failed_after_an_hour():
    """R-034: a worker was killed; the run would stand as running for ever."""
    broken, at_work, good = run(0.05, "running"), run(0.04, "running"), run(0.05)
    assert retention.end_broken_runs(NOW) == 1
    told = {each.pk: (each.status, each.error, each.finished_at) for each in SourceRun.objects.all()}
    assert told[broken.pk] == ("failed", retention.BROKEN_OFF, NOW)
    assert told[at_work.pk][0] == "running"
    assert told[good.pk][0] == "ok"


def test_the_job_runs_once_a_day():
    from gpuadvisor.celery import app

    run(4000, "failed")
    assert app.conf.beat_schedule["market.clean-up"]["task"] in app.tasks
    assert tasks.clean_up() == 1
    run(4000, "failed")
    assert tasks.clean_up() == 0
