"""The rules: what is known of one GPU configuration in, a suggestion or the reason for silence out."""

from __future__ import annotations

from collections.abc import Callable

from ..facts import GPUFact
from ..findings import Answer
from .platform import platform_answer, together
from .power import power_answer
from .price import floor_of, price_answer
from .wording import signed

__all__ = ["RULES", "floor_of", "platform_answer", "power_answer", "price_answer", "signed", "together"]

RULES: dict[str, Callable[[GPUFact], Answer]] = {
    "price": price_answer,
    "platform": platform_answer,
    "power_limit": power_answer,
}
