"""One document to the rows it comes to: `read` and name, `judge` and sum up. No database: what is known is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from gpuadvisor.core.partitions import add_months

from . import quality, runs, stats, storage
from .cells import Cell, Counted, Earlier, Model, Teller, bucket, cells_of, indicators_of
from .names import Match, NameIndex, Unknown
from .offers import counted as as_counted
from .offers import snapshot as as_kept
from .places import GLOBAL, continent_of
from .sources.base import Adapter, Observation, RawDocument, Rejection, SourceError, Summary
from .verdicts import UNDECIDED, Decisions

MAX_AHEAD = timedelta(minutes=5)
MONTHS_KEPT = 25
MAX_UNKNOWN = 200
MAX_QUARANTINED = 2_000  # rows of one document: beyond it the document is at fault, and its run says so

Levels = Mapping[Model, Mapping[str, Decimal]]  # what a GPU cost lately, USD per GPU-hour, by type of pricing


@dataclass(slots=True)
class Batch:
    """What one document comes to: cells to store, and what was refused and why."""

    observed_at: datetime | None = None
    is_partial: bool = False  # the source cut a part of it: what is not told may be there all the same
    rows_seen: int = 0  # of the document, usable or not
    offers_used: int = 0  # offers, or sums of a source that tells no offers, that the figures rest on
    notes: list[str] = field(default_factory=list)  # what staff should know, a sentence each
    offers: dict[Model, list[Observation]] = field(default_factory=dict)  # as told, not judged yet
    summaries: dict[tuple[str, str, str], Summary] = field(default_factory=dict)  # by platform, GPU, region
    cells: list[Cell] = field(default_factory=list)
    rows: list[storage.MarketRow] = field(default_factory=list)  # of `cells`, once they are complete
    splits: list[storage.SplitRow] = field(default_factory=list)
    snapshots: list[storage.SnapshotRow] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)  # offers that are there and cannot be used: why
    released: dict[tuple[str, str], str] = field(default_factory=dict)  # id, pricing: the rule that staff overruled
    quarantined: dict[tuple[str, str, Decimal | None], storage.QuarantineRow] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    refusals: list[Rejection] = field(default_factory=list)  # the first of them, for staff
    unknown: Counter[tuple[str, Decimal | None, str]] = field(default_factory=Counter)

    def refuse(self, reason: str, piece: str, rule: str = "", *, quietly: bool = False) -> None:
        """Count one refused row; `quietly` where staff know it already."""
        self.reasons[reason] += 1
        if not quietly and len(self.refusals) < runs.REFUSALS_KEPT:
            self.refusals.append(Rejection(reason, piece, rule))

    def quarantine(self, row: storage.QuarantineRow) -> None:
        if len(self.quarantined) < MAX_QUARANTINED:
            self.quarantined.setdefault((row.rule, row.subject, row.price), row)

    @property
    def at(self) -> datetime:
        """The document's own time.

        Raises: NothingUsable where no row told it.
        """
        if self.observed_at is None:
            raise NothingUsable("No row of the document can be used.", self)
        return self.observed_at

    def told(self) -> quality.BatchShape:
        """What the document says before any of it is judged: a fault of all its rows shows here."""
        medians = {}
        for (platform, gpu), offers in self.offers.items():
            priced = [
                (stats.units(offer.price_per_gpu_hour), 1 if offer.price_basis == "list" else offer.gpu_count)
                for offer in offers
                if offer.pricing not in ("spot", "reserved")
            ]
            if priced:
                priced.sort()
                line = stats.Line([units for units, _gpus in priced], [gpus for _units, gpus in priced])
                medians[f"{platform}/{gpu}"] = line.tenth(5)
        for (platform, gpu, region), summary in self.summaries.items():
            if region == GLOBAL and summary.median is not None:
                medians[f"{platform}/{gpu}"] = summary.median
        told = sum(map(len, self.offers.values())) + sum(region == GLOBAL for _on, _gpu, region in self.summaries)
        return quality.BatchShape(self.rows_seen, told, len(medians), medians, self.at)

    def gpus(self) -> int | None:
        """GPUs on the whole platform, rented or free; None where the source does not tell the rented ones too."""
        if self.summaries:
            counted = [s.gpus_total for (_on, _gpu, region), s in self.summaries.items() if region == GLOBAL]
            return None if None in counted else sum(each for each in counted if each is not None)
        offers = [o for found in self.offers.values() for o in found if o.pricing not in ("spot", "reserved")]
        if not any(offer.gpus_rented is not None for offer in offers):
            return None
        return sum(offer.gpu_count for offer in offers)

    def judged(self) -> quality.BatchShape:
        """What the document comes to: what the next one is compared with."""
        medians = {
            f"{cell.platform}/{cell.gpu}": cell.figures.median
            for cell in self.cells
            if cell.region == GLOBAL and cell.figures.median is not None
        }
        return quality.BatchShape(self.rows_seen, self.offers_used, len(medians), medians, self.at)

    def complete(self, teller: Teller, earlier: Earlier) -> None:
        """Make the rows of the cells, with what the time before says about them."""
        moment = bucket(self.at)
        self.rows = [
            storage.MarketRow(
                gpu_model=cell.gpu,
                platform=cell.platform,
                region=cell.region,
                moment=moment,
                origin=teller.origin,
                figures=cell.figures,
                indicators=indicators_of(cell, teller, self.at, earlier),
            )
            for cell in self.cells
        ]


class NothingUsable(SourceError):
    """A document of the right kind without one row that can be used; `batch` tells why row by row."""

    def __init__(self, reason: str, batch: Batch) -> None:
        super().__init__(reason)
        self.batch = batch


def teller_of(adapter: Adapter) -> Teller:
    return Teller(adapter.name, adapter.origin, adapter.stands_in_for)


def read(
    adapter: Adapter, document: RawDocument, names: NameIndex, *, now: datetime, decisions: Decisions | None = None
) -> Batch:
    """The document's offers and sums, each under the name of its GPU model.

    Raises: SourceError where its clock is wrong or no row of it can be used.
    """
    batch, named = Batch(), _Names(adapter.spells_like, names)
    for parsed in adapter.parse(document):
        batch.rows_seen += 1
        if isinstance(parsed, Rejection):
            released = _reject(adapter, parsed, batch, decisions or UNDECIDED)
            if released is None:
                continue
            parsed = released
        if batch.observed_at is None:
            batch.observed_at = checked_clock(parsed.observed_at, now)
        gpu = named.resolve(parsed, batch)
        if gpu is None:
            continue
        key = (parsed.platform or adapter.platform, gpu)
        if isinstance(parsed, Observation):
            batch.offers.setdefault(key, []).append(parsed)
        elif (*key, parsed.region_raw) in batch.summaries:
            batch.refuse("the GPU stands twice in the document", parsed.gpu_raw, "duplicate_offer")
        else:
            batch.summaries[*key, parsed.region_raw] = parsed
    _must_hold_something(batch, [*batch.offers, *batch.summaries])
    return batch


def judge(adapter: Adapter, batch: Batch, *, decisions: Decisions | None = None, levels: Levels | None = None) -> Batch:
    """The same batch with its cells: without the offers that a quality rule refuses, unless staff released them.

    Raises: NothingUsable where none is left.
    """
    _Judge(adapter, batch, decisions or UNDECIDED, levels or {}).sum_up(batch.offers)
    for (platform, gpu, region), summary in batch.summaries.items():
        level = (levels or {}).get((platform, gpu), {})
        if _is_believed(platform, gpu, region, summary, level, batch, decisions or UNDECIDED):
            _take_summary(adapter, platform, gpu, region, summary, batch)
    _must_hold_something(batch, [*batch.cells, *batch.splits])
    return batch


def _must_hold_something(batch: Batch, found: Sequence[object]) -> None:
    if not found:
        worst = batch.reasons.most_common(1)
        why = f": {worst[0][0]} ({worst[0][1]} of {batch.reasons.total()})" if worst else ""
        raise NothingUsable(f"No row of the document can be used{why}.", batch)


def checked_clock(observed_at: datetime, now: datetime) -> datetime:
    """The document's time, if it can be true.

    Raises: SourceError where it lies more than 5 minutes ahead, or before everything that is kept.
    """
    if observed_at > now + MAX_AHEAD:
        why = f"dated {observed_at:%Y-%m-%d %H:%M} UTC, which is yet to come"
        raise SourceError(f"The document is {why}.", finding=quality.Finding("clock_ahead", why))
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
        answer = self._known.get(key)
        if answer is None:
            answer = self._known[key] = self._index.resolve(self._source, *key)
        if isinstance(answer, Match):
            return answer.gpu
        memory = "" if parsed.vram_gb is None else f", {parsed.vram_gb} GB"
        batch.refuse(f"GPU name: {answer.why}"[:200], f"{parsed.gpu_raw}{memory}")
        if len(batch.unknown) < MAX_UNKNOWN:
            batch.unknown[parsed.gpu_raw, parsed.vram_gb, answer.why[:200]] += 1
        if isinstance(parsed, Observation):
            batch.unreadable[parsed.external_id] = "unknown_name"
        return None


def _reject(adapter: Adapter, row: Rejection, batch: Batch, decisions: Decisions) -> Observation | None:
    """A row that the adapter refused; one that breaks a quality rule goes to quarantine. Its offer, if released."""
    price = None if row.offer is None else row.offer.price_per_gpu_hour
    known = decisions.find(row.rule, row.subject, None if price is None else stats.units(price)) if row.rule else None
    if row.offer is not None and known == "released":
        batch.released[row.offer.external_id, row.offer.pricing] = row.rule
        return row.offer
    batch.refuse(row.reason, row.fragment, row.rule, quietly=known == "confirmed")
    batch.is_partial = batch.is_partial or row.rule == "truncated"
    if row.subject:
        batch.unreadable.setdefault(row.subject, row.rule or "unreadable")
    if row.rule:
        subject = row.subject or row.fragment[:160]
        batch.quarantine(
            storage.QuarantineRow(adapter.platform, row.rule, subject, "", price, row.reason, row.fragment)
        )
    return None


class _Judge:
    """Offers judged by the quality rules, counted and summed up, GPU by GPU."""

    def __init__(self, adapter: Adapter, batch: Batch, decisions: Decisions, levels: Levels) -> None:
        self._adapter, self._batch, self._decisions, self._levels = adapter, batch, decisions, levels
        self._nowhere: Counter[str] = Counter()

    def sum_up(self, offers: Mapping[Model, Sequence[Observation]]) -> None:
        doubted = self._doubted(offers)
        for (platform, gpu), found in offers.items():
            refused = quality.judge_offers(found, levels=self._levels.get((platform, gpu)))
            for doubt in doubted.get((platform, gpu), ()):
                refused |= {i: doubt for i, offer in enumerate(found) if doubt.pricing in ("", offer.pricing)}
            counted = self._count(platform, gpu, found, refused)
            self._batch.offers_used += len(counted)
            self._batch.cells += cells_of(platform, gpu, counted)
        if self._nowhere:
            places = ", ".join(sorted(self._nowhere)[:10])
            self._batch.notes.append(
                f"unknown_region: {self._nowhere.total()} offers in {places} count in the global figures only."
            )

    def _doubted(self, offers: Mapping[Model, Sequence[Observation]]) -> dict[Model, list[quality.Finding]]:
        """GPUs whose prices, of all types or of one, cannot be their own; platform by platform."""
        found: dict[Model, list[quality.Finding]] = {}
        for platform in dict.fromkeys(platform for platform, _gpu in offers):
            by_gpu = {gpu: rows for (on, gpu), rows in offers.items() if on == platform}
            known = {gpu: self._levels.get((platform, gpu), {}) for gpu in by_gpu}
            for finding in quality.judge_document(by_gpu, levels=known):
                found.setdefault((platform, finding.subject), []).append(finding)
        return found

    def _count(
        self, platform: str, gpu: str, offers: Sequence[Observation], refused: Mapping[int, quality.Finding]
    ) -> list[Counted]:
        counted = []
        keeps = self._adapter.keeps_snapshots
        for index, offer in enumerate(offers):
            country = self._country(offer.region_raw)
            units, mark = stats.units(offer.price_per_gpu_hour), None
            finding = refused.get(index)
            if finding is not None:
                decision = self._decisions.find(finding.rule, offer.external_id, units)
                mark = ("released" if decision == "released" else "refused", finding.rule)
                is_new = decision is None or self._decisions.exact(finding.rule, offer.external_id, units) is not None
                self._refuse(platform, gpu, offer, finding, decision, record=is_new)
            elif (rule := self._batch.released.get((offer.external_id, offer.pricing))) is not None:
                mark = ("released", rule)
            if mark is None or mark[0] == "released":
                counted.append(as_counted(offer, units, country))
            if keeps:
                self._batch.snapshots.append(as_kept(self._adapter, platform, gpu, offer, country, mark))
        return counted

    def _country(self, region: str) -> str:
        if region in ("", GLOBAL):
            return ""
        if continent_of(region) is None:
            self._nowhere[region[:20]] += 1
            return ""
        return region

    def _refuse(
        self,
        platform: str,
        gpu: str,
        offer: Observation,
        finding: quality.Finding,
        decision: str | None,
        *,
        record: bool,
    ) -> None:
        piece = f"{gpu} {offer.external_id}: {offer.price_per_gpu_hour} USD per GPU-hour"
        if decision != "released":
            title = quality.RULES[finding.rule].title if finding.rule in quality.RULES else finding.rule
            self._batch.refuse(title, piece, finding.rule, quietly=decision == "confirmed")
        if not record:  # let in by the release of a price nearby, which staff have on their list
            return
        self._batch.quarantine(
            storage.QuarantineRow(
                platform=platform,
                rule=finding.rule,
                subject=offer.external_id,
                gpu_model=gpu,
                price=offer.price_per_gpu_hour,
                reason=finding.reason,
                fragment=f"{piece}; {offer.gpu_count} GPUs, {offer.pricing}, {offer.region_raw or GLOBAL}",
            )
        )


def _is_believed(
    platform: str,
    gpu: str,
    region: str,
    summary: Summary,
    level: Mapping[str, Decimal],
    batch: Batch,
    decisions: Decisions,
) -> bool:
    """Whether a sum is near to what the GPU cost lately, or released; one that is not goes to quarantine."""
    kind, price = ("median", summary.median) if summary.median is not None else ("average", summary.average)
    if price is None:
        return True
    subject = gpu if region == GLOBAL else f"{gpu} {region}"
    finding = quality.unit_error(price, level.get(kind), subject=subject)
    if finding is None:
        return True
    units = stats.units(price)
    decision = decisions.find(finding.rule, subject, units)
    if decision == "released" and decisions.exact(finding.rule, subject, units) is None:
        return True
    piece = f"{subject}: {price} USD per GPU-hour"
    if decision != "released":
        batch.refuse(quality.RULES[finding.rule].title, piece, finding.rule, quietly=decision == "confirmed")
    batch.quarantine(
        storage.QuarantineRow(
            platform=platform,
            rule=finding.rule,
            subject=subject,
            gpu_model=gpu,
            price=price,
            reason=finding.reason,
            fragment=f"{piece}; {kind}, {summary.gpus_total or summary.offers or 0} GPUs",
        )
    )
    return decision == "released"


def _take_summary(adapter: Adapter, platform: str, gpu: str, region: str, summary: Summary, batch: Batch) -> None:
    """What a source sums up itself. A split without any price only divides a stand-in's GPUs."""
    split = dict(summary.split or {})
    batch.offers_used += region == GLOBAL  # its division by place may be another document, which can be missing
    if adapter.stands_in_for and summary.split is not None and summary.median is None and summary.average is None:
        kept = {key: split[key] for key in storage.SPLIT_KEYS if key in split}
        batch.splits.append(
            storage.SplitRow(gpu, platform, region, bucket(summary.observed_at), summary.gpus_total, kept)
        )
        return
    total, rented = summary.gpus_total, summary.gpus_rented
    share = None if total is None or rented is None else stats.percentage(rented, total)
    figures = stats.Figures(
        average=summary.average,
        minimum=summary.minimum,
        maximum=summary.maximum,
        median=summary.median,
        p10=summary.p10,
        p90=summary.p90,
        rented_percentage=share if share is not None else summary.rented_percentage,
        gpus_rented=rented,
        gpu_count=total,
        offer_count=summary.offers,
    )
    told: dict[str, Any] = {"price_basis": summary.price_basis}
    if total is not None and rented is not None:
        told["available_gpus"] = total - rented
    batch.cells.append(Cell(gpu, platform, region, figures, told | split))
