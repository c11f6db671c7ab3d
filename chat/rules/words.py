"""What a question asks for, by its words. English; no Django.

The first intent whose words stand in the question is meant; an amount with a rate or an electricity price makes a
"what if" of it, a term of the trade a definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from . import patterns
from .naming import Named, name_tokens, who, without

AS_SAID = ("note_price", "accept", "changes", "make_alert")  # intents that an amount makes no "what if" of


@dataclass(frozen=True)
class Asked:
    """A question, understood. Units: `rate` USD per GPU-hour; `price` USD per kWh; `percent` a change of the rate.

    `intent` is one of `patterns`, or "term", or "unknown"; `days_ago` a single day, `weekday` one by its name (Monday
    is 0). `models` has every GPU model that is named, `variants` others that go by the same words.
    `follows`: it adds to the question before it, whose intent it has.
    """

    intent: str
    period: str | None = None
    gpus: tuple[Named, ...] = ()
    portfolio: Named | None = None
    model: Named | None = None
    rate: Decimal | None = None
    price: Decimal | None = None
    percent: Decimal | None = None
    is_pronoun: bool = False
    days_ago: int | None = None
    weekday: int | None = None
    models: tuple[Named, ...] = ()
    variants: tuple[Named, ...] = ()
    follows: bool = False


def understand(question: str, names: Sequence[Named] = (), terms: Iterable[str] = ()) -> Asked:
    """What is asked, of what, for which period."""
    text = " ".join(question.replace("’", "'").split())
    gpus, portfolio, model, models, variants = who(text, names)
    plain = patterns.MARKUP.sub(" ", text)  # code and markup ask for nothing
    plain = without(plain, [*gpus, *([portfolio] if portfolio else []), *models, *variants])
    rate, price = _amounts(plain)
    percent = _percent(plain) if rate is None else None
    has_amount = rate is not None or price is not None or percent is not None
    intent = _intent(plain, terms, has_amount=has_amount, is_named=bool(gpus or portfolio or model))
    back, weekday = patterns.DAYS_BACK.search(plain), patterns.WEEKDAY.search(plain)
    return Asked(
        intent=intent or ("unknown" if not _is_bare(plain) else "doing" if gpus or portfolio else "market"),
        period=next((period for period, words in patterns.PERIODS if words.search(plain)), None),
        gpus=gpus,
        portfolio=portfolio,
        model=model,
        rate=rate,
        price=price,
        percent=percent,
        is_pronoun=bool(patterns.PRONOUN.search(plain)),
        days_ago=_days_ago(back),
        weekday=patterns.WEEKDAYS.index(weekday[1].lower()) if weekday else None,
        models=models,
        variants=variants,
        follows=not intent and bool(patterns.FOLLOWS.search(plain)),
    )


def _is_bare(text: str) -> bool:
    """Whether it is a name and nothing that was asked of it."""
    return "X" in text and not patterns.BARE.sub("", text)


def _days_ago(match: re.Match[str] | None) -> int | None:
    if match is None:
        return None
    return 2 if match["before"] else 1 if match["one"] else int(match["n"])


def term_in(question: str, terms: Iterable[str]) -> str:
    """The longest term of the trade that the question names, or ""."""
    text = f" {' '.join(name_tokens(question))} "
    found = [term for term in terms if f" {' '.join(name_tokens(term))} " in text]
    return max(found, key=len, default="")


def _intent(text: str, terms: Iterable[str], *, has_amount: bool, is_named: bool) -> str:
    """One of the intents; "" where no words of any stand there."""
    is_general = not (has_amount or is_named) and not patterns.OWN.search(text)
    if is_general and patterns.DEFINE.search(text) and term_in(text, terms):
        return "term"
    for intent, words in patterns.INTENTS:
        if words.search(text):
            is_condition = has_amount and patterns.CONDITION.search(text)
            return "what_if" if is_condition and intent not in AS_SAID else intent
    if has_amount:
        return "what_if"
    return "term" if term_in(text, terms) else ""


def _amounts(text: str) -> tuple[Decimal | None, Decimal | None]:
    """The first amount that is a rate and the first that is a price of electricity."""
    rate: Decimal | None = None
    price: Decimal | None = None
    for match in patterns.PRICE.finditer(text):
        before, after = text[: match.start()], text[match.end("number") :]
        is_part = before[-1:].isalnum() or before[-1:] in ("-", ".", "_", "/")
        if is_part or patterns.NO_AMOUNT.match(after):
            continue
        number = Decimal(match["number"])
        if match["cents"]:
            number /= 100
        is_money = bool(match["sign"] or match["cents"] or "." in match["number"])
        is_of_power = is_money and patterns.POWER.search(before) and not patterns.RATE.search(before)
        if match["kwh"] or is_of_power:
            price = number if price is None else price
        elif number > 0 and rate is None and (is_money or patterns.RATE_BEFORE.search(before)):
            rate = number
    return rate, price


def _percent(text: str) -> Decimal | None:
    match = patterns.PERCENT.search(text)
    if match is None:
        return None
    number = Decimal(match["number"])
    if not 0 < number < 100:
        return None
    return -number if patterns.DOWN.search(text) else number
