"""R-036: figures are weighted by GPUs; checked against the plain definition with every GPU written out."""

from __future__ import annotations

import random
import statistics
from decimal import Decimal

import pytest

from market import stats

D = Decimal


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([("1", 1)], "0.5", "1"),
        ([("1", 1), ("3", 1)], "0.5", "2"),
        ([("1", 1), ("3", 3)], "0.5", "3"),
        ([("1", 3), ("3", 1)], "0.5", "1"),
        ([("1", 2), ("2", 2), ("9", 4)], "0.5", "5.5"),
        ([("1", 1), ("2", 8), ("3", 1)], "0.1", "1.5"),
        ([("1", 1), ("2", 8), ("3", 1)], "0.9", "2.5"),
    ],
)
def test_a_quantile_counts_each_value_as_often_as_its_weight(values, share, expected):
    assert stats.quantile([(D(value), weight) for value, weight in values], D(share)) == D(expected)


def test_a_weighted_median_is_the_median_of_all_gpus_written_out():
    rng = random.Random(7)
    for _case in range(200):
        pairs = [(D(rng.randint(1, 400)) / 100, rng.randint(1, 9)) for _i in range(rng.randint(1, 12))]
        assert stats.median(pairs) == statistics.median([price for price, weight in pairs for _n in range(weight)])


def test_no_value_has_no_quantile():
    with pytest.raises(ValueError):
        stats.quantile([], D("0.5"))
    with pytest.raises(ValueError):
        stats.median([(D(1), 0)])


def test_a_cell_is_weighted_by_gpus_not_by_machines():
    figures = stats.weighted_figures([5_000, 10_000, 20_000], [8, 1, 1], [8, 0, 0])
    assert (figures.average, figures.median) == (D("0.7000"), D("0.5000"))
    assert (figures.minimum, figures.maximum) == (D("0.50"), D("2.00"))
    assert (figures.rented_percentage, figures.gpus_rented, figures.gpu_count, figures.offer_count) == (
        D("80.00"),
        8,
        10,
        3,
    )


def test_a_share_nobody_tells_is_unknown_and_not_zero():
    """R-017."""
    assert stats.weighted_figures([10_000], [4], [None]).rented_percentage is None
    assert stats.weighted_figures([10_000, 10_000], [4, 4], [None, 1]).rented_percentage == D("25.00")


def test_a_price_list_has_neither_band_nor_gpus():
    figures = stats.listed_figures([3_400, 7_400])
    assert (figures.median, figures.average) == (D("0.5400"), D("0.5400"))
    assert (figures.p10, figures.p90, figures.gpu_count, figures.rented_percentage) == (None, None, None, None)


def test_whole_numbers_come_to_the_same_as_the_plain_definition():
    """Average and tenths in ten-thousandths of a dollar, against every GPU written out; weights of 0 do not count."""
    rng = random.Random(11)
    for _case in range(300):
        pairs = sorted((rng.randint(1, 40), rng.randint(0, 5)) for _i in range(rng.randint(1, 14)))
        written = [D(price) / 10_000 for price, weight in pairs for _n in range(weight)]
        if not written:
            assert stats.median_apart([p for p, _w in pairs], [0] * len(pairs)) is None
            continue
        line = stats.Line([price for price, _w in pairs], [weight for _p, weight in pairs])
        assert line.average() == stats.rounded(sum(written) / len(written))
        assert line.tenth(5) == stats.rounded(statistics.median(written))
        for tenth in (1, 9):
            alive = [(D(price) / 10_000, weight) for price, weight in pairs if weight]
            assert line.tenth(tenth) == stats.rounded(stats.quantile(alive, D(tenth) / 10))


@pytest.mark.parametrize(
    ("rented", "before", "price", "price_before", "score"),
    [
        (None, "70", "0.50", "0.40", None),
        ("71.24", None, None, None, 71),
        ("71", "71", "0.50", "0.50", 71),
        ("71", "61", "0.55", "0.50", 79),  # 71 + 5 + 2.5 = 78.5
        ("71", "81", "0.45", "0.50", 64),  # 71 - 5 - 2.5 = 63.5
        ("50", "5", "2.34", "0.40", 65),  # both moves are cut at 20
        ("98", "70", "2.34", "0.40", 100),
        ("3", "90", "0.10", "0.40", 0),
        ("60", "50", "0.50", None, 65),
        ("60", None, "0.55", "0.50", 63),
        ("60", "60", "0.55", "0", 60),
    ],
)
def test_demand_is_the_rented_share_moved_by_a_week_s_change(rented, before, price, price_before, score):
    values = [None if value is None else D(value) for value in (rented, before, price, price_before)]
    names = ("rented_percentage", "rented_before", "price", "price_before")
    assert stats.demand_score(**dict(zip(names, values, strict=True))) == score
