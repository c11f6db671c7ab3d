"""The imported history equals a calculation written down separately, in plain Python over the file (part 6)."""

from __future__ import annotations

import csv
import gzip
import statistics
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.partitions import existing_months
from market import selectors
from market.history import COLUMNS, import_history
from market.models import MarketData, PricingSnapshot
from market.quality.rules import RULES
from tests.factories import MarketDataFactory
from tests.market.documents import DATA, recorded
from tests.market.history_file import history_file, line

D = Decimal
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("catalog")]

NAMES = {  # written by hand, not from the alias table
    "A100_PCIE_40GB": "A100 PCIe 40GB",
    "A100_PCIE_80GB": "A100 PCIe 80GB",
    "A100_SXM_40GB": "A100 SXM4 40GB",
    "A100_SXM_80GB": "A100 SXM4 80GB",
    "B200": "B200",
    "B300": "B300",
    "GB200": "GB200",
    "GH200": "GH200",
    "H100_NVL": "H100 NVL",
    "H100_PCIE": "H100 PCIe",
    "H100_SXM": "H100 SXM",
    "H200": "H200 SXM",
    "L40": "L40",
    "L40S": "L40S",
    "MI300X": "MI300X",
    "MI355X": "MI355X",
    "RTX_4090": "RTX 4090",
    "RTX_5090": "RTX 5090",
}
COUNTRIES = {  # written by hand: all that stand in the file
    "north-america": "US CA MX PR",
    "south-america": "AR BR CL PY UY",
    "asia": "AE AM CN GE HK ID IL IN JP KR KZ MY OM PH PK QA SA SG TH TR TW VN",
    "oceania": "AU NZ",
    "africa": "EG KE MA NG ZA",
    "europe": """AT BE BG BY CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LT LU LV MD MK MT NL NO PL PT RO RS
        RU SE SI SK UA""",
}
CONTINENTS = {country: continent for continent, found in COUNTRIES.items() for country in found.split()}
SLUGS = {"vast.ai": "vast", "massed compute": "massed-compute", "build ai": "build-ai"}


@pytest.fixture
def file(tmp_path):
    return partial(history_file, tmp_path)


@pytest.mark.slow
def test_the_whole_file_equals_an_independent_calculation():
    raw = recorded("series/daily_prices_by_region.csv.gz")
    report = import_history(DATA / "series" / "daily_prices_by_region.csv.gz")

    rows = list(csv.DictReader(StringIO(gzip.decompress(raw).decode())))
    expected, spot, why = independently(rows)
    stored = {
        (m.gpu_model, m.platform, m.region, m.data_timestamp): m for m in MarketData.objects.filter(origin="imported")
    }
    priced = {key: m for key, m in stored.items() if m.median_price is not None}
    assert set(priced) == set(expected)
    for key, (low, high, median, is_computed) in expected.items():
        row = priced[key]
        assert (row.min_price, row.max_price, row.median_price, row.average_price) == (low, high, median, None), key
        assert (row.average_utilization, row.active_instances) == (None, None)
        assert row.demand_indicators["source"] == "gpu_pricing_tracker"
        assert ("computed_from" in row.demand_indicators) is is_computed, key
    assert len(stored) - len(priced) == report.spot_only
    assert report.computed == sum(one[3] for one in expected.values()) == 1949

    kept = sorted(PricingSnapshot.objects.values_list("snapshot_time", "price_per_hour", "instance_type"))
    assert kept == sorted(
        (
            moment_of(r),
            D(r["median_per_gpu"]).quantize(D("0.0001")),
            f"{r['gpu_count']}x {NAMES[r['gpu_model']]}",
        )
        for r in spot
    )
    assert set(PricingSnapshot.objects.values_list("spot_instance", flat=True)) == {True}
    homes = set(PricingSnapshot.objects.values_list("market_data_id", flat=True))
    assert homes <= {row.pk for row in stored.values()}
    assert report.rows == len(rows)
    assert sum(report.refused.values()) == sum(why.values())
    assert why == {
        "several": report.refused["the price may be that of several GPUs"],
        "unnamed": sum(n for word, n in report.refused.items() if word.startswith("RTX_PRO_6000: Names three cards")),
        "cut": report.refused[RULES["truncated"].title],
        "placeholder": report.refused[RULES["placeholder_price"].title],
        "above": report.refused[RULES["above_band"].title],
        "below": report.refused[RULES["below_band"].title],
    }
    assert why == {"several": 1463, "unnamed": 80, "cut": 4760, "placeholder": 170, "above": 27, "below": 23}
    # what the review saw
    assert not any(m.max_price > 20 for m in priced.values() if m.platform == "vast" and m.max_price)
    assert not any(m.median_price == D("0.5") for m in priced.values() if m.platform == "runpod")
    assert max(m.data_timestamp for m in priced.values() if m.platform == "vast") < datetime(2026, 6, 6, tzinfo=UTC)


