"""The checker of figures (F10, R-018): what it takes for a figure, on what a figure may rest, and what it measures."""

from __future__ import annotations

import io
import json
import time
from decimal import Decimal

import pytest
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.checking import REMOVED, Told, check, facts_of, may_show, take_out
from chat.checking.index import Index
from chat.checking.measuring import CAUGHT, FALSE_ALARMS, measure, results, samples, unmarked
from chat.checking.numerals import numerals
from chat.checking.scanning import scan
from gpuadvisor.core.advising import Cell, Result, Row

D = Decimal


def gpu(name: str, model: str, rate: str, occupancy: str, net: str | None, median: str, count: int = 4) -> Row:
    return Row(
        name,
        name,
        {
            "model": Cell("Model", model),
            "quantity": Cell("GPUs", count, "GPU"),
            "rate": Cell("Rate", D(rate), "USD/GPU-h"),
            "occupancy": Cell("Occupancy", D(occupancy), "%"),
            "net": Cell("Net", D(net) if net else None, "USD", "estimated" if net else "unknown"),
            "watts": Cell("Draw under load", D(1800), "W"),
            "market_median": Cell("Market median", D(median), "USD/GPU-h"),
        },
    )


GPUS = Result(
    (
        gpu("rig-01", "RTX 4090", "0.3812", "81.4", "193.29", "0.4127"),
        gpu("rig-02", "RTX 3090", "0.1630", "68.3", "-40.09", "0.1519", 6),
        gpu("bench", "RTX 3090 Ti", "0.1890", "77.2", None, "0.2210", 2),
    )
)
WEEK = Result(
    (
        Row(
            "account",
            "All active portfolios",
            {
                "revenue": Cell("Revenue", D("1620.08"), "USD"),
                "revenue_before": Cell("Revenue, before", D("1637.69"), "USD"),
                "revenue_change_percent": Cell("Revenue, change", D("-11.0"), "%"),
                "net": Cell("Net", D("752.57"), "USD"),
                "margin": Cell("Margin", D("64.8"), "%"),
                "occupancy_change": Cell("Occupancy, change", D("-3.3"), "points"),
            },
        ),
    ),
    notes=("Net: without 2 of 6 GPU configurations",),
)
TOLD = [Told("m1", GPUS, "gpus", {}), Told("m2", WEEK, "kpis", {"period": "7d"})]
FACTS = facts_of(TOLD)


def wrong(text: str, *said: str) -> list[str]:
    return [figure.text for figure in check(text, FACTS, said).unmatched]


# -- What is a figure --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("at $0.38/h", 0.38, "USD/h"),
        ("at $0.38 per GPU-hour", 0.38, "USD/GPU-h"),
        ("at $0.38 per GPU per hour", 0.38, "USD/GPU-h"),
        ("made $1,240.50 a week", 1240.5, "USD/week"),
        ("38 cents an hour", 38, "cent/h"),
        ("€0.29/kWh", 0.29, "EUR/kWh"),
        ("about $1.2k a month", 1200, "USD/month"),
        ("81 % rented", 81, "%"),
        ("81 percent", 81, "%"),
        ("3.3 percentage points", 3.3, "pt"),
        ("450 W", 450, "W"),
        ("4.5 kW", 4.5, "kW"),
        ("1,240 kWh", 1240, "kWh"),
        ("7 hours", 7, "h"),
        ("18 GPU-hours", 18, "GPU-h"),
        ("three GPUs", 3, "GPU"),
        ("8x RTX 4090", 8, "GPU"),
        ("twice as much", 2, "x"),
        ("the 59th percentile", 59, "percentile"),
    ],
)
def test_a_figure_is_read_with_its_unit(text, value, unit):
    (number,) = numerals(text)
    assert (number.value, number.unit) == (value, unit)


