"""What every source of market figures is: `fetch` is its only input and output, `parse` is pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import jiter

from gpuadvisor.core.errors import TransientError
from market.quality.rows import LEAST_PRICE, duplicate_offer, negative_price, not_a_number, placeholder_price

if TYPE_CHECKING:
    from market.quality import Finding

Pricing = Literal["on_demand", "spot", "reserved", "secure", "community"]
Basis = Literal["ask", "list", "host_net"]  # what an offer asks; a price list; what the host gets, fees already off

QUARTER = timedelta(minutes=15)
HALF_HOUR = timedelta(minutes=30)
HOUR = timedelta(hours=1)
DAILY = timedelta(days=1)

MAX_PRICE = Decimal(10_000)  # USD per GPU-hour, the bound of the database too
MAX_GPUS = 100_000  # of one machine or one cell: beyond it lies a fault, not a market
MAX_VALUES = 2_000_000  # of one document; 500.farm's 25 MB hold 640,000, and a value costs up to 100 bytes of memory
FRAGMENT = 200
NUMBERS = frozenset({int, float})  # of JSON: true and false are none; asked a hundred thousand times per document
FAULTS = {  # what a reason ends in that makes a price none, and the rule that says so
    "price is not a number": "not_a_number",
    "price is negative": "negative_price",
    ", a placeholder": "placeholder_price",
    "price is above 10,000 USD per GPU-hour": "unit_error",
}


class SourceError(TransientError):
    """The source gave nothing that can be used.

    `retry_at` is when it wants to be asked again; `status` is the HTTP status where that was the reason; `finding` is
    the quality rule that the whole document breaks: staff are to see it.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry_at: datetime | None = None,
        status: int | None = None,
        finding: Finding | None = None,
    ) -> None:
        super().__init__(reason)
        self.retry_at = retry_at
        self.status = status
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Conditional:
    """What the last answer said about itself, and when we ask: so an unchanged document is not sent again."""

    now: datetime
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class RawDocument:
    """An answer, decompressed. `status` 304 has no body. `observed_at` overrules the document's own clock."""

    body: bytes
    status: int
    fetched_at: datetime
    etag: str = ""
    last_modified: str = ""
    observed_at: datetime | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Observation:
    """One offer as a source tells it.

    Units: prices are USD per GPU-hour as the renter pays (`host_net`: as the host gets); `reliability` 0-1; `vram_gb`
    of one GPU. `gpus_rented` None: the source does not tell. `external_id` is unique within the source and `pricing`.
    `details` (disk, network, end date …) are kept with the snapshot, in plain JSON values.
    """

    source: str
    platform: str
    observed_at: datetime
    gpu_raw: str
    vram_gb: Decimal | None
    price_per_gpu_hour: Decimal
    pricing: Pricing
    external_id: str
    price_basis: Basis = "ask"
    region_raw: str = ""
    gpu_count: int = 1
    gpus_rented: int | None = None
    verified: bool | None = None
    datacenter: bool | None = None
    reliability: Decimal | None = None
    floor_per_gpu_hour: Decimal | None = None
    stock: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """One GPU model in one region, already summed up by the source: it tells no single offers.

    Units as in Observation. `rented_percentage` (0-100) only where the source tells a share without numbers.
    `split` goes into the demand indicators: GPUs by verified, datacenter and size, stock words, other prices.
    """

    source: str
    platform: str
    observed_at: datetime
    gpu_raw: str
    vram_gb: Decimal | None
    median: Decimal | None
    p10: Decimal | None = None
    p90: Decimal | None = None
    gpus_total: int | None = None
    gpus_rented: int | None = None
    region_raw: str = "global"
    split: Mapping[str, Any] | None = None
    average: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    rented_percentage: Decimal | None = None
    offers: int | None = None
    price_basis: Basis = "ask"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that cannot be used, with the piece of it that shows why.

    `rule` names the quality rule (market.quality) that it breaks, empty where the row is merely unreadable; `subject`
    is what staff would look for: the offer's id, or the GPU. `offer` is what it would be if staff release it, where it
    could be read and its price alone is not believed; `subject` is its id then.
    """

    reason: str
    fragment: str
    rule: str = ""
    subject: str = ""
    offer: Observation | None = None


Parsed = Observation | Summary | Rejection


class Adapter:
    """One source: what it is, how to ask it (`fetch`, the only input and output), how to read it (`parse`, pure).

    `platform` is the one that it tells of, empty where its rows name theirs. A source without `stands_in_for` leads its
    platform (R-017); one with it only checks that leader, and stands in while the leader fails.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str] = ""  # one sentence for the page on method and data
    website: ClassVar[str] = ""
    attribution: ClassVar[str] = ""  # words that its license wants beside its figures
    platform: ClassVar[str] = ""
    spells_like: ClassVar[str]  # whose spellings of GPUs, as the alias table names it
    origin: ClassVar[Literal["live", "simulated"]] = "live"
    stands_in_for: ClassVar[str] = ""
    rank: ClassVar[int] = 0  # among the stand-ins of one leader: the lowest that answers speaks, the others check
    keeps_snapshots: ClassVar[bool] = False
    own_clock: ClassVar[bool] = False  # the document tells when it was made; else the moment of the answer counts
    every: ClassVar[timedelta] = QUARTER
    delay_seconds: ClassVar[float] = 0  # after the start of its slot, before the jitter: who needs another goes second
    needs_key: ClassVar[str] = ""  # the setting that holds it; without a key the source is off
    total_seconds: ClassVar[float] = 30

    def fetch(self, conditional: Conditional) -> RawDocument:
        """The source's present answer.

        Raises: SourceError where it does not answer, or not with 200 or 304.
        """
        raise NotImplementedError

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        """Every row of the document, usable or not.

        Raises: SourceError where the document as a whole is not what the source sends.
        """
        raise NotImplementedError


