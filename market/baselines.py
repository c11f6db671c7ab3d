"""What a document is compared with: what was believed before, of the source itself or of its leader (R-037)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import QuerySet, Sum

from . import quality
from .cells import bucket
from .digest import Batch
from .models import MarketData, Quarantine, SourceRun
from .places import GLOBAL
from .sources.base import Adapter
from .stand_ins import family

RELEASE_DOUBTED = timedelta(hours=26)  # so long after a released batch the market of before it is believed too


@dataclass(frozen=True, slots=True)
class Past:
    """One market that was believed. `sources` told it, `until` then (None: up to now).

    `is_theirs`: another source of the platform told it, which counts in another way: only `gpus` are compared.
    """

    shape: quality.BatchShape
    sources: tuple[str, ...]
    until: datetime | None = None
    is_theirs: bool = False
    gpus: int | None = None


def pasts(adapter: Adapter, *, speaks: bool, until: datetime | None, now: datetime) -> list[Past]:
    """What a document may agree with: any one is enough. Of documents replayed, what was told `until` then."""
    stored = _stored(adapter.name, until)
    last = stored.first()
    own = None if last is None else _shape(last)
    if adapter.stands_in_for and speaks:
        names = tuple(other.name for other in family(adapter))
        theirs = _theirs([name for name in names if name != adapter.name], until)
        own_spoke = own is not None and (own.medians or (last is not None and last.offers_used))
        if theirs is not None and (own is None or not own_spoke or theirs.shape.observed_at > own.observed_at):
            return [replace(theirs, sources=names)]
        if own is not None:
            return [Past(own, names), *_before_releases(adapter, stored, names, now)]
        return []
    if own is None:
        return []
    return [Past(own, (adapter.name,)), *_before_releases(adapter, stored, (adapter.name,), now)]


def agreed(
    batch: Batch, shape: quality.BatchShape, found: Sequence[Past]
) -> tuple[quality.Finding | None, Past | None]:
    """The past that it agrees with, or why the document agrees with none; both None where there is no past."""
    first: quality.Finding | None = None
    for past in found:
        finding = quality.judge_batch(*_alike(batch, shape, past), caps=frozenset())
        if finding is None:
            return None, past
        first = first or finding
        if finding.rule == "clock_back":
            break
    return first, None


def _alike(batch: Batch, now: quality.BatchShape, past: Past) -> tuple[quality.BatchShape, quality.BatchShape]:
    """The document and the past in the same measure: GPUs where two sources differ in what an offer is."""
    if not past.is_theirs:
        return now, past.shape
    gpus, before = batch.gpus(), past.gpus
    if not gpus or not before:
        gpus, before = now.gpus, past.shape.gpus  # GPU models then
    # Two sources have two clocks: that one was a minute ahead is no step back.
    at = min(now.observed_at, past.shape.observed_at)
    return replace(now, offers=0, gpus=gpus), replace(past.shape, offers=0, gpus=before, observed_at=at)


def _stored(source: str, until: datetime | None) -> QuerySet[SourceRun]:
    """The source's documents that were stored, the newest by its own clock first."""
    stored = SourceRun.objects.filter(source=source, status="ok", observed_at__isnull=False)
    if until is not None:
        stored = stored.filter(observed_at__lte=until)
    return stored.order_by("-observed_at", "-started_at")


def _shape(run: SourceRun) -> quality.BatchShape:
    at = run.observed_at or run.started_at
    told = _rows(run).filter(median_price__isnull=False).values_list("platform", "gpu_model", "median_price")
    medians = {f"{platform}/{gpu}": median for platform, gpu, median in told}
    return quality.BatchShape(run.rows_seen, run.offers_used, len(medians), medians, at)


def _rows(run: SourceRun) -> QuerySet[MarketData]:
    at = run.observed_at or run.started_at
    return MarketData.objects.filter(data_timestamp=bucket(at), region=GLOBAL, demand_indicators__source=run.source)


def _theirs(sources: Iterable[str], until: datetime | None) -> Past | None:
    """What another source of the platform was last believed to say."""
    newest: Past | None = None
    for source in sources:
        run = _stored(source, until).filter(offers_used__gt=0).first()
        if run is None or not (shape := _shape(run)).medians:
            continue
        if newest is None or shape.observed_at > newest.shape.observed_at:
            gpus = _rows(run).aggregate(gpus=Sum("gpu_count"))["gpus"]
            newest = Past(shape, (source,), is_theirs=True, gpus=gpus)
    return newest


def _before_releases(
    adapter: Adapter, stored: QuerySet[SourceRun], sources: tuple[str, ...], now: datetime
) -> list[Past]:
    """The market before each batch that staff released lately: a mistaken release must not shut out the truth."""
    released = Quarantine.objects.filter(
        source=adapter.name, scope=Quarantine.Scope.BATCH, decision=Quarantine.Decision.RELEASED
    )
    moments = released.filter(observed_at__gt=now - RELEASE_DOUBTED).values_list("observed_at", flat=True)
    runs = ((moment, stored.filter(observed_at__lt=moment).first()) for moment in sorted(moments, reverse=True))
    return [Past(_shape(run), sources, until=moment) for moment, run in runs if run is not None]