@pytest.mark.parametrize(
    "text",
    [
        "On 24 November 2026, at 14:05 UTC.",
        "2026-11-24 and 11/24/2026, in 2025, Q3.",
        "1. First\n2. Second",
        "Your RTX 4090, 3090 Ti, H100 SXM 80GB and A6000.",
        "Driver 550.54 and CUDA 12.4, version 3.",
        "Step 2, option 3, the 2nd, #4.",
        "See https://example.com/a/42 or [this](/gpus/17/).",
        "Wait 3 days, then compare. Try it for 14 days.",
        "In the last 7 days. Over the past 30 days.",
        "Two things stand out, for one reason.",
        "Open 24/7; p90 and the 10-day trend.",
    ],
)
def test_dates_names_and_ordinals_are_no_figures(text):
    """F10: dates, list numbers, models, versions, periods and addresses need no source."""
    assert wrong(text) == []


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("fell by 11 %", -1),
        ("down 11 %", -1),
        ("11 % lower", -1),
        ("−11 %", -1),
        ("up 11 %", 1),
        ("11 % more", 1),
        ("+11 %", 1),
        ("fell to 11 %", 0),
        ("11 %", 0),
    ],
)
def test_the_direction_of_a_figure_is_read(text, sign):
    assert numerals(text)[0].sign == sign


def test_a_range_says_its_unit_once():
    assert [(one.value, one.unit) for one in numerals("$0.31–0.38/h")] == [(0.31, "USD/h"), (0.38, "USD/h")]
    assert [(one.value, one.unit) for one in numerals("between 71 and 81 %")] == [(71, "%"), (81, "%")]


# -- On what it rests --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "rig-01 rents at $0.38 an hour and was rented 81 % of the time.",
        "Revenue fell by 11 % to $1,620.08; occupancy fell 3.3 points.",
        "Revenue was $1,620, against $1,637.69 before. Net: $752.57, a margin of 64.8 %.",
        "rig-01 draws 1.8 kW. It asks 38 cents an hour.",
        "rig-02 lost $40.09. Its net was −$40.09.",
        "You made about $1,600, just over $750 of it net.",
        "The 3090 asks $0.163, the 3090 Ti $0.189.",
        "rig-01 and rig-02 are rented 81.4 % and 68.3 % of the time, respectively.",
        "You have three GPU configurations; net is without 2 of 6 GPU configurations.",
        "| GPU | Rate ($/GPU-h) | Occupancy |\n|---|---|---|\n| rig-01 | 0.381 | 81 % |\n| rig-02 | 0.163 | 68 % |",
        "| | rig-01 | rig-02 |\n|---|---|---|\n| Occupancy, % | 81.4 | 68.3 |",
        "### rig-02\n\nIt is rented **68 %** of the time, at `$0.163`.",
        "The market median of the RTX 4090 is $0.413.",
    ],
)
def test_what_the_tools_told_passes(text):
    assert wrong(text) == []


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        pytest.param("rig-01 rents at $0.39 an hour.", "$0.39", id="wrong"),
        pytest.param("Net was $752.58.", "$752.58", id="rounded"),
        pytest.param("rig-01 rents at $0.163 an hour.", "$0.163", id="row"),
        pytest.param("The 3090 Ti asks $0.163.", "$0.163", id="model"),
        pytest.param("rig-02 and rig-01 are rented 81.4 % of the time.\n\nThe margin is 68.3 %.", "68.3 %", id="cell"),
        pytest.param("The market median of the RTX 4090 is $0.381.", "$0.381", id="market"),
        pytest.param("Revenue was $1,637.69 in the last 7 days.", "$1,637.69", id="before"),
        pytest.param("Revenue is up 11 %.", "11 %", id="sign"),
        pytest.param("rig-02 made $40.09 of net.", "$40.09", id="loss"),
        pytest.param("rig-01 rents at $0.381 a day.", "$0.381", id="day"),
        pytest.param("Net was $752.57 a month.", "$752.57", id="month"),
        pytest.param("Over the last 30 days revenue was $1,620.08.", "$1,620.08", id="period"),
        pytest.param("Occupancy fell 3.3 %.", "3.3 %", id="points"),
        pytest.param("bench netted $62.10.", "$62.10", id="unknown"),
        pytest.param("You have five GPU configurations.", "five", id="count"),
        pytest.param("rig-01 costs $180 in fees.", "$180", id="invented"),
        pytest.param("rig-01 asks €0.381 an hour.", "€0.381", id="currency"),
        pytest.param(
            "| GPU | Occupancy |\n|---|---|\n| rig-01 | 68.3 % |\n| rig-02 | 68.3 % |", "68.3 %", id="table-row"
        ),
    ],
)
def test_what_no_tool_told_of_it_is_found(text, figure):
    """F10: wrong, mixed-up and wrongly rounded figures are caught, and those of another unit, span or direction."""
    assert wrong(text)[-1:] == [figure] or wrong(text)[:1] == [figure]


