"""`import_vast_history`: Vast.ai's own past in the gaps of ours, never over the leading source."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import hypothesis
import pytest
from django.core.management import CommandError, call_command
from hypothesis import strategies as st

from gpuadvisor.core import clock
from market import vast_history
from market.models import MarketDaily, MarketData, UtilizationTrend
from market.sources.base import Rejection, SourceError
from market.sources.vast_metrics import Point, VastMetrics, parse_history
from market.vast_history import VastHistory
from tests.factories import MarketDataFactory
from tests.market.documents import recorded
from tests.market.json_far_side import json_far_side

HOUR = timedelta(hours=1)


def series(moments, *, gpus=100, rented=70, **changes):
    """The past of one model: `rented` of `gpus` at each of `moments`, 10 of each unverified."""
    stamps = [int(moment.timestamp()) for moment in moments]
    counts = {
        "timestamps": stamps,
        "rented_verified": [rented - 10] * len(stamps),
        "avail_verified": [gpus - rented - 10] * len(stamps),
        "rented_unverified": [10] * len(stamps),
        "avail_unverified": [10] * len(stamps),
        "total": [gpus] * len(stamps),
    }
    prices = {"timestamps": stamps, "rented_median": [0.39] * len(stamps), "avail_median": [0.5] * len(stamps)}
    return {"supply_demand": counts | changes, "pricing": prices, "stats": {"tflops": 82.6}}


# -- The document ------------------------------------------------------------------------------------------------------


def test_a_history_as_the_vendor_prints_it():
    points = list(parse_history(json.loads(recorded("raw/vendor_doc_vast_metrics_gpu_history.json"))))
    assert [(p.gpu_raw, p.at, p.gpus_total, p.gpus_rented) for p in points] == [
        ("RTX 4090", datetime(2026, 5, 25, 19, 14, 20, tzinfo=UTC), 4446, 3789 + 385),
        ("RTX 4090", datetime(2026, 5, 25, 19, 17, 12, tzinfo=UTC), 4446, 3756 + 390),
    ]
    assert points[0].split == {
        "verified_gpus": 3789 + 165,
        "available_gpus": 165 + 107,
        "rented_median": "0.3900",
        "available_median": "0.5000",
        "rented_p10": "0.2460",
        "rented_p90": "0.5990",
        "available_p10": "0.2540",
        "available_p90": "0.9730",
        "mixed_boards": True,
    }


@pytest.mark.parametrize(
    ("changes", "reason", "rule"),
    [
        ({"total": [5]}, "more GPUs rented than there are", "impossible_share"),
        ({"total": [0]}, "no GPUs", ""),
        ({"total": [None]}, "no GPUs", ""),
        ({"rented_verified": ["60"]}, "rented GPUs are not counts", ""),
        ({"timestamps": [None]}, "no moment", ""),
        ({"timestamps": [-1]}, "no moment", ""),
        ({"total": [100, 100]}, "no series of GPUs", ""),
        ({"timestamps": []}, "no series of GPUs", ""),
    ],
)
def test_a_bad_moment_is_refused_alone(changes, reason, rule):
    data = {"gpus": {"RTX 5090": series([datetime(2026, 5, 1, tzinfo=UTC)], **changes)}}
    (refused,) = parse_history(data)
    assert isinstance(refused, Rejection)
    assert (refused.reason, refused.rule, refused.subject) == (reason, rule, "RTX 5090")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"success": True, "gpus": {}, "needs_machine": True}, "no machine"),
        ({"success": True, "gpus": []}, "no “gpus”"),
        ([], "no “gpus”"),
        (None, "no “gpus”"),
    ],
)
def test_a_document_that_is_no_history_is_refused_whole(data, reason):
    with pytest.raises(SourceError, match=reason):
        list(parse_history(data))


def test_names_with_underscores_and_a_series_of_prices_of_other_moments():
    day = datetime(2026, 5, 1, tzinfo=UTC)
    told = series([day, day + HOUR])
    told["pricing"]["timestamps"] = [int((day + HOUR).timestamp()), 5]
    first, second = parse_history({"gpus": {"H100_SXM": told}})
    assert isinstance(first, Point)
    assert (first.gpu_raw, "rented_median" in first.split, "rented_median" in second.split) == ("H100 SXM", False, True)


# -- Into the database -------------------------------------------------------------------------------------------------


@pytest.fixture
def until(catalog):
    """The last full hour."""
    return clock.now().replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def far(settings, monkeypatch):
    """Vast.ai with an hourly past of every model that is asked for; the list of questions."""
    settings.VAST_API_KEY = "vast_test"
    monkeypatch.setattr(vast_history, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(vast_history, "PAUSES_AFTER_429", (0, 0))

    def answer(asked):
        url = urlsplit(asked["path"])
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path.endswith("/current/"):
            return {"success": True, "gpus": [{"gpu_name": "RTX 5090"}, {"gpu_name": "RTX 4090"}]}
        start, end, step = (int(query[name]) for name in ("start", "end", "step"))
        first = -(-start // step) * step
        moments = [datetime.fromtimestamp(stamp, UTC) for stamp in range(first, end, step)]
        return {"success": True, "gpus": {name: series(moments) for name in query["gpu_name"].split(",")}}

    with json_far_side(answer) as (address, asked):
        monkeypatch.setattr(VastMetrics, "url", address)
        yield asked


def run(**options):
    call_command("import_vast_history", **options)


def test_the_past_becomes_rows_of_a_stand_in_without_a_median(far, until, capsys):
    """R-017: the source is kept with every row; two medians with two counts do not make the median of both."""
    run(gpu=["RTX 5090"], since=until - 6 * HOUR, until=until)
    rows = MarketData.objects.order_by("data_timestamp")
    assert [row.data_timestamp for row in rows] == [until - n * HOUR for n in range(6, 0, -1)]
    row = rows[0]
    assert (row.gpu_model, row.platform, row.region, row.origin) == ("RTX 5090", "vast", "global", "live")
    assert (row.median_price, row.average_price, row.gpu_count, row.active_instances) == (None, None, 100, 70)
    assert str(row.average_utilization) == "70.00"
    assert row.demand_indicators == {
        "source": "vast_metrics",
        "stands_in_for": "500farm_machines",
        "observed_at": row.data_timestamp.isoformat(),
        "price_basis": "ask",
        "verified_gpus": 80,
        "available_gpus": 30,
        "rented_median": "0.3900",
        "available_median": "0.5000",
        "demand_score": 70,
    }
    assert MarketDaily.objects.filter(gpu_model="RTX 5090", average_utilization=70).exists()
    assert UtilizationTrend.objects.filter(gpu_model="RTX 5090").exists()
    assert "6 moments read, 6 rows new or different" in capsys.readouterr().out


def test_what_came_backwards_is_scored_against_its_week_before(far, until):
    """R-017: the hours of an earlier week arrive after those that look back on them."""
    at = until - 6 * HOUR
    MarketDataFactory(
        data_timestamp=at - timedelta(days=7),
        gpu_model="RTX 5090",
        average_utilization=60,
        demand_indicators={"source": "vast_metrics", "demand_score": 60},
    )
    run(gpu=["RTX 5090"], since=at, until=until)
    rows = MarketData.objects.filter(data_timestamp__gte=at).order_by("data_timestamp")
    assert [row.demand_indicators["demand_score"] for row in rows[:3]] == [75, 75, 70]  # within an hour


def test_again_changes_nothing_and_asks_for_nothing(far, until, capsys):
    """R-056: idempotent, and a stopped run goes on where it stood."""
    run(gpu=["RTX 5090"], since=until - 24 * HOUR, until=until)
    asked, rows = len(far), list(MarketData.objects.order_by("pk").values())
    run(gpu=["RTX 5090"], since=until - 24 * HOUR, until=until)
    assert (len(far), list(MarketData.objects.order_by("pk").values())) == (asked, rows)
    assert "1 of 1 questions were answered already" in capsys.readouterr().out


def test_a_run_that_broke_off_keeps_what_it_has(far, until, monkeypatch):
    since = until - 500 * HOUR
    windows = VastHistory().windows(["RTX 5090"], since=since, until=until, step=3600)
    assert next(window.until for window in windows) == until
    assert len(windows) == 3
    VastHistory().run(windows[:1], step=3600)
    stored = MarketData.objects.count()
    assert stored == 240
    report = VastHistory().run(windows, step=3600)
    assert (report.spared, report.changed) == (1, 500 - stored)


def test_the_leading_source_is_never_overwritten(far, until):
    """R-017: a gap is filled, a figure of the leader stays."""
    led = MarketDataFactory(
        gpu_model="RTX 5090",
        platform="vast",
        region="global",
        data_timestamp=until - 2 * HOUR,
        demand_indicators={"source": "500farm_machines", "observed_at": (until - 2 * HOUR).isoformat()},
    )
    before = MarketData.objects.values().get(pk=led.pk)
    run(gpu=["RTX 5090"], since=until - 4 * HOUR, until=until)
    assert MarketData.objects.values().get(pk=led.pk) == before
    assert MarketData.objects.count() == 4


def test_imported_prices_stay(far, until):
    """A live row would replace them, and this one has no price."""
    kept = MarketDataFactory(
        gpu_model="RTX 5090", platform="vast", region="global", data_timestamp=until - 2 * HOUR, origin="imported"
    )
    run(gpu=["RTX 5090"], since=until - 4 * HOUR, until=until)
    kept.refresh_from_db()
    assert kept.origin == "imported"
    assert MarketData.objects.filter(origin="live").count() == 3


def test_without_names_every_model_is_asked_for(far, until):
    run(since=until - 2 * HOUR, until=until)
    assert set(MarketData.objects.values_list("gpu_model", flat=True)) == {"RTX 4090", "RTX 5090"}
    assert far[0]["path"].startswith("/current/?verified=all")
    assert MarketData.objects.filter(gpu_model="RTX 4090").first().demand_indicators["mixed_boards"] is True


def test_a_longer_step_than_was_asked_for_is_said(far, until, monkeypatch, capsys):
    ask = vast_history.fetch_history
    monkeypatch.setattr(vast_history, "fetch_history", lambda names, *, step, **kw: ask(names, step=4 * step, **kw))
    run(gpu=["RTX 5090"], since=until - 40 * HOUR, until=until)
    assert "one point per 14400 s instead of 3600 s" in capsys.readouterr().out


def test_a_name_that_nobody_knows_is_counted_and_not_guessed(far, until, capsys):
    run(gpu=["RTX 9999"], since=until - 2 * HOUR, until=until)
    assert not MarketData.objects.exists()
    assert "2 × GPU name: RTX 9999" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((401, {"error": "auth_error"}, {}), "refused the key"),
        ({"success": True, "gpus": {}, "needs_machine": True}, "has no machine"),
        ((429, b"API requests too frequent", {}), "answered 429"),
        (b"<html>", "web page"),
    ],
)
def test_what_goes_wrong_is_one_sentence(catalog, settings, monkeypatch, answer, sentence):
    settings.VAST_API_KEY = "vast_test"
    monkeypatch.setattr(vast_history, "PAUSES_AFTER_429", (0,))
    with json_far_side(lambda asked: answer) as (address, _asked):
        monkeypatch.setattr(VastMetrics, "url", address)
        with pytest.raises(CommandError, match=sentence):
            run(gpu=["RTX 5090"])


def test_without_a_key_the_command_says_so(catalog, settings):
    settings.VAST_API_KEY = ""
    with pytest.raises(CommandError, match="VAST_API_KEY is not set"):
        run(gpu=["RTX 5090"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--since", "yesterday"], "no day such as"),
        (["--step", "60"], "--step is between"),
        (["--since", "2999-01-01"], "--since must lie before"),
        (["--since", "2026-05-02", "--until", "2026-05-01"], "--since must lie before"),
    ],
)
def test_wrong_arguments_are_one_sentence(db, arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("import_vast_history", *arguments)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
COLUMN = st.lists(ANY | st.integers(0, 50), min_size=2, max_size=2) | ANY
NAMES = ("timestamps", "rented_verified", "avail_verified", "rented_unverified", "avail_unverified", "total")
TABLE = st.dictionaries(st.sampled_from(NAMES), COLUMN) | st.fixed_dictionaries(dict.fromkeys(NAMES, COLUMN)) | ANY
SERIES = st.fixed_dictionaries({"supply_demand": TABLE}, optional={"pricing": TABLE}) | ANY


@hypothesis.settings(max_examples=150, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.given(gpus=st.dictionaries(st.sampled_from(["RTX 5090", "A100 SXM4", "", "\x00"]), SERIES) | ANY)
def test_no_history_raises_anything_but_a_source_error(gpus):
    """Promise 26: whatever stands in a field, a moment is used or refused."""
    with suppress(SourceError):
        assert all(isinstance(each, Point | Rejection) for each in parse_history({"gpus": gpus}))
