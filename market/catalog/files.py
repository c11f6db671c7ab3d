"""The catalog's files, read and checked as a whole. No database here."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from market.names import Alias, Refusal, squash
from market.reference_rates import Quoted

from .money import FEE_COLUMNS, RATE_COLUMNS, FeeEntry, read_fees, read_rates

FOLDER = Path(__file__).parent
MAX_ERRORS = 20

GPU_COLUMNS = [
    "name",
    "manufacturer",
    "architecture",
    "memory_gb",
    "cuda_cores",
    "shading_units",
    "board_power_watts",
    "idle_watts",
    "memory_type",
    "memory_bandwidth_gb_s",
    "bus",
    "form_factor",
    "released",
    "market_price_usd",
    "price_as_of",
    "price_basis",
    "figures_source",
    "correction",
    "note",
]
ALIAS_COLUMNS = ["source", "spelling", "vram_gb", "gpu"]
REFUSED_COLUMNS = ["source", "spelling", "vram_gb", "why"]
PLATFORM_COLUMNS = [
    "slug",
    "name",
    "website",
    "status",
    "open_to_new_hosts",
    "host_sets_ondemand_price",
    "host_sets_spot_floor",
    "publishes_utilization",
    "fee_percentage",
    "fee_rules",
    "checked_date",
    "spellings",
    "mapping_key",
    "mapping_label",
    "mapping_pattern",
    "mapping_example",
    "mapping_help",
    "notes",
]
STATUSES = ("active", "legacy", "reference", "closed")


class CatalogError(Exception):
    """One or more lines of the catalog's files are wrong; nothing was loaded."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = errors
        more = [f"and {len(errors) - MAX_ERRORS} more"] if len(errors) > MAX_ERRORS else []
        super().__init__("\n".join([*errors[:MAX_ERRORS], *more]))


@dataclass(frozen=True, slots=True)
class GPU:
    """One card as the file gives it; `specifications` is ready for the database."""

    name: str
    slug: str
    manufacturer: str
    architecture: str
    memory_gb: int
    cuda_cores: int | None
    board_power_watts: Decimal
    market_price_usd: Decimal | None
    specifications: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlatformEntry:
    """One platform as the file gives it, with the spellings that sources use for it."""

    slug: str
    name: str
    website: str
    status: str
    open_to_new_hosts: bool
    host_sets_ondemand_price: bool
    host_sets_spot_floor: bool
    publishes_utilization: bool
    fee_percentage: Decimal | None
    fee_rules: str
    checked_date: date | None
    spellings: tuple[str, ...]
    mapping_schema: dict[str, Any]
    notes: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """All files together, checked against each other."""

    gpus: list[GPU]
    aliases: list[Alias]
    refusals: list[Refusal]
    platforms: list[PlatformEntry]
    fees: list[FeeEntry] = field(default_factory=list)
    rates: list[Quoted] = field(default_factory=list)
    _platform_slugs: dict[str, str] = field(default_factory=dict)

    def platform_slug(self, spelling: str) -> str | None:
        """The slug of the platform that a source spells `spelling`; None where nobody knows it."""
        return self._platform_slugs.get(squash(spelling))


class Line:
    """One line of a file, whose cells are asked for by kind; what is wrong is noted with its line number."""

    def __init__(self, file: str, number: int, cells: dict[str, str], errors: list[str]) -> None:
        self.file, self.number, self.cells, self.errors = file, number, cells, errors

    def wrong(self, message: str) -> None:
        self.errors.append(f"{self.file} line {self.number}: {message}")

    def text(self, column: str, *, required: bool = False, longest: int = 400) -> str:
        value = self.cells[column].strip()
        if required and not value:
            self.wrong(f"{column} is empty.")
        if len(value) > longest:
            self.wrong(f"{column} is longer than {longest} characters.")
        return value

    def whole(self, column: str, low: int, high: int, *, required: bool = False) -> int | None:
        number = self.number_in(column, low, high, required=required)
        if number is not None and number != int(number):
            self.wrong(f"{column} “{number}” is not a whole number.")
            return None
        return None if number is None else int(number)

    def number_in(self, column: str, low: int, high: int, *, required: bool = False) -> Decimal | None:
        text = self.text(column, required=required)
        if text and not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII):
            self.wrong(f"{column} “{text}” is not a number.")
            return None
        if text and not low <= Decimal(text) <= high:
            self.wrong(f"{column} {text} lies outside {low} to {high}.")
            return None
        return Decimal(text) if text else None

    def day(self, column: str) -> date | None:
        text = self.text(column)
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            self.wrong(f"{column} “{text}” is not a date like 2026-01-31.")
            return None

    def choice(self, column: str, choices: tuple[str, ...]) -> str:
        value = self.text(column, required=True)
        if value and value not in choices:
            self.wrong(f"{column} “{value}” is none of {', '.join(choices)}.")
        return value

    def flag(self, column: str) -> bool:
        return self.choice(column, ("yes", "no")) == "yes"


