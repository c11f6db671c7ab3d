"""The quality rules about one batch, or one cell, against the one before it (R-037)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from market.quality import BatchShape, Cell, cell_flags, judge_batch

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)

# -- Batches: faults 4, 11, 17 -----------------------------------------------------------------------------------------


def batch(**changes):
    medians = {"RTX 4090": Decimal("0.5"), "RTX 5090": Decimal("0.9"), "H100": Decimal("2.2"), "H200": Decimal("3.1")}
    return replace(BatchShape(rows=600, offers=550, gpus=4, medians=medians, observed_at=NOON), **changes)


def later(**changes):
    return batch(observed_at=NOON + QUARTER, **changes)


def times(factor):
    return {gpu: price * Decimal(factor) for gpu, price in batch().medians.items()}


@pytest.mark.parametrize(
    ("now", "rule"),
    [
        (later(), None),
        (later(medians=times("10")), "scale_step"),
        (later(medians=times("0.1")), "scale_step"),
        (later(medians=times("2")), None),
        (later(medians=batch().medians | {"H200": Decimal(31)}), None),  # one model is no step of everything
        (later(offers=230), None),
        (later(offers=200), "offers_lost"),
        (later(rows=200, offers=183, medians=times("1.6")), "offers_lost"),  # J10: a third, medians +60 %
        (later(rows=500), "truncated"),
        (later(rows=64, offers=64), "truncated"),
        (batch(observed_at=NOON - QUARTER), "clock_back"),
        (batch(observed_at=NOON + timedelta(hours=2)), "clock_ahead"),
        (batch(observed_at=NOON + timedelta(minutes=19)), None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_batch_that_breaks_with_the_one_before_is_held(now, rule):
    """R-037, faults 4, 11 and 17; J10."""
    finding = judge_batch(now, batch(), caps=frozenset({64, 500}), asked_at=NOON + QUARTER)
    assert (finding.rule if finding else None) == rule


def test_the_first_batch_is_believed_unless_it_ends_at_a_limit():
    """R-037, fault 17."""
    assert judge_batch(batch(), None, caps=frozenset({500})) is None
    assert judge_batch(batch(rows=500), None, caps=frozenset({500})).rule == "truncated"


def test_a_market_that_grew_to_the_limit_is_cut_as_well():
    """R-037, fault 17: 418 rows, then exactly 500 day after day."""
    assert judge_batch(later(rows=500), batch(rows=418), caps=frozenset({500})).rule == "truncated"


def test_offers_lost_over_days_are_not_lost_at_once():
    """R-037: so a source whose batch was held can come back by itself."""
    assert judge_batch(batch(offers=100, observed_at=NOON + 2 * DAY), batch(), caps=frozenset()) is None


def test_a_source_without_offers_is_judged_by_its_gpus():
    """R-037: sums by model, one of three left."""
    before, now = batch(offers=0, gpus=60), later(offers=0, gpus=20)
    assert judge_batch(now, before, caps=frozenset()).rule == "offers_lost"


def test_a_handful_of_offers_may_go_at_once():
    """R-037: of four offers three are rented."""
    assert judge_batch(later(offers=1, gpus=1), batch(offers=4, gpus=4), caps=frozenset()) is None


# -- Cells: faults 7, 8, 9, 10, 16, 18 ---------------------------------------------------------------------------------


def cell(**changes):
    return Cell(**{"source": "500farm_machines", "median": Decimal("0.40"), "offers": 60, "available": 100} | changes)


@pytest.mark.parametrize(
    ("now", "flags"),
    [
        (cell(), ()),
        (cell(offers=4), ("thin_cell",)),
        (cell(offers=None), ()),  # a price list
        (cell(spot_median=Decimal("0.41")), ("spot_above_on_demand",)),
        (cell(spot_median=Decimal("0.40")), ()),
        (cell(source="vast_offers", median=Decimal("0.9")), ("source_switch",)),  # and no move across sources
        (cell(median=Decimal("0.52"), same_provider_ratio=Decimal(1)), ("composition_jump",)),
        (cell(median=Decimal("0.52"), same_provider_ratio=Decimal("1.3")), ()),
        (cell(median=Decimal("0.52")), ()),  # nothing known of the same providers
        (cell(median=Decimal("0.52"), available=70), ("scarcity",)),
        (cell(median=Decimal("0.52"), available=None, offers=40), ("scarcity",)),
        (cell(median=Decimal("0.52"), available=95), ()),
        (cell(median=Decimal("0.39")), ("cent_noise",)),
        (cell(median=Decimal("0.38")), ()),
        (cell(median=None), ()),
    ],
)
def test_what_is_said_beside_a_cell(now, flags):
    """R-037, faults 7 to 10, 16 and 18."""
    assert cell_flags(now, cell()) == flags


def test_a_cell_without_a_past_is_told_by_itself_alone():
    """R-037."""
    assert cell_flags(cell(offers=1), None) == ("thin_cell",)


def test_a_squeeze_is_scarcity_and_no_composition_jump_of_survivors_alone():
    """R-037, fault 18: 0.40 to 2.34 while most offers go; both words go with the figure."""
    now = cell(median=Decimal("2.34"), offers=10, available=12, same_provider_ratio=Decimal("1.0"))
    assert cell_flags(now, cell()) == ("composition_jump", "scarcity")
