"""The eighteen faults in the recorded data (R-037): each test finds one where it was seen."""

import csv
import gzip
import io
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import cache
from itertools import pairwise
from statistics import mean, median

import pytest

from market.quality import (
    Cell,
    cell_flags,
    double_counting,
    doubled_poll,
    flat_series,
    impossible_share,
    judge_batch,
    judge_document,
    judge_offers,
    not_a_number,
    placeholder_price,
    stale_carry_forward,
    unit_error,
)
from market.quality.measure.cells import cells
from market.quality.measure.series import moment, price_of, shape, streams

from .documents import DATA, recorded

REGIONAL = "series/daily_prices_by_region.csv.gz"
LISTS = "series/gpurentalprices_daily.csv.gz"
VAST = "snapshots/vast_offers_2026-06-12.csv.gz"


def rows(name):
    body = recorded(name)
    return list(csv.DictReader(io.StringIO((gzip.decompress(body) if name.endswith(".gz") else body).decode())))


@cache
def _series():
    return streams(DATA)


@pytest.fixture
def series():
    """All recorded series as documents, read once."""
    recorded(REGIONAL)
    return _series()


def vast_days(series):
    """What Vast.ai itself told, whole, once a day from 2026-05-08 on."""
    return [d for d in series["regional"] if d.platform == "vast.ai" and d.at >= moment("2026-05-08T20:00:00+00:00")]


def refused(documents, rule):
    """(day, GPU, pricing, region, price) of every offer that the rule refuses."""
    found = set()
    for document in documents:
        for gpu, offers in document.offers.items():
            for index, finding in judge_offers(offers, levels=document.levels.get(gpu)).items():
                if finding.rule == rule:
                    offer = offers[index]
                    price = str(offer.price_per_gpu_hour)
                    found.add((str(document.at.date()), gpu, offer.pricing, offer.region_raw, price))
    return found


def test_1_holding_prices(series):
    """R-037: RTX 6000 Ada at 99 (132 as the renter pays), RTX 5090 in Ukraine at 53.34 and 33.33 on many days."""
    (snapshot,) = series["vast"]
    found = judge_offers(snapshot.offers["RTX 6000Ada"])
    assert [f.rule for f in found.values()] == ["above_band"] * 3
    ukraine = {row for row in refused(vast_days(series), "above_band") if row[3] == "UA"}
    assert {(row[2], row[4]) for row in ukraine} == {("on_demand", "53.3437"), ("spot", "33.3333")}
    assert len({row[0] for row in ukraine}) >= 7


def test_2_prices_too_low(series):
    """R-037: B200 in Japan at 0.88 on-demand, A100 spot at 0.13; H200 spot at 0.06, two days after it cost dollars."""
    found = refused(vast_days(series), "below_band")
    assert ("2026-05-09", "B200", "on_demand", "JP", "0.8775") in found
    assert any(row[1:4] == ("A100_SXM_80GB", "spot", "CZ") for row in found)
    low = next(r for r in rows(REGIONAL) if r["gpu_model"] == "H200" and r["median_per_gpu"] == "0.06")
    document = next(d for d in series["regional"] if d.platform == "vast.ai" and d.at == moment(low["timestamp"]))
    assert judge_offers(document.offers["H200"], levels={"spot": Decimal("1.94")})


def test_3_placeholders(series):
    """R-037: 12 prices of RunPod's list are 0.5, eight are 0."""
    (document,) = series["runpod"]
    prices = [o.price_per_gpu_hour for offers in document.offers.values() for o in offers]
    found = [price for price in prices if placeholder_price(price, {Decimal("0.5")})]
    assert Counter(found) == {Decimal("0.5"): 12, Decimal(0): 8}


def test_4_other_units(series):
    """R-037: Clore asks per server and day, a scraped list took eight GPUs for one, another has "$2.2.44"."""
    usual = {r["gpu_model"]: Decimal(r["median_ask_usd_per_gpu_hour"]) for r in rows_of_vast_asks()}
    guesses = Counter()
    for row in rows("snapshots/clore_price_bands_2026-09-12.csv"):
        number, _x, name = row["gpu_label_as_spelled"].partition("x NVIDIA GeForce ")
        if level := usual.get(name):
            price = Decimal(row["median_usd_per_server_as_returned"])
            guesses[unit_error(price, level, gpus=int(number)).reason.partition(": ")[2]] += 1
    assert sum(guesses.values()) == 11  # all that stand in both files
    assert guesses.most_common(1) == [("as if per day", 5)]
    assert ("2026-02-12", "H100_SXM", "on_demand", "global", "98.32") in refused(series["regional"], "above_band")
    assert not_a_number(price_of("$2.2.44"))


def rows_of_vast_asks():
    return [r for r in rows("snapshots/vast_asking_prices_2026-09-12.csv") if r["region"] == "*"]


