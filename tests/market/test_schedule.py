"""When a source is asked: R-034, promise 29, faults e18 and e26."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from gpuadvisor.core.models import JobRun
from market import runs, schedule, tasks
from market.models import SourceRun
from market.sources import SOURCES
from market.sources.base import DAILY, HALF_HOUR, HOUR, QUARTER, RawDocument, SourceError

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
NOON = MIDNIGHT + timedelta(hours=12)
EMPTY = b'{"offers": []}'


@pytest.fixture
def at(monkeypatch):
    """`at(moment)` sets the clock of everything that asks when it is."""
    moments = [NOON]
    monkeypatch.setattr("gpuadvisor.core.clock.now", lambda: moments[0])

    def set_to(moment):
        moments[0] = moment
        return moment

    return set_to


@pytest.fixture
def beat(at, settings, monkeypatch):
    """`beat(moment)` is what one beat at `moment` made be asked; `answers` says how each source answers."""
    settings.MARKET_SOURCES = ["runpod"]
    settings.MARKET_SIMULATION = False
    asked, waits = [], []

    def run(args, countdown):
        waits.append((args[0], countdown))
        tasks.refresh_source(*args)

    monkeypatch.setattr(tasks.refresh_source, "apply_async", run)
    monkeypatch.setattr(tasks.simulate, "apply_async", lambda countdown: None)

    def one(moment):
        at(moment)
        asked.clear()
        tasks.refresh_market()
        return list(asked)

    one.asked, one.waits = asked, waits
    return one


def answers(monkeypatch, beat, name, *, fails=False):
    """Let the source at the far side of the internet answer an empty list, or not at all."""

    def fetch(conditional):
        beat.asked.append(name)
        if fails:
            raise SourceError("nobody there")
        return RawDocument(b"", 304, conditional.now)

    monkeypatch.setattr(SOURCES[name], "fetch", fetch)


def day_of_beats(beat, start=MIDNIGHT, hours=24):
    return [n for n in range(hours * 4) if beat(start + n * QUARTER)]


@pytest.mark.parametrize(
    ("name", "every", "times"),
    [("runpod", QUARTER, 96), ("salad", HALF_HOUR, 48), ("clore", HALF_HOUR, 48), ("akash", HOUR, 24)],
)
def test_each_source_has_its_own_interval(beat, settings, monkeypatch, name, every, times):
    """R-034: one entry in beat, a slot of its own per source."""
    settings.MARKET_SOURCES = [name]
    answers(monkeypatch, beat, name)
    assert SOURCES[name].every == every
    assert len(day_of_beats(beat)) == times


def test_a_daily_source_is_asked_once_a_day_at_its_hour(beat, settings, monkeypatch):
    settings.MARKET_SOURCES = ["gpurentalprices"]
    answers(monkeypatch, beat, "gpurentalprices")
    assert beat(MIDNIGHT) == ["gpurentalprices"], "a fresh site does not wait for tomorrow"
    assert day_of_beats(beat, MIDNIGHT + QUARTER, 34) == [31, 127]  # 08:00 of both days


def test_a_daily_source_that_fails_is_tried_hourly_until_it_answers(beat, settings, monkeypatch):
    settings.MARKET_SOURCES, settings.LAMBDA_API_KEY = ["lambda"], "key"
    answers(monkeypatch, beat, "lambda", fails=True)
    assert day_of_beats(beat, hours=3) == [0, 4, 8]
    answers(monkeypatch, beat, "lambda")
    assert day_of_beats(beat, MIDNIGHT + timedelta(hours=3), hours=24) == [0, 84]  # at once, then on the next day


def test_beats_that_were_missed_are_not_made_up_for(beat, monkeypatch):
    """Fault e26: beat dead for 30 minutes, then each source once."""
    answers(monkeypatch, beat, "runpod")
    assert beat(NOON) == ["runpod"]
    back = NOON + timedelta(minutes=46)
    assert beat(back) == ["runpod"]
    assert beat(back) == []
    assert JobRun.objects.filter(job="market:runpod").count() == 2


@pytest.mark.parametrize("seconds", [-59, -1, 0, 1, 20])
def test_a_beat_whose_clock_is_a_little_off_still_means_its_slot(beat, monkeypatch, seconds):
    answers(monkeypatch, beat, "runpod")
    asked = [beat(NOON + n * QUARTER + timedelta(seconds=seconds)) for n in range(4)]
    assert asked == [["runpod"]] * 4


def test_a_source_that_needs_another_waits_for_it_a_minute_at_a_time(beat, settings, monkeypatch):
    """reliability c: no message waits longer than 60 seconds; the leader goes before those that stand in for it."""
    for name in (names := [n for n in SOURCES if n != "simulated"]):
        answers(monkeypatch, beat, name)
        if key := SOURCES[name].needs_key:
            setattr(settings, key, "key")
    settings.MARKET_SOURCES = names
    assert sorted(beat(NOON)) == sorted(names)
    assert all(0 <= wait <= 60 for _name, wait in beat.waits)
    for name in names:
        told = sum(wait for of, wait in beat.waits if of == name)
        assert 0 <= told - schedule.wait_of(SOURCES[name]) <= tasks.JITTER_SECONDS
        if leader := SOURCES[name].stands_in_for:
            assert schedule.wait_of(SOURCES[name]) >= schedule.wait_of(SOURCES[leader]) + tasks.JITTER_SECONDS


def test_a_source_without_its_key_is_off_not_failed(beat, settings, monkeypatch):
    answers(monkeypatch, beat, "lambda")
    settings.MARKET_SOURCES, settings.LAMBDA_API_KEY = ["lambda"], ""
    assert (beat(NOON), schedule.why_off("lambda")) == ([], "needs LAMBDA_API_KEY")
    assert tasks.refresh_source("lambda") == 0
    assert not SourceRun.objects.exists()
    settings.LAMBDA_API_KEY = "key"
    assert (beat(NOON), schedule.why_off("lambda")) == (["lambda"], "")


def test_a_source_that_is_not_named_is_off(beat, settings, monkeypatch):
    answers(monkeypatch, beat, "runpod")
    settings.MARKET_SOURCES = ["nobody"]
    assert (beat(NOON), schedule.why_off("runpod")) == ([], "not in MARKET_SOURCES")
    assert tasks.refresh_source("runpod") == 0


# -- The breaker -------------------------------------------------------------------------------------------------------


def failures(number, every, **kwargs):
    """So many failed runs, one an interval, the last of them at noon."""
    for age in range(number):
        SourceRun.objects.create(source="x", status="failed", started_at=NOON - age * every, **kwargs)


@pytest.mark.parametrize(
    ("number", "every", "minutes"),
    [
        (2, QUARTER, None),
        (3, QUARTER, 20),
        (4, QUARTER, 40),
        (5, QUARTER, 80),
        (6, QUARTER, 120),
        (9, QUARTER, 120),
        (3, HALF_HOUR, 40),
        (9, HALF_HOUR, 240),
        (3, HOUR, 80),
        (9, HOUR, 480),
        (1, DAILY, 52.5),
        (9, DAILY, 52.5),
    ],
)
def test_pauses_grow_with_failures_and_with_the_interval(number, every, minutes):
    failures(number, every)
    until = runs.paused_until("x", NOON, every)
    assert until == (None if minutes is None else NOON + timedelta(minutes=minutes))


def test_a_held_batch_is_an_answer_and_opens_no_breaker():
    """The source spoke; what it said stands in quarantine."""
    failures(5, QUARTER, is_held=True)
    assert runs.paused_until("x", NOON) is None
    failures(2, timedelta(seconds=1))
    assert runs.paused_until("x", NOON) is None
    assert runs.answered_since("x", NOON - QUARTER)


# -- The log -----------------------------------------------------------------------------------------------------------


def test_a_failing_source_says_so_once_an_hour_and_once_when_it_is_back(at, monkeypatch, caplog):
    """Fault e18: the log is told of the first failure, hourly of a lasting one, and of the end."""
    caplog.set_level(logging.INFO, logger="market.runs")

    def run(minutes, status, error=""):
        caplog.clear()
        moment = at(NOON + timedelta(minutes=minutes))
        runs.finish(runs.start("x", moment), status, error=error)
        return [(record.levelname, record.getMessage()) for record in caplog.records]

    assert run(0, "ok") == []
    assert run(15, "failed", "down") == [("WARNING", "market source x: down")]
    assert [run(minutes, "failed", "down") for minutes in (30, 45, 60)] == [[], [], []]
    assert run(75, "failed", "slow") == [("WARNING", "market source x: slow (failing since 2026-11-20 12:15 UTC)")]
    assert run(90, "failed", "down") == []
    back = "market source x answers again after 6 failures since 2026-11-20 12:15 UTC"
    assert run(105, "unchanged") == [("INFO", back)]
    assert run(120, "ok") == []
    assert run(135, "failed", "down") == [("WARNING", "market source x: down")]
