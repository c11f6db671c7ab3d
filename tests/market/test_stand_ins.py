"""R-017, R-037: who speaks while a leader is silent, and what a stand-in's document is compared with."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from gpuadvisor.core import clock
from market import ingest, stand_ins
from market.models import MarketData, PricingSnapshot, Quarantine, SourceRun, UnknownGPUName
from market.sources import SOURCES
from tests.market.documents import document, gpu_stats, machine, machines, model_stats
from tests.market.vast_documents import offer, parts

D = Decimal
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("catalog")]
QUARTER = timedelta(minutes=15)
BOARDS = (("RTX 4090", 24564, 24.0), ("RTX 3090", 24576, 24.0), ("RTX 5090", 32607, 32.0))
LEADER, STAND_IN = "500farm_machines", "500farm_gpu_stats"


def replay(name, data, **kwargs):
    return ingest.refresh(name, document=document(data, now=clock.now(), **kwargs))


@pytest.fixture
def start():
    return ingest.bucket(clock.now()) - timedelta(hours=1)


def told(at, *, factor=1.0, count=30):
    """The leader's market: three models of ten machines each, two GPUs per machine."""
    rows = []
    for n in range(1, count + 1):
        name, memory, _gb = BOARDS[n % 3]
        rows.append(machine(n, gpu_name=name, gpu_ram=memory, dph_base=(1 + n / 30) * factor))
    return machines(*rows, at=at)


def summed(at, *, factor=1.0, total=20, boards=BOARDS):
    """The same market as the exporter sums it up."""
    models = [
        model_stats(name, total=total, rented=total // 2, vram=gb, median=0.75 * factor, low=0.5 * factor, high=factor)
        for name, _memory, gb in boards
    ]
    return gpu_stats(*models, at=at)


def sources():
    return set(MarketData.objects.values_list("demand_indicators__source", flat=True))


# -- A held leader -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "same"),
    [
        ({"factor": 10.0}, {"factor": 10.0}),
        ({"factor": 1.6, "count": 10}, {"factor": 1.6, "total": 6}),
        ({"count": 10}, {"total": 6}),
    ],
    ids=["ten-times", "dearer-and-fewer", "fewer"],
)
def test_what_is_held_of_the_leader_does_not_come_in_by_its_stand_in(start, fault, same):
    """R-037: one exporter fails in two documents; the last good figures stay with their age."""
    replay(LEADER, told(start))
    before = list(MarketData.objects.order_by("pk").values())
    assert replay(LEADER, told(start + QUARTER, **fault)).is_held
    assert replay(STAND_IN, summed(start + QUARTER, **same)).changed == 0
    assert list(MarketData.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    ("same", "rule"),
    [({"factor": 10.0}, "scale_step"), ({"total": 6}, "offers_lost"), ({"factor": 0.1}, "scale_step")],
    ids=["ten-times", "fewer", "a-tenth"],
)
def test_a_stand_in_that_first_speaks_is_measured_by_its_leader(start, same, rule):
    """R-037: the leader fails, and its stand-in tells another market than the leader did."""
    replay(LEADER, told(start))
    replay(LEADER, b"<html>")
    report = replay(STAND_IN, summed(start + QUARTER, **same))
    assert (report.is_held, Quarantine.objects.get().rule, sources()) == (True, rule, {LEADER})


def test_a_stand_in_that_agrees_with_its_leader_speaks_and_is_measured_by_itself_from_then_on(start):
    replay(LEADER, told(start))
    replay(STAND_IN, summed(start))
    replay(LEADER, b"<html>")
    assert replay(STAND_IN, summed(start + QUARTER)).changed == 3
    assert replay(STAND_IN, summed(start + 2 * QUARTER, factor=1.1)).changed == 3
    assert replay(STAND_IN, summed(start + 3 * QUARTER, factor=10.0)).is_held


# -- One row of a source that sums up ----------------------------------------------------------------------------------


def test_a_sum_far_from_what_the_gpu_cost_is_refused_until_staff_release_it(start):
    """R-037: no other row of the document can show it."""
    replay(LEADER, b"<html>")
    replay(STAND_IN, summed(start))
    wrong = summed(start + QUARTER)
    wrong["models"][0] = model_stats("RTX 4090", total=20, rented=10, median=18.0, low=12.0, high=24.0)
    report = replay(STAND_IN, wrong)
    assert (report.status, report.refused, report.changed) == ("ok", 1, 2)
    row = Quarantine.objects.get()
    assert (row.rule, row.subject, row.gpu_model, row.price) == ("unit_error", "RTX 4090", "RTX 4090", D("18"))
    assert "as if per day" in row.reason
    Quarantine.objects.update(decision="released", decided_at=clock.now())
    wrong["timestamp"] = (start + 2 * QUARTER).isoformat()
    assert replay(STAND_IN, wrong).changed == 3


# -- Several stand-ins -------------------------------------------------------------------------------------------------


def metrics(at=None, places=None, **changes):
    row = {
        "gpu_name": "RTX 4090",
        "total": 20,
        "rented_verified": 8,
        "rented_unverified": 2,
        "avail_verified": 8,
        "avail_unverified": 2,
        "price_median": 0.7,
        "price_p10": 0.5,
        "price_p90": 1.0,
    }
    rows = [row | {"gpu_name": name} | changes for name, _memory, _gb in BOARDS]
    return {"current": {"gpus": rows}, "locations": places and {"locations": places}}


