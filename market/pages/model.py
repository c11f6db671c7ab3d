"""What the page of one model shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import charts, clock, formats
from gpuadvisor.core.figures import Figure
from market import selectors
from market.selectors import MarketNow

from .common import platform_names

HISTORY = timedelta(days=30)


def figures_of(now: MarketNow | None) -> list[tuple[str, Figure, str]]:
    """The cards of one model: label, figure, and what stands beside it."""
    missing = _("No source has told this in the last 24 hours.")
    if now is None or now.is_hidden:
        return [
            (_("Median price"), Figure.unknown("USD/GPU-h", missing), ""),
            (_("Rented share"), Figure.unknown("%", missing), ""),
            (_("GPUs counted"), Figure.unknown("GPU", missing), ""),
        ]
    band = ""
    if now.p10 is not None and now.p90 is not None:
        band = _("p10 to p90: %(low)s to %(high)s") % {"low": formats.rate(now.p10), "high": formats.rate(now.p90)}
    offers = ""
    if now.offer_count:
        words = ngettext("%(number)s offer", "%(number)s offers", now.offer_count)
        offers = words % {"number": formats.number(now.offer_count)}
    untold = _("This platform does not publish it.")
    return [
        (_("Median price"), _figure(now.median, "USD/GPU-h", now, untold), band),
        (_("Rented share"), _figure(now.rented_percentage, "%", now, untold), _("rented GPUs of all that are offered")),
        (_("GPUs counted"), _figure(_decimal(now.gpu_count), "GPU", now, untold), offers),
    ]


def _decimal(value: int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _figure(value: Decimal | None, unit: str, now: MarketNow, missing: str) -> Figure:
    return Figure.unknown(unit, missing) if value is None else Figure(value, unit, as_of=now.as_of)


def _series(points: list[selectors.HistoryPoint], *, daily: bool) -> charts.Series:
    bands = [charts.Band(_("p10 to p90"), [p.p10 for p in points], [p.p90 for p in points])]
    return charts.Series(
        times=[point.at.date() if daily else point.at for point in points],
        lines=[charts.Line(_("Median"), [point.median for point in points], "median")],
        bands=bands if any(point.p10 is not None for point in points) else (),
    )


@dataclass(frozen=True, slots=True)
class Charts:
    """The charts of one model. Live or simulated and imported history never stand in one."""

    price: charts.Series | None
    rented: charts.Series | None
    imported: charts.Series | None
    imported_title: str
    imported_note: str


def charts_of(model: str, now: MarketNow | None) -> Charts:
    price = rented = None
    if now is not None:
        until = clock.now()
        points = selectors.market_history(
            model, since=until - HISTORY, until=until, platform=now.platform, region=now.region, origin=now.origin
        )
        if len(points) > 1:
            price = _series(points, daily=True)
            shares = [point.rented_percentage for point in points]
            if any(share is not None for share in shares):
                lines = [charts.Line(_("Rented share"), shares, "median")]
                rented = charts.Series([point.at.date() for point in points], lines)
    imported = selectors.imported_history(model)
    if imported is None:
        return Charts(price, rented, None, "", "")
    from market.history import TITLE

    where = platform_names().get(imported.platform, imported.platform)
    if imported.region != "global":
        where = f"{where}, {imported.region}"
    dates = {
        "first": formats.moment(imported.first.date()),
        "last": formats.moment(imported.last.date()),
        "where": where,
        "source": TITLE,
    }
    note = _(
        "Asking prices on %(where)s, observed from %(first)s to %(last)s by %(source)s (a public record on GitHub) and "
        "imported here. History only: it says nothing about today."
    )
    title = _("Observed earlier: %(where)s, %(first)s to %(last)s")
    daily = imported.last - imported.first > timedelta(days=14)
    return Charts(price, rented, _series(imported.points, daily=daily), title % dates, note % dates)