def test_a_figure_leads_to_its_cell():
    text = "rig-01 rents at **$0.38**/h."
    (figure,) = check(text, FACTS).figures
    assert (text[figure.start : figure.end], figure.source) == ("$0.38", ("m1", "rig-01", "rate"))


def test_a_number_of_the_host_needs_no_source():
    """F10: "what if $0.42" may be repeated, but does not become what the market asks."""
    assert wrong("At $0.42 you would be above the median.", "what if $0.42?") == []
    assert wrong("At $0.42 you would be above the median.") == ["$0.42"]
    assert wrong("The market median is $0.42.", "what if $0.42?") == ["$0.42"]


def test_a_newer_look_replaces_an_older_one():
    older = Result((gpu("rig-01", "RTX 4090", "0.3500", "79.0", "180.00", "0.4127"),))
    facts = facts_of([Told("m0", older, "gpus", {}), *TOLD])
    assert [one.text for one in check("rig-01 asks $0.35 now.", facts).unmatched] == ["$0.35"]
    assert check("rig-01 asks $0.38 now.", facts).is_right
    assert check("When you asked before, rig-01 stood at $0.35.", facts).is_right


def test_a_declared_formula_is_a_source():
    value = Cell("Mean net of a day", D("107.51"), "USD/day")
    facts = facts_of([*TOLD, Told("m3", Result((Row("result", "Mean net of a day", {"value": value}),)), "calculate")])
    assert check("That is $107.51 a day.", facts).figures[0].source == ("m3", "result", "value")
    assert wrong("That is $107.51 a day.") == ["$107.51"]


def test_twice_as_much_is_a_ratio_of_two_rows():
    assert wrong("The rate of rig-01 is twice as high as that of bench.") == []
    assert wrong("The rate of rig-01 is three times as high as that of bench.") == ["three"]


def test_a_reason_says_what_is_meant_instead():
    (figure,) = check("rig-01 rents at $0.163 an hour.", FACTS).unmatched
    assert "rig-02, Rate" in figure.reason
    (figure,) = check("rig-01 rents at $0.99 an hour.", FACTS).unmatched
    assert figure.reason == "“$0.99”: no tool result says this"


# -- What may be shown -------------------------------------------------------------------------------------------------
def test_a_figure_is_taken_out_of_its_sentence():
    text = "rig-01 asks $0.99/h, in a range of $0.70–0.80, and is rented 81 % of the time."
    assert take_out(text, check(text, FACTS).unmatched) == (
        f"rig-01 asks {REMOVED}, in a range of {REMOVED}, and is rented 81 % of the time."
    )


def test_words_stream_at_once_and_figures_with_their_sentence():
    """Streaming: from the first figure on, text waits for the end of its sentence."""
    assert may_show("Let me see. Your rig", FACTS) == (20, False)
    text = "Let me see. Its rate is $0.38 an hour. And"
    for end in range(len("Let me see. Its rate is $0"), len("Let me see. Its rate is $0.38 an hour.")):
        assert may_show(text[:end], FACTS) == (len("Let me see. Its rate is "), False)
    assert may_show(text, FACTS) == (len(text), False)


def test_a_stream_stops_before_a_sentence_with_a_wrong_figure():
    text = "Let me see. rig-01 rents at $0.99. And so on. "
    assert may_show(text, FACTS) == (len("Let me see."), True)


def test_what_was_streamed_was_right():
    """However a text is cut, no wrong figure of it is ever shown."""
    for sample in list(samples("held_out"))[:6] + list(samples("development"))[:6]:
        unmatched = check(sample.text, sample.facts, sample.said).unmatched
        limit = min((figure.start for figure in unmatched), default=len(sample.text))
        shown = 0
        for end in range(1, len(sample.text), 9):
            may = may_show(sample.text[:end], sample.facts, sample.said, shown)
            shown = max(shown, may.end)
            assert shown <= limit, sample.text[:shown]
            if may.is_stopped:
                break


# -- Properties --------------------------------------------------------------------------------------------------------
def fact(value: D, unit: str = "USD") -> list:
    return facts_of([Told("m", Result((Row("r", "Garage", {"net": Cell("Net", value, unit)}),)))])