def test_the_first_stand_in_speaks_and_the_others_check(start):
    """R-017: cells of two stand-ins never make one market."""
    replay(LEADER, b"<html>")
    replay(STAND_IN, summed(start))
    assert replay("vast_metrics", metrics(), observed_at=start + timedelta(minutes=2)).changed == 0
    assert sources() == {STAND_IN}
    replay(STAND_IN, b"<html>")
    assert replay("vast_metrics", metrics(), observed_at=start + QUARTER).changed == 3


def test_the_first_stand_in_takes_the_moment_over_from_a_lesser_one(start):
    replay(LEADER, b"<html>")
    assert replay("vast_metrics", metrics(), observed_at=start).changed == 3
    assert replay(STAND_IN, summed(start + timedelta(minutes=2), boards=BOARDS[:2])).changed == 3
    assert sources() == {STAND_IN}
    assert set(MarketData.objects.values_list("gpu_model", flat=True)) == {"RTX 4090", "RTX 3090"}


def test_the_order_of_the_stand_ins():
    names = [source.name for source in stand_ins.family(SOURCES["vast_offers"])]
    assert names[0] == LEADER
    assert [name for name in names if name in (STAND_IN, "vast_metrics", "vast_offers")] == [
        STAND_IN,
        "vast_metrics",
        "vast_offers",
    ]


def test_an_optional_part_that_is_missing_does_not_hold_the_rest(start, settings):
    """R-037: the division by country is a document of its own; without it the sums are as good as before."""
    settings.MARKET_SOURCES = ["vast_metrics"]
    codes = ("US", "DE", "SE", "JP", "FR", "CA")
    places = [{"gpu_name": "RTX 4090", "num_gpus": 2, "country_code": code, "rented": True} for code in codes]
    assert replay("vast_metrics", metrics(places=places), observed_at=start).changed > 6
    report = replay("vast_metrics", metrics(), observed_at=start + QUARTER)
    assert (report.status, report.changed) == ("ok", 3)


# -- What a check leaves behind ----------------------------------------------------------------------------------------


def test_a_check_tells_staff_of_rows_that_it_refuses_and_names_that_it_does_not_know(start):
    replay(LEADER, told(start))
    rows = [*many(5), offer(7, machine_id=7, dph_base=-1.0), offer(8, machine_id=8, gpu_name="RTX 9090")]
    report = replay("vast_offers", answers(rows), observed_at=start)
    assert (report.status, report.changed) == ("ok", 0)
    assert Quarantine.objects.filter(source="vast_offers", rule="negative_price").count() == 1
    assert UnknownGPUName.objects.get().spelling == "RTX 9090"
    assert not PricingSnapshot.objects.filter(source="vast_offers").exists()


# -- Answers that were cut ---------------------------------------------------------------------------------------------


@pytest.fixture
def alone(settings):
    settings.MARKET_SOURCES = ["vast_offers"]


def many(count, first=1):
    return [offer(n, machine_id=n) for n in range(first, first + count)]


def answers(*answered):
    """A document of several answers."""
    return {"parts": [part for rows in answered for part in parts(*rows)["parts"]]}


@pytest.mark.usefixtures("alone")
def test_machines_and_their_bids_are_not_counted_as_rows_of_the_answer(start):
    """R-037: 32 machines with a bid each are 64 offers, and no answer that was cut at 64."""
    report = replay("vast_offers", answers(many(32)), observed_at=start)
    assert (report.status, SourceRun.objects.get().rows_seen) == ("ok", 64)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("count", [64, 500])
def test_an_answer_that_was_cut_is_held_for_staff(start, count):
    report = replay("vast_offers", answers(many(count)), observed_at=start)
    assert (report.status, report.is_held) == ("failed", True)
    held = Quarantine.objects.get()
    assert (held.rule, held.scope, held.observed_at) == ("truncated", "batch", start)


@pytest.mark.usefixtures("alone")
def test_where_a_part_stays_cut_nobody_is_told_to_have_left(start):
    """Fault 17: who is missing from a cut answer may be there all the same."""
    assert replay("vast_offers", answers(many(10), many(5, 101)), observed_at=start).status == "ok"
    assert replay("vast_offers", answers(many(10), many(64, 101)), observed_at=start + QUARTER).status == "ok"
    later = PricingSnapshot.objects.filter(snapshot_time=start + QUARTER)
    assert {str(row.additional_features) for row in later} == {"{'refused': 'truncated'}"}
    assert replay("vast_offers", answers(many(10), many(4, 101)), observed_at=start + 2 * QUARTER).status == "ok"
    gone = PricingSnapshot.objects.filter(additional_features={"gone": True})
    assert set(gone.values_list("external_id", flat=True)) == {"105"}


# -- One at a time -----------------------------------------------------------------------------------------------------


def test_documents_of_one_leader_are_stored_one_at_a_time(start):
    """A replay beside a scheduled refresh waits for it, with its stand-ins."""
    replay(STAND_IN, summed(start))
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_locks where locktype = 'advisory' and objid = "
            "(select ('x' || lpad(to_hex(hashtext(%s)), 8, '0'))::bit(32)::bigint)",
            [f"market:{LEADER}"],
        )
        assert cursor.fetchone()[0] == 1
