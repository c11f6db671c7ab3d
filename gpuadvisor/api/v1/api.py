"""Version 1: what every endpoint shares. It only ever gains fields; what must change otherwise becomes version 2."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, reverse
from django.utils.cache import get_conditional_response
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from ..auth import Bearer
from ..params import field_errors
from ..problems import DETAILS, MEDIA_TYPE, Problem, respond
from . import alerts, ingest, market, platforms, series
from .schemas import ProblemOut

DESCRIPTION = (
    "What GPUs are rented out for: models, the market now, its history, platforms, and how each source does; and a "
    "doorway for a host's own figures and alerts. Prices are USD per GPU-hour. What is unknown is null, never 0."
)
CACHE_CONTROL = "private, max-age=60"  # private: the RateLimit headers are one caller's own
ERRORS = (400, 401, 404, 429, 503)
POST_ERRORS = (400, 401, 403, 413, 415, 422, 429, 503)
OWN = ("/gpu-configurations", "/batches/", "/alerts/")  # with a token only
HEADERS = {
    "ETag": "Send it back as If-None-Match: an unchanged answer is 304 without a body.",
    "Link": "The next page, where there is one.",
    "RateLimit-Limit": "Requests of this hour.",
    "RateLimit-Remaining": "Those that are left.",
    "RateLimit-Reset": "Seconds until the hour is over.",
}
LEFT = {name: words for name, words in HEADERS.items() if name.startswith("RateLimit")}
POST_HEADERS = {
    "Location": "Where to ask what became of it.",
    "Idempotency-Replayed": "`true` where this is the answer to an earlier post of the same key.",
    **LEFT,
}

View = Callable[..., HttpResponse]


class Api(NinjaAPI):
    """ninja's API whose schema tells the errors and headers that every endpoint has."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**options)
        schema["components"]["schemas"]["Problem"] = ProblemOut.model_json_schema(mode="serialization")
        problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        schema["components"]["schemas"] |= {**ingest.schemas(), **alerts.schemas()}
        alerts.link(schema["components"]["schemas"])
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                is_open = method == "get" and not path.removeprefix("/api/v1").startswith(OWN)
                if is_open:
                    operation["security"] = [{}, *operation.get("security", [])]  # without a token too
                has_key = any(one["in"] == "header" for one in operation.get("parameters", ()))
                names = HEADERS if method == "get" else POST_HEADERS if has_key else LEFT
                headers = {name: {"description": words, "schema": {"type": "string"}} for name, words in names.items()}
                next(iter(operation["responses"].values()))["headers"] = headers
                errors = ERRORS if is_open else (*ERRORS, 403) if method == "get" else POST_ERRORS
                if method != "get" and "{" in path:
                    errors = (*errors, 404)
                if method == "get":
                    operation["responses"][304] = {"description": HTTPStatus(304).phrase}
                for status in sorted(errors):
                    operation["responses"][status] = {"description": DETAILS[status], **problem}
        return schema

    def get_root_path(self, path_params: dict[str, Any]) -> str:
        return reverse("api:v1")

    def get_openapi_operation_id(self, operation: Any) -> str:
        return str(operation.view_func.__name__)

    @property
    def open_urls(self) -> list[URLPattern | URLResolver]:
        """The endpoints, reached without signing in; ninja's own pages left out."""
        patterns = [pattern for pattern in self.urls[0] if getattr(pattern, "name", "") != "api-root"]
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                login_not_required(pattern.callback)
        return patterns


def cached_by_its_reader(view: View) -> View:
    """Tell what an answer is known by, so that its reader need not be sent it twice."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code == 200 and request.method == "GET":
            etag = f'W/"{hashlib.sha256(response.content).hexdigest()[:32]}"'
            response.headers["ETag"] = etag
            response.headers["Cache-Control"] = CACHE_CONTROL
            found = get_conditional_response(request, etag=etag, response=response)
            return found or response
        return response

    return answer


api = Api(
    title="GPU Advisor API",
    version="1.0",
    description=DESCRIPTION,
    openapi_url=None,
    docs_url=None,
    urls_namespace="api-v1",
    auth=Bearer(),
)
api.add_decorator(cached_by_its_reader, mode="view")


@api.exception_handler(Problem)
def _problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    return respond(request, problem)


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return respond(request, Problem(404, str(error)))


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = field_errors(error.errors, set(request.GET))
    detail = f"{errors[0]['field']}: {errors[0]['message']}" if errors else ""
    return respond(request, Problem(400, detail, errors=errors))


@api.exception_handler(HttpError)
def _refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    return respond(request, Problem(error.status_code, str(error)))


@api.exception_handler(Exception)
def _fault(request: HttpRequest, error: Exception) -> HttpResponse:
    raise error  # Django logs it; the middleware tells it as 500, or as 503 where the database is away


for part in (market, series, platforms, ingest, alerts):
    api.add_router("", part.router)
