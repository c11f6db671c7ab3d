"""The catalog's way into the database, and the questions that are asked of it there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, TypeVar

from django.db import models, transaction

from market.cache import forget_market
from market.currencies import store_rates
from market.models import GPUAlias, GPUModel, Platform, PlatformFee, UnknownGPUName
from market.names import Alias, Match, NameIndex, Refusal
from market.signals import gpu_models_changed

from .files import GPU, Catalog, CatalogError, PlatformEntry, read_catalog
from .money import FeeEntry

GPU_FIELDS = [
    "slug",
    "manufacturer",
    "architecture",
    "memory_gb",
    "cuda_cores",
    "base_power_consumption",
    "market_price_estimate",
    "specifications",
]
PLATFORM_FIELDS = [
    "name",
    "website",
    "status",
    "open_to_new_hosts",
    "host_sets_ondemand_price",
    "host_sets_spot_floor",
    "publishes_utilization",
    "fee_percentage",
    "fee_rules",
    "mapping_schema",
    "checked_date",
    "notes",
]
M = TypeVar("M", bound=models.Model)
PRICE_KEYS = ("price_as_of", "price_basis", "price_quality")


@dataclass(frozen=True, slots=True)
class Tally:
    """What a load did to one table."""

    new: int
    changed: int
    unchanged: int
    removed: int = 0

    def __str__(self) -> str:
        text = f"{self.new} new, {self.changed} changed, {self.unchanged} unchanged"
        return f"{text}, {self.removed} withdrawn" if self.removed else text


@dataclass(frozen=True, slots=True)
class Loaded:
    gpus: Tally
    aliases: Tally
    platforms: Tally
    names_now_known: int
    fees: Tally = Tally(0, 0, 0)
    rates: int = 0

    @property
    def changed_anything(self) -> bool:
        tallies = (self.gpus, self.aliases, self.platforms, self.fees)
        return any(t.new or t.changed or t.removed for t in tallies) or self.names_now_known + self.rates > 0


@transaction.atomic
def load_catalog(catalog: Catalog | None = None) -> Loaded:
    """Bring the tables to what the files say; the same files again change nothing.

    The files lead for every row that they name, except that a price or a platform with a later date than the file's
    stays as staff left it, and that a currency rate once stored stays. Rows that only the database has stay; a spelling
    in refused.csv is withdrawn.
    Raises: CatalogError where the files are wrong, or want a name that another row holds. Nothing is loaded then.
    """
    catalog = catalog or read_catalog()
    gpus = _load_gpus(catalog.gpus)
    platforms = _load_platforms(catalog.platforms)
    aliases = _load_aliases(catalog)
    fees = _load_fees(catalog.fees)
    known = _release_known(name_index(catalog))
    loaded = Loaded(gpus, aliases, platforms, known, fees, store_rates(catalog.rates))
    if loaded.changed_anything:
        transaction.on_commit(forget_market)
    return loaded


def name_index(catalog: Catalog | None = None) -> NameIndex:
    """Every spelling that the database knows, staff's own included; ask once per document, not per row."""
    refusals = catalog.refusals if catalog else _own_refusals()
    rows = GPUAlias.objects.values_list("source", "spelling", "vram_gb", "gpu_model__name", "gpu_model__memory_gb")
    return NameIndex((Alias(*row) for row in rows), refusals)


@cache
def _own_refusals() -> tuple[Refusal, ...]:
    """Those of the files that come with the code: they change with a release, and reading them takes a tenth second."""
    return tuple(read_catalog().refusals)


def _load_gpus(gpus: Sequence[GPU]) -> Tally:
    stored = {row.name: row for row in GPUModel.objects.all()}
    slugs = {row.slug: row.name for row in stored.values()}
    taken = [g for g in gpus if slugs.get(g.slug, g.name) != g.name]
    if taken:
        raise CatalogError(
            [f"gpus.csv: “{g.name}” needs the address {g.slug}, which “{slugs[g.slug]}” has." for g in taken]
        )
    wanted = [_with_later_price(gpu, stored.get(gpu.name)) for gpu in gpus]
    tally, changed = _store(GPUModel, wanted, stored, "name", [*GPU_FIELDS, "updated_at"], GPU_FIELDS)
    if changed:
        gpu_models_changed.send(GPUModel, pks=[row.pk for row in changed])
    return tally


def _with_later_price(gpu: GPU, stored: GPUModel | None) -> GPUModel:
    """The row that the file wants, with the stored price where that is the later one."""
    row = GPUModel(
        name=gpu.name,
        slug=gpu.slug,
        manufacturer=gpu.manufacturer,
        architecture=gpu.architecture,
        memory_gb=gpu.memory_gb,
        cuda_cores=gpu.cuda_cores,
        base_power_consumption=gpu.board_power_watts,
        market_price_estimate=gpu.market_price_usd,
        specifications=dict(gpu.specifications),
    )
    if stored and _is_later(stored.specifications.get("price_as_of"), gpu.specifications.get("price_as_of")):
        row.market_price_estimate = stored.market_price_estimate
        kept = {key: stored.specifications[key] for key in PRICE_KEYS if key in stored.specifications}
        row.specifications = {k: v for k, v in gpu.specifications.items() if k not in PRICE_KEYS} | kept
    return row