def moment_of(r):
    return datetime.fromisoformat(r["timestamp"]).astimezone(UTC)


def independently(rows):
    """Lowest, highest, median and whether summed up here, by series and moment; believed spot rows; refusals."""
    words, why = ("any", "secure", "community", "eu"), defaultdict(int)
    offers = defaultdict(int)
    for r in rows:
        if r["platform"] == "vast.ai" and r["source"] == "vast_api" and r["spot"] == "false":
            offers[r["timestamp"]] += int(r["n_offers"])
    usable = []
    for r in rows:
        prices = [r[f"{name}_per_gpu"] for name in ("min", "median", "max")]
        if r["gpu_model"] not in NAMES:
            why["unnamed"] += 1
        elif r["source"] == "getdeploying.com" and r["timestamp"] < "2026-02-19T21" and r["gpu_count"] != "1":
            why["several"] += 1
        elif r["platform"] == "vast.ai" and r["source"] == "vast_api" and offers[r["timestamp"]] in (500, 64):
            why["cut"] += 1
        elif any(D(p) == 0 or (r["platform"] == "runpod" and D(p) == D("0.5")) for p in prices):
            why["placeholder"] += 1
        else:
            usable.append(r)
    levels, believed = {}, []
    for r in usable:
        levels.setdefault((r["timestamp"], r["platform"], r["gpu_model"], r["spot"]), []).extend(
            [D(r["median_per_gpu"])] * int(r["n_offers"])
        )
    levels = {key: statistics.median(prices) if len(prices) > 2 else None for key, prices in levels.items()}
    for r in usable:
        price, level = D(r["median_per_gpu"]), levels[r["timestamp"], r["platform"], r["gpu_model"], r["spot"]]
        if level and price > 5 * level:
            why["above"] += 1
        elif level and price * 5 < level:
            why["below"] += 1
        else:
            believed.append(r)
    with_global = {
        (r["gpu_model"], r["platform"], r["timestamp"])
        for r in rows
        if r["spot"] == "false" and r["region"] in ("global", *words)
    }
    groups, made, spot = defaultdict(list), set(), []
    for r in believed:
        if r["spot"] == "true":
            spot.append(r)
            continue
        gpu, platform = NAMES[r["gpu_model"]], SLUGS.get(r["platform"], r["platform"])
        region = "global" if r["region"] in ("global", *words) else r["region"].upper()
        groups[gpu, platform, region, moment_of(r)].append(r)
        if region == "global":
            continue
        places = [CONTINENTS[region]]
        if (r["gpu_model"], r["platform"], r["timestamp"]) not in with_global:
            places.append("global")
        for place in places:
            groups[gpu, platform, place, moment_of(r)].append(r)
            made.add((gpu, platform, place, moment_of(r)))
    expected = {}
    for key, found in groups.items():
        if key[2] == "global" and any(r["region"] == "global" for r in found):
            found = [r for r in found if r["region"] == "global"]
        written_out = [D(r["median_per_gpu"]) for r in found for _n in range(int(r["n_offers"]) * int(r["gpu_count"]))]
        low, high = min(D(r["min_per_gpu"]) for r in found), max(D(r["max_per_gpu"]) for r in found)
        level = levels[found[0]["timestamp"], found[0]["platform"], found[0]["gpu_model"], "false"]
        expected[key] = (
            None if level and low * 5 < level else low,
            None if level and high > 5 * level else high,
            statistics.median(written_out).quantize(D("0.0001"), "ROUND_HALF_UP"),
            key in made,
        )
    return expected, spot, dict(why)


