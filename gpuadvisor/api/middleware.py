"""What holds for every request to a program's doorway, also where no endpoint is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from .problems import MEDIA_TYPE, Problem, respond

GetResponse = Callable[[HttpRequest], HttpResponse]
PREFIX = "/api/"
PAGES = frozenset({"/api/v1/docs"})  # for people: with their session and language
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Link, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    "X-Request-ID",
}
# For programs with a token, never for pages of other sites.
POSTED = frozenset({"/api/v1/metrics", "/api/v1/samples"})
OWN = "/api/v1/alerts/"
# Any page may read in a visitor's browser, without cookies and without a token: a token does not belong into a page.
PREFLIGHT = {
    "Allow": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "If-None-Match",
    "Access-Control-Max-Age": "86400",
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of an hour's requests; `reset` in seconds."""

    limit: int
    remaining: int
    reset: int

    @property
    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


class ApiMiddleware:
    """No session, no language, no HTML below /api/: a problem where anything else would be an error page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX):
            return self.get_response(request)
        is_page = request.path_info in PAGES
        is_head = request.method == "HEAD" and not is_page
        response = self._answer(request, is_page=is_page)
        if response.status_code >= 400 and response.headers.get("Content-Type") != MEDIA_TYPE:
            kept = {name: response.headers[name] for name in ("Allow", "Retry-After") if name in response.headers}
            response = respond(request, Problem(response.status_code, getattr(response, "detail", ""), headers=kept))
        if response.status_code >= 400:
            response.headers["Cache-Control"] = "no-store"
        if is_head:
            response.headers["Content-Length"] = str(len(response.content))
            response.content = b""
        if not is_page:
            allowance: Allowance | None = getattr(request, "allowance", None)
            for name, value in {**CORS, "Vary": "Authorization", **(allowance.headers if allowance else {})}.items():
                response.headers[name] = value
        return response

    def _answer(self, request: HttpRequest, *, is_page: bool) -> HttpResponse:
        if is_page:
            return self.get_response(request)
        if request.method == "OPTIONS":
            if request.path_info.startswith(OWN):
                return HttpResponse(status=204, headers={"Allow": "GET, HEAD, POST, PATCH, DELETE, OPTIONS"})
            posted = request.path_info in POSTED
            return HttpResponse(status=204, headers={"Allow": "POST, OPTIONS"} if posted else PREFLIGHT)
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20
            return respond(request, Problem(413, f"At most {limit} MB."))
        if request.method == "HEAD":
            request.method = "GET"
        for header in ("HTTP_COOKIE", "HTTP_ACCEPT_LANGUAGE"):
            request.META.pop(header, None)
        return self.get_response(request)
