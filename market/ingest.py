"""From a source's document to market rows: fetch, parse, name, refuse, sum up, store. Each source stands alone."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import add_months, ensure_months

from . import runs, stats, storage
from .cache import forget_market
from .catalog.services import name_index
from .models import MarketData, PricingSnapshot, SourceRun, UtilizationTrend
from .names import Match, NameIndex, Unknown
from .sources import SIMULATED, SOURCES
from .sources.base import Adapter, Conditional, Observation, RawDocument, Rejection, SourceError, Summary

log = logging.getLogger(__name__)

BUCKET = timedelta(minutes=15)
MAX_AHEAD = timedelta(minutes=5)
MONTHS_KEPT = 25
COUNTRY = re.compile(r"[A-Z]{2}\Z")
MAX_UNKNOWN = 200
CHECK_TOLERANCE = Decimal("0.25")  # how far a check may lie from its leader before staff are told


@dataclass(slots=True)
class Batch:
    """What one document comes to: rows to store, and what was refused and why."""

    observed_at: datetime | None = None
    rows_seen: int = 0  # of the document, usable or not
    offers_used: int = 0  # that the figures rest on
    notes: list[str] = field(default_factory=list)  # what staff should know, a sentence each
    rows: list[storage.MarketRow] = field(default_factory=list)
    snapshots: list[storage.SnapshotRow] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    refusals: list[Rejection] = field(default_factory=list)  # the first of them, for staff
    unknown: Counter[tuple[str, Decimal | None, str]] = field(default_factory=Counter)

    def refuse(self, reason: str, piece: str) -> None:
        self.reasons[reason] += 1
        if len(self.refusals) < runs.REFUSALS_KEPT:
            self.refusals.append(Rejection(reason, piece))


class NothingUsable(SourceError):
    """A document of the right kind without one row that can be used; `batch` tells why row by row."""

    def __init__(self, reason: str, batch: Batch) -> None:
        super().__init__(reason)
        self.batch = batch


def refresh(name: str, *, document: RawDocument | None = None, force: bool = False) -> runs.Report:
    """One refresh of one source, or the replay of `document`; whatever goes wrong is told in the report, not raised.

    A source that failed lately, or asked for a pause, is skipped unless `force`.
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
        digested = digest(adapter, document, name_index(), now=now)
        changed = store(adapter, digested)
        return runs.finish(run, "ok", document=document, batch=digested, changed=changed)
    except SourceError as error:
        batch = error.batch if isinstance(error, NothingUsable) else None
        return runs.finish(run, "failed", document=document, batch=batch, error=str(error), retry_at=error.retry_at)
    except Exception as error:
        return runs.finish(run, "failed", document=document, error=f"{type(error).__name__}: {error}")


# -- One document, no database ---------------------------------------------------------------------------------------


def bucket(moment: datetime) -> datetime:
    """The start of the quarter hour that `moment` lies in."""
    return moment - timedelta(minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond)


def digest(adapter: Adapter, document: RawDocument, names: NameIndex, *, now: datetime) -> Batch:
    """The document as rows.

    Raises: SourceError where its clock is wrong or no row of it can be used.
    """
    batch, named = Batch(), _Names(adapter.spells_like, names)
    offers: dict[str, list[Observation]] = {}
    summaries: dict[tuple[str, str], Summary] = {}
    for parsed in adapter.parse(document):
        if isinstance(parsed, Rejection):
            batch.refuse(parsed.reason, parsed.fragment)
            continue
        if batch.observed_at is None:
            batch.observed_at = checked_clock(parsed.observed_at, now)
        gpu = named.resolve(parsed, batch)
        if gpu is None:
            continue
        if isinstance(parsed, Observation):
            offers.setdefault(gpu, []).append(parsed)
        elif (gpu, parsed.region_raw) in summaries:
            batch.refuse("the GPU stands twice in the document", parsed.gpu_raw)
        else:
            summaries[gpu, parsed.region_raw] = parsed
    for gpu, found in offers.items():
        _sum_up(adapter, gpu, found, batch)
    for (gpu, region), summary in summaries.items():
        batch.rows.append(_summary_row(adapter, gpu, region, summary))
    if not batch.rows:
        worst = batch.reasons.most_common(1)
        why = f": {worst[0][0]} ({worst[0][1]} of {batch.reasons.total()})" if worst else ""
        raise NothingUsable(f"No row of the document can be used{why}.", batch)
    return batch


def checked_clock(observed_at: datetime, now: datetime) -> datetime:
    """The document's time, if it can be true.

    Raises: SourceError where it lies more than 5 minutes ahead, or before everything that is kept.
    """
    if observed_at > now + MAX_AHEAD:
        raise SourceError(f"The document is dated {observed_at:%Y-%m-%d %H:%M} UTC, which is yet to come.")
    if observed_at.date() < add_months(now.date(), -MONTHS_KEPT):
        raise SourceError(f"The document is dated {observed_at:%Y-%m-%d}, older than anything that is kept.")
    return observed_at


