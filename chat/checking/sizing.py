"""Which facts have the size and the direction of a figure."""

from __future__ import annotations

from . import units
from .binding import Bound
from .facts import Fact
from .index import Index
from .numerals import Numeral

ABOUT = 0.04  # how far "about" may lie off, as a share
MORE = 0.1  # how far above "over 80 %" may lie
SOME = 0.03  # the same for a figure of many digits
TIMES = 0.12  # how far "twice" may lie off


class Sizing:
    """Facts by size, for one text."""

    text: str
    index: Index

    def _sized(self, number: Numeral, serving: int) -> list[int]:
        """The facts whose size is that of the figure, within what the text shows."""
        found = []
        for unit, mask in self.index.units.items():
            if not mask & serving:
                continue
            factor = units.factor(number.unit, unit)
            factor = 1.0 if factor is None else factor
            value, slack = number.value * factor, number.step * factor / 2
            slack *= 1 + 1e-9
            low, high = value - slack, value + slack
            if number.near == "about":
                wide = max(slack, min(ABOUT * value, _last_digit(number.value) * factor / 2))
                low, high = value - wide, value + wide
            elif number.near == "over":
                high = value + max(SOME * value, min(MORE * value, _last_digit(number.value) * factor))
            elif number.near == "under":
                low = value - max(SOME * value, min(MORE * value, _last_digit(number.value) * factor))
            found += [at for at in self.index.sized(unit, low - 1e-9, high + 1e-9) if serving >> at & 1]
        return sorted(found)

    def _is_so(self, number: Numeral, fact: Fact, at: int, bound: Bound) -> bool:
        """Whether the direction is that of the fact: what fell by 11 % is −11."""
        value, sign = float(fact.value or 0), number.sign
        if fact.kind == "text" and fact.sign and value > 0:
            return sign == 0 or sign == fact.sign or (not number.is_signed and sign != -fact.sign)
        is_change = bool(self.index.change >> at & 1)
        if value < 0:
            return sign < 0 or (is_change and sign == 0 and not bound.is_cell)
        if sign < 0 and value > 0:
            if number.is_signed:
                return False
            return not is_change or bool(self.index.loss >> at & 1)
        return True

    def _closeness(self, number: Numeral, at: int) -> float:
        fact = self.index.facts[at]
        factor = units.factor(number.unit, fact.unit) or 1.0
        return -round(abs(abs(float(fact.value or 0)) - number.value * factor), 9)

    def _is_ratio(self, number: Numeral, one: Fact, two: Fact) -> bool:
        if not one.value or not two.value:
            return False
        ratio = float(one.value / two.value)
        if number.near in {"over", "under"}:  # "more than three times" may be 3.4
            low, high = (1.0, 1.0 + 1 / number.value) if number.near == "over" else (0.8, 1.0)
            return number.value * low <= ratio <= number.value * high
        return abs(ratio - number.value) <= max(TIMES * number.value if number.step != 0.1 else 0.05, 1e-9)


def _last_digit(value: float) -> float:
    """The worth of the last digit that is not zero: 100 for 400, 10 for 410."""
    step = 1e-6
    while step < 1e9 and abs(value / (step * 10) - round(value / (step * 10))) < 1e-6:
        step *= 10
    return step
