"""What a row says: its GPU, platform, day and figures, or why not. No database here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from gpuadvisor.core.fields import MAX_AMOUNT, MAX_RATE

from ..settling import PARTS
from .layout import FIGURES, MONEY, Layout

CACHED = 100_000  # most files say the same few things again and again
DATE_SHAPES = {
    "ymd": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII),
    "d.m.y": re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}", re.ASCII),
    "d/m/y": re.compile(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}", re.ASCII),
    "m/d/y": re.compile(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}", re.ASCII),
}
LIMITS = {  # lowest is 0 for all: highest, decimals, whether it is money
    "utilization_percentage": (Decimal(100), 2, False),
    "hourly_rate": (MAX_RATE, 4, True),
    **dict.fromkeys(MONEY, (MAX_AMOUNT, 2, True)),
    "energy_kwh": (Decimal(10_000_000), 3, False),
}
NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
GROUPED = re.compile(r"[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]{1,12})?", re.ASCII)
COMMA = re.compile(r"[0-9]{1,12},[0-9]{1,12}", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3,4}", re.ASCII)
ORDER_TYPES = {
    "ondemand": "on_demand",
    "interruptible": "interruptible",
    "spot": "interruptible",
    "reserved": "reserved",
}

Usd = Callable[[str, date], tuple[Decimal, date] | None]  # USD for one unit on a day, and the day of that rate


class Names:
    """What a file may call a host's GPUs and the platforms."""

    def __init__(
        self,
        gpus: Iterable[tuple[UUID, str, str]],
        platforms: Iterable[tuple[str, str]],
        *,
        read_only: Collection[UUID] = (),
    ) -> None:
        """`gpus` as (id, own name, model name), `platforms` as (slug, name), `read_only` those that take no results."""
        self._read_only = read_only
        self._own: dict[str, list[UUID]] = {}
        self._models: dict[str, list[UUID]] = {}
        self.shown: dict[UUID, str] = {}
        for pk, own, model in gpus:
            self.shown[pk] = own or model
            self._models.setdefault(plain(model), []).append(pk)
            if own:
                self._own.setdefault(plain(own), []).append(pk)
        self._platforms: dict[str, str] = {}
        self._platform_names: list[str] = []
        for slug, name in platforms:
            self._platforms |= {plain(slug): slug, plain(name): slug}
            self._platform_names.append(slug)

    @property
    def gpu_words(self) -> set[str]:
        return {*self._own, *self._models, *map(str, self.shown)}

    @property
    def platform_words(self) -> set[str]:
        return set(self._platforms)

    def gpu(self, text: str) -> UUID:
        """Raises: ValueError with the reason."""
        try:
            pk = UUID(text)
        except ValueError:
            pks = self._own.get(plain(text)) or self._models.get(plain(text), [])
        else:
            pks = [pk] if pk in self.shown else []
        if not pks:
            raise ValueError(_("“%(text)s” is none of your GPUs.") % {"text": shorten(text, 60)})
        if len(pks) > 1:
            raise ValueError(
                _("“%(text)s” names %(n)d of your GPUs: give them names of their own, or use the id.")
                % {"text": shorten(text, 60), "n": len(pks)}
            )
        if pks[0] in self._read_only:
            raise ValueError(
                _("“%(text)s” is in a portfolio that is read-only: your plan has no room for it.")
                % {"text": shorten(text, 60)}
            )
        return pks[0]

    def platform(self, text: str) -> str:
        """The slug. Raises: ValueError with the reason."""
        if slug := self._platforms.get(plain(text)):
            return slug
        raise ValueError(
            _("“%(text)s” is no known platform: %(known)s.")
            % {"text": shorten(text, 60), "known": ", ".join(self._platform_names)}
        )


