"""Is it me or the market (F3): the bars add up to the whole, whatever the figures are."""

import random
from decimal import Decimal

import pytest

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


def test_a_fall_is_divided_into_market_offline_hours_and_what_is_left():
    """The worked example of docs/economics.md."""
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
