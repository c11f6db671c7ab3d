"""Each rule over a table of plain facts: found, passed, cannot tell (R-020)."""

import uuid
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from portfolios.insights.facts import CompFact, DayFact, Facts, ForecastFact, GPUFact, PlaceFact, PlatformFact
from portfolios.insights.rules import BY_NAME, RULES

TODAY = date(2026, 11, 20)
VAST = PlatformFact("vast", "Vast.ai", Decimal(25), Decimal("0.40"), TODAY - timedelta(days=1), Decimal(500))
COMP = CompFact("RTX 4090 on Vast.ai", 40, Decimal(70), Decimal("0.40"), Decimal("0.30"), Decimal("0.55"))


def days(share=70, rate="0.40", count=30, uptime=24, **more):
    """Full days of two GPUs."""
    available = Decimal(2 * uptime)
    rented = None if share is None else available * share / 100
    revenue = None if share is None else rented * Decimal(rate)
    return tuple(
        DayFact(TODAY - timedelta(days=count - n), revenue, None, available, rented, Decimal(uptime), **more)
        for n in range(count)
    )


def gpu(**changes):
    """A GPU of which everything is known and about which no rule has anything to say."""
    fine = GPUFact(
        pk=uuid.UUID(int=1),
        portfolio=uuid.UUID(int=2),
        name="rig-01",
        portfolio_name="Garage",
        model="RTX 4090",
        quantity=2,
        first_day=TODAY - timedelta(days=90),
        days=days(),
        last_day=TODAY - timedelta(days=1),
        idle_watts=Decimal(20),
        load_watts=Decimal(450),
        is_measured=True,
        prices=(Decimal("0.18"),) * 24,
        purchase_price=Decimal(1500),
        monthly_net=Decimal(200),
        platforms=(VAST,),
        comp=COMP,
        places=(PlaceFact("clore", "Clore.ai", Decimal("0.35"), Decimal(60), Decimal(10), True),),
    )
    return replace(fine, **changes)


def platform(**changes):
    return (replace(VAST, **changes),)


def comp(**changes):
    return replace(COMP, **changes)


AHEAD = ForecastFact("vast", 7, Decimal("0.40"), Decimal("0.39"), Decimal("0.37"), Decimal("0.42"))
FALL = replace(AHEAD, value=Decimal("0.36"), low=Decimal("0.34"), high=Decimal("0.38"))
EVEN = PlatformFact("clore", "Clore.ai", Decimal(10), Decimal("0.35"), TODAY, Decimal(400))
TWO = (gpu(), gpu(pk=uuid.UUID(int=3), name="rig-02", platforms=platform(rate=Decimal("0.30"))))
NIGHT = (Decimal("2.00"), *(Decimal("0.18"),) * 23)