class Rows:
    """Reads rows of one file by its layout."""

    def __init__(self, layout: Layout, names: Names, today: date, usd: Usd) -> None:
        self.layout, self.names, self.today, self.usd = layout, names, today, usd
        self._seen: dict[tuple[str, str], Any] = {}
        self._columns = [(name, place) for name, place in layout.columns.items() if name in FIGURES]
        self._fixed_gpu = UUID(layout.gpu) if layout.gpu else None

    def read(self, cells: list[str]) -> tuple[UUID, str, date, dict[str, Any]]:
        """GPU, platform, day and what is stated, as it is staged. Raises: ValueError naming all that is wrong."""
        layout = self.layout
        if len(cells) != layout.width:
            raise ValueError(
                _("The row has %(n)d cells, the heading %(width)d.") % {"n": len(cells), "width": layout.width}
            )
        reasons: list[str] = []
        told: dict[str, Any] = {}
        gpu = self._fixed_gpu or self._of("gpu", cells, reasons)
        platform = layout.platform or self._of("platform", cells, reasons)
        day = self._of("date", cells, reasons)
        for name, place in self._columns:
            if cells[place]:
                value = self._cached(name, cells[place], reasons)
                if value is not None:
                    told[name] = value
        if not reasons and not told:
            reasons.append(_("The row gives no figure."))
        if not reasons:
            self._finish(told, cells, day, reasons)
        if reasons:
            raise ValueError(" ".join(dict.fromkeys(reasons)))
        return gpu, platform, day, told

    def _of(self, name: str, cells: list[str], reasons: list[str]) -> Any:
        place = self.layout.columns.get(name)
        return None if place is None else self._cached(name, cells[place], reasons)

    def _cached(self, name: str, text: str, reasons: list[str]) -> Any:
        """The value of a cell; None, and a reason, where it has none."""
        found = self._seen.get((name, text))
        if found is None:
            try:
                found = self._value(name, text), ""
            except ValueError as error:
                found = None, str(error)
            if len(self._seen) >= CACHED:
                self._seen.clear()
            self._seen[name, text] = found
        if found[1]:
            reasons.append(found[1])
        return found[0]

    def _value(self, name: str, text: str) -> Any:
        if name == "gpu":
            return self.names.gpu(text)
        if name == "platform":
            return self.names.platform(text)
        if name == "date":
            return day_of(text, self.today, self.layout.dates)
        if name == "order_type":
            if value := ORDER_TYPES.get(re.sub(r"[^a-z]", "", text.casefold())):
                return value
            raise ValueError(
                _("“%(text)s” is none of on_demand, interruptible, reserved.") % {"text": shorten(text, 40)}
            )
        if name == "currency":
            if CURRENCY.fullmatch(text.upper()):
                return text.upper()
            raise ValueError(_("“%(text)s” is no currency code such as EUR.") % {"text": shorten(text, 40)})
        return figure(name, text, self.layout.decimal)

    def _finish(self, told: dict[str, Any], cells: list[str], day: date, reasons: list[str]) -> None:
        """Order type, currency and fee; money in USD; numbers as they are staged."""
        columns = self.layout.columns
        order_place, currency_place = columns.get("order_type"), columns.get("currency")
        if order_place is not None and cells[order_place]:
            told["order_type"] = self._cached("order_type", cells[order_place], reasons)
        currency = self.layout.currency
        if currency_place is not None and cells[currency_place]:
            currency = self._cached("currency", cells[currency_place], reasons) or currency
        has_revenue = any(name in told for name in MONEY)
        if has_revenue:
            told["is_after_fee"] = self.layout.is_after_fee
            if "daily_revenue" in told:
                parts = [told[name] for name in (*PARTS, "bonus_revenue") if name in told]
                if sum(parts) > told["daily_revenue"] + Decimal("0.01") * len(parts):
                    reasons.append(_("The parts of the revenue come to more than it."))
            elif "gpu_revenue" in told:
                told["daily_revenue"] = sum(told[name] for name in (*PARTS, "bonus_revenue") if name in told)
        if has_revenue or "hourly_rate" in told:
            told["currency"] = currency
            if currency != "USD":
                self._convert(told, currency, day, reasons)
        for name, value in told.items():
            if isinstance(value, Decimal):
                told[name] = str(value)

    def _convert(self, told: dict[str, Any], currency: str, day: date, reasons: list[str]) -> None:
        worth = self.usd(currency, day)
        if worth is None:
            reasons.append(
                _("No rate of %(currency)s is known for %(day)s.") % {"currency": currency, "day": day.isoformat()}
            )
            return
        for name in ("hourly_rate", *MONEY):
            if name in told:
                high, places, _money = LIMITS[name]
                told[name] = (told[name] * worth[0]).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
                if told[name] > high:
                    reasons.append(_out_of_bounds(name))
        told |= {"usd_rate": str(worth[0]), "rate_date": worth[1].isoformat()}


