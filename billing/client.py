"""The only door to Stripe: the library with one pinned version of the API, and a clock that every call keeps.

The library's own patience counts per read, so a drip would hold us; here the connection itself knows when it must be
over. dj-stripe calls through the same door, since the library's globals hold for it too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, NoReturn, cast
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import stripe
from django.conf import settings

from gpuadvisor.core.deadline import DeadlineBackend
from gpuadvisor.core.errors import TransientError
from gpuadvisor.core.guard import tls_context

PAGE_SECONDS = 15.0  # for a job that a page waits for
EVENT_SECONDS = 5.0  # while an event is handled
TRY_SECONDS = 7.0  # one try of one call
MAX_BYTES = 8 * 1024 * 1024
TOLERANCE = 300  # seconds that a signature may be old, or early
STRIPE = "https://api.stripe.com"
USER_KEY = "gpuadvisor_user"  # in the metadata of customers and subscriptions: whose they are

_end: ContextVar[float | None] = ContextVar("stripe_end", default=None)


class StripeAway(TransientError):
    """Stripe does not answer, or has no time for us. The text is a sentence."""


class StripeRefused(Exception):
    """Stripe answered, and said no. The text is a sentence."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class KeyRefused(StripeRefused):
    """Stripe does not take the key of this site, or not for this: staff must look."""


def configure() -> None:
    """Set the library up as the settings say; once at the start."""
    stripe.api_key = settings.STRIPE_KEY or None
    stripe.api_version = settings.STRIPE_API_VERSION
    stripe.api_base = settings.STRIPE_API_BASE or STRIPE
    stripe.max_network_retries = 1
    stripe.enable_telemetry = False
    stripe.default_http_client = DeadlineClient()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """All calls in here together end after `seconds`, and failures come out as sentences.

    Raises: StripeAway, StripeRefused.
    """
    end = time.monotonic() + seconds
    outer = _end.get()
    token = _end.set(end if outer is None else min(end, outer))
    try:
        yield
    except stripe.StripeError as error:
        _tell(error)
    finally:
        _end.reset(token)


def _tell(error: stripe.StripeError) -> NoReturn:
    """Raise what it means, without Stripe's own text, which may quote what was sent."""
    code = error.code or ""
    if isinstance(error, stripe.APIConnectionError):
        raise StripeAway("Stripe did not answer in time.") from error
    if isinstance(error, stripe.RateLimitError) or code == "idempotency_key_in_use":
        raise StripeAway("Stripe asks us to slow down.") from error
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        raise KeyRefused("Stripe refused the key of this site.", code) from error
    if (error.http_status or 500) >= 500 or error.http_status == 200:
        raise StripeAway("Stripe had trouble of its own.") from error
    raise StripeRefused(f"Stripe refused the call ({code or type(error).__name__}).", code) from error


# -- What we ask -------------------------------------------------------------------------------------------------------
def plain(obj: Any) -> dict[str, Any]:
    """An object of the library as JSON would tell it."""
    return cast("dict[str, Any]", json.loads(str(obj)))


