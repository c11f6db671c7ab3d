"""Banners: everywhere while the market is simulated; where its figures stand while they are late, held or gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from gpuadvisor.core import formats
from gpuadvisor.core.notices import Notice

from .cache import kept
from .models import SourceRun
from .pages.overview import POPULAR, rows_of
from .selectors import current_origin, freshness_of, market_now, source_title
from .selectors.now import LEADER
from .sources import SOURCES

APPS = ("market",)  # whose pages show the leader's figures
VIEWS = ("portfolios:calculator",)  # which calculate with them


def market_notices(request: HttpRequest) -> list[Notice]:
    """At most one: a simulated market, no figures any more, or a leader late for two refreshes. From a cache."""
    origin = current_origin()
    if origin == "simulated":
        text = _(
            "Simulated market. No source could be reached, so current market figures are made up: at levels seen in "
            "the real market, but nobody was asked or paid these prices."
        )
        return [Notice(text, level="warn", url=reverse("market:status"), link=_("State of the sources"))]
    match = request.resolver_match
    if match is None or not (match.app_name in APPS or match.view_name in VIEWS):
        return []
    return _late() if origin == "live" else _gone()


def last_told() -> datetime | None:
    """When the newest figure of any model was observed, hidden or not; None where nobody ever told one lately."""
    return max((row.now.as_of for row in rows_of() if row.now is not None), default=None)


def _gone() -> list[Notice]:
    last = last_told()
    if last is None:
        return []
    text = _("All market figures are hidden: the last are of %(time)s, and no source has told any since then.")
    text %= {"time": formats.moment(last)}
    return [Notice(text, level="bad", url=reverse("market:status"), link=_("State of the sources"))]


@dataclass(frozen=True, slots=True)
class Leader:
    """What the leading source last told, and whether its newest answer was held back by the quality rules."""

    source: str
    as_of: datetime
    is_held: bool


def leader() -> Leader | None:
    """The newest figures of the leading platform; None where it told nothing that may still be shown."""

    def ask() -> Leader | None:
        told = [row for row in market_now(POPULAR, platform=LEADER).values() if not row.is_hidden]
        if not told:
            return None
        last = max(told, key=lambda row: row.as_of)
        leading = next(
            (name for name, source in SOURCES.items() if source.platform == LEADER and not source.stands_in_for), ""
        )
        run = SourceRun.objects.filter(source=leading).exclude(status="running").order_by("-started_at").first()
        return Leader(last.source, last.as_of, run is not None and run.is_held)

    return kept("leader", ask, seconds=60, stale=120)


def _late() -> list[Notice]:
    found = leader()
    if found is None:
        return []
    limits, age = freshness_of(found.source), timezone.now() - found.as_of
    if not limits.stale < age <= limits.hidden:
        return []
    words = {"source": source_title(found.source), "time": formats.moment(found.as_of)}
    if found.is_held:
        text = _("Data from %(time)s: what %(source)s sent since then was held back, as it cannot be true.") % words
    else:
        text = _("Data from %(time)s: %(source)s has told nothing new since then.") % words
    return [Notice(text, level="warn", url=reverse("market:status"), link=_("State of the sources"))]