def day_of(text: str, today: date, dates: str = "ymd") -> date:
    """A UTC day within the two years that are kept. Raises: ValueError with the reason."""
    try:
        if not DATE_SHAPES[dates].fullmatch(text):
            raise ValueError
        if dates == "ymd":
            day = date.fromisoformat(text)
        else:
            one, other, year = (int(part) for part in re.split(r"[./]", text))
            day = date(year, one, other) if dates == "m/d/y" else date(year, other, one)
    except ValueError:
        raise ValueError(
            _("“%(text)s” is not a date like %(example)s.")
            % {"text": shorten(text, 40), "example": written(today, dates)}
        ) from None
    if not first_day(today) <= day <= today:
        raise ValueError(out_of_range(today) % {"text": text})
    return day


def written(day: date, dates: str) -> str:
    """A day as a file writes it."""
    patterns = {"ymd": "%Y-%m-%d", "d.m.y": "%d.%m.%Y", "d/m/y": "%d/%m/%Y", "m/d/y": "%m/%d/%Y"}
    return day.strftime(patterns[dates])


def out_of_range(today: date) -> str:
    """The sentence for a day outside the range; `%(text)s` stands for the day."""
    return _("%(day)s is not a day from %(first)s to %(last)s (today, UTC).") % {
        "day": "%(text)s",
        "first": first_day(today).isoformat(),
        "last": today.isoformat(),
    }


def first_day(today: date) -> date:
    """The earliest day that results may have: two years back."""
    return today.replace(year=today.year - 2, day=28 if (today.month, today.day) == (2, 29) else today.day)


def figure(name: str, text: str, decimal: str) -> Decimal | int:
    """A figure in plain digits, grouped by thousands or not, with a sign of its unit or not.

    Raises: ValueError with the range.
    """
    text = text.strip("$€£% \u00a0")
    if decimal == "," and ("," in text or re.fullmatch(r"[1-9][0-9]{0,2}(\.[0-9]{3})+", text, re.ASCII)):
        text = text.translate({ord(","): ".", ord("."): ","})
    if GROUPED.fullmatch(text):
        text = text.replace(",", "")
    elif COMMA.fullmatch(text):  # no group of thousands, so it can be nothing else
        text = text.replace(",", ".")
    if name == "uptime_hours":
        if re.fullmatch(r"[0-9]{1,2}(\.0+)?", text, re.ASCII) and Decimal(text) <= 24:
            return int(Decimal(text))
        raise ValueError(_("%(name)s is a whole number from 0 to 24.") % {"name": name})
    high, places, _is_money = LIMITS[name]
    number = Decimal(text) if NUMBER.fullmatch(text) else None
    if number is None or number > high or number != round(number, places):
        raise ValueError(_out_of_bounds(name))
    return number.quantize(Decimal(1).scaleb(-places))


def _out_of_bounds(name: str) -> str:
    high, places, _is_money = LIMITS[name]
    return _("%(name)s is a number from 0 to %(high)s with up to %(places)d decimals, like 0.5.") % {
        "name": name,
        "high": f"{high:,f}",
        "places": places,
    }


def shorten(text: str, longest: int) -> str:
    """`text` fit for a page: no control characters, not longer than `longest`."""
    visible = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text[: longest + 1])
    return visible if len(visible) <= longest else f"{visible[:longest]}…"


def plain(text: str) -> str:
    """A name as names are compared."""
    return " ".join(text.split()).casefold()
