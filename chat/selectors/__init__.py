"""What the pages of the advisor show."""

from .composing import Composer, composer
from .conversation import SPOKEN, Chip, Thread, Turn, thread, turn_of, turns_of
from .remembering import Remembered, Wish, remembered
from .sources import Looked, looked_of, looked_up_for
from .threads import Line, Threads, threads

__all__ = [
    "SPOKEN",
    "Chip",
    "Composer",
    "Line",
    "Looked",
    "Remembered",
    "Thread",
    "Threads",
    "Turn",
    "Wish",
    "composer",
    "looked_of",
    "looked_up_for",
    "remembered",
    "thread",
    "threads",
    "turn_of",
    "turns_of",
]
