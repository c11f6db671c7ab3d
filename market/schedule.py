"""When a source is asked: its switch, its key, its slot (R-034).

A source's day is cut into slots of the length of its interval; it is asked once in each, and a slot that passed is not
made up for. A source asked less often than hourly that fails is asked again each hour until it answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from gpuadvisor.core.jobs import TAKE_OVER, slot_at
from gpuadvisor.core.models import JobRun

from . import runs
from .sources import SIMULATED, SOURCES
from .sources.base import HOUR, QUARTER, Adapter

GRACE = timedelta(seconds=60)  # a beat whose clock runs ahead of the database's still means the slot that begins


def why_off(name: str) -> str:
    """Why nobody asks the source: it is not switched on, or its key is missing; empty where it is on."""
    if name not in settings.MARKET_SOURCES:
        return _("not in MARKET_SOURCES")
    key = missing_key(name)
    return _("needs %(setting)s") % {"setting": key} if key else ""


def missing_key(name: str) -> str:
    """The setting that the source needs and that is empty; empty where nothing is missing."""
    key = SOURCES[name].needs_key
    return key if key and not getattr(settings, key, "") else ""


def sources_on() -> list[str]:
    """The sources that are asked, in the order in which the settings name them."""
    names = [name for name in settings.MARKET_SOURCES if name in SOURCES and name != SIMULATED]
    return [name for name in dict.fromkeys(names) if not why_off(name)]


def slot_of(adapter: Adapter, now: datetime) -> datetime:
    """The start of the source's present slot; whole quarters of its delay move all its slots."""
    return _slot(adapter, now, adapter.every)


def attempt_of(adapter: Adapter, now: datetime) -> datetime:
    """The start of the stretch in which it is tried at most once: its slot, or an hour of a longer one."""
    return _slot(adapter, now, min(adapter.every, HOUR))


def _slot(adapter: Adapter, now: datetime, every: timedelta) -> datetime:
    shift = QUARTER * int(adapter.delay_seconds // QUARTER.total_seconds())
    return slot_at(now + GRACE - shift, every) + shift


def wait_of(adapter: Adapter) -> float:
    """Seconds from the beat to the call, without the jitter: what whole quarters leave of its delay."""
    return adapter.delay_seconds % QUARTER.total_seconds()


def job_of(name: str) -> str:
    return f"market:{name}"


def is_answered(name: str, now: datetime) -> bool:
    """Whether the source has answered in its present slot, in an earlier hour of it."""
    adapter = SOURCES[name]
    return adapter.every > HOUR and runs.answered_since(name, slot_of(adapter, now) - GRACE)


def due(names: Iterable[str], now: datetime) -> list[str]:
    """Those of `names` whose slot has begun and that were neither tried in it nor have answered."""
    attempts = {name: attempt_of(SOURCES[name], now) for name in names}
    taken = {
        (job, slot)
        for job, slot, started_at, finished_at in JobRun.objects.filter(
            job__in=[job_of(name) for name in attempts], slot__in=set(attempts.values())
        ).values_list("job", "slot", "started_at", "finished_at")
        if finished_at is not None or started_at > now - TAKE_OVER
    }
    return [name for name, slot in attempts.items() if (job_of(name), slot) not in taken and not is_answered(name, now)]
