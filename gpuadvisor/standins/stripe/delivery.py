"""Webhooks: signed, sent in their order, sent again where they were not taken; and what may go wrong with them."""

from __future__ import annotations

import hashlib
import heapq
import hmac
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from .errors import invalid
from .store import Obj, Store

TRY_SECONDS = 10
AGAIN = ("lost", "late", "twice")


def signature(body: str, secret: str, at: int) -> str:
    """The header Stripe-Signature. Units: `at` in seconds since 1970, UTC."""
    signed = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


def body_of(event: Obj) -> str:
    return json.dumps(event, indent=2, ensure_ascii=False)


def post(url: str, body: str, header: str) -> int:
    """The status that came back; 0 where nothing did. A redirect is not followed: it is no yes."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TRY_SECONDS)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": header,
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body.encode(), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


class Deliveries:
    """The queue of what is to be sent, and one thread that sends it."""

    def __init__(self, store: Store, delays: Sequence[float]) -> None:
        self.store, self.delays = store, delays
        self.after_try: Callable[[], None] = lambda: None
        self.changed = threading.Condition()
        self.clear()
        store.heard = self.hear
        threading.Thread(target=self._run, daemon=True).start()

    def clear(self) -> None:
        with self.changed:
            self.queue: list[tuple[float, int, int, Obj, str]] = []  # due, number, try, event, endpoint
            self.held: list[tuple[Obj, str]] = []
            self.is_holding = False
            self.rules: list[Obj] = []
            self.log: list[Obj] = []
            self.number = 0
            self.in_flight = 0
            self.flying: list[tuple[int, Obj, str]] = []  # what the thread sends now: try, event, endpoint

    # -- In ------------------------------------------------------------------------------------------------------------
    def hear(self, event: Obj) -> None:
        """Queue an event for each endpoint that wants it. The caller holds the store's lock."""
        wanting = [
            row["id"]
            for row in self.store.all("webhook_endpoint", status="enabled")
            if {"*", event["type"]} & set(row["enabled_events"])
        ]
        with self.changed:
            rule = self._rule_for(event)
            for endpoint in wanting:
                if rule.get("next") == "lost":
                    continue
                if self.is_holding:
                    self.held.append((event, endpoint))
                    continue
                late = float(rule.get("seconds", 5)) if rule.get("next") == "late" else 0.0
                for _ in range(2 if rule.get("next") == "twice" else 1):
                    self._push(event, endpoint, late)

    def _rule_for(self, event: Obj) -> Obj:
        for rule in self.rules:
            if rule.get("type") in (None, "", event["type"]):
                rule["times"] -= 1
                if rule["times"] == 0:
                    self.rules.remove(rule)
                return rule
        return {}

    def _push(self, event: Obj, endpoint: str, wait: float = 0.0, tried: int = 0) -> None:
        self.number += 1
        heapq.heappush(self.queue, (time.monotonic() + wait, self.number, tried, event, endpoint))
        self.changed.notify_all()

    def control(self, body: Obj) -> Obj:
        """Hold, let go in an order, or say what happens to the next events. Raises: StripeError."""
        with self.changed:
            if kind := body.get("next"):
                if kind not in AGAIN:
                    raise invalid("next", f"One of {', '.join(AGAIN)} is meant.")
                self.rules.append({**body, "times": int(body.get("times", 1))})
            if "hold" in body:
                self.is_holding = bool(body["hold"])
                if not self.is_holding:
                    for event, endpoint in _ordered(self.held, body.get("order", "in")):
                        self._push(event, endpoint)
                    self.held = []
            return {"held": [event["id"] for event, _ in self.held], "waiting": len(self.queue)}

    # -- Out -----------------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        while True:
            with self.changed:
                while not self.queue or self.queue[0][0] > time.monotonic():
                    left = self.queue[0][0] - time.monotonic() if self.queue else None
                    self.changed.wait(left)
                _, _, tried, event, endpoint = heapq.heappop(self.queue)
                self.in_flight += 1
                self.flying = [(tried, event, endpoint)]
                log = self.log
            url, secret = self._where(endpoint)
            status = 0
            try:
                if url:
                    status = self._send(event, url, secret, tried + 1, log)
            finally:
                with self.changed:
                    self.in_flight, self.flying = max(0, self.in_flight - 1), []
                    if log is self.log and url and not 200 <= status < 300 and tried < len(self.delays):
                        self._push(event, endpoint, self.delays[tried], tried + 1)
                    self.changed.notify_all()
                self.after_try()

    def _where(self, endpoint: str) -> tuple[str, str]:
        with self.store.lock:
            row = self.store.objects["webhook_endpoint"].get(endpoint, {})
            return row.get("url", ""), self.store.hidden.get(endpoint, {}).get("secret", "")

    def _send(self, event: Obj, url: str, secret: str, tried: int, log: list[Obj]) -> int:
        with self.store.lock:
            body = body_of(event)
        status = post(url, body, signature(body, secret, int(time.time())))
        if 200 <= status < 300:
            with self.store.lock:
                event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
        with self.changed:
            log.append({"event": event["id"], "type": event["type"], "url": url, "status": status, "try": tried})
        return status

    def wait(self, seconds: float) -> bool:
        """Whether nothing is left to send, now or within this time."""
        with self.changed:
            return self.changed.wait_for(lambda: not self.queue and not self.in_flight, seconds)

    # -- By hand -------------------------------------------------------------------------------------------------------
    def signed(self, event: Obj, how: Obj) -> tuple[str, str]:
        """Body and header of an event, altered and aged as told."""
        with self.store.lock:
            endpoints = self.store.all("webhook_endpoint", status="enabled")
            secret = self.store.hidden[endpoints[-1]["id"]]["secret"] if endpoints else "whsec_standin"
            body = body_of(event | how.get("change", {}))
        return body, signature(body, how.get("secret") or secret, int(time.time() - float(how.get("age", 0))))

    def send_again(self, event: Obj, how: Obj) -> list[int]:
        """Send now, past the queue; the statuses that came back. Raises: StripeError."""
        times = int(how.get("times", 1))
        with self.store.lock:
            urls = [row["url"] for row in self.store.all("webhook_endpoint", status="enabled")][-1:]
        url: Any = how.get("url") or (urls[0] if urls else None)
        if url is None:
            raise invalid("url", "There is no endpoint to send to.")
        body, header = self.signed(event, how)
        with ThreadPoolExecutor(times if how.get("parallel") else 1) as pool:
            return list(pool.map(lambda _: post(url, body, header), range(times)))


def _ordered(held: list[tuple[Obj, str]], order: Any) -> Iterable[tuple[Obj, str]]:
    if order == "reverse":
        return list(reversed(held))
    if isinstance(order, list):
        place = {key: number for number, key in enumerate(order)}
        return sorted(held, key=lambda row: place.get(row[0]["id"], len(place)))
    return list(held)
