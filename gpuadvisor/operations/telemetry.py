"""Errors to Sentry and traces by OpenTelemetry, where a setting asks for it and its packages are installed.

Neither is one of our own dependencies: docs/operations.md names the packages. What leaves is scrubbed first: no
body, no cookie, no query, no local variable, no mail address, no key; of an account its id alone.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any

from django.conf import settings

from gpuadvisor.core.logs import hide, request_id

log = logging.getLogger(__name__)
MISSING = "%s is set, but the package %s is not installed: nothing is sent. docs/operations.md tells how to install it."
KEPT_HEADERS = ("User-Agent", "Content-Type", "Content-Length", "Accept-Language")
DROPPED = ("extra", "breadcrumbs", "modules")


def start() -> None:
    """Switch on what the settings ask for; a missing package is one line of the log, and the site starts."""
    if settings.SENTRY_DSN:
        _sentry()
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        _opentelemetry()


def _load(setting: str, package: str, *modules: str) -> list[Any] | None:
    try:
        return [importlib.import_module(module) for module in modules]
    except ImportError:
        log.warning(MISSING, setting, package)
        return None


def _sentry() -> None:
    loaded = _load("SENTRY_DSN", "sentry-sdk", "sentry_sdk")
    if loaded is None:
        return
    loaded[0].init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT or None,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        traces_sample_rate=0.0,
        before_send=scrub,
    )


def scrub(event: dict[str, Any], hint: dict[str, Any] | None = None) -> dict[str, Any]:
    """An event of Sentry without what a user wrote or what opens anything."""
    for name in DROPPED:
        event.pop(name, None)
    request = event.get("request")
    if isinstance(request, dict):
        headers = request.get("headers") or {}
        kept = {name: value for name, value in headers.items() if name in KEPT_HEADERS}
        event["request"] = {
            "url": str(request.get("url", "")).partition("?")[0],
            "method": request.get("method"),
            "headers": kept,
        }
    user = event.pop("user", None)
    if isinstance(user, dict) and user.get("id"):
        event["user"] = {"id": str(user["id"])}
    logged = event.get("logentry")
    if isinstance(logged, dict):
        logged.pop("params", None)
    for thrown in (event.get("exception") or {}).get("values") or ():
        for frame in (thrown.get("stacktrace") or {}).get("frames") or ():
            frame.pop("vars", None)
    event.setdefault("tags", {})["request_id"] = request_id.get()
    return _hidden(event)  # type: ignore[no-any-return]


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {key: _hidden(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(inside) for inside in value]
    return value


def _opentelemetry() -> None:
    """Traces of requests and tasks, without statements and headers; the exporter reads the OTEL_ variables itself."""
    loaded = _load(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "opentelemetry-sdk (and the exporter and instrumentations beside it)",
        "opentelemetry.trace",
        "opentelemetry.sdk.trace",
        "opentelemetry.sdk.trace.export",
        "opentelemetry.sdk.resources",
        "opentelemetry.exporter.otlp.proto.http.trace_exporter",
        "opentelemetry.instrumentation.django",
        "opentelemetry.instrumentation.celery",
    )
    if loaded is None:
        return
    trace, sdk, export, resources, exporter, of_django, of_celery = loaded
    provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": "gpuadvisor"}))
    provider.add_span_processor(export.BatchSpanProcessor(exporter.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    of_django.DjangoInstrumentor().instrument(request_hook=_without_address, response_hook=_with_id)
    of_celery.CeleryInstrumentor().instrument()


def _without_address(span: Any, request: Any) -> None:
    """An address may end in a secret or a search, and tells who asks: the trace holds the route alone."""
    for name in ("http.url", "http.target", "url.full", "url.query", "url.path", "net.peer.ip", "client.address"):
        span.set_attribute(name, "")


def _with_id(span: Any, request: Any, response: Any) -> None:
    span.set_attribute("request_id", getattr(request, "id", ""))
