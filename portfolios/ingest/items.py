"""What a program may post, item by item: read, checked, and brought into the form in which it waits to be merged.

No database here: what is known (GPU configurations, platforms, currency rates, the time) comes in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from gpuadvisor.core.fields import MAX_AMOUNT, MAX_RATE

from ..models import MAX_QUANTITY, OrderType
from ..settling import PARTS

MOST_ITEMS = 1_000
MOST_ERRORS = 20
OLDEST = timedelta(days=730)
AHEAD = timedelta(minutes=5)
QUARTER = 15 * 60
KEY = ("gpu_configuration", "platform")
SAMPLE_NUMBERS = {  # highest, decimals, whether it is money
    "hourly_rate": (MAX_RATE, 4, True),
    "gpu_revenue": (MAX_AMOUNT, 6, True),
    "storage_revenue": (MAX_AMOUNT, 6, True),
    "bandwidth_revenue": (MAX_AMOUNT, 6, True),
    "watts": (Decimal(10_000), 1, False),
}
# What needs no second look: text of fewer digits than the highest has and no more decimals than are stored, or a whole
# number up to the highest.
PLAIN_NUMBERS = [
    (name, re.compile(rf"[0-9]{{1,{len(str(high)) - 1}}}(\.[0-9]{{1,{places}}})?", re.ASCII).fullmatch, int(high))
    for name, (high, places, _is_money) in SAMPLE_NUMBERS.items()
]
ONLINE = {None: "\\N", True: "t", False: "f"}
METRIC_NUMBERS = {
    "utilization_percentage": (Decimal(100), 2, False),
    "hourly_rate": (MAX_RATE, 4, True),
    "daily_revenue": (MAX_AMOUNT, 2, True),
    "gpu_revenue": (MAX_AMOUNT, 2, True),
    "storage_revenue": (MAX_AMOUNT, 2, True),
    "bandwidth_revenue": (MAX_AMOUNT, 2, True),
    "bonus_revenue": (MAX_AMOUNT, 2, True),
    "energy_kwh": (Decimal(10_000_000), 3, False),
}
COUNTS = ("listed_gpus", "rented_gpus")
TRAITS = ("order_type", "currency", "is_after_fee")
SAMPLE_FIELDS = frozenset({*KEY, "sampled_at", "is_online", *COUNTS, *SAMPLE_NUMBERS, *TRAITS})
METRIC_FIELDS = frozenset({*KEY, "metric_date", "uptime_hours", *METRIC_NUMBERS, *TRAITS})
ORDER_TYPES = frozenset(OrderType.values)
NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3,4}", re.ASCII)
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?!24)[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
UNKNOWN_GPU = "You have no GPU configuration of this id: /api/v1/gpu-configurations lists those of this token."
READ_ONLY = "Its portfolio is read-only: your plan has no room for it. Choose on your plan's page what you keep."
UNKNOWN_PLATFORM = "No platform has this slug: /api/v1/platforms lists them."
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Worth = tuple[Decimal, date]  # USD for one unit of a currency, and the day of that rate
Usd = Callable[[str, date], Worth | None]


@dataclass(frozen=True, slots=True)
class Refused:
    """What is wrong with one item."""

    index: int
    field: str
    code: str
    message: str


class Bad(Exception):
    """One value is refused; its reader says of which field and item."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field, self.code, self.message = field, code, message


@dataclass(slots=True)
class Known:
    """What items are checked against. `usd` tells what one unit of a currency was worth on a day, None: unknown."""

    now: datetime
    gpus: Mapping[str, UUID]  # by the text that was sent
    platforms: AbstractSet[str]
    usd: Usd
    read_only: AbstractSet[str] = frozenset()  # ids, as they were sent, of GPUs in portfolios that are
    # What was read already, by what was sent: most values of a post are alike.
    starts: dict[tuple[Any, Any], str] = field(default_factory=dict)
    ends: dict[tuple[Any, Any, Any], str] = field(default_factory=dict)
    today: date = field(init=False)
    latest: datetime = field(init=False)
    earliest: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.today, self.latest, self.earliest = self.now.date(), self.now + AHEAD, self.now - OLDEST


def read(kind: str, items: Sequence[Any], known: Known) -> tuple[list[Any], list[Refused]]:
    """All items in the form in which they wait, and the first errors; with any error nothing may be stored."""
    reader = _sample if kind == "samples" else _metric
    allowed = SAMPLE_FIELDS if kind == "samples" else METRIC_FIELDS
    rows: list[Any] = []
    errors: list[Refused] = []
    for index, item in enumerate(items):
        try:
            if type(item) is not dict:
                raise Bad("", "object", "An item is an object.")
            if not allowed.issuperset(item):
                name = min(map(str, item.keys() - allowed))
                raise Bad(name[:60], "unknown", f"Known fields: {', '.join(sorted(allowed))}.")
            rows.append(reader(item, known))
        except Bad as bad:
            errors.append(Refused(index, bad.field, bad.code, bad.message))
            if len(errors) == MOST_ERRORS:
                break
    return rows, errors


