"""What the pages of the advisor show."""

from .conversation import Chip, Thread, Turn, thread, turn_of, turns_of
from .sources import Looked, looked_of
from .threads import Line, Threads, threads

__all__ = [
    "Chip",
    "Line",
    "Looked",
    "Thread",
    "Threads",
    "Turn",
    "looked_of",
    "thread",
    "threads",
    "turn_of",
    "turns_of",
]