def moment(seconds: int | None) -> datetime | None:
    """A time as Stripe writes it; None where it tells none."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def lively(told: dict[str, Any]) -> Any:
    """The reverse of `plain`: an object of the library, as dj-stripe wants it."""
    return stripe.convert_to_stripe_object(told, settings.STRIPE_KEY, settings.STRIPE_API_VERSION)


def customer(key: str) -> dict[str, Any]:
    """A customer; one that was deleted has `deleted`, one that never was is told of in the same way."""
    try:
        return plain(stripe.Customer.retrieve(key))
    except stripe.InvalidRequestError as error:
        if error.code != "resource_missing":
            raise
        return {"id": key, "deleted": True}


def subscriptions(customer: str) -> list[dict[str, Any]]:
    """Every subscription of a customer, ended ones too; the newest first."""
    rows = stripe.Subscription.list(customer=customer, status="all", limit=100).auto_paging_iter()
    return sorted((plain(row) for row in rows), key=lambda row: (row["created"], row["id"]), reverse=True)


def invoice(key: str) -> dict[str, Any]:
    """An invoice with its payments; one that is no more has `deleted`."""
    try:
        return plain(stripe.Invoice.retrieve(key, expand=["payments.data.payment.payment_intent"]))
    except stripe.InvalidRequestError as error:
        if error.code != "resource_missing":
            raise
        return {"id": key, "deleted": True}


def invoices_of_payment(intent: str) -> list[str]:
    """The invoices that a payment was for."""
    rows = stripe.InvoicePayment.list(payment={"type": "payment_intent", "payment_intent": intent}, limit=10)
    return [str(row["invoice"]) for row in plain(rows)["data"]]


def credit_notes(invoice: str) -> list[dict[str, Any]]:
    """What was credited of an invoice."""
    return [plain(row) for row in stripe.CreditNote.list(invoice=invoice, limit=100).auto_paging_iter()]


def charge(key: str) -> dict[str, Any]:
    return plain(stripe.Charge.retrieve(key))


def dispute(key: str) -> dict[str, Any]:
    return plain(stripe.Dispute.retrieve(key))


def page(kind: str, after: str = "", **which: Any) -> tuple[list[dict[str, Any]], bool]:
    """A hundred objects of a kind (customers, subscriptions, invoices), the newest first, and whether there are more.

    `after` is the id of the last one before; an id that is no more is told of by StripeRefused (resource_missing).
    """
    lists: dict[str, Any] = {
        "customers": stripe.Customer,
        "subscriptions": stripe.Subscription,
        "invoices": stripe.Invoice,
    }
    found = lists[kind].list(limit=100, **({"starting_after": after} if after else {}), **which)
    return [plain(row) for row in found.data], bool(found.has_more)


def price(key: str) -> dict[str, Any]:
    return plain(stripe.Price.retrieve(key))


def product(key: str) -> dict[str, Any]:
    return plain(stripe.Product.retrieve(key))


def find_product(key: str) -> dict[str, Any] | None:
    """A product that is not deleted; None where there is none of this id."""
    try:
        found = product(key)
    except stripe.InvalidRequestError as error:
        if error.code != "resource_missing":
            raise
        return None
    return None if found.get("deleted") else found


def prices(lookup_keys: Sequence[str]) -> list[dict[str, Any]]:
    """The prices that have one of these names, at most ten; inactive ones too."""
    return [plain(row) for row in stripe.Price.list(lookup_keys=list(lookup_keys), limit=10).auto_paging_iter()]


# -- What we write -----------------------------------------------------------------------------------------------------
def create_product(**fields: Any) -> dict[str, Any]:
    return plain(stripe.Product.create(**fields))


def change_product(key: str, **fields: Any) -> dict[str, Any]:
    return plain(stripe.Product.modify(key, **fields))


def create_price(**fields: Any) -> dict[str, Any]:
    return plain(stripe.Price.create(**fields))


def change_price(key: str, **fields: Any) -> dict[str, Any]:
    return plain(stripe.Price.modify(key, **fields))


def create_customer(**fields: Any) -> dict[str, Any]:
    return plain(stripe.Customer.create(**fields))


def delete_customer(key: str) -> bool:
    """Delete a customer for good; what still runs ends at once. Stripe keeps its invoices.

    False where Stripe has no such customer any more.
    """
    try:
        return bool(stripe.Customer.delete(key).deleted)
    except stripe.InvalidRequestError as error:
        if error.code != "resource_missing":
            raise
        return False


def create_subscription(**fields: Any) -> dict[str, Any]:
    return plain(stripe.Subscription.create(**fields))


def create_checkout(**fields: Any) -> dict[str, Any]:
    return plain(stripe.checkout.Session.create(**fields))


def expire_checkout(key: str) -> None:
    """Close a page of Checkout, so that nobody can pay there. One that was paid, or is closed, stays as it is."""
    with suppress(stripe.InvalidRequestError):
        stripe.checkout.Session.expire(key)


def create_portal(**fields: Any) -> dict[str, Any]:
    return plain(stripe.billing_portal.Session.create(**fields))


def portal_configurations() -> list[dict[str, Any]]:
    """What Portals may do, the active ones."""
    rows = stripe.billing_portal.Configuration.list(active=True, limit=100).auto_paging_iter()
    return [plain(row) for row in rows]


def create_portal_configuration(**fields: Any) -> dict[str, Any]:
    return plain(stripe.billing_portal.Configuration.create(**fields))


def change_portal_configuration(key: str, **fields: Any) -> dict[str, Any]:
    return plain(stripe.billing_portal.Configuration.modify(key, **fields))


# -- What it tells -----------------------------------------------------------------------------------------------------
def is_signed(body: bytes, header: str) -> bool:
    """Whether Stripe signed these bytes, within five minutes of now."""
    try:
        stripe.WebhookSignature.verify_header(body, header, settings.STRIPE_WEBHOOK_SECRET, TOLERANCE)
        signed_at = int(dict(part.split("=", 1) for part in header.split(","))["t"])
    except (stripe.SignatureVerificationError, ValueError, TypeError, KeyError, OverflowError):
        return False
    return signed_at <= time.time() + TOLERANCE


# -- The connection ----------------------------------------------------------------------------------------------------
class DeadlineClient(stripe.HTTPClient):
    """The library's transport over connections that end in time."""

    name = "httpcore"

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        now = time.monotonic()
        end = min(_end.get() or now + PAGE_SECONDS, now + TRY_SECONDS)
        body = post_data.encode() if isinstance(post_data, str) else post_data or b""
        sent = {**(headers or {}), "Host": urlsplit(url).netloc, "Content-Length": str(len(body))}
        sent |= {"Accept-Encoding": "identity", "Connection": "close"}
        try:
            with _pool(url, end) as pool:
                answer = pool.handle_request(
                    httpcore.Request(
                        method.upper(),
                        url,
                        headers=[(name.encode(), str(value).encode()) for name, value in sent.items()],
                        content=body,
                        extensions={"timeout": {"connect": max(0.01, min(2.0, end - now))}},
                    )
                )
                read = bytearray()
                for chunk in cast("Iterable[bytes]", answer.stream):
                    read += chunk
                    if len(read) > MAX_BYTES:
                        raise OSError("too long")
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            left = (_end.get() or end) - time.monotonic()
            raise _no_answer(should_retry=left > 1) from error
        names = {name.decode("latin-1").title(): value.decode("latin-1") for name, value in answer.headers}
        return read.decode("utf-8", "replace"), answer.status, _Headers(names)

    def close(self) -> None:
        """Nothing stays open."""


def _no_answer(*, should_retry: bool) -> stripe.APIConnectionError:
    return stripe.APIConnectionError("no answer", should_retry=should_retry)  # type: ignore[no-untyped-call]


class _Headers(dict[str, str]):
    """Headers whose case does not matter: the library asks for some in lower case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.title())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).title())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.title(), default)


def _pool(url: str, end: float) -> httpcore.ConnectionPool:
    """Straight to Stripe, or through the proxy that the environment names, as the library itself would."""
    context = tls_context()
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = urlsplit(proxies.get(parts.scheme) or proxies.get("all") or "")
    host = parts.hostname or ""
    if not proxy.hostname or host in ("localhost", "127.0.0.1") or proxy_bypass(host):
        return httpcore.ConnectionPool(ssl_context=context, network_backend=DeadlineBackend(end))
    return httpcore.HTTPProxy(
        f"{proxy.scheme}://{proxy.hostname}:{proxy.port or (443 if proxy.scheme == 'https' else 80)}/",
        proxy_auth=(unquote(proxy.username), unquote(proxy.password or "")) if proxy.username else None,
        ssl_context=context,
        network_backend=DeadlineBackend(end),
    )
