"""The rules of suggestions: figures in, a suggestion or the reason for silence out (R-022)."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from portfolios.suggestions import pricing, rules
from portfolios.suggestions.facts import CompFact, DayFact, GPUFact, PlaceFact
from portfolios.suggestions.findings import Advice, Silence

D = Decimal
TODAY = date(2026, 11, 20)
COMP = CompFact("RTX 4090 on Vast.ai", "vast", 24, D(75), D("0.60"), D("0.35"), D("0.87"), D("0.60"))
VAST = PlaceFact("vast", "Vast.ai", D("0.60"), D("0.35"), D(75), D(25), True, 24)
CLORE = PlaceFact("clore", "Clore.ai", D("0.90"), D("0.70"), D(80), D(10), True, 30, website="https://clore.ai/")


def days(share, count=14):
    return tuple(DayFact(TODAY - timedelta(days=n), D(48), D(48) * share / 100) for n in range(count, 0, -1))


def fact(share=80, count=14, **changes):
    base = GPUFact(
        pk=UUID(int=1),
        portfolio=UUID(int=2),
        name="rig-01",
        portfolio_name="Garage",
        model="RTX 4090",
        quantity=2,
        platform="vast",
        platform_name="Vast.ai",
        machine="38941",
        rate=D("0.40"),
        rate_day=TODAY,
        fee=D(25),
        days=() if share is None else days(share, count),
        idle_watts=D(20),
        load_watts=D(450),
        board_watts=D(450),
        is_nvidia=True,
        usd_per_kwh=D("0.18"),
        comp=COMP,
    )
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("changes", "kind", "to_rate"),
    [
        ({}, "rate", "0.44"),
        ({"rate": D("0.56")}, "rate", "0.60"),
        ({"rate": D("0.80"), "share": 50}, "idle", "0.72"),
        ({"rate": D("0.65"), "share": 61}, "rate", "0.60"),
        ({"rate": D("0.60"), "share": 60, "idle_hours": D(30)}, "idle", "0.54"),
        ({"rate": D("0.05"), "share": 80}, "rate", "0.104"),  # the floor wins over the step
    ],
    ids=["raise by a tenth", "raise to it", "idle", "lower", "ladder", "floor"],
)
def test_the_price_follows_the_market_a_step_at_a_time(changes, kind, to_rate):
    found = rules.price_answer(fact(**changes))
    assert isinstance(found, Advice)
    assert (found.kind, found.to_rate) == (kind, D(to_rate))
    assert found.impact.low <= found.impact.value <= found.impact.high
    assert "Running rentals keep" in found.cannot


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": None}, "No rate"),
        ({"sets_price": False}, "itself"),
        ({"comp": None}, "No market"),
        ({"comp": replace(COMP, is_for_advice=False)}, "12 hours"),
        ({"comp": replace(COMP, offers=4)}, "Fewer than 5"),
        ({"comp": replace(COMP, platform="clore")}, "another platform"),
        ({"fee": None}, "fee"),
        ({"rate": D("0.58")}, "within 5%"),
        ({"rate": D("0.63")}, "within 5%"),
        ({"rate": D("0.80"), "share": None}, "rented share is unknown"),
        ({"rate": D("0.80"), "share": 75}, "as often"),
        ({"rate": D("0.80"), "share": 50, "usd_per_kwh": None}, "electricity"),
        ({"rate": D("0.40"), "share": 30}, "a raise would not help"),
        ({"rate": D("0.40"), "share": 30, "idle_hours": D(48)}, "price is not why"),
        ({"rate": D("0.70"), "share": 80, "idle_hours": D(48)}, "two weeks"),
        ({"load_watts": D(8000)}, "floor lies above"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_ground_nothing_is_suggested_and_why_is_said(changes, words):
    found = rules.price_answer(fact(**changes))
    assert isinstance(found, Silence)
    assert words in found.reason


def test_a_recommended_rate_never_follows_the_own_one():
    seen = {rules.price_answer(fact(rate=D(rate))).waterfall[0].value for rate in ("0.20", "0.30", "0.45")}
    assert seen == {D("0.60")}


@pytest.mark.parametrize("rate", ["0.02", "0.10", "0.19", "0.30", "0.55", "0.90", "2.00"])
@pytest.mark.parametrize("share", [10, 60, 95])
def test_no_suggestion_leaves_floor_step_or_market(rate, share):
    gpu = fact(rate=D(rate), share=share)
    found = rules.price_answer(gpu)
    if isinstance(found, Silence):
        return
    floor = rules.floor_of(gpu)
    assert found.to_rate >= floor
    assert abs(found.to_rate - gpu.rate) <= gpu.rate * pricing.STEP or abs(found.to_rate - floor) < D("0.01")
    assert found.to_rate <= max(COMP.p90, gpu.rate)
    assert sum(bar.value for bar in found.waterfall[:-1] if bar.is_step) + COMP.median == found.to_rate


def test_vast_gets_the_price_that_the_host_gets():
    steps = rules.price_answer(fact()).steps
    assert steps[1].copy == "vastai list machine 38941 -g 0.33"
    assert "$0.33" in steps[0].text
    assert "$0.44" in steps[0].text


@pytest.mark.parametrize(
    ("changes", "there", "words"),
    [
        ({"places": (VAST, CLORE)}, "clore", None),
        ({"places": (VAST, replace(CLORE, is_open=False))}, None, "No other open platform"),
        ({"places": (VAST, replace(CLORE, rented=None))}, None, "No other open platform"),
        ({"places": (VAST, replace(CLORE, fee=None))}, None, "No other open platform"),
        ({"places": (VAST, replace(CLORE, is_for_advice=False))}, None, "No other open platform"),
        ({"places": (VAST, replace(CLORE, price=D("0.61"), rented=D(75), fee=D(25)))}, None, "15%"),
        ({"places": (VAST, CLORE), "usd_per_kwh": None}, None, "electricity"),
        ({"places": (CLORE,), "share": None}, None, "tells no rented share"),
    ],
    ids=["better", "closed", "share unknown", "fee unknown", "stale", "margin", "no power price", "unknown here"],
)
def test_another_platform_is_named_only_where_all_is_known_and_it_is_well_better(changes, there, words):
    found = rules.platform_answer(fact(**changes))
    if there:
        assert (found.target, found.confidence) == (there, "medium")
        assert found.impact.low <= found.impact.value <= found.impact.high
    else:
        assert words in found.reason


def test_moves_of_one_portfolio_are_one_suggestion():
    first = rules.platform_answer(fact(places=(VAST, CLORE)))
    second = rules.platform_answer(fact(places=(VAST, CLORE), pk=UUID(int=9), name="rig-02"))
    rate = rules.price_answer(fact())
    found = rules.together([first, second, rate])
    assert [one.kind for one in found] == ["rate", "platform"]
    assert found[1].gpu is None
    assert found[1].impact.value == first.impact.value + second.impact.value


@pytest.mark.parametrize(
    ("changes", "confidence", "words"),
    [
        ({}, "low", None),
        ({"is_measured": True}, "medium", None),
        ({"has_power_limit": True, "load_watts": D(450)}, None, "already"),
        ({"load_watts": D(360)}, None, "nine tenths"),
        ({"usd_per_kwh": None}, None, "electricity"),
        ({"share": None}, None, "rented share"),
        ({"is_nvidia": False}, None, "No figure"),
        ({"share": 1}, None, "less than $2"),
    ],
    ids=["catalog", "measured", "limited", "low draw", "no power price", "share unknown", "other maker", "small"],
)
def test_a_power_limit_is_modest_and_tells_its_assumption(changes, confidence, words):
    found = rules.power_answer(fact(**changes))
    if words:
        assert words in found.reason
        return
    assert found.confidence == confidence
    assert "RTX 3090" in found.method
    assert found.steps[0].copy == "sudo nvidia-smi -pl 360"
    assert found.impact.low >= 0


@pytest.mark.parametrize(
    ("offers", "count", "level"),
    [(24, 14, "high"), (24, 7, "medium"), (12, 14, "medium"), (6, 14, "low"), (24, 5, "low")],
)
def test_confidence_follows_the_evidence(offers, count, level):
    assert rules.price_answer(fact(count=count, comp=replace(COMP, offers=offers))).confidence == level