CASES = {
    "idle": [
        ("failed", {"days": days(40)}),
        ("passed", {"days": days(60)}),
        ("unknown", {"days": days(None)}),
        ("unknown", {"days": days(40, count=6)}),
        ("unknown", {"days": days(40), "comp": None}),
        ("unknown", {"days": days(40), "comp": comp(rented=None)}),
        ("unknown", {"days": days(40), "comp": comp(offers=4)}),
        ("unknown", {"days": days(40), "comp": comp(is_for_advice=False)}),
    ],
    "rate-above": [
        ("failed", {"days": days(40), "platforms": platform(rate=Decimal("0.60"))}),
        ("passed", {"days": days(75), "platforms": platform(rate=Decimal("0.60"))}),
        ("passed", {}),
        ("unknown", {"platforms": platform(rate=None, rate_day=None)}),
        ("unknown", {"platforms": platform(rate_day=TODAY - timedelta(days=20))}),
        ("unknown", {"comp": comp(p90=None)}),
    ],
    "rate-below": [
        ("failed", {"platforms": platform(rate=Decimal("0.25"))}),
        ("passed", {}),
        ("unknown", {"platforms": ()}),
        ("unknown", {"comp": comp(p10=None)}),
    ],
    "platform": [
        ("failed", {"places": (PlaceFact("clore", "Clore.ai", Decimal("0.60"), Decimal(80), Decimal(10), True),)}),
        ("passed", {}),
        ("unknown", {"places": (PlaceFact("clore", "Clore.ai", Decimal("0.60"), None, Decimal(10), True),)}),
        ("unknown", {"places": (PlaceFact("runpod", "RunPod", Decimal("0.60"), Decimal(80), Decimal(10), False),)}),
        ("unknown", {"places": (PlaceFact("vast", "Vast.ai", Decimal("0.60"), Decimal(80), Decimal(10), True),)}),
        ("unknown", {"platforms": platform(fee=None)}),
        ("unknown", {"prices": (None,) * 24}),
    ],
    "energy": [
        ("failed", {"prices": NIGHT}),
        ("failed", {"shares_by_hour": (Decimal(0), *(Decimal(70),) * 23)}),
        ("passed", {}),
        ("passed", {"days": days(0)}),
        ("unknown", {"prices": (None, *(Decimal("0.18"),) * 23)}),
        ("unknown", {"idle_watts": None}),
        ("unknown", {"platforms": platform(fee=None)}),
    ],
    "sleep": [
        ("failed", {"days": days(0), "comp": comp(median=Decimal("0.05"))}),
        ("passed", {"days": days(0)}),
        ("passed", {"comp": comp(median=Decimal("0.05"))}),
        ("unknown", {"days": days(None)}),
        ("unknown", {"days": days(0), "comp": None}),
        ("unknown", {"days": days(0), "prices": (None,) * 24}),
    ],
    "power-price": [("failed", {"prices": (None,) * 24}), ("passed", {})],
    "watts": [
        ("failed", {"idle_watts": None}),
        ("failed", {"load_watts": None}),
        ("failed", {"is_measured": False}),
        ("passed", {}),
    ],
    "fee": [("failed", {"platforms": platform(fee=None)}), ("passed", {}), ("unknown", {"platforms": ()})],
    "payback": [
        ("failed", {"monthly_net": Decimal(-5)}),
        ("failed", {"monthly_net": Decimal(0)}),
        ("passed", {}),
        ("unknown", {"monthly_net": None}),
        ("unknown", {"purchase_price": None}),
    ],
    "downtime": [
        ("failed", {"days": days(uptime=18)}),
        ("passed", {}),
        ("unknown", {"days": ()}),
        ("unknown", {"days": days(None, uptime=18)}),
    ],
    "coverage": [
        ("failed", {"days": days(count=7)}),
        ("failed", {"days": days(observed=Decimal(12))}),
        ("passed", {}),
        ("passed", {"days": days(count=3), "first_day": TODAY - timedelta(days=3)}),
        ("unknown", {"days": (), "first_day": TODAY}),
    ],
    "no-result": [
        ("failed", {"last_day": TODAY - timedelta(days=3)}),
        ("failed", {"last_day": None}),
        ("passed", {"last_day": TODAY - timedelta(days=2)}),
        ("passed", {"last_day": None, "first_day": TODAY}),
    ],
    "conflict": [
        ("failed", {"days": days(conflicts=("daily_revenue",))}),
        ("passed", {}),
        ("unknown", {"days": ()}),
    ],
    "one-platform": [
        ("failed", {}),
        ("passed", {"platforms": (VAST, EVEN)}),
        ("unknown", {"platforms": ()}),
    ],
}


def rows():
    for name, cases in CASES.items():
        for number, (state, changes) in enumerate(cases):
            yield pytest.param(name, state, changes, id=f"{name}-{state}-{number}")


@pytest.mark.parametrize(("name", "state", "changes"), list(rows()))
def test_a_rule_finds_passes_or_says_that_it_cannot_tell(name, state, changes):
    outcome = BY_NAME[name].look(Facts(TODAY, [gpu(**changes)]))
    assert outcome.state == state
    assert all(one.title and one.rule == name and one.evidence for one in outcome.findings)
    assert state != "unknown" or outcome.missing


