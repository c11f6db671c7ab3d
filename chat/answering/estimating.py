"""What an answer may take of the day's tokens: at least one call, at most all that it may make."""

from __future__ import annotations

from .. import context, toolbox
from ..models import Answer
from ..tokens import estimate_messages

MOST_LOOK_UPS = 5
MOST_CALLS = 1 + MOST_LOOK_UPS + 1  # of the model: one after each look-up, one to put figures right
MOST_OUTPUT = 2_000  # tokens of one call, what it thinks included
LEAST_OUTPUT = 500
PER_LOOK_UP = 2_000  # tokens: a usual result


def worth(answer: Answer) -> tuple[int, int]:
    """Tokens that the answer needs at least, and those it may take at most."""
    asked = estimate_messages(context.messages_for(answer), toolbox.definitions())
    results = PER_LOOK_UP * MOST_LOOK_UPS * MOST_CALLS // 2
    return asked + LEAST_OUTPUT, MOST_CALLS * (asked + MOST_OUTPUT) + results
