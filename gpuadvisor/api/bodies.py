"""The body of a post: JSON as RFC 8259 has it, read without a float, each name once (reliability f)."""

from __future__ import annotations

import re
from typing import Any

import jiter
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import RawPostDataException, UnreadablePostError

from .problems import FieldError, Problem

JSON = re.compile(r"application/json(\s*;\s*charset=\"?utf-8\"?)?\s*", re.IGNORECASE)
KEY = re.compile(r"[!-~]{1,200}", re.ASCII)


def idempotency_key(request: HttpRequest) -> str:
    """The header's key; empty without one.

    Raises: Problem 400 where it is no 1 to 200 visible ASCII characters.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return ""
    if not KEY.fullmatch(key):
        raise Problem(400, "Idempotency-Key: 1 to 200 visible ASCII characters.")
    return key


def raw_body(request: HttpRequest) -> bytes:
    """The bytes that were sent as JSON.

    Raises: Problem 415 for what is no plain JSON, 413 where it is too long, 400 where it is empty or was cut off.
    """
    try:
        body = request.body
    except RequestDataTooBig:
        raise Problem(413, f"At most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20} MB.") from None
    except (UnreadablePostError, RawPostDataException):
        raise Problem(400, "The body ended before its end.") from None
    if not body.strip():
        raise Problem(400, "The body is empty.")
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise Problem(415)
    if not JSON.fullmatch(request.headers.get("Content-Type", "")):
        raise Problem(415, "Send application/json in UTF-8.")
    return body


def read_json(body: bytes) -> Any:
    """What the body says; numbers with a point or an exponent are Decimal. Nothing is read that is nested 200 deep.

    Raises: Problem 400 that names what is wrong, and where.
    """
    try:
        return jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True, float_mode="decimal")
    except ValueError as error:
        raise Problem(400, f"The body is no JSON: {_reason(body, str(error))}.") from None


def items_of(body: bytes, *, most: int) -> list[Any]:
    """The list in `items`, the only name that a body has.

    Raises: Problem 400, and 413 where there are too many.
    """
    value = read_json(body)
    if not isinstance(value, dict):
        raise Problem(400, 'The body is an object, {"items": […]}.')
    if unknown := sorted(value.keys() - {"items"}):
        name = unknown[0][:60]
        error = FieldError(field=name, code="unknown", message="Known: items.")
        raise Problem(400, f"{name}: Known: items.", errors=[error])
    items = value.get("items")
    if not isinstance(items, list) or not items:
        error = FieldError(field="items", code="list", message=f"A list of 1 to {most:,} items.")
        raise Problem(400, f"items: {error['message']}", errors=[error])
    if len(items) > most:
        raise Problem(413, f"At most {most:,} items at once; these are {len(items):,}.")
    return items


def _reason(body: bytes, error: str) -> str:
    try:
        body.decode()
    except UnicodeDecodeError:
        return "it is not UTF-8"
    return error[:200]