def test_importing_again_changes_nothing(file):
    """R-056."""
    path = file(line(), line(gpu_count="2"), line(spot="true", region="any"), name="prices.csv.gz")
    first = import_history(path)
    before = list(MarketData.objects.order_by("id").values()), list(PricingSnapshot.objects.order_by("id").values())
    again = import_history(path)
    assert (first.market_changed, first.snapshots_changed) == (1, 1)
    assert (again.market_changed, again.snapshots_changed) == (0, 0)
    assert before == (
        list(MarketData.objects.order_by("id").values()),
        list(PricingSnapshot.objects.order_by("id").values()),
    )


def test_medians_are_weighted_by_offers_times_gpus(file):
    import_history(
        file(
            line(gpu_count="1", median_per_gpu="0.40", n_offers="3"),
            line(gpu_count="8", median_per_gpu="0.80", n_offers="1", min_per_gpu="0.70", max_per_gpu="2.00"),
        )
    )
    row = MarketData.objects.get()
    assert (row.min_price, row.median_price, row.max_price) == (D("0.30"), D("0.80"), D("2.00"))
    assert (row.average_price, row.offer_count, row.origin) == (None, 4, "imported")


@pytest.mark.parametrize(
    ("regions", "stored"),
    [
        (["any", "secure"], {"global"}),
        (["community"], {"global"}),
        (["eu"], {"global"}),
        (["us"], {"US", "north-america", "global"}),
        (["global", "any"], {"global"}),
        (["US", "any"], {"US", "north-america", "global"}),
    ],
)
def test_words_of_a_source_count_as_global(file, regions, stored):
    report = import_history(file(*(line(region=region) for region in regions)))
    assert set(MarketData.objects.values_list("region", flat=True)) == stored
    assert report.refused["a global row stands for this region word"] == (1 if regions == ["global", "any"] else 0)


def test_months_are_made_behind(file):
    """reliability d8: history older than the standing months has a place before the first row arrives."""
    import_history(file(line(timestamp="2022-03-10T12:00:00+00:00")))
    month = datetime(2022, 3, 1).date()
    assert month in existing_months(MarketData)
    assert month in existing_months(PricingSnapshot)


def test_imported_rows_never_overwrite_live_ones(file):
    at = datetime(2026, 5, 10, 20, 30, 12, tzinfo=UTC)
    MarketDataFactory(data_timestamp=at, region="global", median_price=D("0.77"))
    report = import_history(file(line()))
    assert (MarketData.objects.get().median_price, report.market_changed) == (D("0.77"), 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gpu_model": "RTX_PRO_6000"}, "RTX_PRO_6000: Names three cards: Workstation, Max-Q and Server"),
        ({"gpu_model": "RTX_9090"}, "RTX_9090: no alias"),
        ({"platform": "nobody.example"}, "platform “nobody.example” is unknown"),
        ({"timestamp": "May 10"}, "the time cannot be read"),
        ({"region": "Texas"}, "the region is neither a country nor a known word"),
        ({"spot": "maybe"}, "spot is neither true nor false"),
        ({"min_per_gpu": "NaN"}, "a price is not between 0 and 10,000 USD per GPU-hour"),
        ({"median_per_gpu": "-1"}, "a price is not between 0 and 10,000 USD per GPU-hour"),
        ({"max_per_gpu": "1e9"}, "a price is not between 0 and 10,000 USD per GPU-hour"),
        ({"median_per_gpu": "cheap"}, "a price is not a number"),
        ({"median_per_gpu": "0.95"}, "the prices are not in order"),
        ({"gpu_count": "0"}, "gpu_count is not a count"),
        ({"gpu_count": "1.5"}, "gpu_count is not a count"),
        ({"n_offers": ""}, "n_offers is not a count"),
    ],
)
def test_a_bad_row_is_refused_alone_and_named(file, change, reason):
    report = import_history(file(line(timestamp="2026-05-11T00:00:00+00:00"), line(**change)))
    assert dict(report.refused) == {reason: 1}
    assert MarketData.objects.count() == 1


