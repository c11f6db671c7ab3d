"""Doorways to the advisor."""

from .asking import answer, ask, ask_in, retry, stop, why
from .keeping import archive, delete, memory, message_delete, pin, rename, restore
from .reading import conversation, index, meter
from .sources import offer_confirm, offer_decline, sources

__all__ = [
    "answer",
    "archive",
    "ask",
    "ask_in",
    "conversation",
    "delete",
    "index",
    "memory",
    "message_delete",
    "meter",
    "offer_confirm",
    "offer_decline",
    "pin",
    "rename",
    "restore",
    "retry",
    "sources",
    "stop",
    "why",
]