def numbered(lines: Iterable[str]) -> str:
    """Samples as they wait: of two of one quarter hour the later one has the higher number."""
    return "".join([f"{n}\t{line}\n" for n, line in enumerate(lines)])


def _key(item: dict[str, Any], known: Known) -> tuple[UUID, str]:
    sent = item.get("gpu_configuration")
    if sent is None:
        raise Bad("gpu_configuration", "missing", "The id of a GPU configuration is required.")
    gpu = known.gpus.get(sent) if type(sent) is str else None
    if gpu is None and type(sent) is str and sent in known.read_only:
        raise Bad("gpu_configuration", "plan", READ_ONLY)
    if gpu is None:
        raise Bad("gpu_configuration", "unknown", UNKNOWN_GPU)
    platform = item.get("platform")
    if platform is None:
        raise Bad("platform", "missing", "The slug of a platform is required.")
    if type(platform) is not str or platform not in known.platforms:
        raise Bad("platform", "unknown", UNKNOWN_PLATFORM)
    return gpu, platform


def _traits(item: dict[str, Any]) -> tuple[str | None, str | None, bool | None]:
    order_type, currency, is_after_fee = item.get("order_type"), item.get("currency"), item.get("is_after_fee")
    if order_type is not None and (type(order_type) is not str or order_type not in ORDER_TYPES):
        raise Bad("order_type", "choice", f"One of {', '.join(sorted(ORDER_TYPES))}.")
    if currency is not None and (type(currency) is not str or not CURRENCY.fullmatch(currency)):
        raise Bad("currency", "currency", "A code of three or four capital letters, like EUR.")
    if is_after_fee is not None and type(is_after_fee) is not bool:
        raise Bad("is_after_fee", "boolean", "true or false.")
    return order_type, currency, is_after_fee


def _number(name: str, value: Any, high: Decimal, places: int) -> Decimal | int:
    """Units: as the field's. JSON's true is no number, and text holds plain digits."""
    kind = type(value)
    if kind is str and NUMBER.fullmatch(value):
        value = Decimal(value)
    elif kind is not int and kind is not Decimal:
        raise Bad(name, "number", f"A number between 0 and {high:,}, up to {places} decimals.")
    if kind is int:
        if 0 <= value <= high:
            return value  # type: ignore[no-any-return]
        raise Bad(name, "range", f"A number between 0 and {high:,}, up to {places} decimals.")
    if not 0 <= value <= high or value.is_signed():
        raise Bad(name, "range", f"A number between 0 and {high:,}, up to {places} decimals.")
    if not -places <= value.as_tuple().exponent <= 0:  # 0e-99999 is no number to PostgreSQL
        rounded = round(value, places)
        if rounded != value:
            raise Bad(name, "decimals", f"A number between 0 and {high:,}, up to {places} decimals.")
        return rounded  # type: ignore[no-any-return]
    return value  # type: ignore[no-any-return]


def _no_whole(name: str, high: int) -> Bad:
    return Bad(name, "whole", f"A whole number between 0 and {high:,}.")


def _rate_of(currency: str | None, day: date, known: Known) -> Worth | None:
    """What one unit of another currency is in USD on that day; None for the dollar.

    Raises: Bad where nobody knows: nothing is guessed.
    """
    if currency is None or currency == "USD":
        return None
    worth = known.usd(currency, day)
    if worth is None:
        raise Bad("currency", "no_rate", f"No rate of {currency} is known for {day}: send USD.")
    return worth


def _in_usd(name: str, value: Decimal | int, worth: Decimal, high: Decimal, places: int) -> Decimal:
    converted = (value * worth).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    if converted > high:
        raise Bad(name, "range", f"At most {high:,} US dollars.")
    return converted


@lru_cache(maxsize=10_000)  # thousands of hosts tell of the same quarter hours
def _moment(sent: str) -> tuple[datetime, str, date]:
    """An instant, the start of its quarter hour as PostgreSQL reads it, and its UTC day.

    Raises: ValueError for what is no moment with its zone.
    """
    if not MOMENT.fullmatch(sent):
        raise ValueError(sent)
    moment = datetime.fromisoformat(sent).astimezone(UTC)
    seconds = (moment - EPOCH) // timedelta(seconds=1)
    start = EPOCH + timedelta(seconds=seconds - seconds % QUARTER)
    return moment, f"{start:%Y-%m-%dT%H:%MZ}", start.date()


def _quarter(sent: Any, known: Known) -> tuple[str, date]:
    """The start of the quarter hour, and its UTC day."""
    if type(sent) is not str:
        raise Bad("sampled_at", "missing" if sent is None else "moment", "A moment with its zone is required.")
    try:
        moment, start, day = _moment(sent)
    except (ValueError, OverflowError):
        raise Bad("sampled_at", "moment", "A moment with its zone, like 2026-11-22T10:15:00Z.") from None
    if moment > known.latest:
        raise Bad("sampled_at", "future", "It lies more than 5 minutes in the future.")
    if moment < known.earliest:
        raise Bad("sampled_at", "too_old", "It is more than 2 years old.")
    return start, day


