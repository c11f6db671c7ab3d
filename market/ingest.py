"""From a source's document to market rows: fetch, digest, hold or store. Each source stands alone."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_months

from . import baselines, earlier, quality, quarantine, runs, stand_ins, storage
from .cache import forget_market
from .catalog.services import name_index
from .cells import bucket
from .digest import Batch, Levels, NothingUsable, judge, read, teller_of
from .models import MarketData, PricingSnapshot, SourceRun, UtilizationTrend
from .sources import SOURCES
from .sources.base import Adapter, Conditional, RawDocument, SourceError

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
        if error.finding is not None and document is not None and hold:
            return _hold(adapter, run, document, error.finding, batch)
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
    """Digest a document that came, and store or hold it; one at a time of all sources of a platform's leader.

    Twice it is compared with the one before: as told, where a fault of all rows shows, and as judged, where a rule may
    have refused most of them. A released document is judged by itself alone: that it broke with the past is known.
    """
    name = adapter.name
    with transaction.atomic():
        storage.lock(adapter.stands_in_for or name)
        decided = quarantine.decisions(name)
        batch = read(adapter, document, name_index(), now=run.started_at, decisions=decided)
        speaks = stand_ins.speaks(adapter, bucket(batch.at))
        until = batch.at if replayed else None
        known, finding = [], None
        if hold and adapter.origin == "live":
            known = baselines.pasts(adapter, speaks=speaks, until=until, now=batch.at)
        finding, past = baselines.agreed(batch, batch.told(), known)
        if finding is not None and quarantine.is_released(name, document):
            hold, finding, known = False, None, []
        if finding is None:
            levels = _levels(adapter, batch, past, speaks=speaks) if hold else {}
            judge(adapter, batch, decisions=decided, levels=levels)
            finding, _past = baselines.agreed(batch, batch.judged(), [past] if past and hold else [])
        if finding is not None and not quarantine.is_released(name, document):
            return _hold(adapter, run, document, finding, batch)
        changed = store(adapter, run, batch, speaks=speaks)
        return runs.finish(run, "ok", document=document, batch=batch, changed=changed)


def _hold(
    adapter: Adapter, run: SourceRun, document: RawDocument, finding: quality.Finding, batch: Batch | None = None
) -> runs.Report:
    at = batch.at if batch is not None else document.observed_at or document.fetched_at
    quarantine.hold(run, adapter.platform, document, finding, at)
    error = f"Held: {finding.reason}."
    return runs.finish(run, "failed", document=document, batch=batch, error=error, is_held=True)


def _levels(adapter: Adapter, batch: Batch, past: baselines.Past | None, *, speaks: bool) -> Levels:
    """What the GPUs cost in the market that the document agrees with."""
    platforms = {platform for platform, _gpu in batch.offers} | {platform for platform, _gpu, _at in batch.summaries}
    sources = past.sources if past is not None and speaks else (adapter.name,)
    until = batch.at if past is None or past.until is None else past.until
    return earlier.levels(sources, platforms, until, max(LEVELS_FOR, 3 * adapter.every))


def store(adapter: Adapter, run: SourceRun, batch: Batch, *, speaks: bool = True) -> int:
    """Write a batch as a whole; the number of market rows that were new or different. One that only checks has none."""
    at = batch.at
    platforms = {cell.platform for cell in batch.cells}
    with transaction.atomic():
        unknown = [storage.UnknownName(*key, times=times) for key, times in batch.unknown.items()]
        storage.record_unknown(adapter.spells_like, unknown, at)
        quarantine.record(run, list(batch.quarantined.values()), at)
        if not speaks:
            stand_ins.compare_with_leader(adapter, batch, bucket(at))
            batch.offers_used = 0
            return 0
        stood = earlier.offers_before(adapter.name, at) if adapter.keeps_snapshots else {}
        by_model = ((earlier.model_of(adapter, offer), offer) for offer in stood.values())
        teller = teller_of(adapter)
        batch.complete(teller, earlier.earlier(teller, platforms, at, adapter.every, by_model))
        make_months([row.moment for row in batch.rows])
        over = [other.name for other in stand_ins.lesser(adapter)] if adapter.stands_in_for else []
        changed = storage.upsert_market(batch.rows, over=over) + storage.merge_splits(adapter.name, batch.splits)
        if batch.rows:
            changed += stand_ins.remove_lesser(adapter, bucket(at))
        if adapter.keeps_snapshots:
            told = earlier.changes(adapter, batch.snapshots, stood, at, batch.unreadable, is_partial=batch.is_partial)
            storage.upsert_snapshots(told)
        storage.upsert_trends([(r.gpu_model, r.platform, r.region, r.moment) for r in batch.rows])
        transaction.on_commit(forget_market)
    return changed


def make_months(moments: Iterable[datetime]) -> None:
    """Make the months that `moments` fall into, where the job that makes them ahead has not been there."""
    days = {moment.date().replace(day=1) for moment in moments}
    if days:
        for model in (MarketData, PricingSnapshot, UtilizationTrend):
            ensure_months(model, min(days), max(days))