@pytest.mark.parametrize(
    ("ahead", "state"),
    [
        pytest.param(FALL, "failed", id="falls"),
        pytest.param(AHEAD, "passed", id="hardly"),
        pytest.param(replace(FALL, high=Decimal("0.41")), "passed", id="not-sure"),
        pytest.param(None, "unknown", id="no-forecast"),
    ],
)
def test_a_fall_is_told_where_all_of_its_interval_lies_below_today(ahead, state):
    facts = Facts(TODAY, [gpu()], {"RTX 4090": ahead} if ahead else {})
    outcome = BY_NAME["market-falling"].look(facts)
    assert outcome.state == state
    for one in outcome.findings:
        assert one.impact.low < one.impact.value < one.impact.high < 0, "a loss that nothing mends"


def test_the_same_gpu_at_different_rates_is_told_once():
    outcome = BY_NAME["uneven-rates"].look(Facts(TODAY, TWO))
    assert [one.gpu for one in outcome.findings] == [None]
    assert BY_NAME["uneven-rates"].look(Facts(TODAY, TWO), Decimal(50)).state == "passed"
    assert BY_NAME["uneven-rates"].look(Facts(TODAY, [gpu(platforms=())])).state == "unknown"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_an_account_without_gpus_passes_no_rule(rule):
    assert rule.look(Facts(TODAY)).state == "unknown"


def test_every_rule_has_its_table():
    assert {*CASES, "market-falling", "uneven-rates"} == set(BY_NAME)


def test_a_host_sets_the_threshold():
    facts = Facts(TODAY, [gpu(days=days(60))])
    assert BY_NAME["idle"].look(facts, Decimal(5)).state == "failed"
    assert BY_NAME["idle"].look(facts, Decimal(20)).state == "passed"


def test_the_gain_of_an_idle_gpu_lies_in_its_interval():
    shares = [40, 20, 60, 30, 50, 45, 35] * 4
    uneven = tuple(days(share, count=n + 1)[0] for n, share in enumerate(shares))
    (found,) = BY_NAME["idle"].look(Facts(TODAY, [gpu(days=uneven)])).findings
    assert 0 < found.impact.low < found.impact.value < found.impact.high
    # 30 points of 1,440 GPU-hours, each leaving 0.40 × 0.75 less 430 W × 0.18
    assert found.impact.value == pytest.approx(Decimal("96.17"), abs=Decimal("0.05"))


def test_unknown_costs_leave_the_impact_unknown():
    (found,) = BY_NAME["idle"].look(Facts(TODAY, [gpu(days=days(40), prices=(None,) * 24)])).findings
    assert found.impact is None
    assert found.priority(None) == "medium"


def test_downtime_costs_what_an_available_hour_earns():
    (found,) = BY_NAME["downtime"].look(Facts(TODAY, [gpu(days=days(uptime=18))])).findings
    assert found.impact.value == Decimal("0.28") * 6 * 2 * 30


def test_own_and_market_share_are_of_the_same_days():
    """A market that is full this hour was not so all month."""
    shares = {day.day: Decimal(72) for day in days(70)}
    calm = gpu(days=days(70), comp=comp(rented=Decimal(95)), comp_shares=shares)
    assert BY_NAME["idle"].look(Facts(TODAY, [calm])).state == "passed"
    (found,) = BY_NAME["idle"].look(Facts(TODAY, [gpu(days=days(40), comp_shares=shares)])).findings
    assert next(one.value for one in found.evidence if "same days" in one.label) == Decimal(72)
    few = dict(list(shares.items())[:6])
    (found,) = BY_NAME["idle"].look(Facts(TODAY, [gpu(days=days(40), comp_shares=few)])).findings
    assert any("now" in one.label for one in found.evidence)
