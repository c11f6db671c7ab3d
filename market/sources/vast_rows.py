"""What every document about Vast.ai shares: how a machine's row is read, and which board a name alone means."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from gpuadvisor.core.money import rate
from market.quality import impossible_share
from market.quality.rows import LEAST_PRICE

from .base import (
    MAX_PRICE,
    NUMBERS,
    Rejection,
    count,
    count_id,
    memory_gb,
    number,
    price_fault,
    refuse,
    text,
)

MIB_PER_GB = 1024
MAX_PER_MACHINE = 64
MAX_AHEAD = timedelta(days=3660)  # no offer runs longer than ten years
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_SECONDS = 24 * 3600

# Names that Vast.ai gives to several boards, where one of them is nearly the whole market: GB of that one. On
# 2026-06-12 it was 87 % of the RTX 4090s and 99 % of the RTX 5060 Ti; of the others the second board is a conversion
# or a rare edition.
MAIN_BOARD_GB: dict[str, int] = {
    "RTX 2080 Ti": 11,
    "RTX 3060": 12,
    "RTX 3080": 10,
    "RTX 4080S": 16,
    "RTX 4090": 24,
    "RTX 5060 Ti": 16,
    "RTX PRO 5000": 48,
}
# Names of several boards of which none is nearly all: a sum over them is the price of none.
SEVERAL_BOARDS = frozenset(
    {
        *("GTX 1060", "RTX 2060", "RTX 3050", "RTX 4060 Ti", "RTX 4090D", "RTX A2000"),
        *("A100 PCIE", "A100 SXM4", "Tesla V100"),
    }
)

RULE_OF: dict[str, str] = {  # reasons that are not about one price, and the quality rule of each
    "number of GPUs is not a count": "not_a_number",
    "more GPUs rented than there are": "impossible_share",
    "percentiles are not in order": "not_a_number",
    "a category cannot be read": "not_a_number",
    "boards of different memory stand under this name": "variant_mixing",
    "the categories do not add up to the model": "double_counting",
    "the offer stands twice in the document": "duplicate_offer",
}


def sum_fault(name: str, total: int | None, rented: int | None) -> str:
    """Why a sum over one model cannot be used; empty where it can."""
    if not name:
        return "no GPU name"
    if name in SEVERAL_BOARDS:
        return "boards of different memory stand under this name"
    if not total:
        return "no GPUs"
    return "more GPUs rented than there are" if impossible_share(rented=rented, total=total) else ""


def spread_fault(low: Decimal | None, median: Decimal | None, high: Decimal | None) -> str:
    """Why a median and what lies around it cannot be prices in USD per GPU-hour; empty where they can."""
    if why := price_fault(median):
        return why
    in_order = low is not None and median is not None and high is not None and 0 < low <= median <= high <= MAX_PRICE
    return "" if in_order else "percentiles are not in order"


def refused(why: str, row: object, subject: str) -> Rejection:
    """`row` refused, by the rule that its reason breaks."""
    return refuse(why, row, subject=subject, rule=RULE_OF.get(why, ""))


def spelled(name: object) -> str:
    """A GPU name as Vast.ai writes it in offers; its metrics may write "H100_SXM"."""
    return text(name).replace("_", " ")


def board_gb(name: str, told: object = None) -> Decimal | None:
    """Memory of the board that a sum over all boards called `name` stands for; `told` by the document where it says.

    500.farm tells the largest board of a name: the 48 GB conversion for every RTX 4090. So our own table goes first.
    """
    main = MAIN_BOARD_GB.get(name)
    return Decimal(main) if main else memory_gb(told)


def country_of(row: dict[str, Any]) -> str:
    """The ISO country, by 500.farm's own look-up, else by the end of Vast.ai's "Region, CC"."""
    location = row.get("location")
    country = text(location.get("country"), 2) if isinstance(location, dict) else ""
    return country or text(row.get("geolocation"), 200).rpartition(",")[2].strip()


def verified_of(row: dict[str, Any]) -> bool | None:
    """Whether Vast.ai has verified the machine; None where the row does not tell."""
    if isinstance(row.get("verification"), str):
        return bool(row["verification"] == "verified")
    told = row.get("verified")
    return told if isinstance(told, bool) else None


def datacenter_of(row: dict[str, Any]) -> bool | None:
    """Whether it stands in a certified datacenter; None where the row does not tell."""
    hosting = row.get("hosting_type")
    if hosting.__class__ not in NUMBERS or not abs(hosting) < 10**10:  # type: ignore[arg-type]
        return None  # NaN compares with nothing
    return bool(hosting > 0)  # type: ignore[operator]


def reliability_of(row: dict[str, Any]) -> Decimal | None:
    score = number(row.get("reliability2", row.get("reliability")))
    return score if score is not None and 0 <= score <= 1 else None


def floor_of(row: dict[str, Any], gpus: int) -> Decimal | None:
    """The lowest bid that the host accepts, in USD per GPU-hour; `min_bid` is for the whole row."""
    bid = number(row.get("min_bid"))
    return rate(bid / gpus) if bid is not None and LEAST_PRICE <= bid / gpus <= MAX_PRICE else None


def details_of(row: dict[str, Any], observed_at: datetime) -> dict[str, Any]:
    """What else a renter chooses by, for advice that nobody could give later without it; absent stays absent.

    Units: disk and memory GB; network Mbps and memory to two digits, since they differ a little at every poll; money
    USD as text, storage per GB-month, traffic per GB; `until` the last day of the offer; `discount_max` 0-1.
    """
    found: dict[str, Any] = {
        "disk_gb": _whole(row.get("disk_space")),
        "inet_down_mbps": _coarse(row.get("inet_down")),
        "inet_up_mbps": _coarse(row.get("inet_up")),
        "storage_usd_per_gb_month": _money(row.get("storage_cost")),
        "inet_down_usd_per_gb": _money(row.get("inet_down_cost")),
        "inet_up_usd_per_gb": _money(row.get("inet_up_cost")),
        "until": _until(row, observed_at),
        "min_chunk": count(row.get("min_chunk"), least=1),
        "host": count_id(row.get("host_id")),
        "cpu": text(row.get("cpu_name"), 60),
        "cpu_cores": count(row.get("cpu_cores"), least=1),
        "ram_gb": _coarse(row.get("cpu_ram"), MIB_PER_GB),
        "driver": text(row.get("driver_version"), 20),
        "cuda": _money(row.get("cuda_max_good")),
        "ports": _coarse(row.get("direct_port_count")),
        "power_limit_watts": _whole(row.get("gpu_max_power")),
        "discount_max": _money(row.get("credit_discount_max")),
        "deverified": True if row.get("verification") == "deverified" else None,
    }
    return {key: value for key, value in found.items() if value not in (None, "")}


def _amount(value: object) -> float | None:
    """A detail, in the digits that a float has: nothing is reckoned with it, and there are a hundred thousand of them.

    None for NaN, infinity, text and what is below 0.
    """
    if value.__class__ not in NUMBERS or not 0 <= value < 10**10:  # type: ignore[operator]
        return None
    return float(value)  # type: ignore[arg-type]


def _whole(value: object) -> int | None:
    amount = _amount(value)
    return None if not amount else round(amount)


def _coarse(value: object, per_unit: int = 1) -> int | None:
    """Two digits of a measured amount; None for 0 too, which stands for "not measured"."""
    amount = _amount(value)
    return None if not amount else max(1, int(float(f"{amount / per_unit:.2g}")))


def _money(value: object) -> str | None:
    amount = _amount(value)
    return None if amount is None else f"{amount:.4f}".rstrip("0").rstrip(".")


def _until(row: dict[str, Any], observed_at: datetime) -> str | None:
    ends = _amount(row.get("end_date"))
    if ends is not None:
        return _day(int(ends // DAY_SECONDS)) if ends else None
    lasts = _amount(row.get("duration"))
    if not lasts or lasts > MAX_AHEAD.total_seconds():
        return None
    return _day(int((observed_at.timestamp() + lasts) // DAY_SECONDS))


@lru_cache(maxsize=4096)
def _day(number_of: int) -> str:
    """The UTC day so many days after 1970-01-01."""
    day: date = (EPOCH + timedelta(days=number_of)).date()
    return day.isoformat()