@given(st.decimals(min_value="0.01", max_value="999999", places=4), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_every_rounding_of_a_fact_passes(value, places):
    text = f"Net was ${value:,.{places}f}."
    assert check(text, fact(value)).is_right


@given(st.integers(1, 9_999_999), st.integers(2, 40))
@settings(max_examples=60, deadline=None)
def test_more_than_a_rounding_off_is_found(cents, off):
    value = D(cents) / 100
    text = f"Net was ${value + D(off) / 100:,.2f}."
    assert not check(text, fact(value)).is_right


@given(st.integers(0, 10**12))
@settings(max_examples=60, deadline=None)
def test_separators_change_nothing(value):
    assert numerals(f"${value:,}")[0].value == numerals(f"${value}")[0].value == value


@given(st.text(alphabet="0123456789.,$€%–-−+kM |\n*`#[]()abehx~±/", max_size=120))
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_the_checker(text):
    """Reliability: what a model writes may be anything."""
    checked = check(text, FACTS, [text])
    assert all(text[one.start : one.end] == one.text for one in (*checked.figures, *checked.unmatched))
    assert 0 <= may_show(text, FACTS).end <= len(text)
    take_out(text, checked.unmatched)


def test_a_number_without_end_is_no_trouble():
    assert len(wrong(f"Net was ${'9' * 6000}. In the last {'8' * 6000} days.")) >= 1


def test_a_growing_text_is_read_like_a_whole_one():
    """What an answer names is the same however it came, by a few words or at once."""
    for sample in list(samples("development"))[40:46]:
        grown, whole = Index(sample.facts), Index(sample.facts)
        for end in range(7, len(sample.text), 31):
            scan(sample.text[:end], grown)
        assert scan(sample.text, grown) == scan(sample.text, whole)


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("Occupancy: 81.4 %, 68.3 % and 77.2 %.", []),
        ("Rates and medians: rig-01 $0.381 vs. $0.413.", []),
        ("**rig-02**: rents at $0.163. You are rented 81.4 % of the time.", ["81.4 %"]),
        ("Revenue was $1,637.69 → $1,620.08.", []),
        ("Revenue rose from $1,637.69 to $1,620.08.", ["$1,620.08"]),
        ("Nov 19: rig-01 nets\nNov 20: rig-01 rents", []),
    ],
    ids=["a list without names", "a market beside", "the row before", "an arrow", "a turn", "dates by line"],
)
def test_a_figure_is_read_beside_others(text, figures):
    assert wrong(text) == figures


# -- The corpus --------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_checker_reaches_its_aim():
    """F10: at least 98 % of the planted errors are caught, at most 3 % of right figures are flagged."""
    report = measure()
    assert report.answers >= 150
    assert (report.caught >= CAUGHT, report.false_alarms <= FALSE_ALARMS, report.ok) == (True, True, True)


@pytest.mark.slow
def test_the_command_tells_the_table():
    out = io.StringIO()
    call_command("check_figures", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert set(told) == {"ok", "answers", "caught", "false_alarms", "rows"}
    assert {row["kind"] for row in told["rows"]} >= {"wrong", "row", "cell", "unit", "sign", "rounded", "invented"}


def test_the_last_batch_of_the_corpus_reaches_the_aim():
    """F10, quickly: a part of the corpus, of which the test above reads all."""
    report = measure("held_out")
    assert report.answers >= 30
    assert report.ok, report.misses


def test_a_mark_of_the_corpus_can_be_put_right():
    marked = "Net was {$5} and {81 %|cell|72 %}."
    assert unmarked(marked)[0] == "Net was $5 and 81 %."
    text, marks = unmarked(marked, put_right=True)
    assert (text, [mark.kind for mark in marks]) == ("Net was $5 and 72 %.", ["", ""])


def test_a_long_answer_is_checked_quickly():
    """Speed: 2,000 words against some 300 facts; the limit allows for a slow and busy machine."""
    facts = facts_of(told for name, told in results().items() if name.startswith("demo"))
    words = " ".join(sample.text for sample in samples("development")).split()[:2000]
    text = " ".join(words)
    check(text, facts)
    began = time.process_time()
    check(text, facts)
    assert time.process_time() - began < 0.5