class _Names:
    """Spellings to GPU models, each asked once per document."""

    def __init__(self, source: str, index: NameIndex) -> None:
        self._source, self._index = source, index
        self._known: dict[tuple[str, Decimal | None], Match | Unknown] = {}

    def resolve(self, parsed: Observation | Summary, batch: Batch) -> str | None:
        key = (parsed.gpu_raw, parsed.vram_gb)
        if key not in self._known:
            self._known[key] = self._index.resolve(self._source, *key)
        answer = self._known[key]
        if isinstance(answer, Match):
            return answer.gpu
        memory = "" if parsed.vram_gb is None else f", {parsed.vram_gb} GB"
        batch.refuse(f"GPU name: {answer.why}"[:200], f"{parsed.gpu_raw}{memory}")
        if len(batch.unknown) < MAX_UNKNOWN:
            batch.unknown[parsed.gpu_raw, parsed.vram_gb, answer.why[:200]] += 1
        return None


def _sum_up(adapter: Adapter, gpu: str, offers: Sequence[Observation], batch: Batch) -> None:
    """The rows of one GPU model: the whole platform and every country, without what no renter would pay."""
    believed = stats.band([(o.price_per_gpu_hour, o.gpu_count) for o in offers if o.pricing != "spot"])
    moment = bucket(offers[0].observed_at)
    cells: dict[str, list[Observation]] = {}
    for offer in offers:
        flag = ""
        if offer.pricing != "spot" and believed and not believed[0] <= offer.price_per_gpu_hour <= believed[1]:
            flag = "above 5 times" if offer.price_per_gpu_hour > believed[1] else "below 0.2 times"
            piece = f"{gpu} {offer.external_id}: {offer.price_per_gpu_hour} USD per GPU-hour"
            batch.refuse(f"price {flag} the median of this moment", piece)
        country = offer.region_raw if COUNTRY.match(offer.region_raw) else ""
        if offer.pricing != "spot" and not flag:
            cells.setdefault("global", []).append(offer)
            if country:
                cells.setdefault(country, []).append(offer)
        if adapter.keeps_snapshots:
            batch.snapshots.append(_snapshot(adapter, gpu, offer, country, moment, flag))
    for region, found in cells.items():
        if found[0].price_basis == "list":
            figures = stats.list_prices([o.price_per_gpu_hour for o in found])
        else:
            figures = stats.summarize([stats.Offer(o.price_per_gpu_hour, o.gpu_count, o.gpus_rented) for o in found])
        indicators = _indicators(adapter, found[0].observed_at) | _split(found)
        batch.rows.append(storage.MarketRow(gpu, adapter.platform, region, moment, adapter.origin, figures, indicators))


def _indicators(adapter: Adapter, observed_at: datetime) -> dict[str, Any]:
    indicators = {"source": adapter.name, "observed_at": observed_at.isoformat()}
    return indicators | ({"stands_in_for": adapter.stands_in_for} if adapter.stands_in_for else {})


def _split(offers: Sequence[Observation]) -> dict[str, Any]:
    """What else the source says about demand: stock and prices by cloud, or verified and datacenter GPUs."""
    if offers[0].price_basis == "list":
        prices = {f"{offer.pricing}_price": str(offer.price_per_gpu_hour) for offer in offers}
        stock = next((offer.stock for offer in offers if offer.stock), "")
        return prices | ({"stock_status": stock} if stock else {})
    return {
        "verified_gpus": sum(offer.gpu_count for offer in offers if offer.verified),
        "datacenter_gpus": sum(offer.gpu_count for offer in offers if offer.datacenter),
    }


def _snapshot(
    adapter: Adapter, gpu: str, offer: Observation, country: str, moment: datetime, flag: str
) -> storage.SnapshotRow:
    features: dict[str, Any] = {
        "gpus": offer.gpu_count if offer.price_basis == "ask" else None,
        "rented": offer.gpus_rented,
        "verified": offer.verified,
        "datacenter": offer.datacenter,
        "reliability": None if offer.reliability is None else float(round(offer.reliability, 2)),
        "floor": None if offer.floor_per_gpu_hour is None else str(offer.floor_per_gpu_hour),
        "cloud": offer.pricing if offer.pricing in ("secure", "community") else None,
        "stock": offer.stock or None,
        "refused": f"price {flag} the median" if flag else None,
    }
    return storage.SnapshotRow(
        gpu_model=gpu,
        platform=adapter.platform,
        region="global",  # the one cell that every offer of a model lies in
        moment=moment,
        source=adapter.name,
        external_id=offer.external_id,
        price=offer.price_per_gpu_hour,
        at=offer.observed_at,
        instance_type=f"{offer.gpu_count}x {gpu}" if offer.price_basis == "ask" else gpu,
        zone=country,
        is_spot=offer.pricing == "spot",
        features={key: value for key, value in features.items() if value is not None},
    )