def _is_later(stored: Any, filed: str | None) -> bool:
    try:
        day = date.fromisoformat(str(stored))
    except ValueError:
        return False
    return filed is None or day > date.fromisoformat(filed)


def _load_platforms(entries: Sequence[PlatformEntry]) -> Tally:
    stored = {row.slug: row for row in Platform.objects.all()}
    wanted = []
    for entry in entries:
        old = stored.get(entry.slug)
        if old and old.checked_date and (entry.checked_date is None or old.checked_date > entry.checked_date):
            wanted.append(old)  # staff looked later than the file's author
        else:
            wanted.append(Platform(slug=entry.slug, **{name: getattr(entry, name) for name in PLATFORM_FIELDS}))
    return _store(Platform, wanted, stored, "slug", PLATFORM_FIELDS, PLATFORM_FIELDS)[0]


def _load_fees(entries: Sequence[FeeEntry]) -> Tally:
    """The files lead for the lines that they name: staff add lines of their own, of a later day."""
    platforms = {row.slug: row for row in Platform.objects.all()}
    names = ("platform_id", "order_type", "currency", "valid_from")
    stored = {tuple(getattr(row, name) for name in names): row for row in PlatformFee.objects.all()}
    new, changed, unchanged = [], [], 0
    for entry in entries:
        row = PlatformFee(
            platform=platforms[entry.platform],
            order_type=entry.order_type,
            currency=entry.currency,
            valid_from=entry.valid_from,
            fee_percentage=entry.percentage,
            source=entry.source,
        )
        old = stored.get(tuple(getattr(row, name) for name in names))
        if old is None:
            new.append(row)
        elif (old.fee_percentage, old.source) != (row.fee_percentage, row.source):
            changed.append(row)
        else:
            unchanged += 1
    PlatformFee.objects.bulk_create(
        [*new, *changed],
        update_conflicts=True,
        update_fields=["fee_percentage", "source"],
        unique_fields=["platform", "order_type", "currency", "valid_from"],
    )
    return Tally(len(new), len(changed), unchanged)


def _load_aliases(catalog: Catalog) -> Tally:
    ids = dict(GPUModel.objects.values_list("name", "pk"))
    stored = {(row.source, row.spelling, row.vram_gb): row for row in GPUAlias.objects.all()}
    refused = [(r.source, r.spelling, r.vram_gb) for r in catalog.refusals]
    gone = [stored.pop(key).pk for key in refused if key in stored]
    GPUAlias.objects.filter(pk__in=gone).delete()
    new, changed, unchanged = [], [], 0
    for alias in catalog.aliases:
        row = GPUAlias(source=alias.source, spelling=alias.spelling, vram_gb=alias.vram_gb, gpu_model_id=ids[alias.gpu])
        old = stored.get((alias.source, alias.spelling, alias.vram_gb))
        if old is None:
            new.append(row)
        elif old.gpu_model_id != row.gpu_model_id:
            changed.append(row)
        else:
            unchanged += 1
    GPUAlias.objects.bulk_create(
        [*new, *changed],
        update_conflicts=True,
        update_fields=["gpu_model"],
        unique_fields=["source", "spelling", "vram_gb"],
    )
    return Tally(len(new), len(changed), unchanged, len(gone))


def _store(
    model: type[M], wanted: Sequence[M], stored: dict[str, M], key: str, update_fields: list[str], compared: list[str]
) -> tuple[Tally, list[M]]:
    """Insert and update only what differs, in one statement; with the stored rows that were changed."""
    new = [row for row in wanted if getattr(row, key) not in stored]
    known = [row for row in wanted if getattr(row, key) in stored]
    changed = [r for r in known if any(getattr(r, f) != getattr(stored[getattr(r, key)], f) for f in compared)]
    model._default_manager.bulk_create(
        [*new, *changed], update_conflicts=True, update_fields=update_fields, unique_fields=[key]
    )
    tally = Tally(len(new), len(changed), len(known) - len(changed))
    return tally, [stored[getattr(row, key)] for row in changed]


def _release_known(index: NameIndex) -> int:
    """Take names out of quarantine that are known by now."""
    known = [
        row.pk
        for row in UnknownGPUName.objects.all()
        if isinstance(index.resolve(row.source, row.spelling, row.vram_gb), Match)
    ]
    UnknownGPUName.objects.filter(pk__in=known).delete()
    return len(known)
