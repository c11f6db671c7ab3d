"""The public page on how the site does: a few parts, each in one color and one sentence, and no number of users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.core.cache import caches
from django.utils.translation import gettext as _

from chat import outage
from gpuadvisor.core import clock
from gpuadvisor.core.health import WORKER_SILENT_SECONDS, Alarm, Trouble
from gpuadvisor.core.models import Heartbeat, Incident
from market.pages import status as market_status

from . import checks, running, waiting
from .models import SiteMode

SECONDS = 15
KEY = "operations:status"
LEVELS = ("ok", "off", "amber", "red")
CSS = {"ok": "ok", "off": "", "amber": "warn", "red": "bad"}


@dataclass(frozen=True)
class Source:
    """One source of market figures. `told_at`: of when its newest figures are."""

    title: str
    level: str
    state: str
    told_at: datetime | None

    @property
    def css(self) -> str:
        return CSS[self.level]


@dataclass(frozen=True)
class Part:
    """One part of the site. `level` is ok, off, amber or red; `since` when it came to be so, where that is known."""

    key: str
    name: str
    level: str
    sentence: str
    since: datetime | None = None
    sources: tuple[Source, ...] = ()


def parts() -> list[Part]:
    """Every part, at most 15 seconds old; without Redis by this process's own memory."""
    cache = caches["pages"]
    found: list[Part] | None = cache.get(KEY)
    if found is None:
        found = with_since(look())
        cache.set(KEY, found, SECONDS)
    return found


def worst(found: list[Part]) -> str:
    return max((part.level for part in found), key=LEVELS.index, default="ok")


def look() -> list[Part]:
    """Every part as it is now."""
    late = {box.outbox.name: box for box in waiting.outboxes()}
    return [
        _site(),
        _market(),
        _alerts(late["alerts"]),
        _advisor(late["answers"]),
        _payments(late["payments"]),
        _mail(late["mails"]),
    ]


def with_since(found: list[Part]) -> list[Part]:
    """The same with the moment since which each is so, from the troubles that were seen; one query."""
    moments: dict[str, datetime | None] = {}
    for name, begun, ended in (
        Incident.objects.filter(name__in=[f"public/{part.key}" for part in found])
        .order_by("name", "-begun_at")
        .distinct("name")
        .values_list("name", "begun_at", "ended_at")
    ):
        moments[name.partition("/")[2] + ("" if ended is None else " over")] = begun if ended is None else ended
    told = []
    for part in found:
        since = moments.get(part.key if part.level in ("amber", "red") else f"{part.key} over")
        told.append(replace(part, since=part.since or since))
    return told


def _holds(check: Callable[[], None]) -> str:
    try:
        check()
    except Alarm:
        return "red"
    except Trouble:
        return "amber"
    return "ok"


def _site() -> Part:
    name = _("Site")
    mode = SiteMode.objects.filter(is_read_only=True).first()
    if mode is not None:
        words = _("The site can be read, and nothing can be changed for now.")
        return Part("site", name, "amber", f"{words} {mode.sentence}".strip(), mode.changed_at)
    worker = Heartbeat.objects.filter(name="worker").first()
    is_behind = worker is None or worker.age_seconds(clock.now()) > WORKER_SILENT_SECONDS
    if is_behind or _holds(checks.beat) != "ok" or _holds(checks.queues) != "ok":
        words = _("Pages are served. Work in the background is late: new figures, alerts and mails wait.")
        return Part("site", name, "amber", words, worker.seen_at if worker is not None and is_behind else None)
    return Part("site", name, "ok", _("Pages are served, and work in the background is done in time."))


def _market() -> Part:
    overall = market_status.overall()
    level = {"ok": "ok", "warn": "amber", "bad": "red"}[overall.level]
    sources = []
    for line in market_status.lines({}):
        if line.report.state not in ("off", "no_key"):
            color = {"ok": "ok", "warn": "amber", "bad": "red"}.get(line.level, "off")
            sources.append(Source(line.title, color, line.state, line.report.told_at))
    return Part("market", _("Market figures"), level, overall.sentence, None, tuple(sources))


def _alerts(box: waiting.Waiting) -> Part:
    words = {
        "ok": _("Alerts leave within a minute."),
        "amber": _("Alerts leave late: the first has waited for %(age)s."),
        "red": _("Alerts do not leave: the first has waited for %(age)s. None is lost."),
    }[box.level]
    return Part("alerts", _("Alerts"), box.level, words % {"age": running.age(box.seconds)})


def _advisor(box: waiting.Waiting) -> Part:
    name = _("Advisor")
    if box.level != "ok":
        words = _("Questions wait for their answer: the first has waited for %(age)s.")
        return Part("advisor", name, box.level, words % {"age": running.age(box.seconds)})
    if settings.ADVISOR_HAS_MODEL and outage.is_out():
        return Part("advisor", name, "amber", _("The language model does not answer. Everything else is served."))
    if not settings.ADVISOR_HAS_MODEL:
        return Part("advisor", name, "ok", _("The advisor answers by rules: no language model is set up here."))
    return Part("advisor", name, "ok", _("The advisor answers."))


def _payments(box: waiting.Waiting) -> Part:
    name = _("Payments")
    if not settings.BILLING_ENABLED:
        return Part("payments", name, "off", _("No plan is sold here."))
    words = {
        "ok": _("Payments are taken, and plans follow at once."),
        "amber": _("Payments are taken; a change of plan may show late."),
        "red": _("Payments are taken, and changes of plans wait for more than an hour."),
    }[box.level]
    return Part("payments", name, box.level, words)


def _mail(box: waiting.Waiting) -> Part:
    name = _("Mail")
    if box.level != "ok":
        words = _("Mails leave late: the first has waited for %(age)s. None is lost.")
        return Part("mail", name, box.level, words % {"age": running.age(box.seconds)})
    if _holds(checks.mails) != "ok":
        return Part("mail", name, "amber", _("Many mails of the last day were refused by their receivers' servers."))
    return Part("mail", name, "ok", _("Mails leave within a minute."))