def test_a_row_that_stands_twice_is_stored_once(file):
    report = import_history(file(line(), line()))
    assert (dict(report.refused), MarketData.objects.count()) == ({"the row stands twice in the file": 1}, 1)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"", "prices.csv", "another kind of file"),
        (b"a,b\n1,2\n", "prices.csv", "another kind of file"),
        (b"\xff\xfe\x00", "prices.csv", "not UTF-8"),
        (b"not gzip", "prices.csv.gz", "damaged archive"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], "prices.csv.gz", "damaged archive"),
        (",".join(COLUMNS).encode(), "prices.csv", "holds no row"),
        ((",".join(COLUMNS) + "\n1,2\n").encode(), "prices.csv", "line 2 has 2 cells"),
    ],
)
def test_a_file_of_another_kind_is_refused_whole(tmp_path, content, name, reason):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DomainError, match=reason):
        import_history(path)
    assert not MarketData.objects.exists()


def test_a_missing_file_is_one_clear_sentence(settings, tmp_path):
    settings.MARKET_DATA_DIR = tmp_path
    with pytest.raises(CommandError, match=r"There is no .* Set MARKET_DATA_DIR to the folder"):
        call_command("import_market_history")


def test_the_command_prints_what_was_stored_and_refused(file, capsys):
    call_command("import_market_history", file=file(line(), line(gpu_model="RTX_PRO_6000")))
    told = capsys.readouterr().out
    assert "2 rows read" in told
    assert "market data: 1 rows, 1 new or different" in told
    assert "1 × RTX_PRO_6000: Names three cards" in told


def test_imported_history_is_never_a_current_figure(file, settings):
    """Imported history fills history charts alone."""
    from gpuadvisor.core import clock

    now = clock.now().replace(microsecond=0)
    stamps = [now.replace(minute=m).isoformat() for m in (0, 15)]
    import_history(file(*(line(timestamp=stamp, region="global") for stamp in stamps)))
    assert selectors.current_origin() is None
    assert selectors.market_now(["RTX 4090"]) == {}
    assert selectors.market_by_place("RTX 4090") == []
    found = selectors.imported_history("RTX 4090")
    assert (found.platform, found.region, len(found.points)) == ("vast", "global", 2)


def test_a_price_that_may_be_the_whole_instances_is_refused_only_where_it_may_be(file):
    """R-037: getdeploying.com told some instances' prices as one GPU's until the poll of 2026-02-19 21:00."""
    told = {"source": "getdeploying.com", "timestamp": "2026-02-19T20:59:59+00:00"}
    report = import_history(
        file(
            line(**told, gpu_count="8"),
            line(**told, gpu_count="1", region="DE"),
            line(**told | {"timestamp": "2026-02-19T21:00:03+00:00"}, gpu_count="8", region="SE"),
            line(**told | {"source": "vast_api"}, gpu_count="8", region="FR"),
        )
    )
    assert dict(report.refused) == {"the price may be that of several GPUs": 1}
    assert set(MarketData.objects.values_list("region", flat=True)) == {"DE", "SE", "FR", "europe", "global"}
