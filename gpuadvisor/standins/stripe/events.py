"""Events and the endpoints that they are sent to."""

from __future__ import annotations

import secrets

from .errors import invalid, missing
from .forms import Params
from .periods import DAY
from .store import API_VERSION, Obj, Store

KEPT_SECONDS = 30 * DAY


def list_all(store: Store, params: Params) -> Obj:
    params.only("created delivery_success ending_before limit starting_after type types")
    kind, kinds = params.text("type"), params.texts("types")
    if kind and kinds:
        raise invalid("types", "You may only specify one of these parameters: type, types.")
    rows = [row for row in store.all("event") if row["created"] > store.now - KEPT_SECONDS]
    if kind:
        start = kind.removesuffix("*") if kind.endswith("*") else None
        rows = [row for row in rows if (row["type"].startswith(start) if start is not None else row["type"] == kind)]
    elif kinds:
        rows = [row for row in rows if row["type"] in kinds]
    return store.page(rows, params, "/v1/events")


def retrieve(store: Store, params: Params, key: str) -> Obj:
    event = store.get("event", key)
    if event["created"] <= store.now - KEPT_SECONDS:
        raise missing("event", key)
    return event


# -- Endpoints ---------------------------------------------------------------------------------------------------------
def endpoint(store: Store, url: str, secret: str, kinds: list[str], params: Params) -> Obj:
    """Keep an endpoint. Its secret is shown once, by the call that makes it."""
    row = store.add(
        {
            "id": store.new_id("webhook_endpoint"),
            "object": "webhook_endpoint",
            "api_version": params.text("api_version") or API_VERSION,
            "application": None,
            "created": store.now,
            "description": params.text("description"),
            "enabled_events": kinds,
            "livemode": False,
            "metadata": params.metadata(),
            "status": "enabled",
            "url": url,
        }
    )
    store.hidden[row["id"]] = {"secret": secret}
    return row


def endpoint_create(store: Store, params: Params) -> Obj:
    params.only("api_version connect description enabled_events metadata url")
    url, kinds = params.need("url"), params.texts("enabled_events")
    if not url.startswith(("http://", "https://")):
        raise invalid("url", "Invalid URL: an address with its scheme is needed.")
    if not kinds:
        raise invalid("enabled_events", "Missing required param: enabled_events.")
    secret = f"whsec_{secrets.token_urlsafe(24)}"
    return endpoint(store, url, secret, kinds, params) | {"secret": secret}


def endpoint_update(store: Store, params: Params, key: str) -> Obj:
    params.only("description disabled enabled_events metadata url")
    row = store.live("webhook_endpoint", key)
    row["metadata"] = params.metadata(row["metadata"])
    if "disabled" in params:
        row["status"] = "disabled" if params.flag("disabled") else "enabled"
    if "enabled_events" in params:
        row["enabled_events"] = params.texts("enabled_events")
    row |= {name: params.text(name) for name in ("description", "url") if name in params}
    return row


def endpoint_delete(store: Store, params: Params, key: str) -> Obj:
    store.live("webhook_endpoint", key)
    store.objects["webhook_endpoint"][key] = {"id": key, "object": "webhook_endpoint", "deleted": True}
    return store.objects["webhook_endpoint"][key]


def endpoint_list(store: Store, params: Params) -> Obj:
    params.only("ending_before limit starting_after")
    return store.page(store.all("webhook_endpoint"), params, "/v1/webhook_endpoints")
