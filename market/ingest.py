"""From a source's document to market rows: fetch, digest, hold or store. Each source stands alone."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_months

from . import earlier, quality, quarantine, runs, storage
from .cache import forget_market
from .catalog.services import name_index
from .cells import BUCKET, bucket
from .digest import Batch, NothingUsable, judge, read, teller_of
from .models import MarketData, PricingSnapshot, SourceRun, UtilizationTrend
from .places import GLOBAL
from .sources import SOURCES
from .sources.base import Adapter, Conditional, RawDocument, SourceError

CHECK_TOLERANCE = Decimal("0.25")  # how far a check may lie from its leader before staff are told
LEVELS_FOR = timedelta(days=3)  # how long a price tells what a GPU costs


def refresh(name: str, *, document: RawDocument | None = None, force: bool = False, hold: bool = True) -> runs.Report:
    """One refresh of one source, or the replay of `document`; whatever goes wrong is told in the report, not raised.

    A source that failed lately, or asked for a pause, is skipped unless `force`. Without `hold` a document that breaks
    with the one before counts all the same: staff released it.
    """
    adapter, now = SOURCES[name], clock.now()
    if document is None and not force and (pause := runs.paused_until(name, now, adapter.every)):
        return runs.Report(name, "skipped", error=f"Asked again at {pause:%Y-%m-%d %H:%M} UTC.", retry_at=pause)
    run = runs.start(name, now)
    try:
        replayed = document is not None
        if document is None:
            document = adapter.fetch(runs.conditional(name, now) if adapter.own_clock else Conditional(now))
            document = replace(document, fetched_at=now)
        may_repeat = adapter.own_clock and adapter.origin == "live" and not replayed
        if document.status == 304 or (may_repeat and runs.is_repeat(name, document)):
            return runs.finish(run, "unchanged", document=document)
        with _uncollected():
            return _take(adapter, run, document, hold=hold, replayed=replayed)
    except SourceError as error:
        batch = error.batch if isinstance(error, NothingUsable) else None
        return runs.finish(run, "failed", document=document, batch=batch, error=str(error), retry_at=error.retry_at)
    except Exception as error:
        return runs.finish(run, "failed", document=document, error=f"{type(error).__name__}: {error}")


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cycles meanwhile: a large document is a million objects without any, walked over many times."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _take(adapter: Adapter, run: SourceRun, document: RawDocument, *, hold: bool, replayed: bool) -> runs.Report:
    """Digest a document that came, and store or hold it.

    Twice it is compared with the one before: as told, where a fault of all rows shows, and as judged, where a rule may
    have refused most of them. A released document is judged by itself alone: that it broke with the past is known.
    """
    name, decided = adapter.name, quarantine.decisions(adapter.name)
    batch = read(adapter, document, name_index(), now=run.started_at, decisions=decided)
    before = baseline(name, until=batch.at if replayed else None) if adapter.origin == "live" else None
    finding = quality.judge_batch(batch.told(), before, caps=adapter.caps) if hold else None
    if finding is not None and quarantine.is_released(name, document):
        hold, finding = False, None
    if finding is None:
        platforms = {platform for platform, _gpu in batch.offers}
        levels = earlier.levels(name, platforms, batch.at, max(LEVELS_FOR, 3 * adapter.every)) if hold else {}
        judge(adapter, batch, decisions=decided, levels=levels)
        finding = quality.judge_batch(batch.judged(), before, caps=adapter.caps) if hold else None
    if finding is not None and not quarantine.is_released(name, document):
        quarantine.hold(run, adapter.platform, document, finding, batch.at)
        error = f"Held: {finding.reason}."
        return runs.finish(run, "failed", document=document, batch=batch, error=error, is_held=True)
    changed = store(adapter, run, batch)
    return runs.finish(run, "ok", document=document, batch=batch, changed=changed)


def baseline(source: str, *, until: datetime | None = None) -> quality.BatchShape | None:
    """What the last document that was stored came to; of documents replayed, the last one `until` then."""
    stored = SourceRun.objects.filter(source=source, status="ok", observed_at__isnull=False)
    if until is not None:
        stored = stored.filter(observed_at__lte=until)
    last = stored.order_by("-started_at").first()
    if last is None or last.observed_at is None:
        return None
    rows = MarketData.objects.filter(
        data_timestamp=bucket(last.observed_at), region=GLOBAL, demand_indicators__source=source
    )
    told = rows.filter(median_price__isnull=False).values_list("platform", "gpu_model", "median_price")
    medians = {f"{platform}/{gpu}": median for platform, gpu, median in told}
    return quality.BatchShape(last.rows_seen, last.offers_used, len(medians), medians, last.observed_at)


def store(adapter: Adapter, run: SourceRun, batch: Batch) -> int:
    """Write a batch as a whole; the number of market rows that were new or different."""
    at = batch.at
    if adapter.stands_in_for and not leader_fails(adapter.stands_in_for, adapter.platform, bucket(at)):
        _compare_with_leader(adapter, batch, bucket(at))
        batch.offers_used = 0
        return 0
    platforms = {cell.platform for cell in batch.cells}
    with transaction.atomic():
        stood = earlier.offers_before(adapter.name, at) if adapter.keeps_snapshots else {}
        by_model = ((earlier.model_of(adapter, offer), offer) for offer in stood.values())
        teller = teller_of(adapter)
        batch.complete(teller, earlier.earlier(teller, platforms, at, adapter.every, by_model))
        make_months([row.moment for row in batch.rows])
        changed = storage.upsert_market(batch.rows) + storage.merge_splits(adapter.name, batch.splits)
        if adapter.keeps_snapshots:
            storage.upsert_snapshots(earlier.changes(adapter, batch.snapshots, stood, at, batch.unreadable))
        storage.upsert_trends([(r.gpu_model, r.platform, r.region, r.moment) for r in batch.rows])
        unknown = [storage.UnknownName(*key, times=times) for key, times in batch.unknown.items()]
        storage.record_unknown(adapter.spells_like, unknown, at)
        quarantine.record(run, list(batch.quarantined.values()), at)
        transaction.on_commit(forget_market)
    return changed


def make_months(moments: Iterable[datetime]) -> None:
    """Make the months that `moments` fall into, where the job that makes them ahead has not been there."""
    days = {moment.date().replace(day=1) for moment in moments}
    if days:
        for model in (MarketData, PricingSnapshot, UtilizationTrend):
            ensure_months(model, min(days), max(days))


def leader_fails(leader: str, platform: str, moment: datetime) -> bool:
    """Whether the stand-in is needed: the leader is off, its last run failed, or its last row is two refreshes old."""
    if leader not in settings.MARKET_SOURCES:
        return True
    last = SourceRun.objects.filter(source=leader).exclude(status="running").order_by("-started_at").first()
    if last is not None and last.status == SourceRun.Status.FAILED:
        return True
    return not _led(leader, platform, moment).exists()


def _led(leader: str, platform: str, moment: datetime) -> QuerySet[MarketData]:
    """The leader's rows within two refreshes of `moment`."""
    reach = 2 * max(BUCKET, SOURCES[leader].every)
    return MarketData.objects.filter(
        origin="live",
        platform=platform,
        region=GLOBAL,
        demand_indicators__source=leader,
        data_timestamp__range=(moment - reach, moment + reach),
    )


def _compare_with_leader(adapter: Adapter, batch: Batch, moment: datetime) -> None:
    """Tell staff where the check counts more than a quarter more or fewer GPUs than its leader."""
    rows = _led(adapter.stands_in_for, adapter.platform, moment).order_by("data_timestamp")
    led: Mapping[str, int | None] = dict(rows.values_list("gpu_model", "gpu_count"))
    ours = {cell.gpu: cell.figures.gpu_count for cell in batch.cells if cell.region == GLOBAL}
    ours |= {split.gpu_model: split.gpus for split in batch.splits}
    both = [(gpu, count, theirs) for gpu, count in ours.items() if count and (theirs := led.get(gpu))]
    apart = [pair for pair in both if abs(pair[1] - pair[2]) > CHECK_TOLERANCE * pair[2]]
    batch.notes.append(
        f"Checked {len(both)} GPU models against {adapter.stands_in_for}: {len(apart)} differ by more than a quarter."
    )
    batch.notes += [f"{gpu}: {count} GPUs, the leader counts {theirs}." for gpu, count, theirs in apart[:20]]