def test_5_double_counting():
    """R-037: RTX 4090, 2,261 GPUs over the offers and 1,663 over 397 machines."""
    told = [(r["machine_id"], int(r["gpu_count"])) for r in rows(VAST) if r["gpu_model"] == "RTX 4090"]
    parts = double_counting(told)
    kept = [gpus for index, (_machine, gpus) in enumerate(told) if index not in parts]
    assert (sum(gpus for _machine, gpus in told), sum(kept), len(kept)) == (2261, 1663, 397)


def test_6_boards_of_two_sizes_under_one_name(series):
    """R-037: 113 of 674 "RTX 4090" have 48 GB; RunPod's A100 of 80 GB was told with 40."""
    (snapshot,) = series["vast"]
    offers = snapshot.offers["RTX 4090"]
    assert (sum(1 for o in offers if o.vram_gb > 40), len(offers)) == (113, 674)
    assert {f.subject for f in judge_document(snapshot.offers)} == {"RTX 4090", "RTX 5060 Ti"}
    found = {f.subject for d in series["lists"] for f in judge_document(d.offers) if f.rule == "variant_mixing"}
    assert found == {"a100-pcie-80", "a40", "rtx-pro-6000"}


def test_7_medians_that_jump_without_anyone_changing_a_price(series):
    """R-037: of the half-hourly jumps by more than a quarter, two in three happen while the same offers stay put."""
    jumps = [
        (now, before)
        for now, before in cells(series["prime"])
        if before and now.median and before.median and abs(now.median / before.median - 1) > Decimal("0.25")
    ]
    named = sum(1 for now, before in jumps if "composition_jump" in cell_flags(now, before))
    assert len(jumps) > 80
    assert named / len(jumps) > 0.6


def test_8_thin_cells(series):
    """R-037: six in ten rows of Vast.ai by country rest on one offer; a mean of medians is three times the median."""
    told = [r for r in rows(REGIONAL) if r["source"] == "vast_api"]
    thin = [r for r in told if "thin_cell" in cell_flags(Cell(source="vast", offers=int(r["n_offers"])), None)]
    assert sum(1 for r in told if r["n_offers"] == "1") / len(told) == pytest.approx(0.6, abs=0.01)
    assert len(thin) / len(told) > 0.9
    day = [
        float(r["median_per_gpu"])
        for r in told
        if r["timestamp"].startswith("2026-05-28") and r["gpu_model"] == "RTX_5090" and r["spot"] == "false"
    ]
    assert (round(mean(day), 2), round(median(day), 2)) == (8.11, 2.66)


def test_9_spot_dearer_than_on_demand():
    """R-037: about one in forty pairs of a day and country; flagged, not refused."""
    pairs = defaultdict(dict)
    for r in rows(REGIONAL):
        if r["source"] == "vast_api":
            pairs[r["timestamp"], r["region"], r["gpu_model"], r["gpu_count"]][r["spot"]] = Decimal(r["median_per_gpu"])
    both = [p for p in pairs.values() if len(p) == 2]
    flagged = sum(
        1
        for p in both
        if "spot_above_on_demand" in cell_flags(Cell(source="v", median=p["false"], spot_median=p["true"]), None)
    )
    assert 0.01 < flagged / len(both) < 0.04


def test_10_a_switch_of_sources_looks_like_a_move(series):
    """R-037: Vast.ai by an aggregator until 2026-05-07, then by its own interface."""
    told = [
        (now, before)
        for now, before in cells([d for d in series["regional"] if d.platform == "vast.ai"])
        if before and "source_switch" in cell_flags(now, before)
    ]
    assert told
    assert all({now.source, before.source} == {"getdeploying.com", "vast_api"} for now, before in told)
    assert not any({"scarcity", "composition_jump"} & set(cell_flags(now, before)) for now, before in told)


def test_11_rows_carried_forward():
    """R-037: 91 of 12,472 rows are of an earlier day, and no other is called old."""
    told = rows(LISTS)
    old = [r for r in told if stale_carry_forward(moment(r["fetched_at"]), date.fromisoformat(r["snapshot_date"]))]
    assert (len(old), len(told)) == (91, 12472)
    assert all(r["fetched_at"][:10] < r["snapshot_date"] for r in old)


def test_12_doubled_polls():
    """R-037: polls half a minute apart."""
    times = sorted({moment(r["timestamp"]) for r in rows("series/prime_intellect_market.csv.gz")})
    steps = list(pairwise(times))
    doubled = [(now - before).total_seconds() for before, now in steps if doubled_poll(now, before)]
    assert doubled
    assert min(doubled) <= 60
    assert max(now - before for before, now in steps) > timedelta(hours=5)  # a gap stays a gap


