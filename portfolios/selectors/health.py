"""How far a host's figures can be trusted: what is on record, how old it is, and where two sources differ."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gpuadvisor.core import formats

from ..reading import Reading

GOOD_COVERAGE = Decimal(95)
STALE_DAYS = 2  # nothing of yesterday or today


@dataclass(frozen=True)
class Health:
    """A word and a color that go together, what is behind them, and whether the check-up tells more."""

    text: str
    level: str
    reasons: tuple[str, ...] = ()
    has_conflicts: bool = False


def health(reading: Reading, coverage: Decimal | None) -> Health | None:
    """The state of the data of active GPU configurations; None where nothing is expected yet."""
    active = [item.pk for item in reading.fleet.gpus if item.is_active]
    if not active or (coverage is None and not reading.found.recent):
        return None
    today = reading.fleet.today
    last_days = [day for day, one in reading.found.days.items() if one.sums.days]
    newest = max(last_days, default=None)
    if newest is None:
        return Health(_("No data"), "bad", (_("nothing on record in the last 30 days"),))
    silent = sum(pk not in reading.found.recent for pk in active)
    conflicts = sum(reading.found.recent[pk].disputed for pk in active if pk in reading.found.recent)
    reasons = []
    if coverage is not None and coverage < GOOD_COVERAGE:
        reasons.append(_("%(share)s of the hours on record") % {"share": formats.percent(coverage, 0)})
    if silent:
        words = ngettext("%(n)s GPU configuration silent", "%(n)s GPU configurations silent", silent)
        reasons.append(words % {"n": formats.number(silent)})
    if conflicts:
        words = ngettext("%(n)s day with two different figures", "%(n)s days with two different figures", conflicts)
        reasons.append(words % {"n": formats.number(conflicts)})
    if (today - newest).days >= STALE_DAYS:
        last = _("nothing since %(day)s") % {"day": formats.day(newest)}
        return Health(_("Data is old"), "bad", (last, *reasons), bool(conflicts))
    if reasons:
        return Health(
            _("Data has gaps") if not conflicts else _("Data to check"), "warn", tuple(reasons), bool(conflicts)
        )
    return Health(_("Data is complete"), "ok")