def read_catalog(folder: Path = FOLDER) -> Catalog:
    """The whole catalog.

    Raises: CatalogError naming file and line of everything that is wrong.
    """
    errors: list[str] = []
    gpus = [gpu for line in _lines(folder / "gpus.csv", GPU_COLUMNS, errors) if (gpu := _gpu(line))]
    memory = {gpu.name: gpu.memory_gb for gpu in gpus}
    _refuse_twins(gpus, errors)
    seen: dict[tuple[str, str, int | None], str] = {}
    aliases = [a for line in _lines(folder / "aliases.csv", ALIAS_COLUMNS, errors) if (a := _alias(line, memory, seen))]
    refusals = [_refusal(line, seen) for line in _lines(folder / "refused.csv", REFUSED_COLUMNS, errors)]
    slugs: dict[str, str] = {}
    platforms = [_platform(line, slugs) for line in _lines(folder / "platforms.csv", PLATFORM_COLUMNS, errors)]
    known = {entry.slug for entry in platforms} or None  # an unreadable file is told once, not at every line of this
    fees = read_fees(_lines(folder / "platform_fees.csv", FEE_COLUMNS, errors), known)
    rates = read_rates(_lines(folder / "currency_rates.csv", RATE_COLUMNS, errors))
    if errors:
        raise CatalogError(errors)
    return Catalog(gpus, aliases, refusals, platforms, fees, rates, slugs)


def _lines(path: Path, columns: list[str], errors: list[str]) -> Iterator[Line]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        errors.append(f"{path.name} is missing from {path.parent}.")
        return
    except UnicodeDecodeError:
        errors.append(f"{path.name} is not UTF-8.")
        return
    reader = csv.reader(text.splitlines())
    header = next(reader, [])
    if header != columns:
        errors.append(f"{path.name} line 1: the columns are not {','.join(columns)}.")
        return
    for cells in reader:
        if len(cells) != len(columns):
            errors.append(f"{path.name} line {reader.line_num}: {len(cells)} cells instead of {len(columns)}.")
        else:
            yield Line(path.name, reader.line_num, dict(zip(columns, cells, strict=True)), errors)


