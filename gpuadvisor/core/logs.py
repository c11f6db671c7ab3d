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


class HidingFormatter(logging.Formatter):
    """Addresses whose end is a password: of what follows one of `hidden`, nothing stands in a line."""

    hidden = re.compile(r"(/alerts/(?:in|unsubscribe)/)[^/?#\s\"'\\]+")

    def format(self, record: logging.LogRecord) -> str:
        return self.hidden.sub(r"\1***", super().format(record))


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
