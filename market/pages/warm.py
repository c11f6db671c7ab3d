"""Making what the public pages show before somebody asks for it, in the worker (R-052)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from gpuadvisor.core import clock
from market import notices, selectors
from market.cache import warming

from . import common, compare, forecasts, history, landing, model, overview, platforms, sides

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
        landing.checked,
        platforms.platform_rows,
    ]
    made = sum(_make(maker) for maker in makers)
    for row in overview.strip_rows():
        made += _make(partial(compare.columns_of, [row.slug], compare.DEFAULT_PERIOD))
    for row in overview.rows_of():
        if row.is_shown:  # the others have next to nothing to make: 30 ms each, so a second for all of the catalog
            made += _make(partial(_model_page, row.name, row.slug))
    return made


def _model_page(name: str, slug: str) -> None:
    """What the page of one model shows first."""
    now = clock.now()
    place = model.leading(model.model_places(name, slug, now))
    history.history_of(place, slug, history.DEFAULT_PERIOD, now)
    history.imported_of(name, slug, common.platform_names())
    sides.offers_of(place, slug)
    forecasts.forecasts_of(place, slug)


def _make(maker: Callable[[], object]) -> int:
    try:
        with warming():
            maker()
    except Exception:
        log.exception("the pages could not be warmed")
        return 0
    return 1
