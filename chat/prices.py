"""What the language model's tokens cost: the provider's list of prices, with the day each was in force from.

Source: https://developers.openai.com/api/docs/pricing and the models' own pages, read in November 2026: standard
processing, prompts of at most 272,000 tokens (ours are far below).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from django.conf import settings

from .llm import Usage


@dataclass(frozen=True)
class Price:
    """Units: USD per million tokens; `since` is the first UTC day."""

    since: date
    input: Decimal
    cached: Decimal
    output: Decimal


def _since(day: str, input: str, cached: str, output: str) -> Price:
    return Price(date.fromisoformat(day), Decimal(input), Decimal(cached), Decimal(output))


# The newest price last. A day before the first one is counted with the first.
PRICES: dict[str, tuple[Price, ...]] = {
    "gpt-4.1": (_since("2025-04-14", "2", "0.5", "8"),),
    "gpt-4.1-mini": (_since("2025-04-14", "0.4", "0.1", "1.6"),),
    "gpt-4o": (_since("2024-10-01", "2.5", "1.25", "10"),),
    "gpt-4o-mini": (_since("2024-07-18", "0.15", "0.075", "0.6"),),
    "gpt-5": (_since("2025-08-07", "1.25", "0.125", "10"),),
    "gpt-5-mini": (_since("2025-08-07", "0.25", "0.025", "2"),),
    "gpt-5-nano": (_since("2025-08-07", "0.05", "0.005", "0.4"),),
    "gpt-5.1": (_since("2025-11-13", "1.25", "0.125", "10"),),
    "gpt-5.2": (_since("2025-12-11", "1.75", "0.175", "14"),),
    "gpt-5.4": (_since("2026-03-05", "2.5", "0.25", "15"),),
    "gpt-5.4-mini": (_since("2026-03-17", "0.75", "0.075", "4.5"),),
    "gpt-5.4-nano": (_since("2026-03-17", "0.2", "0.02", "1.25"),),
    "gpt-5.5": (_since("2026-04-24", "5", "0.5", "30"),),
    "gpt-5.6-sol": (_since("2026-07-09", "5", "0.5", "30"), _since("2026-08-21", "4", "0.4", "20")),
    "gpt-5.6-luna": (_since("2026-07-09", "1", "0.1", "6"), _since("2026-07-30", "0.2", "0.02", "1.2")),
    "gpt-5.6-terra": (_since("2026-07-09", "2.5", "0.25", "15"), _since("2026-07-30", "2", "0.2", "12")),
    "gpt-6-luna": (_since("2026-09-22", "0.1", "0.01", "0.5"),),
    "gpt-6-sol": (_since("2026-09-22", "2", "0.2", "10"),),
    "gpt-6-astra": (_since("2026-09-03", "10", "1", "50"),),
    "gpt-6.1-sol": (_since("2026-09-29", "2", "0.1", "10"),),
    "gpt-6.1-terra": (_since("2026-10-26", "1", "0.05", "5"),),
}
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_MILLION = Decimal(1_000_000)
_PLACES = Decimal("0.000001")


def price_of(model: str, day: date) -> Price | None:
    """The price of a model on a UTC day; its snapshots (`…-2025-08-07`) cost the same. None where nobody told us one.

    OPENAI_PRICE stands above the list. A name that merely begins alike (`gpt-5-pro`) is another model.
    """
    if settings.OPENAI_PRICE:
        return Price(date.min, *settings.OPENAI_PRICE)
    prices = PRICES.get(_SNAPSHOT.sub("", model.removeprefix("openai/")))
    if not prices:
        return None
    in_force = [price for price in prices if price.since <= day]
    return in_force[-1] if in_force else prices[0]


def cost_usd(usage: Usage, day: date) -> Decimal | None:
    """What a call cost, in USD to the millionth, rounded half up; None where the model's price is unknown."""
    price = price_of(usage.model, day)
    if price is None:
        return None
    cached = min(usage.cached, usage.input)
    total = (usage.input - cached) * price.input + cached * price.cached + usage.output * price.output
    return (total / _MILLION).quantize(_PLACES, rounding=ROUND_HALF_UP)
