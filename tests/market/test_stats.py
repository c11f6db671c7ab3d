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
    figures = stats.summarize(
        [stats.Offer(D("0.50"), 8, 8), stats.Offer(D("1.00"), 1, 0), stats.Offer(D("2.00"), 1, 0)]
    )
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
    assert stats.summarize([stats.Offer(D(1), 4, None)]).rented_percentage is None
    half_told = stats.summarize([stats.Offer(D(1), 4, None), stats.Offer(D(1), 4, 1)])
    assert half_told.rented_percentage == D("25.00")


def test_a_price_list_has_neither_band_nor_gpus():
    figures = stats.list_prices([D("0.74"), D("0.34")])
    assert (figures.median, figures.average) == (D("0.5400"), D("0.5400"))
    assert (figures.p10, figures.p90, figures.gpu_count, figures.rented_percentage) == (None, None, None, None)


def test_a_band_needs_three_offers():
    assert stats.band([(D(1), 1), (D(99), 1)]) is None
    assert stats.band([(D(1), 1), (D(1), 1), (D(99), 1)]) == (D("0.2"), D(5))