def test_13_flat_series():
    """R-037: four in five list prices never changed in seven weeks."""
    found = defaultdict(list)
    for r in rows(LISTS):
        if r["kind"] != "serverless":
            key = (r["platform"], r["gpu_model"], r["vram_gb"], r["min_gpus"], r["kind"])
            found[key].append(Decimal(r["price_per_gpu_hour_usd"]))
    long = [prices for prices in found.values() if len(prices) > 40]
    flat = [p for p in long if all(flat_series(b, a) for a, b in pairwise(p))]
    assert len(flat) / len(long) > 0.7


def test_14_a_slipped_column(series):
    """R-037: four unrelated GPUs at 7.43 in a real price list; untouched, one repeat in 10,000 documents."""
    document = max(series["lists"], key=lambda d: len(d.offers))
    single = [gpu for gpu, offers in document.offers.items() if len(offers) == 1][:4]
    slipped = dict(document.offers)
    for gpu in single:
        slipped[gpu] = [_at(document.offers[gpu][0], "7.43")]
    assert {f.subject for f in judge_document(slipped, levels=document.levels)} == set(single)
    untouched = [
        f
        for documents in series.values()
        for d in documents
        for f in judge_document(d.offers, levels=d.levels)
        if f.rule == "identical_values"
    ]
    assert len(untouched) <= 1


def _at(offer, price):
    return type(offer)(
        **{name: getattr(offer, name) for name in offer.__slots__} | {"price_per_gpu_hour": Decimal(price)}
    )


def test_15_shares_and_what_is_no_number():
    """R-037: Akash and Clore tell shares that can be; six prices of a hand-written list are none."""
    told = rows("snapshots/marketplace_utilization_2026-09-12.csv")
    for r in told:
        share = Decimal(r["utilization"]) * 100 if r["utilization"] else None
        total = int(r["gpus_total"])
        assert impossible_share(percentage=share, rented=total - int(r["gpus_available"]), total=total) is None
    assert impossible_share(rented=int(told[0]["gpus_total"]) + 1, total=int(told[0]["gpus_total"]))
    clouds = rows("series/cloud_gpus_list_prices.csv")
    wrong = [r["price_raw"] for r in clouds if not_a_number(price_of(r["price_raw"]))]
    assert sorted(wrong) == sorted(r["price_raw"] for r in clouds if r["parsed"] == "0")
    assert len(wrong) == 6


def test_16_cents_cut_off():
    """R-037: the same asks in whole cents, as one source tells them, are no change."""
    for r in rows_of_vast_asks():
        exact = Decimal(r["median_ask_usd_per_gpu_hour"])
        cut = exact.quantize(Decimal("0.01"), ROUND_DOWN)
        flags = cell_flags(Cell(source="s", median=cut), Cell(source="s", median=exact))
        assert flags == (() if cut == exact else ("cent_noise",))


def test_17_cut_answers(series):
    """R-037: exactly 500 rows from 2026-06-06 on, 64 on three days; each of them held, and one real loss of offers."""
    held, before = {}, None
    for document in vast_days(series):
        if next(iter(document.offers.values()))[0].source != "vast_api":
            continue
        now = shape(document)
        finding = judge_batch(now, before, caps=frozenset({64, 500}))
        if finding is None:
            before = now
        else:
            held[str(document.at.date())] = (finding.rule, now.rows)
    assert held.pop("2026-05-29") == ("offers_lost", 38)
    assert len(held) == 14
    assert set(held.values()) == {("truncated", 500), ("truncated", 64)}


def test_18_a_squeeze_is_told_as_scarcity(series):
    """R-037: RTX 4090 in 2026-05: the median rises as offers go; batches count until 60 % of them are gone."""
    days = [
        d for d in vast_days(series) if d.offers.get("RTX_4090") and "2026-05-20" <= str(d.at.date()) < "2026-06-03"
    ]
    days = [d for d in days if d.offers["RTX_4090"][0].source == "vast_api"]
    flags = {
        str(day.at.date()): cell_flags(now, before)
        for day, (now, before) in zip(
            days,
            cells([replaced(day) for day in days]),
            strict=True,
        )
    }
    assert [day for day, said in flags.items() if "scarcity" in said] == ["2026-05-21", "2026-05-27", "2026-05-28"]
    by_day = {str(day.at.date()): shape(day) for day in days}
    for now, before in (("2026-05-27", "2026-05-26"), ("2026-05-28", "2026-05-27")):
        assert judge_batch(by_day[now], by_day[before], caps=frozenset({64, 500})) is None


def replaced(document):
    """The document with its RTX 4090 alone."""
    return type(document)(
        document.stream,
        document.platform,
        document.at,
        {"RTX_4090": document.offers["RTX_4090"]},
        document.rows,
        document.levels,
    )
