"""What the page on the state of the data shows: every source in words, and all of them in one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from market import selectors
from market.cache import kept
from market.freshness import DAY, freshness
from market.quality import RULES
from market.selectors.sources import SourceReport, source_reports
from market.sources import SIMULATED, SOURCES
from market.sources.base import QUARTER

Level = Literal["ok", "warn", "bad"]

IN_ORDER = ("failing", "held", "late", "waiting")


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One source as the page tells of it: what it is, and how it does."""

    report: SourceReport
    title: str
    about: str
    website: str
    attribution: str
    platform: str
    every: str
    needs_key: str
    role: str
    stands_in_for: str
    state: str
    level: str
    excluded: list[tuple[str, int]]
    held_by: list[str]


@dataclass(frozen=True, slots=True)
class Overall:
    """All sources in one color and one sentence. `since`: when the oldest figure that stands still was last renewed."""

    level: Level
    sentence: str
    since: datetime | None
    counts: dict[str, int]


def reports() -> list[SourceReport]:
    """How every source does; never older than twenty seconds, since who looks here wants to know it now."""

    def ask() -> list[SourceReport]:
        keyless = [name for name, s in SOURCES.items() if s.needs_key and not getattr(settings, s.needs_key, "")]
        on = [name for name in SOURCES if name in settings.MARKET_SOURCES]
        if settings.MARKET_SIMULATION:
            on.append(SIMULATED)
        return source_reports(on, [name for name in keyless if name in on])

    return kept("source-reports", ask, seconds=20, stale=0)


def interval_words(every: timedelta) -> str:
    if every >= DAY:
        return _("once a day")
    minutes = int(every.total_seconds() // 60)
    if minutes == 60:
        return _("every hour")
    return ngettext("every minute", "every %(minutes)s minutes", minutes) % {"minutes": minutes}


def _state(report: SourceReport) -> tuple[str, str]:
    """The state of a source in words, and its color."""
    return {
        "answers": (_("Answers"), "ok"),
        "late": (_("Late"), "warn"),
        "failing": (_("Failing"), "bad"),
        "held": (_("Held back"), "warn"),
        "waiting": (_("Not asked yet"), ""),
        "off": (_("Off"), ""),
        "no_key": (_("Off: needs a key"), ""),
    }[report.state]


def lines(names: dict[str, str]) -> list[SourceLine]:
    """Every source, those that lead a platform first; the simulated market only while it speaks."""
    simulated = selectors.current_origin() == "simulated"
    told = []
    for report in reports():
        source = SOURCES[report.name]
        if source.origin == "simulated" and not simulated:
            continue
        words, level = _state(report)
        leader = SOURCES.get(source.stands_in_for)
        told.append(
            SourceLine(
                report=report,
                title=source.title,
                about=source.about,
                website=source.website,
                attribution=source.attribution,
                platform=names.get(source.platform, source.platform) or _("many platforms"),
                every=interval_words(source.every),
                needs_key=source.needs_key,
                role=_("checks %(leader)s and stands in for it") % {"leader": leader.title} if leader else _("leads"),
                stands_in_for=source.stands_in_for,
                state=words,
                level=level,
                excluded=[(RULES[rule].title if rule in RULES else rule, rows) for rule, rows in report.quarantine],
                held_by=[RULES[rule].title if rule in RULES else rule for rule in report.held_by],
            )
        )
    off = ("off", "no_key")
    return sorted(told, key=lambda line: (line.report.state in off, bool(line.stands_in_for)))


def _since(reports: list[SourceReport]) -> datetime | None:
    """When the figures that stand still longest were renewed last."""
    return min((report.told_at for report in reports if report.told_at), default=None)


def overall() -> Overall:
    """Green: every source that is on answers. Amber: one is late, fails, or is held back; or nothing was asked yet.

    Late is also who answers and tells what it told long ago. Red: a platform's leading figures are hidden, or nothing
    that is shown comes from a live source.
    """
    live = [r for r in reports() if SOURCES[r.name].origin == "live" and r.state not in ("off", "no_key")]
    counts = {state: sum(report.state == state for report in live) for state in ("answers", *IN_ORDER)}
    troubled = [report for report in live if report.state in IN_ORDER[:3]]
    since = _since(troubled)
    origin = selectors.current_origin()
    lost = [r for r in troubled if r.is_hidden and r.last_good_at and not SOURCES[r.name].stands_in_for]
    if origin is None:
        return Overall("bad", _("No source has given figures that are young enough to be shown."), since, counts)
    if origin == "simulated":
        words = _("No real source has answered: what is shown is a simulated market, and labeled so.")
        return Overall("bad", words, None, counts)
    if lost:
        titles = ", ".join(SOURCES[report.name].title for report in lost)
        words = _("The figures of these sources are too old and therefore hidden: %(titles)s.") % {"titles": titles}
        return Overall("bad", words, since, counts)
    if counts["held"]:
        words = _(
            "A source sent figures that cannot be right as a whole. They are held back; what is shown is the last good "
            "state, and no alert fires from the held one."
        )
        return Overall("warn", words, _since([report for report in live if report.state == "held"]), counts)
    if troubled:
        number = len(troubled)
        words = ngettext(
            "%(number)s source tells nothing new in time. Its last good figures stand, with their age.",
            "%(number)s sources tell nothing new in time. Their last good figures stand, with their age.",
            number,
        )
        return Overall("warn", words % {"number": number}, since, counts)
    if not live or counts["waiting"] == len(live):
        return Overall("warn", _("No source has been asked yet."), None, counts)
    return Overall("ok", _("Every source that is switched on answers, and its figures are young."), None, counts)


@dataclass(frozen=True, slots=True)
class Limit:
    """How old figures may be, for the page on the method. Units: hours."""

    every: str
    stale: str
    advice: str
    hidden: str


def limits() -> list[Limit]:
    """The limits of age for the intervals that our sources are asked at."""
    found = sorted({source.every for source in SOURCES.values()} | {QUARTER})
    told = []
    for every in found:
        ages = freshness(every)
        told.append(Limit(interval_words(every), *(span(age) for age in (ages.stale, ages.advice, ages.hidden))))
    return told


def span(age: timedelta) -> str:
    """A length of time in words."""
    if age >= 2 * DAY:
        return ngettext("%(n)s day", "%(n)s days", age.days) % {"n": age.days}
    hours = age / timedelta(hours=1)
    if hours >= 1:
        return ngettext("%(n)s hour", "%(n)s hours", int(hours)) % {"n": int(hours)}
    minutes = int(age / timedelta(minutes=1))
    return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes}
