"""Errors as RFC 9457 tells them: whatever goes wrong under /api/ is told in one kind of JSON, with the request's id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, NotRequired, TypedDict

from django.http import HttpRequest, HttpResponse

MEDIA_TYPE = "application/problem+json"
DETAILS = {
    400: "This request cannot be understood.",
    401: "The token is missing, wrong or revoked. Send “Authorization: Bearer gpa_…”, and never in the address.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
    405: "This method is not answered here: see Allow.",
    408: "The request took too long to arrive.",
    413: "The body is too large.",
    415: "Send UTF-8, uncompressed.",
    422: "This cannot be done with what came before.",
    429: "Too many requests: wait as long as Retry-After says.",
    500: "The fault is ours. Tell us the request id.",
    503: "The database does not answer at the moment. Try again as Retry-After says.",
}


class FieldError(TypedDict):
    """What is wrong with one parameter, or with one field of the item at `index`, counted from 0."""

    index: NotRequired[int]
    field: str
    code: str
    message: str


class Problem(Exception):
    """An endpoint says no; the handler makes the answer."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail)
        self.status, self.detail, self.errors, self.headers = status, detail, list(errors), dict(headers or {})


def bad_parameter(field: str, message: str, code: str = "invalid") -> Problem:
    """400 that names one parameter."""
    return Problem(400, f"{field}: {message}", errors=[FieldError(field=field, code=code, message=message)])


def body_of(status: int, *, path: str, request_id: str, detail: str = "", errors: Iterable[FieldError] = ()) -> bytes:
    """The JSON of a problem. Without a type of its own its title is the status' phrase, as the RFC wants."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": detail or DETAILS.get(status, phrase),
        "instance": path,
        "request_id": request_id,
        "errors": list(errors),
    }
    return json.dumps(problem, ensure_ascii=False).encode("utf-8", "replace")


def respond(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The answer to `request` that tells `problem`."""
    body = body_of(
        problem.status,
        path=request.path,
        request_id=getattr(request, "id", ""),
        detail=problem.detail,
        errors=problem.errors,
    )
    return HttpResponse(body, status=problem.status, content_type=MEDIA_TYPE, headers=problem.headers)
