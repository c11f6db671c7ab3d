"""Each adapter's pure parse: golden tests over recorded documents, and one small document per fault of the data."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import fmean, quantiles

import pytest

from market import stats
from market.simulation import LEVELS, squeeze
from market.sources import SOURCES
from market.sources.base import Conditional, Observation, Rejection, SourceError, Summary, clock_of, count, number, text
from market.sources.simulated import Simulated
from tests.market.documents import (
    NOON,
    document,
    gpu_stats,
    gpu_type,
    gpu_types,
    machine,
    machines,
    model_stats,
    recorded,
)

D = Decimal
EIGHT = machine(num_gpus=8, num_gpus_rented=None, dph_base=4.3733, gpu_ram=32607)
MACHINES, STATS, RUNPOD = SOURCES["500farm_machines"], SOURCES["500farm_gpu_stats"], SOURCES["runpod"]


def parse(source, data, **kwargs):
    rows = list(source.parse(document(data, **kwargs)))
    return [row for row in rows if not isinstance(row, Rejection)], [row for row in rows if isinstance(row, Rejection)]


def test_machines_as_recorded():
    rows, refused = parse(MACHINES, recorded("composed/500farm_machines.json"))
    assert refused == []
    assert rows == [
        Observation(
            source="500farm_machines",
            platform="vast",
            observed_at=datetime(2026, 6, 12, 13, 30, 9, tzinfo=UTC),
            gpu_raw="RTX 5090",
            vram_gb=D("31.84"),
            price_per_gpu_hour=D("0.5467"),
            pricing="on_demand",
            external_id="38941",
            region_raw="CZ",
            gpu_count=8,
            gpus_rented=5,
            verified=True,
            datacenter=True,
            reliability=D("0.9967297"),
            floor_per_gpu_hour=D("0.2667"),
            details={
                "disk_gb": 5133,
                "inet_down_mbps": 8100,
                "inet_up_mbps": 8200,
                "storage_usd_per_gb_month": "0.3333",
                "inet_down_usd_per_gb": "0.0026",
                "inet_up_usd_per_gb": "0.0026",
                "until": "2025-10-31",
                "min_chunk": 1,
                "host": "214845",
                "cpu": "AMD EPYC 9J14 96-Core Processor",
                "cpu_cores": 384,
                "ram_gb": 1100,
                "driver": "575.64.03",
                "cuda": "12.9",
                "ports": 16000,
                "power_limit_watts": 575,
                "discount_max": "0.05",
            },
        )
    ]


def test_gpu_stats_as_recorded():
    rows, refused = parse(STATS, recorded("composed/500farm_gpu-stats.json"))
    assert refused == []
    assert len(rows) == len(json.loads(recorded("composed/500farm_gpu-stats.json"))["models"])
    first = rows[0]
    assert isinstance(first, Summary)
    assert (first.gpu_raw, first.vram_gb, first.gpus_total, first.gpus_rented) == ("RTX 4090", D("24.0"), 1663, 1171)
    assert (first.median, first.p10, first.p90) == (D("0.6600"), D("0.3700"), D("1.0000"))


def test_runpod_as_recorded_refuses_exactly_its_placeholders():
    """market-sources.md 2c: 6 community and 6 secure prices of 0.5; 7 secure prices of 0, beside the type "unknown"."""
    data = json.loads(recorded("raw/runpod_graphql_gpuTypes.json"))
    rows, refused = parse(RUNPOD, data)
    types = data["data"]["gpuTypes"]
    prices = [t[key] for t in types if t["id"] != "unknown" for key in ("securePrice", "communityPrice")]
    assert len(rows) == sum(1 for price in prices if price not in (0, 0.5))
    assert len(refused) == sum(1 for price in prices if price in (0, 0.5)) + 1
    assert {row.rule for row in refused} == {"placeholder_price"}
    assert all(row.gpus_rented is None and row.price_basis == "list" for row in rows)
    by_id = {row.external_id: row.price_per_gpu_hour for row in rows}
    assert by_id["AMD Instinct MI300X OAM:secure"] == D("2.3900")
    assert "AMD Instinct MI300X OAM:community" not in by_id


def test_runpod_spot_prices_and_stock():
    row = gpu_type(
        secureSpotPrice=0.39, communitySpotPrice=None, lowestPrice={"stockStatus": "Low", "minimumBidPrice": 0.3}
    )
    rows, refused = parse(RUNPOD, gpu_types(row))
    assert refused == []
    assert [(r.external_id.rpartition(":")[2], r.pricing, str(r.price_per_gpu_hour), r.stock) for r in rows] == [
        ("secure", "secure", "0.7400", "Low"),
        ("community", "community", "0.3400", "Low"),
        ("secure", "spot", "0.3900", "Low"),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dph_base": float("nan")}, "price is not a number"),
        ({"dph_base": float("inf")}, "price is not a number"),
        ({"dph_base": "1.2"}, "price is not a number"),
        ({"dph_base": None}, "price is not a number"),
        ({"dph_base": True}, "price is not a number"),
        ({"dph_base": -1}, "price is negative"),
        ({"dph_base": 0}, "price is 0, a placeholder"),
        ({"dph_base": 0.00001}, "price is 0, a placeholder"),
        ({"dph_base": 30_000}, "price is above 10,000 USD per GPU-hour"),
        ({"dph_base": 1e300}, "price is above 10,000 USD per GPU-hour"),
        ({"num_gpus": 0}, "number of GPUs is not a count"),
        ({"num_gpus": 2.5}, "number of GPUs is not a count"),
        ({"num_gpus": -2}, "number of GPUs is not a count"),
        ({"num_gpus": 10**400}, "number of GPUs is not a count"),
        ({"num_gpus": 4096}, "number of GPUs is not a count"),
        ({"num_gpus_rented": 3}, "more GPUs rented than there are"),
        ({"gpu_name": ""}, "no GPU name"),
        ({"gpu_name": 4090}, "no GPU name"),
        ({"gpu_name": ["RTX 4090"]}, "no GPU name"),
        ({"dph_base": 1e300, "gpu_ram": 1e300}, "price is above 10,000 USD per GPU-hour"),
        ({"machine_id": None}, "no machine id"),
        ({"machine_id": True}, "no machine id"),
        ({"machine_id": "abc"}, "no machine id"),
    ],
)
def test_a_bad_machine_is_refused_alone(change, reason):
    """reliability f and promise 26: NaN, text, negative, 0, out of range."""
    rows, refused = parse(MACHINES, machines(machine(1), machine(2, **change)))
    assert [row.external_id for row in rows] == ["1"]
    assert [row.reason for row in refused] == [reason]


@pytest.mark.parametrize("row", [None, 7, "text", [], [[]]])
def test_a_row_that_is_no_object_is_refused(row):
    rows, refused = parse(MACHINES, machines(machine(), row))
    assert (len(rows), len(refused)) == (1, 1)
    rows, refused = parse(STATS, gpu_stats(model_stats(), row))
    assert (len(rows), len(refused)) == (1, 1)
    rows, refused = parse(RUNPOD, gpu_types(gpu_type(), row))
    assert (len(rows), len(refused)) == (2, 1)


def test_a_machine_counts_once_however_often_it_stands_there():
    rows, refused = parse(MACHINES, machines(machine(1), machine(1, dph_base=9), machine(2)))
    assert [(row.external_id, row.price_per_gpu_hour) for row in rows] == [("1", D("0.6000")), ("2", D("0.6000"))]
    assert [row.reason for row in refused] == ["the machine stands twice in the document"]


def test_a_price_is_per_gpu_and_memory_in_gb():
    rows, _refused = parse(MACHINES, machines(EIGHT))
    assert (rows[0].price_per_gpu_hour, rows[0].vram_gb, rows[0].gpus_rented) == (D("0.5467"), D("31.84"), None)


@pytest.mark.parametrize(
    ("place", "country"),
    [
        ({"location": {"country": "DE"}}, "DE"),
        ({"location": None, "geolocation": "Czechia, CZ"}, "CZ"),
        ({"location": {}, "geolocation": ", US"}, "US"),
        ({"location": None, "geolocation": None}, ""),
        ({"location": "US"}, ""),
    ],
)
def test_where_a_machine_stands(place, country):
    rows, _refused = parse(MACHINES, machines(machine(**place)))
    assert rows[0].region_raw == country


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (model_stats(total=10, rented=11), "more GPUs rented than there are"),
        (model_stats(total=0, rented=0), "no GPUs"),
        (model_stats(median=float("nan")), "price is not a number"),
        (model_stats(low=0.9, median=0.6), "percentiles are not in order"),
        (model_stats(high=float("inf")), "percentiles are not in order"),
        ({"name": "RTX 4090", "stats": []}, "no GPUs"),
        ({"name": "RTX 4090", "stats": {"all": {"all": [[]]}}}, "no GPUs"),
    ],
)
def test_bad_statistics_are_refused_alone(model, reason):
    rows, refused = parse(STATS, gpu_stats(model_stats("RTX 5090"), model))
    assert [row.gpu_raw for row in rows] == ["RTX 5090"]
    assert [row.reason for row in refused] == [reason]


def test_statistics_that_no_longer_tell_what_is_rented_leave_it_unknown():
    """R-017: unknown utilization is NULL, never 0."""
    model = model_stats()
    del model["stats"]["rented"]
    rows, _refused = parse(STATS, gpu_stats(model))
    assert (rows[0].gpus_total, rows[0].gpus_rented) == (1663, None)


@pytest.mark.parametrize("source", [MACHINES, STATS, RUNPOD], ids=lambda source: source.name)
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The answer is empty."),
        (b"  \n", "The answer is empty."),
        (b"<!doctype html><title>Maintenance</title>", "The answer is a web page, not data."),
        (b'{"timestamp": "2026-11-20T12:00:00Z", "offers": [{"machine', "The answer is not JSON"),
        (b"\xff\xfe\x00", "The answer is not JSON"),
        (b"[" * 100_000, "The answer is not JSON"),
        (b'{"timestamp": ' + b"9" * 5000 + b"}", "The answer is not JSON"),
        (b"null", "The answer has no list"),
        (b"[]", "The answer has no list"),
        (b'{"errors": [{"message": "rate limited"}], "data": null}', "The answer has no list"),
        (b'{"timestamp": "2026-11-20T12:00:00Z", "machines_v3": []}', "The answer has no list"),
    ],
)
def test_a_document_of_another_kind_is_refused_whole(source, body, reason):
    """Faults e18 to e20: HTML with 200, empty, truncated, nested without end, a renamed list."""
    with pytest.raises(SourceError, match=reason):
        list(source.parse(document(body)))


@pytest.mark.parametrize("stamp", [None, "", "yesterday", 5, "2026-13-01T00:00:00Z"])
def test_a_document_without_a_clock_is_refused(stamp):
    with pytest.raises(SourceError, match="does not tell when"):
        list(MACHINES.parse(document(machines(machine()) | {"timestamp": stamp})))


def test_the_sources_clock_is_read_to_the_second():
    assert clock_of({"timestamp": "2026-06-12T13:30:09.123456789Z"}, document({})) == datetime(
        2026, 6, 12, 13, 30, 9, tzinfo=UTC
    )
    assert clock_of({"timestamp": "2026-06-12T15:30:09+02:00"}, document({})).hour == 13


@pytest.mark.parametrize("memory", [1e300, -5, 0, None, "24 GB", float("nan"), 1e-300])
def test_memory_that_is_none_leaves_the_card_to_its_name(memory):
    rows, _refused = parse(MACHINES, machines(machine(gpu_ram=memory)))
    assert [row.vram_gb for row in rows] == [None]
    rows, _refused = parse(STATS, gpu_stats(model_stats("RTX 5080", vram=memory)))
    assert [row.vram_gb for row in rows] == [None]


def test_numbers_of_others():
    assert (number(0.1), number(7), number("7"), number(True), number(None)) == (D("0.1"), D(7), None, None, None)
    assert (count(3), count(3.0), count(3.5), count(-1), count(10**30)) == (3, 3, None, None, None)
    assert text("RTX\x00 40\u202e90\n") == "RTX 4090"
    assert len(text("x" * 10_000)) == 120


# -- The simulated market ----------------------------------------------------------------------------------------------


def simulated_at(moment):
    """The invented offers on Vast.ai."""
    source = Simulated()
    return [row for row in source.parse(source.fetch(Conditional(moment))) if row.platform == "vast"]


def test_the_simulated_market_is_the_same_for_the_same_quarter_hour():
    assert simulated_at(NOON) == simulated_at(NOON + timedelta(minutes=14))
    assert simulated_at(NOON) != simulated_at(NOON + timedelta(days=1))
    assert Simulated().fetch(Conditional(NOON)).body == Simulated().fetch(Conditional(NOON)).body


def test_the_simulated_market_keeps_its_levels_over_a_month():
    """market-sources.md 4: median, band and rented share of every model, within what a slow walk may move them."""
    seen = {gpu: [] for gpu in LEVELS}
    for day in range(0, 60, 3):
        prices, rented, gpus = defaultdict(list), Counter(), Counter()
        for row in simulated_at(NOON - timedelta(days=day, hours=day % 24)):
            if row.price_per_gpu_hour > 5 * D(str(LEVELS[row.gpu_raw][0])):
                continue  # a price that nobody shall pay: the quality rules leave it out
            prices[row.gpu_raw] += [float(row.price_per_gpu_hour)] * row.gpu_count
            rented[row.gpu_raw] += row.gpus_rented
            gpus[row.gpu_raw] += row.gpu_count
        for gpu, written in prices.items():
            tenths = quantiles(written, n=10, method="inclusive")
            seen[gpu].append((tenths[4], tenths[0], tenths[8], 100 * rented[gpu] / gpus[gpu]))
    for gpu, (*levels, rented_share, _machines) in LEVELS.items():
        means = [fmean(column) for column in zip(*seen[gpu], strict=True)]
        for name, level, mean, tolerance in zip(
            ("median", "p10", "p90"), levels, means, (0.15, 0.2, 0.2), strict=False
        ):
            assert abs(mean - level) <= level * tolerance + 0.006, (gpu, name, mean, level)
        assert abs(means[3] - rented_share) < 7, (gpu, means[3], rented_share)


def test_simulated_countries_differ_and_are_thin():
    rows = [row for row in simulated_at(NOON) if row.gpu_raw == "RTX 4090"]
    by_country = {}
    for row in rows:
        by_country.setdefault(row.region_raw, []).append((row.price_per_gpu_hour, row.gpu_count))
    assert len(by_country) >= 6
    assert min(len(offers) for offers in by_country.values()) <= 3
    assert max(stats.median(o) for o in by_country.values()) > min(stats.median(o) for o in by_country.values())


def test_a_simulated_machine_changes_rarely():
    """Else every refresh would store a snapshot of every machine."""
    before = {row.external_id: row for row in simulated_at(NOON)}
    after = {row.external_id: row for row in simulated_at(NOON + timedelta(minutes=15))}
    changed = [
        key
        for key, row in after.items()
        if key not in before
        or (row.price_per_gpu_hour, row.gpus_rented) != (before[key].price_per_gpu_hour, before[key].gpus_rented)
    ]
    assert len(changed) < len(after) * 0.05


def test_the_simulated_market_holds_a_few_prices_that_nobody_shall_pay():
    held = [r for r in simulated_at(NOON) if r.price_per_gpu_hour > 5 * D(str(LEVELS[r.gpu_raw][0]))]
    assert 1 <= len(held) <= 12
    assert {row.gpus_rented for row in held} == {0}


def test_a_simulated_shortage_takes_the_cheap_machines_first():
    """Scarcity, not repricing: what is left to rent grows dear while list prices hardly move."""
    gpu, short = max(
        ((gpu, NOON - timedelta(hours=6 * back)) for gpu in LEVELS for back in range(240)),
        key=lambda pair: squeeze(*pair) if LEVELS[pair[0]][4] >= 40 else 0,
    )

    def asked(moment):
        rows = [r for r in simulated_at(moment) if r.gpu_raw == gpu]
        left = [(r.price_per_gpu_hour, r.gpu_count - r.gpus_rented) for r in rows if r.gpu_count > r.gpus_rented]
        return stats.median([(r.price_per_gpu_hour, r.gpu_count) for r in rows]), stats.median(left), len(left)

    calm = next(short + timedelta(days=d) for d in range(6, 40) if squeeze(gpu, short + timedelta(days=d)) == 0)
    every_short, left_short, free_short = asked(short)
    every_calm, left_calm, free_calm = asked(calm)
    assert squeeze(gpu, short) > 0.8
    assert free_short < free_calm
    assert left_short / left_calm > D("1.2")
    assert left_short / left_calm > every_short / every_calm


def test_the_simulated_market_has_other_platforms_as_the_real_one_tells_them():
    source = Simulated()
    rows = list(source.parse(source.fetch(Conditional(NOON))))
    by_platform = {}
    for row in rows:
        by_platform.setdefault(row.platform, []).append(row)
    assert set(by_platform) == {"vast", "clore", "runpod", "salad"}
    assert all(row.gpus_rented is None and row.price_basis == "list" for row in by_platform["runpod"])
    assert all(row.median is None and 0 < row.rented_percentage < 100 for row in by_platform["salad"])
