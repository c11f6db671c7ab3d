"""The control calls: what Stripe never offers and tests need. The package's docstring lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import checkout, clock, credits
from .errors import StripeError, invalid
from .periods import DAY
from .store import Obj

if TYPE_CHECKING:
    from .server import Server


def call(server: Server, method: str, path: list[str], body: Obj) -> Obj:
    """Raises: StripeError where there is no such control call."""
    name = f"{method} {path[0] if path else ''}".strip()
    simple: dict[str, Callable[[], Obj]] = {
        "GET": lambda: summary(server),
        "POST reset": lambda: reset(server),
        "POST clock": lambda: move_clock(server, body),
        "POST faults": lambda: server.faults.add(body).__dict__,
        "DELETE faults": lambda: clear_faults(server),
        "POST cards": lambda: set_cards(server, body),
        "POST disputes": lambda: dispute(server, body),
        "POST webhooks": lambda: server.deliveries.control(body),
        "GET journal": lambda: {"calls": server.journal_copy()},
    }
    if len(path) <= 1 and name in simple:
        return simple[name]()
    if name == "POST checkout" and len(path) == 2:
        return pay(server, path[1], body)
    if name in ("POST events", "GET events") and len(path) == 3:
        return _event(server, path[1], path[2], body)
    if path[:1] == ["deliveries"]:
        return _deliveries(server, path, body)
    raise StripeError(f"There is no control call {method} /_control/{'/'.join(path)}.", status=404)


def summary(server: Server) -> Obj:
    store = server.store
    with store.lock:
        counts = {kind: len(store.all(kind)) for kind in store.objects}
        now, overrides = store.now, dict(store.overrides)
    held = server.deliveries.control({})
    return {"now": now, "counts": counts, "cards": overrides, "faults": server.faults.shown()} | held


def reset(server: Server) -> Obj:
    server.reset()
    return {}


def clear_faults(server: Server) -> Obj:
    server.faults.clear()
    return {}


def move_clock(server: Server, body: Obj) -> Obj:
    with server.store.lock:
        now = server.store.now
        to = (
            float(body["to"])
            if "to" in body
            else now + float(body.get("days", 0)) * DAY + float(body.get("seconds", 0))
        )
        if to < now:
            raise invalid("to", "The clock moves on, never back.")
        kinds = clock.advance(server.store, to)
        return {"now": server.store.now, "events": kinds}


def set_cards(server: Server, body: Obj) -> Obj:
    behaviour, key = str(body.get("behaviour", "")), str(body.get("id") or "*")
    if behaviour not in ("", "pays", "fails", "asks"):
        raise invalid("behaviour", "One of pays, fails, asks is meant.")
    overrides = server.store.overrides
    with server.store.lock:
        if behaviour:
            overrides[key] = behaviour
        elif key == "*":
            overrides.clear()
        else:
            overrides.pop(key, None)
        return {"cards": dict(overrides)}


def dispute(server: Server, body: Obj) -> Obj:
    with server.store.lock:
        return credits.dispute(server.store, body)


def pay(server: Server, key: str, body: Obj) -> Obj:
    store = server.store
    with store.lock:
        answer = checkout.pay(store, key, body.get("card", "pays"), body.get("code", ""), body.get("email", ""))
        return answer | {"session": store.shown(store.get("checkout.session", key), [])}


def _event(server: Server, key: str, action: str, body: Obj) -> Obj:
    with server.store.lock:
        event = server.store.get("event", key)
    if action == "send":
        return {"statuses": server.deliveries.send_again(event, body)}
    text, header = server.deliveries.signed(event, body)
    return {"body": text, "header": header}


def _deliveries(server: Server, path: list[str], body: Obj) -> Obj:
    done: Any = server.deliveries.wait(float(body.get("seconds", 5))) if path[1:] == ["wait"] else None
    with server.deliveries.changed:
        return {"deliveries": list(server.deliveries.log), "done": done}
