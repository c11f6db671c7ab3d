"""Who speaks for a platform: its leader, or while that fails the first of its stand-ins that answers (R-017)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import QuerySet

from . import repair
from .cells import BUCKET
from .digest import Batch
from .models import MarketData, SourceRun
from .places import GLOBAL
from .sources import SOURCES
from .sources.base import Adapter

CHECK_TOLERANCE = Decimal("0.25")  # how far a check may lie from its leader before staff are told


def family(adapter: Adapter) -> list[Adapter]:
    """The leader and its stand-ins, `adapter` among them, in the order in which they are heard."""
    leader = adapter.stands_in_for or adapter.name
    others = [other for other in SOURCES.values() if other.stands_in_for == leader]
    return [SOURCES[leader], *sorted(others, key=lambda other: other.rank)]


def lesser(adapter: Adapter) -> list[Adapter]:
    """The stand-ins that give way to this one."""
    return [other for other in family(adapter) if other.stands_in_for and other.rank > adapter.rank]


def speaks(adapter: Adapter, moment: datetime) -> bool:
    """Whether the document of `moment` counts: of a leader always, of a stand-in while nobody before it answers."""
    if not adapter.stands_in_for:
        return True
    if not leader_fails(adapter.stands_in_for, adapter.platform, moment):
        return False
    better = [other for other in family(adapter) if other.stands_in_for and other.rank < adapter.rank]
    return all(_is_silent(other.name, adapter.platform, moment) for other in better)


def leader_fails(leader: str, platform: str, moment: datetime) -> bool:
    """Whether a stand-in is needed: the leader is off, its last run failed, or its last row is two refreshes old.

    Not while its last batch is held: it answered, and what staff are to look at must not count by another door.
    """
    if leader in settings.MARKET_SOURCES and (last := _last_run(leader)) is not None and last.is_held:
        return False
    return _is_silent(leader, platform, moment)


def _is_silent(source: str, platform: str, moment: datetime) -> bool:
    if source not in settings.MARKET_SOURCES:
        return True
    last = _last_run(source)
    if last is not None and last.status == SourceRun.Status.FAILED:
        return True
    return not _told(source, platform, moment).exists()


def _last_run(source: str) -> SourceRun | None:
    return SourceRun.objects.filter(source=source).exclude(status="running").order_by("-started_at").first()


def _told(source: str, platform: str, moment: datetime) -> QuerySet[MarketData]:
    """The source's rows within two refreshes of `moment`."""
    reach = 2 * max(BUCKET, SOURCES[source].every)
    return MarketData.objects.filter(
        origin="live",
        platform=platform,
        region=GLOBAL,
        demand_indicators__source=source,
        data_timestamp__range=(moment - reach, moment + reach),
    )


def compare_with_leader(adapter: Adapter, batch: Batch, moment: datetime) -> None:
    """Tell staff where the check counts more than a quarter more or fewer GPUs than its leader."""
    rows = _told(adapter.stands_in_for, adapter.platform, moment).order_by("data_timestamp")
    led: Mapping[str, int | None] = dict(rows.values_list("gpu_model", "gpu_count"))
    ours = {cell.gpu: cell.figures.gpu_count for cell in batch.cells if cell.region == GLOBAL}
    ours |= {split.gpu_model: split.gpus for split in batch.splits}
    both = [(gpu, count, theirs) for gpu, count in ours.items() if count and (theirs := led.get(gpu))]
    apart = [pair for pair in both if abs(pair[1] - pair[2]) > CHECK_TOLERANCE * pair[2]]
    batch.notes.append(
        f"Checked {len(both)} GPU models against {adapter.stands_in_for}: {len(apart)} differ by more than a quarter."
    )
    batch.notes += [f"{gpu}: {count} GPUs, the leader counts {theirs}." for gpu, count, theirs in apart[:20]]


def remove_lesser(adapter: Adapter, moment: datetime) -> int:
    """Remove the rows that a lesser stand-in told at the moment of this one: one market is told by one source."""
    if not adapter.stands_in_for or not (others := lesser(adapter)):
        return 0
    names = [other.name for other in others]
    rows = MarketData.objects.filter(
        origin="live", platform=adapter.platform, data_timestamp=moment, demand_indicators__source__in=names
    )
    removed = rows.delete()[0]
    if removed:
        for other in others:
            repair.rehang_snapshots(other.name, other.platform, moment, moment + BUCKET)
        repair.rebuild_trends(moment.date(), platform=adapter.platform)
    return removed
