"""Market rows computed again from stored offers: R-036, R-056."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from gpuadvisor.core import clock
from market import ingest
from market.models import MarketData, PricingSnapshot, UtilizationTrend
from market.recompute import Span, recompute
from tests.market.documents import document, gpu_stats, gpu_type, gpu_types, machine, machines, model_stats

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("catalog")]


def replay(name, data, **kwargs):
    report = ingest.refresh(name, document=document(data, now=clock.now(), **kwargs))
    assert report.status == "ok", report.error
    return report


def rows(table, without=("id", "market_data_id", "created_at", "recorded_at")):
    with connection.cursor() as cursor:
        cursor.execute(f"select * from {table}")
        names = [column.name for column in cursor.description]
        kept = [i for i, name in enumerate(names) if name not in without]
        return sorted(tuple(str(row[i]) for i in kept) for row in cursor.fetchall())


def figures():
    return rows("market_data"), rows("utilization_trends")


def versions():
    with connection.cursor() as cursor:
        cursor.execute("select xmin::text, id from market_data order by id")
        found = cursor.fetchall()
        cursor.execute("select xmin::text, id from utilization_trends order by id")
        return found, cursor.fetchall()


@pytest.fixture
def start():
    return ingest.bucket(clock.now()) - timedelta(hours=30)


@pytest.fixture
def history(catalog, start):
    """Thirty hours of a market in which machines come, change, leave and return, two documents in one quarter hour."""
    for step in range(10):
        at = start + step * timedelta(hours=3, minutes=7)
        found = [machine(n, dph_base=1.0 + n / 10, num_gpus_rented=(n + step) % 3) for n in range(1, 9)]
        found += [
            machine(20 + n, gpu_name="RTX 3090", dph_base=0.4 + step / 100, location={"country": "SE"})
            for n in range(4)
        ]
        if step == 3:
            found = [row for row in found if row["machine_id"] not in (2, 21)]
        if step == 5:
            found[0] = machine(1, dph_base=60.0)
            found[1] = machine(2, dph_base="n/a")
        if step >= 7:
            found = [row for row in found if row["machine_id"] != 8]
            found.append(machine(30, num_gpus=8, num_gpus_rented=8, location={"country": "EE"}, dph_base=2.4))
        replay("500farm_machines", machines(*found, at=at))
        if step == 6:
            replay("500farm_machines", machines(*found[:-1], at=at + timedelta(minutes=2)))
        prices = gpu_type(securePrice=0.74 + step / 100, secureSpotPrice=0.4, lowestPrice={"stockStatus": "High"})
        replay("runpod", gpu_types(prices), observed_at=at)


def everything():
    return Span(clock.now() - timedelta(days=3), clock.now() + timedelta(hours=1))


@pytest.mark.usefixtures("history")
def test_on_untouched_data_nothing_changes():
    before = figures(), versions(), rows("pricing_snapshots", without=())
    outcomes = recompute(everything())
    assert {(o.source, o.documents, o.changed, o.removed) for o in outcomes if o.documents} == {
        ("500farm_machines", 11, 0, 0),
        ("runpod", 10, 0, 0),
    }
    assert (figures(), versions(), rows("pricing_snapshots", without=())) == before


@pytest.mark.usefixtures("history")
def test_what_was_deleted_or_altered_comes_back_as_it_was():
    before, hung = figures(), rows("pricing_snapshots")
    third = MarketData.objects.order_by("data_timestamp", "gpu_model", "region").values_list("pk", flat=True)[::3]
    MarketData.objects.filter(pk__in=list(third)).delete()
    MarketData.objects.filter(region="US").update(
        median_price=9, gpu_count=1, demand_indicators={"source": "500farm_machines"}
    )
    UtilizationTrend.objects.filter(region="global").update(utilization_rate=1, demand_score=1)
    assert figures() != before
    recompute(everything())
    assert figures() == before
    assert rows("pricing_snapshots") == hung
    standing = set(MarketData.objects.values_list("pk", flat=True))
    assert set(PricingSnapshot.objects.values_list("market_data_id", flat=True)) <= standing
    assert set(UtilizationTrend.objects.values_list("market_data_id", flat=True)) <= standing


@pytest.mark.usefixtures("history")
def test_a_row_that_no_offer_makes_is_removed(start):
    before = figures()
    stray = (
        MarketData.objects.filter(region="US", gpu_model="RTX 4090", platform="vast").order_by("data_timestamp").first()
    )
    stray.pk, stray.region = None, "JP"
    stray.save(force_insert=True)
    removed = recompute(everything())[0].removed
    assert (removed, figures()) == (1, before)


@pytest.mark.usefixtures("history")
def test_only_what_was_asked_for_is_computed(start):
    MarketData.objects.update(median_price=9)
    recompute(Span(start + timedelta(hours=6), start + timedelta(hours=10), gpu="RTX 3090", platform="vast"))
    mended = MarketData.objects.exclude(median_price=9)
    assert {(row.gpu_model, row.platform) for row in mended} == {("RTX 3090", "vast")}
    assert {row.data_timestamp for row in mended} == {
        ingest.bucket(start + 2 * timedelta(hours=3, minutes=7)),
        ingest.bucket(start + 3 * timedelta(hours=3, minutes=7)),
    }


@pytest.mark.usefixtures("history")
def test_the_command_says_what_it_did_and_what_it_leaves_alone(settings, capsys, start):
    settings.MARKET_SOURCES = ["500farm_gpu_stats"]
    replay("500farm_gpu_stats", gpu_stats(model_stats(), at=clock.now()))
    before = figures()
    MarketData.objects.filter(region="SE").update(median_price=9)
    wrong = figures()
    since = (start - timedelta(hours=1)).isoformat()
    call_command("recompute_market", since=since, dry_run=True)
    told = capsys.readouterr().out
    assert "500farm_machines: 11 documents" in told
    assert "10 would be new or different" in told
    assert figures() == wrong
    call_command("recompute_market", since=since)
    told = capsys.readouterr().out
    assert "500farm_gpu_stats: 1 rows left alone, it tells no single offers to compute from" in told
    assert figures() == before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"since": "noon"}, "is no time such as"),
        ({"since": "2026-06-12", "until": "2026-06-11"}, "must lie before"),
        ({"gpu": "RTX 9090"}, "no GPU model"),
        ({"platform": "nowhere"}, "no platform"),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments, error):
    with pytest.raises(CommandError, match=error):
        call_command("recompute_market", **arguments)


def test_where_nothing_is_stored_it_says_so(capsys):
    call_command("recompute_market")
    assert "No stored document with offers" in capsys.readouterr().out


@pytest.mark.usefixtures("history")
def test_days_follow_what_was_computed_again(start):
    """R-035: a roll-up never tells another story than its quarter hours."""
    from market.models import MarketDaily
    from market.rollups import roll_up

    roll_up(start.date(), clock.now().date())
    before = rows("market_daily")
    MarketData.objects.update(median_price=9)
    roll_up(start.date(), clock.now().date())
    assert set(MarketDaily.objects.values_list("median_price", flat=True)) == {9}
    recompute(everything())
    assert rows("market_daily") == before
