"""Market rows computed again from stored offers: after a decision of staff, after a repair, after a changed formula.

A source that tells sums instead of offers keeps nothing to compute from: its rows are left alone. What is computed is
what a refresh stored: on untouched data nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from django.db import connection, transaction

from . import earlier, repair, rollups, stand_ins, storage
from .cache import forget_market
from .cells import BUCKET, Cell, Model, Series, bucket, cells_of, indicators_of
from .digest import teller_of
from .ingest import make_months
from .models import MarketData, SourceRun
from .sources import SOURCES
from .sources.base import Adapter

SERIES = ("gpu_model", "platform", "region")
MOMENTS_PER_BATCH = 24  # quarter hours that are committed together

Tell = Callable[[str, datetime], None]


@dataclass(slots=True)
class Outcome:
    """What came of one source: its documents, the rows they make, how many were new or different or had to go."""

    source: str
    documents: int = 0
    rows: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """What is to be computed again: whole quarter hours, and one GPU model or platform where it is named."""

    since: datetime
    until: datetime
    gpu: str = ""
    platform: str = ""

    def holds(self, model: Model) -> bool:
        platform, gpu = model
        return (not self.gpu or gpu == self.gpu) and (not self.platform or platform == self.platform)


@dataclass(slots=True)
class _State:
    """The offers of one source as they stood at a moment, by model; the cells of a model until one of them changes."""

    adapter: Adapter
    offers: earlier.Offers
    by_model: dict[Model, dict[earlier.Key, earlier.Stored]] = field(default_factory=dict)
    cells: dict[Model, list[Cell]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, offer in self.offers.items():
            self.by_model.setdefault(earlier.model_of(self.adapter, offer), {})[key] = offer

    def take(self, offer: earlier.Stored) -> None:
        """One stored change: the offer as it is from now on, or that it is gone."""
        key = (offer.external_id, offer.is_spot)
        old = self.offers.pop(key, None)
        if old is not None:
            model = earlier.model_of(self.adapter, old)
            del self.by_model[model][key]
            self.cells.pop(model, None)
        if not offer.is_gone:
            model = earlier.model_of(self.adapter, offer)
            self.offers[key] = self.by_model.setdefault(model, {})[key] = offer
            self.cells.pop(model, None)

    def cells_of(self, model: Model) -> list[Cell]:
        if model not in self.cells:
            counted = [offer.counted() for offer in self.by_model[model].values() if offer.counts]
            self.cells[model] = cells_of(*model, counted)
        return self.cells[model]


def recompute(span: Span, *, dry_run: bool = False, tell: Tell | None = None) -> list[Outcome]:
    """Compute the rows of `span` again, source by source, a few hours at a time; `dry_run` only says what would change.

    It may be stopped and run again. `tell` hears of every batch: whose it is and how far it has come.
    """
    outcomes = []
    with transaction.atomic() if dry_run else nullcontext():
        for adapter in SOURCES.values():
            if not can_recompute(adapter) or (adapter.platform and span.platform not in ("", adapter.platform)):
                continue
            outcomes.append(_source(adapter, span, tell))
        if dry_run:
            transaction.set_rollback(True)
    if not dry_run and any(outcome.changed or outcome.removed for outcome in outcomes):
        rollups.roll_up(bucket(span.since).date(), span.until.date())
    return outcomes


def can_recompute(adapter: Adapter) -> bool:
    return adapter.keeps_snapshots and adapter.origin == "live"


def left_alone(span: Span) -> list[tuple[str, int]]:
    """The sources of live rows in `span` that tell no offers, with the number of their rows."""
    rows = MarketData.objects.filter(
        origin="live", data_timestamp__gte=bucket(span.since), data_timestamp__lt=span.until
    )
    if span.gpu:
        rows = rows.filter(gpu_model=span.gpu)
    if span.platform:
        rows = rows.filter(platform=span.platform)
    counted: dict[str, int] = {}
    for source in rows.values_list("demand_indicators__source", flat=True).iterator(chunk_size=10_000):
        if source not in SOURCES or not can_recompute(SOURCES[source]):
            counted[str(source)] = counted.get(str(source), 0) + 1
    return sorted(counted.items())


def _source(adapter: Adapter, span: Span, tell: Tell | None) -> Outcome:
    outcome = Outcome(adapter.name)
    documents = _documents(adapter.name, bucket(span.since), _end_of_bucket(span.until))
    if not documents:
        return outcome
    state = _State(adapter, earlier.offers_before(adapter.name, documents[0]))
    since = documents[0]
    by_bucket = [list(found) for _moment, found in groupby(documents, key=bucket)]
    for start in range(0, len(by_bucket), MOMENTS_PER_BATCH):
        part = by_bucket[start : start + MOMENTS_PER_BATCH]
        until = part[-1][-1]
        with transaction.atomic():
            changes = _changes(adapter.name, since, until)
            pending = next(changes, None)
            for moments in part:
                made: set[Series] = set()
                for at in moments:
                    while pending is not None and pending[0] < at:  # told between two documents that count
                        state.take(pending[1])
                        pending = next(changes, None)
                    standing = _standing(state, span)
                    while pending is not None and pending[0] <= at:
                        state.take(pending[1])
                        pending = next(changes, None)
                    made |= _moment(state, span, at, standing, outcome)
                outcome.removed += _remove_others(adapter, span, bucket(moments[0]), made)
            _follow(adapter, span, part[0][0], until)
            transaction.on_commit(forget_market)
        since = until + timedelta(microseconds=1)
        if tell:
            tell(adapter.name, until)
    return outcome


def _end_of_bucket(moment: datetime) -> datetime:
    return moment if moment == bucket(moment) else bucket(moment) + BUCKET


def _documents(source: str, since: datetime, until: datetime) -> list[datetime]:
    """When the documents were made whose offers stand in figures."""
    stored = SourceRun.objects.filter(source=source, status="ok", offers_used__gt=0)
    moments = stored.filter(observed_at__gte=since, observed_at__lt=until).values_list("observed_at", flat=True)
    return sorted({moment for moment in moments if moment is not None})


def _changes(source: str, since: datetime, until: datetime) -> Iterator[tuple[datetime, earlier.Stored]]:
    """Stored changes of offers from `since` to `until`, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select snapshot_time, external_id, spot_instance, (price_per_hour * 10000)::int, instance_type,
                availability_zone, additional_features::text
            from pricing_snapshots where source = %s and snapshot_time between %s and %s order by snapshot_time
            """,
            [source, since, until],
        )
        rows = cursor.fetchall()
    for at, *offer in rows:
        yield at, earlier.Stored(*offer)


def _standing(state: _State, span: Span) -> list[tuple[Model, earlier.Stored]]:
    """The offers that stood before a document, of the models in question."""
    return [(model, offer) for model, found in state.by_model.items() if span.holds(model) for offer in found.values()]


def _moment(
    state: _State, span: Span, at: datetime, standing: list[tuple[Model, earlier.Stored]], outcome: Outcome
) -> set[Series]:
    """Store the rows of one document; their series."""
    adapter = state.adapter
    models = [model for model, offers in state.by_model.items() if offers and span.holds(model)]
    cells = [cell for model in models for cell in state.cells_of(model)]
    teller, platforms = teller_of(adapter), {platform for platform, _gpu in models}
    before = earlier.earlier(teller, platforms, at, adapter.every, standing, gpu=span.gpu)
    rows = [
        storage.MarketRow(
            gpu_model=cell.gpu,
            platform=cell.platform,
            region=cell.region,
            moment=bucket(at),
            origin=teller.origin,
            figures=cell.figures,
            indicators=indicators_of(cell, teller, at, before),
        )
        for cell in cells
    ]
    make_months([bucket(at)])
    outcome.documents += 1
    outcome.rows += len(rows)
    over = [other.name for other in stand_ins.lesser(adapter)] if adapter.stands_in_for else []
    outcome.changed += storage.upsert_market(rows, over=over)
    return {(row.gpu_model, row.platform, row.region) for row in rows}


def _remove_others(adapter: Adapter, span: Span, moment: datetime, made: set[Series]) -> int:
    """Remove the source's rows of a moment that its offers do not make any more."""
    rows = MarketData.objects.filter(origin="live", data_timestamp=moment, demand_indicators__source=adapter.name)
    there = rows.values_list("pk", "gpu_model", "platform", "region")
    wrong = [
        pk for pk, gpu, platform, region in there if span.holds((platform, gpu)) and (gpu, platform, region) not in made
    ]
    if wrong:
        MarketData.objects.filter(pk__in=wrong, data_timestamp=moment).delete()
    return len(wrong)


def _follow(adapter: Adapter, span: Span, since: datetime, until: datetime) -> None:
    """Let offers hang on rows that exist, and the trends of the days on their latest rows."""
    repair.rehang_snapshots(adapter.name, adapter.platform, since, until)
    day = since.date()
    while day <= until.date():
        repair.rebuild_trends(day, gpu=span.gpu, platform=adapter.platform or span.platform)
        day += timedelta(days=1)