def _sample(item: dict[str, Any], known: Known) -> str:
    """A line as COPY takes it, in the order of merging.SAMPLE_COLUMNS."""
    get = item.get
    sent, platform, currency, is_after_fee = get(KEY[0]), get(KEY[1]), get("currency"), get("is_after_fee")
    try:
        start = known.starts[sent, platform]
    except (KeyError, TypeError):  # new, or what no key can be
        start = known.starts[sent, platform] = "{}\t{}".format(*_key(item, known))
    quarter, day = _quarter(get("sampled_at"), known)
    traits = (get("order_type"), currency, is_after_fee)
    try:
        if is_after_fee is not None and type(is_after_fee) is not bool:  # 1 is found in place of true
            raise KeyError
        end = known.ends[traits]
    except (KeyError, TypeError):
        _traits(item)
        end = f"{traits[0] or 'on_demand'}\t{currency or 'USD'}\t{'t' if is_after_fee else 'f'}"
        known.ends[traits] = end
    worth = None if currency is None or currency == "USD" else _rate_of(currency, day, known)
    is_online, listed, rented = get("is_online"), get("listed_gpus"), get("rented_gpus")
    if is_online is not None and type(is_online) is not bool:
        raise Bad("is_online", "boolean", "true or false.")
    if listed is not None and (type(listed) is not int or not 0 <= listed <= MAX_QUANTITY):
        raise _no_whole("listed_gpus", MAX_QUANTITY)
    if rented is not None:
        if type(rented) is not int or not 0 <= rented <= MAX_QUANTITY:
            raise _no_whole("rented_gpus", MAX_QUANTITY)
        if listed is not None and rented > listed:
            raise Bad("rented_gpus", "range", "Rented GPUs are part of the listed ones.")
    line = [
        start,
        quarter,
        ONLINE[is_online],
        "\\N" if listed is None else str(listed),
        "\\N" if rented is None else str(rented),
    ]
    told = is_online is not None or listed is not None or rented is not None
    for name, plain, most in PLAIN_NUMBERS:
        value = get(name)
        if value is None:
            line.append("\\N")
            continue
        told = True
        if worth is None:
            kind = type(value)
            if kind is str and plain(value):
                line.append(value)
                continue
            if kind is int and 0 <= value <= most:
                line.append(str(value))
                continue
        high, places, is_money = SAMPLE_NUMBERS[name]
        value = _number(name, value, high, places)
        line.append(str(_in_usd(name, value, worth[0], high, places) if is_money and worth is not None else value))
    if not told:
        raise Bad("", "empty", "This item tells no figure.")
    line.append(end)
    return "\t".join(line)


def _metric(item: dict[str, Any], known: Known) -> dict[str, Any]:
    """What is stated, by name; money in USD as text, with the rate where it was told in another currency."""
    gpu, platform = _key(item, known)
    day = _day(item.get("metric_date"), known)
    order_type, currency, is_after_fee = _traits(item)
    worth = _rate_of(currency, day, known)
    told: dict[str, Decimal | int] = {}
    for name, (high, places, is_money) in METRIC_NUMBERS.items():
        value = item.get(name)
        if value is not None:
            told[name] = _number(name, value, high, places)
            if is_money and worth is not None:
                told[name] = _in_usd(name, told[name], worth[0], high, places)
    if (uptime := item.get("uptime_hours")) is not None:
        if type(uptime) is not int or not 0 <= uptime <= 24:
            raise _no_whole("uptime_hours", 24)
        told["uptime_hours"] = uptime
    if not told:
        raise Bad("", "empty", "This item tells no figure.")
    parts = [told[name] for name in (*PARTS, "bonus_revenue") if name in told]
    whole = told.get("daily_revenue")
    if whole is not None and sum(parts) > whole + Decimal("0.01") * len(parts):
        raise Bad("daily_revenue", "parts", "Its parts come to more than it.")
    if whole is None and "gpu_revenue" in told:
        told["daily_revenue"] = _number("daily_revenue", Decimal(sum(parts)), MAX_AMOUNT, 2)
    row: dict[str, Any] = {"gpu": str(gpu), "platform": platform, "day": day.isoformat()}
    row["figures"] = {name: value if name == "uptime_hours" else str(value) for name, value in told.items()}
    traits = {"order_type": order_type, "currency": currency, "is_after_fee": is_after_fee}
    row["traits"] = {name: value for name, value in traits.items() if value is not None}
    if worth is not None:
        row["more"] = {"currency": currency, "usd_rate": str(worth[0]), "rate_date": worth[1].isoformat()}
    return row


def _day(sent: Any, known: Known) -> date:
    if type(sent) is not str:
        raise Bad("metric_date", "missing" if sent is None else "day", "A day (UTC) is required, like 2026-11-22.")
    try:
        if not DAY.fullmatch(sent):
            raise ValueError
        day = date.fromisoformat(sent)
    except ValueError:
        raise Bad("metric_date", "day", "A day (UTC), like 2026-11-22.") from None
    if not known.today - OLDEST <= day <= known.today:
        raise Bad("metric_date", "range", "Between 2 years ago and today (UTC).")
    return day
