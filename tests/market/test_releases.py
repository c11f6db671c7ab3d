"""R-037: what is refused once is refused again, what is believed once stays believed, and releases hold."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from gpuadvisor.core import clock
from market import decisions, ingest, quarantine
from market.models import MarketData, PricingSnapshot, Quarantine
from tests.market.documents import document, gpu_type, gpu_types, machine, machines, recorded

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("catalog")]
D = Decimal
QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)


def replay(name, data, **kwargs):
    return ingest.refresh(name, document=document(data, now=clock.now(), **kwargs))


@pytest.fixture
def start():
    return ingest.bucket(clock.now()) - timedelta(hours=2)


# -- The same document again -------------------------------------------------------------------------------------------


def test_an_unchanged_price_list_refuses_nothing_new_a_quarter_of_an_hour_later(start):
    """R-037: a secure price is compared with the secure price before it, not with the median of both clouds."""
    body = recorded("raw/runpod_graphql_gpuTypes.json")
    first = replay("runpod", body, observed_at=start)
    refused = set(Quarantine.objects.values_list("rule", "subject", "price"))
    again = replay("runpod", body, observed_at=start + QUARTER)
    assert set(Quarantine.objects.values_list("rule", "subject", "price")) == refused
    assert (again.status, again.refused) == ("ok", first.refused)


# -- Price lists -------------------------------------------------------------------------------------------------------


def benchmark(at, *, dear):
    """A list of one platform; the last price is that of a day."""
    rows = [
        {"provider": "coreweave", "gpu": "h100-sxm", "kind": "on-demand", "vram_gb": 80, "min_gpus": n, "usd_hr": 1.3}
        for n in range(1, 5)
    ]
    rows.append(rows[0] | {"min_gpus": 8, "usd_hr": dear})
    moment = at.isoformat()
    rows = [row | {"fetched_at": moment} for row in rows]
    return {"generated_at": moment, "date": f"{at:%Y-%m-%d}", "offers": rows}


def test_a_released_list_price_counts_and_can_be_computed_again(start):
    """R-037: the price lists of the benchmarks keep their offers, when they change."""
    first = replay("gpurentalprices", benchmark(start, dear=31.2))
    assert (first.status, first.refused) == ("ok", 1)
    cell = MarketData.objects.get(region="global")
    assert cell.max_price == D("1.3")
    quarantine.decide(pks=[Quarantine.objects.get().pk], decision="released", user=None)
    assert decisions.apply_due() == 1
    cell = MarketData.objects.get(region="global")
    assert cell.max_price == D("31.2")
    kept = PricingSnapshot.objects.count()
    assert replay("gpurentalprices", benchmark(start + DAY / 24, dear=31.2)).refused == 0
    assert PricingSnapshot.objects.count() == kept == 5


def test_a_placeholder_that_is_the_real_price_can_be_released(start):
    """R-037: a number that was read is a price that staff can let in."""
    listed = gpu_types(gpu_type(communityPrice=0.5))
    replay("runpod", listed, observed_at=start)
    row = Quarantine.objects.get()
    assert (row.rule, row.price) == ("placeholder_price", D("0.5"))
    assert quarantine.decide(pks=[row.pk], decision="released", user=None).rows == 1
    decisions.apply_due()
    assert replay("runpod", listed, observed_at=start + QUARTER).refused == 0
    prices = MarketData.objects.order_by("data_timestamp").values_list("min_price", flat=True)
    assert list(prices) == [D("0.74"), D("0.5")]
    quarantine.decide(pks=[row.pk], decision="confirmed", user=None)
    decisions.apply_due()
    assert list(prices.all()) == [D("0.74"), D("0.74")]


# -- How far a release reaches -----------------------------------------------------------------------------------------


def usual(dear):
    return [machine(n, dph_base=1.0 + n / 10) for n in range(1, 9)] + [machine(10, dph_base=dear)]


def test_a_release_holds_within_a_tenth_of_its_price(start):
    """R-037: a cent more is the same offer; a third more is another question."""
    replay("500farm_machines", machines(*usual(60.0), at=start))
    row = Quarantine.objects.get()
    quarantine.decide(pks=[row.pk], decision="released", user=None)
    decisions.apply_due()
    assert replay("500farm_machines", machines(*usual(60.02), at=start + QUARTER)).refused == 0
    assert PricingSnapshot.objects.get(snapshot_time=start + QUARTER).additional_features["released"] == "above_band"
    assert Quarantine.objects.count() == 1
    assert replay("500farm_machines", machines(*usual(80.0), at=start + 2 * QUARTER)).refused == 1
    quarantine.decide(pks=[row.pk], decision="confirmed", user=None)
    decisions.apply_due()
    offers = MarketData.objects.filter(region="global").order_by("data_timestamp").values_list("offer_count", flat=True)
    assert list(offers) == [8, 8, 8]


# -- Released batches --------------------------------------------------------------------------------------------------


def market(at, factor=1.0):
    boards = (("RTX 4090", 24564), ("RTX 3090", 24576), ("RTX 5090", 32607))
    rows = []
    for n in range(1, 31):
        name, memory = boards[n % 3]
        rows.append(machine(n, gpu_name=name, gpu_ram=memory, dph_base=(1 + n / 30) * factor))
    return machines(*rows, at=at)


def test_a_batch_that_the_market_has_left_behind_is_not_released(start):
    """R-037: its machines would be told to have come and gone after the fact."""
    replay("500farm_machines", market(start))
    replay("500farm_machines", market(start + QUARTER, 10.0))
    held = Quarantine.objects.get()
    quarantine.decide(pks=[held.pk], decision="released", user=None)
    replay("500farm_machines", market(start + 2 * QUARTER))
    before = list(MarketData.objects.order_by("pk").values())
    assert decisions.apply_due() == 1  # decided before, too late now
    held.refresh_from_db()
    assert "The market has moved on" in held.note
    assert list(MarketData.objects.order_by("pk").values()) == before
    Quarantine.objects.update(decision="open", decided_at=None, applied_at=None)
    told = quarantine.decide(pks=[held.pk], decision="released", user=None)
    assert (told.rows, told.why[0][:23]) == (0, "The market has moved on")
    assert quarantine.decide(pks=[held.pk], decision="confirmed", user=None).rows == 1


def test_after_a_mistaken_release_the_next_right_document_is_stored(start):
    replay("500farm_machines", market(start))
    replay("500farm_machines", market(start + QUARTER, 10.0))
    quarantine.decide(pks=[Quarantine.objects.get().pk], decision="released", user=None)
    decisions.apply_due()
    assert replay("500farm_machines", market(start + 2 * QUARTER, 10.0)).status == "ok"
    right = replay("500farm_machines", market(start + 3 * QUARTER))
    assert (right.status, right.refused) == ("ok", 0)
    assert replay("500farm_machines", market(start + 4 * QUARTER, 1.1)).status == "ok"


def test_what_can_never_be_a_figure_is_not_released(start):
    """R-037: a document that is dated ahead is written down for staff, and nothing else."""
    ahead = clock.now() + timedelta(hours=3)
    report = replay("500farm_machines", market(ahead))
    assert (report.is_held, "yet to come" in report.error) == (True, True)
    held = Quarantine.objects.get()
    assert (held.rule, held.scope) == ("clock_ahead", "batch")
    assert quarantine.decide(pks=[held.pk], decision="released", user=None).rows == 0


# -- The recorded leader and its stand-in ------------------------------------------------------------------------------


def test_the_recorded_statistics_agree_with_the_recorded_machines(start):
    """R-017: an honest stand-in is not held when its leader falls silent."""
    replay("500farm_machines", recorded("composed/500farm_machines.json"), observed_at=start)
    replay("500farm_machines", b"<html>")
    report = replay("500farm_gpu_stats", recorded("composed/500farm_gpu-stats.json"), observed_at=start + QUARTER)
    assert (report.status, report.changed > 0, report.error) == ("ok", True, "")
