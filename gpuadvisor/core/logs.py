"""Log lines: JSON in production, readable here; both carry the request's id and neither lets a name break the line."""

import logging
import re
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


_NAMES = "password|passwd|secret|token|api[_-]?key|sessionid|csrftoken"
# What no line may hold, whoever logs it: what to look for, and what stands there instead.
HIDDEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(/alerts/(?:in|unsubscribe)/)[^/?#\s\"'\\]+"), r"\1***"),  # addresses whose end is a password
    (re.compile(r"(/api/webhooks/\d+/)[\w-]+"), r"\1***"),  # Discord's
    (re.compile(r"\b(gpa_|(?:sk|rk)_(?:live|test)_|whsec_|sk-)[\w-]{8,}"), r"\1***"),  # keys, by how they begin
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 ***"),
    (re.compile(rf"(?i)\b([\w-]{{0,40}}(?:{_NAMES})[\\\"']*\s*[=:]\s*[\\\"']*)[^\s\"'&,;}}\\]+"), r"\1***"),
    (re.compile(r"(://[^\s:/@\"']{0,80}:)[^\s/@\"']+@"), r"\1***@"),  # a password in an address
    (
        re.compile(r"\b([\w+])[\w.+-]{0,64}(@[\w-]+(?:\.[\w-]+)+)"),
        r"\1***\2",
    ),  # of a mail address the first letter stays
)


def hide(text: str) -> str:
    """`text` without secrets and without whole mail addresses."""
    for pattern, instead in HIDDEN:
        text = pattern.sub(instead, text)
    return text


class HidingFormatter(logging.Formatter):
    """A line without what is on the list above."""

    def format(self, record: logging.LogRecord) -> str:
        return hide(super().format(record))


def one_line(text: str) -> str:
    """`text` with control characters written out, so that a name can forge no log line and color no terminal."""
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode() for char in text
    )


class ReadableFormatter(HidingFormatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the name is logging's)
        record.message = one_line(record.message)
        return super().formatMessage(record)


class JsonFormatter(HidingFormatter, BaseJsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            "{asctime}{levelname}{name}{message}{request_id}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
