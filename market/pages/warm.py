"""Making what the public pages show before somebody asks for it, in the worker (R-052)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from market import notices, selectors
from market.cache import warming

from . import common, compare, overview

log = logging.getLogger(__name__)


def warm() -> int:
    """Make anew whatever is outdated or soon will be; the number of makers that went well. One fault stops no other."""
    makers: list[Callable[[], object]] = [
        selectors.current_origin,
        common.platform_names,
        common.source_states,
        overview.models,
        overview.places_now,
        *(partial(overview.rows_of, days=days) for days in overview.PERIODS.values()),
        notices.leader,
    ]
    made = sum(_make(maker) for maker in makers)
    for row in overview.strip_rows():
        made += _make(partial(compare.columns_of, [row.slug], compare.DEFAULT_PERIOD))
    return made


def _make(maker: Callable[[], object]) -> int:
    try:
        with warming():
            maker()
    except Exception:
        log.exception("the pages could not be warmed")
        return 0
    return 1