def _summary_row(adapter: Adapter, gpu: str, region: str, summary: Summary) -> storage.MarketRow:
    figures = stats.Figures(
        average=None,
        minimum=None,
        maximum=None,
        median=summary.median,
        p10=summary.p10,
        p90=summary.p90,
        rented_percentage=None
        if summary.gpus_rented is None or summary.gpus_total is None
        else stats.percentage(summary.gpus_rented, summary.gpus_total),
        gpus_rented=summary.gpus_rented,
        gpu_count=summary.gpus_total,
        offer_count=None,
    )
    split = dict(summary.split or {})
    moment, indicators = bucket(summary.observed_at), _indicators(adapter, summary.observed_at) | split
    return storage.MarketRow(gpu, adapter.platform, region, moment, adapter.origin, figures, indicators)


# -- Into the database -----------------------------------------------------------------------------------------------


def store(adapter: Adapter, batch: Batch) -> int:
    """Write a batch as a whole; the number of market rows that were new or different."""
    if adapter.stands_in_for and not leader_fails(adapter.stands_in_for, adapter.platform, batch.rows[0].moment):
        _compare_with_leader(adapter, batch)
        batch.rows.clear()
        return 0
    make_months(batch.rows)
    with transaction.atomic():
        changed = storage.upsert_market(batch.rows)
        storage.upsert_snapshots(batch.snapshots, only_changes=True)
        storage.upsert_trends([(r.gpu_model, r.platform, r.region, r.moment) for r in batch.rows])
        if batch.observed_at is not None:
            unknown = [storage.UnknownName(*key, times=times) for key, times in batch.unknown.items()]
            storage.record_unknown(adapter.spells_like, unknown, batch.observed_at)
        transaction.on_commit(forget_market)
    return changed


def make_months(rows: Sequence[storage.MarketRow]) -> None:
    """Make the months that `rows` fall into, where the job that makes them ahead has not been there."""
    days = {row.moment.date().replace(day=1) for row in rows}
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
    fresh = MarketData.objects.filter(
        origin="live",
        platform=platform,
        region="global",
        demand_indicators__source=leader,
        data_timestamp__range=(moment - 2 * BUCKET, moment + 2 * BUCKET),
    )
    return not fresh.exists()


def _compare_with_leader(adapter: Adapter, batch: Batch) -> None:
    """Tell staff where the check counts more than a quarter more or fewer GPUs than its leader."""
    moment = batch.rows[0].moment
    led: Mapping[str, int | None] = dict(
        MarketData.objects.filter(
            origin="live",
            platform=adapter.platform,
            region="global",
            demand_indicators__source=adapter.stands_in_for,
            data_timestamp__range=(moment - 2 * BUCKET, moment + 2 * BUCKET),
        )
        .order_by("data_timestamp")
        .values_list("gpu_model", "gpu_count")
    )
    for row in batch.rows:
        ours, theirs = row.figures.gpu_count, led.get(row.gpu_model)
        if ours and theirs and abs(ours - theirs) > CHECK_TOLERANCE * theirs:
            batch.refuse("differs from the leading source", f"{row.gpu_model}: {ours} GPUs, the leader counts {theirs}")


# -- The simulated market --------------------------------------------------------------------------------------------


def may_simulate(now: datetime) -> bool:
    """Whether the invented market runs: switched on, and nothing live in the last 24 hours."""
    if not settings.MARKET_SIMULATION:
        return False
    return not MarketData.objects.filter(origin="live", data_timestamp__gt=now - timedelta(hours=24)).exists()


def simulate(*, days: int = 0) -> int:
    """The simulated market now and, with `days`, of the days before; market rows written, 0 where it may not run.

    The days before are told twice a day, the last of them every hour; what is there stays.
    """
    now = clock.now()
    if not may_simulate(now):
        return 0
    changed = _backfill(now, days) if days else 0
    report = refresh(SIMULATED, force=True)
    return changed + report.changed


def _moments(now: datetime, days: int) -> Iterator[datetime]:
    hour = now.replace(minute=0, second=0, microsecond=0)
    for age in range(days * 24, 0, -1):
        moment = hour - timedelta(hours=age)
        if age <= 24 or moment.hour % 12 == 0:
            yield moment


def _backfill(now: datetime, days: int) -> int:
    """Earlier simulated moments, a batch per transaction; without single offers, which only the present needs."""
    adapter, names = SOURCES[SIMULATED], name_index()
    there = set(
        MarketData.objects.filter(
            origin="simulated", region="global", data_timestamp__gt=now - timedelta(days=days + 1)
        ).values_list("data_timestamp", flat=True)
    )
    missing = [moment for moment in _moments(now, days) if moment not in there]
    changed = 0
    for start in range(0, len(missing), 24):
        rows: list[storage.MarketRow] = []
        for moment in missing[start : start + 24]:
            try:
                rows += digest(adapter, adapter.fetch(Conditional(moment)), names, now=now).rows
            except SourceError as error:  # no catalog yet: no name is known
                log.warning("the simulated market could not be made: %s", error)
                return changed
        make_months(rows)
        last: dict[tuple[str, str, str, object], storage.Key] = {}
        for row in rows:
            last[row.gpu_model, row.platform, row.region, row.moment.date()] = (
                row.gpu_model,
                row.platform,
                row.region,
                row.moment,
            )
        with transaction.atomic():
            changed += storage.upsert_market(rows)
            storage.upsert_trends(list(last.values()))
            transaction.on_commit(forget_market)
    return changed
