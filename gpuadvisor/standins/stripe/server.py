"""HTTP: keys, idempotency, faults, and the way to whoever answers."""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from . import checkout, clock, control, customers, events, forms, keeping, pages, portal, subscriptions
from .delivery import Deliveries
from .errors import StripeError
from .faults import Fault, Faults, error_of
from .forms import Params
from .routes import find
from .store import API_VERSION, Obj, Store

LARGEST_BODY = 1024 * 1024
LONGEST_JOURNAL = 5000
STEP_SECONDS = 0.05  # how soon a wait notices that the server ends


@dataclass(frozen=True)
class Answer:
    status: int
    body: Obj
    request: str
    is_replayed: bool = False


@dataclass(frozen=True)
class Kept:
    """What an idempotency key stands for."""

    call: str
    params: dict[str, Any]
    answer: Answer
    at: int


class Broken(Exception):
    """The connection ends here, without an answer."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    is_ending = False

    def __init__(
        self,
        port: int,
        *,
        deliver_to: str = "",
        secret: str = "",
        key: str = "",
        delays: Sequence[float] = (1.0, 5.0),
        state: Path | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.key, self.deliver_to, self.secret = key, deliver_to, secret
        self.state = state
        self.store, self.faults = Store(), Faults()
        self.store.base = f"http://127.0.0.1:{self.server_address[1]}"
        self.deliveries = Deliveries(self.store, delays)
        self.journal_lock = threading.Lock()
        self.reset()
        if state:
            keeping.load(self, state)
            self.deliveries.after_try = self.save

    def save(self) -> None:
        """Keep what there is now, where a file for it was named."""
        if self.state:
            keeping.save(self, self.state)

    def reset(self) -> None:
        """As at the start."""
        with self.store.lock:
            self.store.clear()
            self.deliveries.clear()
            self.faults.clear()
            self.kept: dict[str, Kept] = {}
            with self.journal_lock:
                self.journal: list[Obj] = []
            if self.deliver_to:
                events.endpoint(self.store, self.deliver_to, self.secret, ["*"], Params({}))

    def journal_copy(self) -> list[Obj]:
        with self.journal_lock:
            return [dict(row) for row in self.journal]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    # -- The API -------------------------------------------------------------------------------------------------------
    def answer(self, method: str, path: str, values: dict[str, Any], key: str | None) -> Answer:
        """Do a call, once per idempotency key."""
        request = f"req_{secrets.token_hex(7)}"
        with self.store.lock:
            clock.advance(self.store, self.store.now)
            try:
                if method == "POST" and key and (old := self._kept(f"{method} {path}", values, key)):
                    return old
                self.store.request = {"id": request, "idempotency_key": key}
                answer = Answer(200, self._do(method, path, values), request)
            except StripeError as error:
                answer = Answer(error.status, error.body, request)
                if not error.kept:
                    return answer
            finally:
                self.store.request = {"id": None, "idempotency_key": None}
            if method == "POST" and key:
                self.kept[key] = Kept(f"{method} {path}", values, answer, self.store.now)
            return answer

    def _do(self, method: str, path: str, values: dict[str, Any]) -> Obj:
        found = find(method, path)
        if found is None:
            message = f"Unrecognized request URL ({method}: {path})."
            raise StripeError(message, status=404, code="url_unknown")
        call, keys = found
        params = Params(values)
        expand = params.texts("expand")
        return self.store.shown(call(self.store, params, *(unquote(key) for key in keys)), expand)

    def _kept(self, call: str, values: dict[str, Any], key: str) -> Answer | None:
        """The answer that a key has already. Raises: StripeError where it was used for something else."""
        old = self.kept.get(key)
        if old is None or self.store.now - old.at > clock.KEY_SECONDS:
            return None
        if (old.call, old.params) != (call, values):
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
                f" Try using a key other than '{key}' if you meant to execute a different request."
            )
            raise StripeError(message, kind="idempotency_error")
        return Answer(old.answer.status, old.answer.body, old.answer.request, is_replayed=True)

    def check_key(self, header: str | None) -> None:
        """Raises: StripeError (401)."""
        scheme, _, given = (header or "").partition(" ")
        if scheme != "Bearer" or not given.strip():
            message = (
                "You did not provide an API key. You need to provide your API key in the Authorization header,"
                " using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
            )
            raise StripeError(message, status=401)
        if not given.startswith(("sk_test_", "rk_test_")) or (self.key and given != self.key):
            raise StripeError(f"Invalid API Key provided: {given[:8]}****{given[-4:]}", status=401)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go in two writes: else each answer waits 40 ms
    server: Server

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        parts = urlsplit(self.path)
        try:
            text = self._text()
            if parts.path.startswith("/v1/"):
                self._api(method, parts.path, parts.query, text)
            elif parts.path == "/_control" or parts.path.startswith("/_control/"):
                self._control(method, parts.path, text)
            else:
                self._page(method, parts.path.strip("/").split("/"), dict(parse_qsl(text, keep_blank_values=True)))
        except StripeError as error:
            self._send_json(error.status, error.body)
        except (Broken, ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception:  # a hole of ours: seen, and no silence
            traceback.print_exc()
            self._send_json(500, StripeError("The stand-in failed.", status=500, kind="api_error").body)

    def _text(self) -> str:
        length = int(self.headers["Content-Length"] or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            raise StripeError("The body is too large.", status=413)
        return self.rfile.read(length).decode()

    # -- The API -------------------------------------------------------------------------------------------------------
    def _api(self, method: str, path: str, query: str, text: str) -> None:
        key = self.headers["Idempotency-Key"]
        row: Obj = {"method": method, "path": path, "status": None, "idempotency_key": key}
        row |= {"version": self.headers["Stripe-Version"], "params": None}
        with self.server.journal_lock:
            self.server.journal.append(row)
            del self.server.journal[:-LONGEST_JOURNAL]
        fault = self.server.faults.take(f"{method} {path}")
        if fault and not fault.after:
            self._fail(fault, row)
        self.server.check_key(self.headers["Authorization"])
        values = forms.parse("&".join(part for part in (query, text) if part))
        answer = self.server.answer(method, path, values, key)
        self.server.save()
        row |= {"params": values, "status": answer.status}
        if fault and fault.after:
            self._fail(fault, row)
        headers = {"Request-Id": answer.request, "Stripe-Version": self.headers["Stripe-Version"] or API_VERSION}
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= {"Idempotent-Replayed": "true"} if answer.is_replayed else {}
        headers |= {"Stripe-Should-Retry": "false"} if answer.status in (400, 402, 404) else {}
        self._send_json(answer.status, answer.body, headers, drip=fault.wait if fault else None)

    def _fail(self, fault: Fault, row: Obj) -> None:
        """Do what the fault says. A drip and an ended hang go on to the answer. Raises: StripeError, Broken."""
        row["fault"] = fault.kind
        if fault.kind == "hang":
            self._wait(fault.wait)
            raise Broken
        if fault.kind == "closed":
            raise Broken
        if fault.kind == "html":
            self._send(200, b"<!doctype html><title>Gateway</title><p>It works.", "text/html")
            raise Broken
        if fault.kind != "drip":
            raise error_of(fault)

    # -- Control calls and pages ---------------------------------------------------------------------------------------
    def _control(self, method: str, path: str, text: str) -> None:
        try:
            body = json.loads(text or "{}")
        except ValueError:
            raise StripeError("The body is no JSON.") from None
        answer = control.call(self.server, method, path.strip("/").split("/")[1:], body)
        self.server.save()
        self._send_json(200, answer)

    def _page(self, method: str, path: list[str], form: dict[str, str]) -> None:
        store = self.server.store
        kind, key, *rest = [*path, "", ""]
        try:
            with store.lock:
                clock.advance(store, store.now)
                if kind == "pay":
                    status, content = self._pay(method, key, form)
                elif kind == "portal":
                    status, content = self._portal(method, key, rest[0], form)
                elif kind == "invoice":
                    status, content = self._invoice(method, key, form)
                else:
                    status, content = 404, pages.gone("There is no such page.")
        except StripeError as error:
            status, content = 404, pages.gone(f"This link has expired. {error}")
        self.server.save()
        if status == 303:
            self._send(303, b"", "text/plain", {"Location": content})
        else:
            self._send(status, content.encode(), "text/html; charset=utf-8")

    def _pay(self, method: str, key: str, form: dict[str, str]) -> tuple[int, str]:
        store, code = self.server.store, form.get("code", "")
        if method == "GET":
            return 200, pages.checkout_page(store, key)
        answer = checkout.pay(store, key, form.get("card", ""), code, form.get("email", ""))
        if "redirect" in answer:
            return 303, answer["redirect"]
        return 200, pages.checkout_page(store, key, answer.get("error", ""), "asks" in answer, code)

    def _portal(self, method: str, key: str, action: str, form: dict[str, str]) -> tuple[int, str]:
        store = self.server.store
        if method == "GET":
            return 200, pages.portal_page(store, key)
        answer = portal.act(store, key, action, form)
        if "redirect" in answer:
            return 303, answer["redirect"]
        return 200, pages.portal_page(store, key, answer["error"])

    def _invoice(self, method: str, key: str, form: dict[str, str]) -> tuple[int, str]:
        store = self.server.store
        error = ""
        if method == "POST":
            invoice = store.live("invoice", key)
            name = "pm_card_visa" if form.get("card") == "pays" else "pm_card_chargeCustomerFail"
            method_row = customers.attach_card(store, name, invoice["customer"])
            outcome = subscriptions.confirm_payment(store, invoice, method_row)
            error = "" if outcome == "paid" else checkout.DECLINED
        return 200, pages.invoice_page(store, key, error)

    # -- Bytes ---------------------------------------------------------------------------------------------------------
    def _wait(self, seconds: float) -> None:
        """Raises: Broken where the server ends meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.server.is_ending:
                raise Broken
            time.sleep(min(left, STEP_SECONDS))

    def _send_json(
        self, status: int, data: Obj, headers: dict[str, str] | None = None, drip: float | None = None
    ) -> None:
        body = json.dumps(data, indent=2, ensure_ascii=False).encode()
        self._send(status, body, "application/json", headers, drip)

    def _send(
        self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None, drip: float | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if drip is None:
            self.wfile.write(data)
            return
        for number in range(len(data)):
            self.wfile.write(data[number : number + 1])
            self._wait(drip)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the journal tells more."""
