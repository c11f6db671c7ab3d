"""The reference rates of the European Central Bank: what its daily document says, in US dollars. Pure.

The document tells for one day how much of each currency a euro bought; it is fixed on the bank's working days about
14:15 UTC, and free to use with the source named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from xml.etree import ElementTree

URL = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"
ECB = "ECB"
EURO = "EUR"
DOLLAR = "USD"
EIGHTH = Decimal("0.00000001")
LIMIT = Decimal(10_000_000)
MAX_DAYS = 100


class BadDocument(ValueError):
    """The document is none of the bank's, in one sentence."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """USD for one unit of `currency` on `day`."""

    currency: str
    day: date
    usd_per_unit: Decimal
    source: str


def in_dollars(day: date, per_euro: Mapping[str, Decimal], source: str = ECB) -> list[Quoted]:
    """USD per unit of the euro and of every currency that is quoted beside the dollar.

    Units: `per_euro` of each currency for one euro. Source: docs/economics.md, "Currencies".
    """
    dollar = per_euro.get(DOLLAR)
    if dollar is None:
        return []
    quoted = {EURO: Decimal(1), **per_euro}
    rates = {code: (dollar / units).quantize(EIGHTH, ROUND_HALF_UP) for code, units in quoted.items() if code != DOLLAR}
    return [Quoted(code, day, rate, source) for code, rate in rates.items() if 0 < rate < LIMIT]


def parse(document: bytes) -> list[Quoted]:
    """The rates of the bank's XML, daily or of its last 90 days.

    Raises: BadDocument where it is none, or says nothing about the dollar.
    """
    if b"<!DOCTYPE" in document or b"<!ENTITY" in document:
        raise BadDocument("The document declares entities, which the bank's never does.")
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 - entities are refused above
    except ElementTree.ParseError as error:
        raise BadDocument(f"The document is no XML: {error}.") from None
    rates: list[Quoted] = []
    days = [cube for cube in root.iter() if cube.tag.rpartition("}")[2] == "Cube" and "time" in cube.attrib]
    for cube in days[:MAX_DAYS]:
        rates += in_dollars(_day(cube.attrib["time"]), dict(_quote(entry) for entry in cube if "rate" in entry.attrib))
    if not rates:
        raise BadDocument("The document holds no rate of the dollar.")
    return rates


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadDocument(f"“{text[:20]}” is not a day.") from None


def _quote(entry: ElementTree.Element) -> tuple[str, Decimal]:
    code, text = entry.attrib.get("currency", ""), entry.attrib["rate"]
    try:
        units = Decimal(text)
    except InvalidOperation:
        units = Decimal(0)
    if not (len(code) == 3 and code.isascii() and code.isupper()) or not units.is_finite() or not 0 < units < LIMIT:
        raise BadDocument(f"“{code[:10]} {text[:20]}” is no rate.")
    return code, units
