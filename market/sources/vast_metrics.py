"""Vast.ai's own figures for its hosts: the market per GPU model now, where its GPUs stand, and its past.

The key is that of a host with at least one machine. Units of all three documents: counts are GPUs (the vendor's
reference says machines, but its own sample counts as many RTX 4090s as there are GPUs), prices USD per GPU-hour,
timestamps seconds since 1970 in UTC, `usage` percent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.utils.translation import gettext_noop as _

from gpuadvisor.core.money import rate
from market.places import continent_of

from .base import (
    Adapter,
    Conditional,
    Parsed,
    RawDocument,
    Rejection,
    SourceError,
    Summary,
    count,
    load_body,
    number,
    text,
)
from .farm500 import Machines, mixed, told, usd
from .http import fetch_document
from .vast_rows import SEVERAL_BOARDS, board_gb, refused, spelled, spread_fault, sum_fault

BASE_URL = "https://console.vast.ai/api/v0/metrics/gpu"
EVERYTHING = {"verified": "all", "hosting_type": "all", "num_gpus": "all"}  # left out, it tells of verified ones alone
NO_KEY = "VAST_API_KEY is not set: Vast.ai tells its figures to hosts alone."
REFUSED = (
    "Vast.ai refused the key: its figures need the key of a host. "
    "That of a renter, or one that still waits for the second factor, does not do."
)
NO_MACHINE = "Vast.ai accepted the key, but its account has no machine: list one, then its figures open."
MOST_POINTS = 20_000


class VastMetrics(Adapter):
    """`/current/` and `/locations/` in one document: figures per model, and counts without prices per country.

    The document is ours: `{"current": …, "locations": …}`, each as the platform sends it, `locations` null where it did
    not answer. Of which GPUs `price_median` is the median the vendor does not say. Places are up to two hours old.
    """

    name = "vast_metrics"
    title = "Vast.ai metrics"
    about = _("Vast.ai's own figures for its hosts: GPUs, rented GPUs and prices per model, and their countries.")
    website = "https://docs.vast.ai/host/market-metrics"
    spells_like = "vast"
    platform = "vast"
    stands_in_for = Machines.name
    rank = 1
    needs_key = "VAST_API_KEY"
    delay_seconds = 150
    url = BASE_URL

    def fetch(self, conditional: Conditional) -> RawDocument:
        current = ask(f"{self.url}/current/", EVERYTHING, title=self.title, now=conditional.now)
        locations = None
        with suppress(SourceError):  # countries are an extra; parse says that they are missing
            locations = ask(f"{self.url}/locations/", {}, title=self.title, now=conditional.now)
        body = json.dumps({"current": current, "locations": locations}, separators=(",", ":")).encode()
        return RawDocument(body, 200, conditional.now)

    def parse(self, document: RawDocument) -> Iterable[Parsed]:
        data = load_body(document)
        current = data.get("current", data) if isinstance(data, dict) else None
        rows = _listed(current, "gpus")
        observed_at = (document.observed_at or document.fetched_at).replace(microsecond=0)
        for row in rows:
            yield self._model(row, observed_at)
        locations = data.get("locations") if isinstance(data, dict) else None
        if locations is None:
            yield refused("the places of GPUs were not told", {}, "locations")
            return
        try:
            places = _listed(locations, "locations")
        except SourceError as error:
            yield refused(str(error), locations, "locations")
            return
        yield from self._countries(places, observed_at)

    def _model(self, row: Any, observed_at: datetime) -> Summary | Rejection:
        if not isinstance(row, dict):
            return refused("row is not an object", row, "")
        name, total = spelled(row.get("gpu_name")), count(row.get("total"))
        rented, verified = (
            _sum(row, "rented_verified", "rented_unverified"),
            _sum(row, "rented_verified", "avail_verified"),
        )
        median, low, high = (number(row.get(f"price_{which}")) for which in ("median", "p10", "p90"))
        why = sum_fault(name, total, rented) or spread_fault(low, median, high)
        if why or low is None or median is None or high is None:
            return refused(why, row, name)
        split = {
            "verified_gpus": verified,
            "available_gpus": _sum(row, "avail_verified", "avail_unverified"),
            "usage_30d": percentage(row.get("usage_30d")),
            "p25_price": usd(row.get("price_p25")),
            "p75_price": usd(row.get("price_p75")),
        }
        return Summary(
            source=self.name,
            platform=self.platform,
            observed_at=observed_at,
            gpu_raw=name,
            vram_gb=board_gb(name),
            median=rate(median),
            p10=rate(low),
            p90=rate(high),
            gpus_total=total,
            gpus_rented=rented,
            split=told(split) | mixed(name),
        )

    def _countries(self, places: Sequence[Any], observed_at: datetime) -> Iterator[Parsed]:
        """GPUs and rented ones by model, country and continent: no price, no split, which would join a row."""
        cells: dict[tuple[str, str], tuple[int, int | None]] = {}
        for place in places:
            name = spelled(place.get("gpu_name")) if isinstance(place, dict) else ""
            gpus = count(place.get("num_gpus"), least=1) if name else None
            country = text(place.get("country_code"), 3) if name else ""
            if gpus is None or len(country) != 2:
                why = "no GPU name" if not name else "no country" if gpus else "number of GPUs is not a count"
                yield refused(why, place, name)
                continue
            if name in SEVERAL_BOARDS:  # told once per model already, by its sum
                continue
            is_rented = place.get("rented")
            continent = continent_of(country.upper())
            for region in (country.upper(), *([continent] if continent else [])):
                total, taken = cells.get((name, region), (0, 0))
                known = taken is not None and isinstance(is_rented, bool)
                cells[name, region] = (total + gpus, (taken or 0) + gpus * bool(is_rented) if known else None)
        for (name, region), (total, taken) in cells.items():
            yield Summary(
                source=self.name,
                platform=self.platform,
                observed_at=observed_at,
                gpu_raw=name,
                vram_gb=board_gb(name),
                median=None,
                gpus_total=total,
                gpus_rented=taken,
                region_raw=region,
            )


@dataclass(frozen=True, slots=True)
class Point:
    """One model at one past moment, in units of Summary; `split` tells of rented and of free GPUs apart."""

    gpu_raw: str
    at: datetime
    gpus_total: int
    gpus_rented: int
    split: Mapping[str, Any]


def fetch_names(*, now: datetime, url: str = BASE_URL) -> list[str]:
    """Every GPU name that Vast.ai has figures for.

    Raises: SourceError as `ask`.
    """
    current = ask(f"{url}/current/", EVERYTHING, title=VastMetrics.title, now=now)
    names = [spelled(row.get("gpu_name")) for row in _listed(current, "gpus") if isinstance(row, dict)]
    return sorted({name for name in names if name})


def fetch_history(
    names: Sequence[str], *, since: datetime, until: datetime, step: int, now: datetime, url: str = BASE_URL
) -> Any:
    """The past of `names`, as the platform sends it; it may choose a longer `step` (seconds) itself.

    Raises: SourceError as `ask`.
    """
    times = {"start": int(since.timestamp()), "end": int(until.timestamp()), "step": step}
    query = {"gpu_name": ",".join(names)} | EVERYTHING | times
    return ask(f"{url}/history/", query, title=VastMetrics.title, now=now)


def parse_history(data: Any) -> Iterator[Point | Rejection]:
    """Every moment of every model, usable or not.

    There is no median of all GPUs: the medians of rented and of free ones are told, and two medians with two counts do
    not make the median of both. So a point has none; both stand in its split, with their percentiles.
    Raises: SourceError where the document as a whole is not a history.
    """
    _told_plainly(data)
    gpus = data.get("gpus") if isinstance(data, dict) else None
    if not isinstance(gpus, dict):
        raise SourceError("The answer has no “gpus”.")
    for raw, series in gpus.items():
        name = spelled(raw)
        counts, prices = _columns(series, "supply_demand"), _columns(series, "pricing")
        if not name or counts is None:
            yield refused("no series of GPUs" if name else "no GPU name", {raw: None}, name)
            continue
        if name in SEVERAL_BOARDS:
            yield refused("boards of different memory stand under this name", {"gpu_name": name}, name)
            continue
        by_time = {_moment(row.get("timestamps")): row for row in prices or []}
        seen: set[datetime] = set()
        for row in counts:
            yield _point(name, row, by_time, seen)


def _point(
    name: str, row: Mapping[str, Any], prices: Mapping[datetime | None, Mapping[str, Any]], seen: set[datetime]
) -> Point | Rejection:
    at, total = _moment(row.get("timestamps")), count(row.get("total"))
    rented = _sum(row, "rented_verified", "rented_unverified")
    why = "no moment" if at is None else "the moment stands twice" if at in seen else sum_fault(name, total, rented)
    if why or at is None or total is None:
        return refused(why, row, name)
    if rented is None:
        return refused("rented GPUs are not counts", row, name)
    seen.add(at)
    price = prices.get(at, {})
    split = {
        "verified_gpus": _sum(row, "rented_verified", "avail_verified"),
        "available_gpus": _sum(row, "avail_verified", "avail_unverified"),
        "rented_median": usd(price.get("rented_median")),
        "available_median": usd(price.get("avail_median")),
        "rented_p10": usd(price.get("rented_p10")),
        "rented_p90": usd(price.get("rented_p90")),
        "available_p10": usd(price.get("avail_p10")),
        "available_p90": usd(price.get("avail_p90")),
    }
    return Point(name, at, total, rented, told(split) | mixed(name))


def ask(url: str, query: Mapping[str, Any], *, title: str, now: datetime) -> Any:
    """What Vast.ai answers the host whose key is in the settings.

    Raises: SourceError without a key, with one that is refused, and with that of an account without a machine.
    """
    key = settings.VAST_API_KEY
    if not key:
        raise SourceError(NO_KEY)
    try:
        document = fetch_document(
            f"{url}?{urlencode(query)}" if query else url,
            title=title,
            conditional=Conditional(now),
            headers={"Authorization": f"Bearer {key}"},
        )
    except SourceError as error:
        if error.status in (401, 403):
            raise SourceError(REFUSED, status=error.status) from None
        raise
    data = load_body(document)
    _told_plainly(data)
    return data


def percentage(value: object) -> str | None:
    """A share of 0 to 100 as text; None for what is none."""
    share = number(value)
    return None if share is None or not 0 <= share <= 100 else str(share.quantize(Decimal("0.01")))


def _told_plainly(data: Any) -> None:
    """Raises: SourceError where the answer says that the account has no machine, or that something failed."""
    if not isinstance(data, dict):
        return
    if data.get("needs_machine") is True:
        raise SourceError(NO_MACHINE)
    if data.get("success") is False:
        why = text(data.get("msg")) or text(data.get("error")) or "without a reason"
        if key := settings.VAST_API_KEY:
            why = why.replace(key, "…")  # an answer may quote what it refuses
        raise SourceError(f"Vast.ai refused the question: {why}")


def _listed(data: Any, key: str) -> list[Any]:
    _told_plainly(data)
    rows = data.get(key) if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise SourceError(f"The answer has no list “{key}”.")
    return rows


def _sum(row: Mapping[str, Any], *keys: str) -> int | None:
    counts = [count(row.get(key)) for key in keys]
    return None if None in counts else sum(each for each in counts if each is not None)


def _columns(series: Any, key: str) -> list[dict[str, Any]] | None:
    """Columns of equal length as rows; None where they are none."""
    table = series.get(key) if isinstance(series, dict) else None
    if not isinstance(table, dict):
        return None
    columns = {name: values for name, values in table.items() if isinstance(values, list)}
    length = len(columns.get("timestamps", ()))
    if not 0 < length <= MOST_POINTS or any(len(values) != length for values in columns.values()):
        return None
    return [{name: values[i] for name, values in columns.items()} for i in range(length)]


def _moment(value: object) -> datetime | None:
    seconds = number(value)
    if seconds is None or not 0 < seconds < 10**10:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds))
