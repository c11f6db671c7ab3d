"""The geometry of the charts (ui.md 7): gaps stay gaps, at most 360 points, round numbers on the axes."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuadvisor.core import charts
from gpuadvisor.core.charts import Band, Line, Mark, Series

START = datetime(2026, 3, 1, tzinfo=UTC)


def hours(count):
    return [START + timedelta(hours=i) for i in range(count)]


def test_a_gap_in_the_values_is_a_gap_in_the_line():
    drawing = charts.draw(Series(hours(5), [Line("mine", [1, 2, None, 4, 5], "mine")]))
    path = drawing.lines[0].path
    assert path.count("M") == 2
    assert path.count("L") == 2
    assert drawing.lines[0].ys[2] is None


def test_a_jump_in_time_is_a_gap_too():
    times = [START + timedelta(days=i) for i in (0, 1, 2, 3, 10, 11)]
    assert charts.draw(Series(times, [Line("mine", [1, 2, 3, 4, 5, 6])])).lines[0].path.count("M") == 2


def test_a_lone_point_is_a_dot():
    assert "h0" in charts.draw(Series(hours(3), [Line("mine", [1, None, 3])])).lines[0].path


def test_a_band_is_closed_and_left_open_where_one_side_is_unknown():
    band = Band("p10–p90", [1, 1, None, 1, 1], [2, 2, 2, 2, 2])
    path = charts.draw(Series(hours(5), bands=[band])).bands[0].path
    assert path.count("M") == path.count("Z") == 2


def test_nan_and_infinity_are_unknown():
    drawing = charts.draw(Series(hours(3), [Line("mine", [1.0, float("nan"), float("inf")])]))
    assert drawing.lines[0].values == [1.0, None, None]


@given(st.integers(min_value=0, max_value=20_000))
def test_no_value_is_left_out_when_points_are_thinned(count):
    runs = charts.thin(count)
    assert len(runs) <= charts.MAX_POINTS
    assert [i for run in runs for i in run] == list(range(count))


def test_a_thinned_band_keeps_the_extremes_and_a_thinned_line_its_outage():
    values: list[Decimal | None] = [Decimal("0.4")] * 3600
    values[1000:1100] = [None] * 100
    high = [0.5] * 3600
    high[77] = 0.9
    drawing = charts.draw(Series(hours(3600), [Line("mine", values)], [Band("band", [0.3] * 3600, high)]))
    assert len(drawing.xs) == charts.MAX_POINTS
    assert max(value for value in drawing.bands[0].high if value is not None) == 0.9
    assert drawing.lines[0].path.count("M") == 2


@given(
    st.floats(min_value=-1e6, max_value=1e6, allow_nan=False), st.floats(min_value=0, max_value=1e6, allow_nan=False)
)
def test_ticks_are_even_and_hold_every_value(low, span):
    ticks, step = charts.nice_ticks(low, low + span)
    room = max(1.0, abs(low), span) * 1e-6
    assert ticks[0] <= low + room
    assert ticks[-1] >= low + span - room
    assert 2 <= len(ticks) <= 8
    assert all(abs((b - a) - step) <= room for a, b in pairwise(ticks))


def test_prices_have_no_line_below_zero():
    assert charts.draw(Series(hours(2), [Line("mine", [0, 0])])).y_ticks[0].value == 0


def test_every_point_lies_inside_the_plot():
    drawing = charts.draw(Series(hours(50), [Line("mine", [i * 0.013 for i in range(50)])]))
    assert all(drawing.plot["left"] <= x <= drawing.plot["right"] for x in drawing.xs)
    assert all(drawing.plot["top"] <= y <= drawing.plot["bottom"] for y in drawing.lines[0].ys if y is not None)


@pytest.mark.parametrize(
    ("span", "zone", "hour"),
    [(timedelta(days=30), "Europe/Berlin", {0}), (timedelta(days=30), "America/New_York", {0})],
)
def test_days_begin_at_the_readers_midnight(span, zone, hour):
    ticks = charts.time_ticks(START, START + span, ZoneInfo(zone))
    assert {tick.hour for tick in ticks} == hour
    assert 4 <= len(ticks) <= 8


@pytest.mark.parametrize(
    "span", [timedelta(hours=h) for h in (1, 5, 24, 60)] + [timedelta(days=d) for d in (7, 90, 800)]
)
def test_a_time_axis_has_a_handful_of_ticks(span):
    ticks = charts.time_ticks(START, START + span, UTC)
    assert 1 <= len(ticks) <= 9
    assert all(START <= tick <= START + span for tick in ticks)


def test_marks_outside_the_chart_are_left_out():
    series = Series(
        hours(10),
        [Line("mine", list(range(10)))],
        marks=[Mark(START - timedelta(days=1), "before"), Mark(START + timedelta(hours=9), "price")],
    )
    (mark,) = charts.draw(series).marks
    assert (mark.text, mark.is_late) == ("price", True)


def test_days_are_drawn_from_dates():
    drawing = charts.draw(Series([date(2026, 3, 1), date(2026, 3, 2)], [Line("mine", [1, 2])]))
    assert drawing.times[0] == START


def test_a_line_of_another_length_is_refused():
    with pytest.raises(ValueError, match="one value for each time"):
        charts.draw(Series(hours(3), [Line("mine", [1, 2])]))


@pytest.mark.parametrize(("values", "empty"), [([], True), ([None, None], True), ([None, 0], False)])
def test_a_series_without_a_figure_is_empty(values, empty):
    assert Series(hours(len(values)), [Line("mine", values)]).is_empty is empty


@pytest.mark.parametrize("count", [0, 1])
def test_a_chart_of_none_or_one_point_is_drawn(count):
    assert charts.draw(Series(hours(count), [Line("mine", [1.0] * count)])).y_ticks


@pytest.mark.parametrize(
    ("values", "drawn"), [([], False), ([1], False), ([1, None], False), ([1, 1], True), ([1, 3, None, 2, 4], True)]
)
def test_a_sparkline_needs_two_values(values, drawn):
    line, area = charts.sparkline(values)
    assert bool(line) is bool(area) is drawn