def load_body(document: RawDocument) -> Any:
    """What the document's JSON says.

    Raises: SourceError for HTML, an empty or cut body, nesting without end, more values than fit into memory.
    """
    body = document.body.strip()
    if not body:
        raise SourceError("The answer is empty.")
    if body[:1] == b"<":
        raise SourceError("The answer is a web page, not data.")
    if body.count(b",") > MAX_VALUES:
        raise SourceError(f"The answer holds more than {MAX_VALUES:,} values.")
    try:
        return jiter.from_json(body)
    except ValueError:  # or something that only the standard library reads, such as a lone half of a character
        pass
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"The answer is not JSON: {str(error)[:120]}") from None


def load_json(document: RawDocument, list_key: str) -> tuple[dict[str, Any], list[Any]]:
    """The document and its list of rows.

    Raises: SourceError as `load_body`, and for a renamed list.
    """
    node = data = load_body(document)
    for key in list_key.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    if not isinstance(node, list):
        raise SourceError(f"The answer has no list “{list_key}”.")
    return (data if isinstance(data, dict) else {}), node


def clock_of(data: Mapping[str, Any], document: RawDocument) -> datetime:
    """The document's own time.

    Raises: SourceError where it tells none.
    """
    if document.observed_at is not None:
        return document.observed_at
    try:
        moment = datetime.fromisoformat(str(data.get("timestamp")))
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # the first and the last day there are lie outside UTC in some time zones
        raise SourceError("The answer does not tell when it was made.") from None
    return moment.replace(microsecond=0)


def number(value: object) -> Decimal | None:
    """A JSON number as Decimal; None for NaN, infinity, text, true, and what is no number."""
    if value.__class__ not in NUMBERS:
        return None
    try:
        decimal = Decimal(repr(value))
    except (InvalidOperation, ValueError):  # an integer of more than 4,300 digits has no text
        return None
    return decimal if decimal.is_finite() else None


def count(value: object, *, least: int = 0) -> int | None:
    """A whole number from `least` to 100,000; None for everything else."""
    if value.__class__ not in NUMBERS or not least <= value <= MAX_GPUS:  # type: ignore[operator]
        return None  # NaN compares with nothing
    whole = int(value)  # type: ignore[call-overload]
    return whole if whole == value else None


def count_id(value: object) -> str:
    """A whole number as the id that it is, in text; empty where there is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**15:
        return ""
    return str(value)


def text(value: object, longest: int = 120) -> str:
    """One line of printable text, cut to `longest`; empty for everything that is no text."""
    if not isinstance(value, str):
        return ""
    start = value[: longest * 2]
    return (start if start.isprintable() else "".join(c for c in start if c.isprintable()))[:longest].strip()


def fragment(row: object) -> str:
    """The beginning of a refused row, for staff to read."""
    try:
        return text(json.dumps(row, ensure_ascii=True, default=str)[: FRAGMENT * 2], FRAGMENT)
    except (ValueError, RecursionError):  # nested as deep as can just be read
        return text(str(type(row)), FRAGMENT)


def refuse(why: str, row: object, *, subject: str = "", rule: str = "") -> Rejection:
    """`row` refused; by the rule that its reason ends in, where none is named."""
    rule = rule or next((name for fault, name in FAULTS.items() if why.endswith(fault)), "")
    return Rejection(why, fragment(row), rule, subject[:160])


def memory_gb(value: object, per_gb: int = 1) -> Decimal | None:
    """Memory of one GPU in GB, two places, of `value` in units of which `per_gb` make one; None for what is none."""
    return _memory_gb(value, per_gb) if value.__class__ in NUMBERS else None


@lru_cache(maxsize=1024)  # thousands of machines have a dozen boards
def _memory_gb(value: object, per_gb: int) -> Decimal | None:
    amount = number(value)
    if amount is None or not 0 < amount < 100_000 * per_gb:
        return None
    return (amount / per_gb).quantize(Decimal("0.01")) or None


def price_fault(price: Decimal | None, sentinels: Collection[Decimal] = ()) -> str:
    """Why `price` is no price in USD per GPU-hour, by the rules about one price; empty where it is one.

    `sentinels`: values that the source is known to write where it has no price.
    """
    if price is None or not_a_number(price):
        return "price is not a number"
    if negative_price(price):
        return "price is negative"
    if placeholder_price(price, sentinels):
        return f"price is {price if price >= LEAST_PRICE else 0}, a placeholder"
    if price > MAX_PRICE:
        return "price is above 10,000 USD per GPU-hour"
    return ""


def told_twice(key: str, seen: set[str], why: str, row: object, *, subject: str = "") -> Rejection | None:
    """`row` refused where its `key` stands in the document already; else None, and the key is `seen` from now on."""
    if (finding := duplicate_offer(key, seen)) is None:
        seen.add(key)
        return None
    return refuse(why, row, subject=subject or key, rule=finding.rule)
