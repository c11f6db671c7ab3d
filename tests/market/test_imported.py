"""What of a recorded history is believed, what is summed up, and what an earlier import leaves behind."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.core.management import call_command

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_months
from market.history import import_history
from market.models import MarketDaily, MarketData, PricingSnapshot
from market.quality.rules import RULES
from tests.factories import MarketDataFactory
from tests.market.history_file import history_file, line

D = Decimal
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("catalog")]


@pytest.fixture
def file(tmp_path):
    return partial(history_file, tmp_path)


def at(price, **changes):
    """A line all of whose prices are `price`."""
    return line(min_per_gpu=price, median_per_gpu=price, max_per_gpu=price, **changes)


def regions():
    return dict(MarketData.objects.values_list("region", "median_price"))


@pytest.mark.parametrize(
    ("price", "rule"), [("53.34", "above_band"), ("2.01", "above_band"), ("2.00", None), ("0.07", "below_band")]
)
def test_a_line_outside_the_band_of_its_gpu_and_moment_is_refused(file, price, rule):
    """R-037: the holding price of a Ukrainian RTX 5090 never becomes a median."""
    report = import_history(file(at("0.40", region="DE", n_offers="5"), at(price, region="UA", n_offers="1")))
    assert dict(report.refused) == ({RULES[rule].title: 1} if rule else {})
    assert ("UA" in regions()) is (rule is None)


def test_two_offers_cannot_call_each_other_wrong(file):
    report = import_history(file(at("0.40", region="DE", n_offers="1"), at("53", region="UA", n_offers="1")))
    assert not report.refused


def test_spot_is_judged_by_spot_and_each_platform_and_moment_by_itself(file):
    lines = [
        at("0.40", n_offers="5"),
        at("0.05", spot="true", n_offers="5", region="DE"),
        at("3.00", platform="runpod", n_offers="5", source="api.runpod.io"),
        at("3.00", timestamp="2026-05-11T20:30:12+00:00", n_offers="5"),
    ]
    assert not import_history(file(*lines)).refused


def test_an_extreme_outside_the_band_is_unknown_not_told(file):
    """R-037: what lies highest within the band, a line of several offers does not tell."""
    import_history(file(line(n_offers="9", max_per_gpu="53.34"), name="high.csv"))
    row = MarketData.objects.get()
    assert (row.min_price, row.median_price, row.max_price) == (D("0.30"), D("0.40"), None)


def test_runpods_half_dollar_is_a_placeholder_and_vasts_is_a_price(file):
    """R-037."""
    report = import_history(file(at("0.50", platform="runpod", gpu_model="MI300X", source="api.runpod.io"), at("0.50")))
    assert dict(report.refused) == {RULES["placeholder_price"].title: 1}
    assert list(MarketData.objects.values_list("platform", flat=True)) == ["vast"]


@pytest.mark.parametrize(("offers", "is_cut"), [(500, True), (64, True), (499, False), (65, False)])
def test_a_poll_cut_off_at_a_round_number_of_offers_counts_nowhere(file, offers, is_cut):
    """R-037: cheapest first, so what is left of it is no sample. Names that nobody knows count in its number."""
    lines = [
        line(region="US", n_offers="40"),
        line(region="DE", n_offers=str(offers - 60)),
        line(gpu_model="RTX_PRO_6000", n_offers="20"),
        line(spot="true", n_offers="7"),
        line(timestamp="2026-05-11T20:30:12+00:00", n_offers="7"),
    ]
    if offers < 100:
        lines[0:2] = [line(region="US", n_offers=str(offers - 20))]
    report = import_history(file(*lines))
    refused = len(lines) - 2 if is_cut else 0
    assert report.refused[RULES["truncated"].title] == refused
    days = {moment.date().day for moment in MarketData.objects.values_list("data_timestamp", flat=True)}
    assert days == ({11} if is_cut else {10, 11})


def test_what_the_file_does_not_sum_up_is_summed_from_its_countries(file):
    """R-036: by offers × GPUs, marked as computed, from the same lines."""
    report = import_history(
        file(
            at("0.30", region="US", n_offers="2"),
            at("0.40", region="CA", n_offers="1", gpu_count="8"),
            at("0.50", region="SE", n_offers="3"),
        )
    )
    assert regions() == {
        "US": D("0.30"),
        "CA": D("0.40"),
        "SE": D("0.50"),
        "north-america": D("0.40"),
        "europe": D("0.50"),
        "global": D("0.40"),
    }
    computed = MarketData.objects.filter(demand_indicators__computed_from="countries")
    assert set(computed.values_list("region", flat=True)) == {"north-america", "europe", "global"}
    assert computed.get(region="global").offer_count == 6
    assert report.computed == 3


@pytest.mark.parametrize("word", ["global", "any"])
def test_a_sum_that_the_file_tells_is_never_computed(file, word):
    import_history(file(at("0.30", region="US"), at("0.90", region=word)))
    assert regions()["global"] == D("0.90")
    assert "computed_from" not in MarketData.objects.get(region="global").demand_indicators


def test_a_sum_that_is_refused_is_not_computed_either(file):
    import_history(file(at("0.40", region="US", n_offers="9"), at("40", region="global", n_offers="1")))
    assert set(regions()) == {"US", "north-america"}


def test_what_an_earlier_import_stored_and_the_file_no_longer_makes_goes(file):
    """R-056: a site that imported before the rules is clean after importing again, its days too."""
    moment = clock.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=20)
    early, late = moment - timedelta(days=2), moment + timedelta(days=2)
    ends = [line(timestamp=early.isoformat()), line(timestamp=late.isoformat())]
    lone = moment - timedelta(days=1)
    first = import_history(
        file(
            *ends,
            line(timestamp=moment.isoformat(), region="US"),
            line(timestamp=moment.isoformat(), region="SE", spot="true"),
            line(timestamp=lone.isoformat()),
        )
    )
    assert (first.removed, first.snapshots_removed) == (0, 0)
    live = MarketDataFactory(data_timestamp=moment, region="JP")
    beyond = MarketDataFactory(data_timestamp=late + timedelta(days=1), origin="imported", region="JP")
    other = MarketDataFactory(data_timestamp=moment, origin="imported", region="KR", demand_indicators={"source": "x"})
    report = import_history(file(*ends, line(timestamp=moment.isoformat(), region="CA")))
    assert (report.removed, report.snapshots_removed) == (3, 1)  # US, the bid's home SE, the lone day
    left = set(MarketData.objects.values_list("region", "data_timestamp"))
    assert {("CA", moment), ("north-america", moment), ("global", moment), ("global", early), ("global", late)} <= left
    assert {(row.region, row.data_timestamp) for row in (live, beyond, other)} <= left
    assert len(left) == 8
    assert not PricingSnapshot.objects.exists()
    days = set(MarketDaily.objects.filter(origin="imported", platform="vast").values_list("region", "day"))
    assert ("US", moment.date()) not in days
    assert ("global", lone.date()) not in days
    assert {("CA", moment.date()), ("global", early.date())} <= days
    again = import_history(file(*ends, line(timestamp=moment.isoformat(), region="CA")))
    assert (again.market_changed, again.removed, again.snapshots_removed) == (0, 0, 0)


def test_a_day_older_than_quarter_hours_are_kept_goes_with_its_last_moment(file):
    import_history(file(*(line(timestamp=f"2022-03-{day}T12:00:00+00:00") for day in ("10", "11", "12"))))
    ensure_months(MarketDaily, date(2022, 3, 10), date(2022, 3, 12))
    for day in (10, 11, 12):
        MarketDaily.objects.create(
            gpu_model="RTX 4090", platform="vast", origin="imported", day=date(2022, 3, day), moments=1
        )
    import_history(file(*(line(timestamp=f"2022-03-{day}T12:00:00+00:00") for day in ("10", "12"))))
    assert set(MarketDaily.objects.values_list("day", flat=True)) == {date(2022, 3, 10), date(2022, 3, 12)}
    assert MarketData.objects.filter(data_timestamp=datetime(2022, 3, 11, 12, tzinfo=UTC)).count() == 0


def test_the_command_says_what_it_summed_up_and_took_back(file, capsys):
    lines = [line(region="US"), line(region="US", timestamp="2026-05-11T20:30:12+00:00")]
    call_command("import_market_history", file=file(*lines, line(timestamp="2026-05-12T20:30:12+00:00")))
    call_command("import_market_history", file=file(lines[0], line(timestamp="2026-05-12T20:30:12+00:00")))
    told = capsys.readouterr().out
    assert "2 summed up from countries" in told
    assert "of an earlier import, gone: 3 rows, 0 spot prices" in told