def slug_of(name: str) -> str:
    """The part of an address that names a GPU: lower case, hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _gpu(line: Line) -> GPU | None:
    name = line.text("name", required=True, longest=80)
    manufacturer = line.text("manufacturer", required=True, longest=40)
    architecture = line.text("architecture", required=True, longest=40)
    memory = line.whole("memory_gb", 1, 10_000, required=True)
    cores = line.whole("cuda_cores", 1, 1_000_000)
    watts = line.number_in("board_power_watts", 1, 10_000, required=True)
    idle = line.number_in("idle_watts", 1, 10_000, required=True)
    price = line.number_in("market_price_usd", 1, 10_000_000)
    as_of, basis = line.day("price_as_of"), line.text("price_basis")
    if price is not None and (as_of is None or basis not in ("used", "new")):
        line.wrong("a price needs price_as_of and a price_basis of used or new.")
    if watts is not None and idle is not None and idle >= watts:
        line.wrong(f"idle_watts {idle} is not below board_power_watts {watts}.")
    if cores is not None and manufacturer != "NVIDIA":
        line.wrong("cuda_cores belong to NVIDIA alone; others have shading_units.")
    released = line.day("released")
    specifications: dict[str, Any] = {
        "idle_watts": _plain(idle),
        "idle_watts_quality": "estimated",
        "memory_type": line.text("memory_type", required=True),
        "memory_bandwidth_gb_s": _plain(line.number_in("memory_bandwidth_gb_s", 1, 100_000)),
        "shading_units": line.whole("shading_units", 1, 1_000_000),
        "bus": line.text("bus"),
        "form_factor": line.text("form_factor", required=True),
        "released": released.isoformat() if released else None,
        "figures_source": line.text("figures_source", required=True),
        "correction": line.text("correction"),
        "note": line.text("note"),
    }
    if price is not None and as_of is not None:
        specifications |= {"price_as_of": as_of.isoformat(), "price_basis": basis, "price_quality": "estimated"}
    if memory is None or watts is None or not name:
        return None
    kept = {key: value for key, value in specifications.items() if value not in (None, "")}
    return GPU(name, slug_of(name), manufacturer, architecture, memory, cores, watts, price, kept)


def _plain(number: Decimal | None) -> int | float | None:
    """A JSON number that comes back from the database as it went."""
    if number is None:
        return None
    return int(number) if number == int(number) else float(number)


def _refuse_twins(gpus: list[GPU], errors: list[str]) -> None:
    slugs: dict[str, str] = {}
    for gpu in gpus:
        if gpu.slug in slugs:
            errors.append(f"gpus.csv: “{gpu.name}” and “{slugs[gpu.slug]}” share the address {gpu.slug}.")
        slugs[gpu.slug] = gpu.name


def _alias(line: Line, memory: dict[str, int], seen: dict[tuple[str, str, int | None], str]) -> Alias | None:
    source, spelling = line.text("source", required=True, longest=40), line.text("spelling", required=True, longest=120)
    vram, gpu = line.whole("vram_gb", 1, 10_000), line.text("gpu", required=True)
    if gpu not in memory:
        line.wrong(f"gpu “{gpu}” is not in gpus.csv.")
        return None
    key = (source, squash(spelling), vram)
    if key in seen:
        line.wrong(f"{source} “{spelling}”{_with(vram)} already stands for {seen[key]}.")
    seen[key] = gpu
    return Alias(source, spelling, vram, gpu, memory[gpu])


def _refusal(line: Line, seen: dict[tuple[str, str, int | None], str]) -> Refusal:
    source, spelling = line.text("source", required=True, longest=40), line.text("spelling", required=True, longest=120)
    vram, why = line.whole("vram_gb", 1, 10_000), line.text("why", required=True, longest=200)
    if (source, squash(spelling), vram) in seen:
        line.wrong(f"{source} “{spelling}”{_with(vram)} stands in aliases.csv too.")
    return Refusal(source, spelling, vram, why)


def _with(vram: int | None) -> str:
    return f" with {vram} GB" if vram else ""


def _platform(line: Line, slugs: dict[str, str]) -> PlatformEntry:
    slug, name = line.text("slug", required=True, longest=40), line.text("name", required=True, longest=60)
    if slug and slug != slug_of(slug):
        line.wrong(f"slug “{slug}” holds more than small letters, digits and hyphens.")
    spellings = tuple(part.strip() for part in line.text("spellings").split("|") if part.strip())
    for spelling in {squash(part) for part in (slug, name, *spellings)}:
        if slugs.setdefault(spelling, slug) != slug:
            line.wrong(f"“{spelling}” already stands for {slugs[spelling]}.")
    return PlatformEntry(
        slug=slug,
        name=name,
        website=line.text("website", longest=200),
        status=line.choice("status", STATUSES),
        open_to_new_hosts=line.flag("open_to_new_hosts"),
        host_sets_ondemand_price=line.flag("host_sets_ondemand_price"),
        host_sets_spot_floor=line.flag("host_sets_spot_floor"),
        publishes_utilization=line.flag("publishes_utilization"),
        fee_percentage=line.number_in("fee_percentage", 0, 100),
        fee_rules=line.text("fee_rules", longest=1000),
        checked_date=line.day("checked_date"),
        spellings=spellings,
        mapping_schema=_mapping_schema(line),
        notes=line.text("notes", longest=1000),
    )


def _mapping_schema(line: Line) -> dict[str, Any]:
    """The identifier a GPU has there: key, label, pattern (of the whole), example, help; empty where none is known."""
    parts = ("key", "label", "pattern", "example", "help")
    schema = {part: line.text(f"mapping_{part}") for part in parts}
    if not any(schema.values()):
        return {}
    for part in parts:
        if not schema[part]:
            line.wrong(f"mapping_{part} is empty.")
    try:
        if not re.fullmatch(schema["pattern"], schema["example"]):
            line.wrong(f"mapping_example “{schema['example']}” does not fit its pattern.")
    except re.error as error:
        line.wrong(f"mapping_pattern is not a regular expression: {error}.")
    return schema
