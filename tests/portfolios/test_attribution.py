"""Is it me or the market (F3): the bars add up to the whole, whatever the figures are."""

import random
import re
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings

from market.comps.criteria import DayTally
from portfolios.attribution import (
    CAUSES,
    CENT,
    TENTH,
    Attribution,
    Cause,
    State,
    occupancy_move,
    revenue_move,
    rounded,
    together,
)


def state(occupancy, online=1, market=70, rate=None, market_rate=None):
    told = (None if one is None else Decimal(str(one)) for one in (occupancy, online, market, rate, market_rate))
    return State(*told)


def some_state(chance):
    return state(
        round(chance.uniform(0, 100), 3),
        round(chance.choice([0, 1, chance.random()]), 3),
        round(chance.uniform(0, 100), 2),
        round(chance.uniform(0.01, 5), 4),
        round(chance.uniform(0.01, 5), 4),
    )


def section(title):
    """One section of docs/economics.md, as tables of cells."""
    page = (Path(settings.BASE_DIR) / "docs" / "economics.md").read_text(encoding="utf-8")
    text = page.split(f"\n## {title}\n")[1].split("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\|$\n?)+", text, re.M)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in one.split("\n") if line] for one in tables
    ]


def test_the_worked_examples_of_me_or_the_market_come_out_as_written():
    found = section("Me or the market")
    states = [table for table in found if table[0][0] == "state"]
    parts = [table for table in found if table[0] in (["part", "points"], ["part", "USD"])]
    moves = []
    for heads, _line, before, now in states:
        told = [dict(zip(heads[1:], map(Decimal, row[1:]), strict=True)) for row in (before, now)]
        moves.append((State(**told[0]), State(**told[1])))
    occupancy = rounded(occupancy_move(before=moves[0][0], now=moves[0][1]), TENTH)
    revenue = rounded(revenue_move(before=moves[1][0], now=moves[1][1], gpu_hours=Decimal(48)), CENT)
    for table, move in zip(parts, (occupancy, revenue), strict=True):
        written = {name.strip("*"): Decimal(value) for name, value in table[2:]}
        assert written.pop("whole") == move.whole
        assert written == {cause.value: value for cause, value in move.parts.items() if value}


def test_the_worked_example_of_comp_sets_comes_out_as_written():
    (table,) = [one for one in section("Comp sets") if one[0] == ["input", "value"]]
    rows = dict(table[2:])
    tally = DayTally.empty()
    for stretch in rows.pop("hours").split(","):
        price, gpus, rented, hours = (Decimal(word) for word in stretch.split("×"))
        for _hour in range(int(hours)):
            tally.add([("1", (int(price * 10_000), int(gpus), int(rented)))])
    made = tally.summary()
    assert {name.strip("*"): Decimal(value) for name, value in rows.items()} == {
        name: getattr(made, name) for name in ("rented_percentage", "median", "rented_price")
    }


def test_a_fall_is_divided_into_market_offline_hours_and_what_is_left():
    move = rounded(occupancy_move(now=state(75, 0.96, 68), before=state(80, 1, 72)))
    assert move.whole == Decimal("-8.0")
    assert move[Cause.MARKET] == Decimal("-3.8")
    assert move[Cause.OFFLINE] == Decimal("-3.2")
    assert move[Cause.REST] == Decimal("-1.0")
    assert move.unknown == {Cause.VERIFICATION, Cause.PRICE, Cause.CONTRACTS}


def test_a_rate_that_follows_the_market_has_no_part_of_its_own():
    now, before = state(70, 1, 70, "0.44", "0.55"), state(70, 1, 70, "0.40", "0.50")
    move = revenue_move(now=now, before=before, gpu_hours=Decimal(100))
    assert move[Cause.PRICE] == 0
    assert move[Cause.MARKET] == move.whole == Decimal("2.8")


def test_a_rate_raised_on_its_own_is_the_price_s_part():
    now, before = state(70, 1, 70, "0.44", "0.50"), state(70, 1, 70, "0.40", "0.50")
    move = revenue_move(now=now, before=before, gpu_hours=Decimal(100))
    assert move[Cause.MARKET] == 0
    assert move[Cause.PRICE] == move.whole == Decimal("2.8")


def test_a_gpu_that_went_dark_lost_it_all_to_offline_hours():
    now, before = state(0, 0, 70, None, "0.5"), state(70, 1, 70, "0.4", "0.5")
    assert occupancy_move(now=now, before=before)[Cause.OFFLINE] == -70
    move = revenue_move(now=now, before=before, gpu_hours=Decimal(100))
    assert move[Cause.OFFLINE] == move.whole == Decimal(-28)


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (state(70, 1, 70, None, "0.5"), state(70, 1, 70, "0.4", "0.5")),
        (state(70, 1, 70, "0.4", None), state(70, 1, 70, "0.4", "0.5")),
        (state(70, 1, 70, "0.4", "0.5"), state(70, 1, 0, "0.4", "0.5")),
    ],
    ids=["own rate", "their rate", "they rented nothing"],
)
def test_revenue_is_not_divided_where_a_rate_is_unknown(now, before):
    assert revenue_move(now=now, before=before, gpu_hours=Decimal(100)) is None


@pytest.mark.parametrize("seed", range(20))
def test_the_bars_add_up_to_the_whole_whatever_the_figures_are(seed):
    """Exactly, in the figures that are shown; and no bar is a step or more away from what it is."""
    chance = random.Random(seed)
    for _n in range(100):
        now, before = some_state(chance), some_state(chance)
        hours = Decimal(chance.randint(1, 9999))
        known = {
            name: None if chance.random() < 0.5 else Decimal(chance.randint(-90, 90)) / 7
            for name in ("verification", "price", "contracts")
        }
        occupancy = occupancy_move(now=now, before=before, **known)
        known.pop("price")
        revenue = revenue_move(now=now, before=before, gpu_hours=hours, **known)
        both = together([(Decimal(2) / 3, occupancy), (Decimal(1) / 3, occupancy_move(now=before, before=now))])
        for move, step in ((occupancy, TENTH), (revenue, CENT), (both, TENTH)):
            if move is None:
                continue
            assert abs(sum(move.parts.values()) - move.whole) < Decimal("1e-20") * max(1, abs(move.whole))
            shown = rounded(move, step)
            assert sum(shown.parts.values()) == shown.whole
            assert abs(shown.whole - move.whole) <= step / 2
            for cause in CAUSES:
                assert abs(shown[cause] - move[cause]) < step
                assert shown[cause] % step == 0


def test_a_part_of_nothing_stays_nothing():
    move = Attribution(Decimal("0.26"), dict.fromkeys(CAUSES, Decimal(0)) | {Cause.MARKET: Decimal("0.26")})
    shown = rounded(move)
    assert shown[Cause.MARKET] == Decimal("0.3")
    assert not any(shown[cause] for cause in CAUSES if cause != Cause.MARKET)
