"""What the stand-in remembers, behind one lock: objects, events, the clock."""

from __future__ import annotations

import copy
import secrets
import string
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from .errors import StripeError, invalid, missing
from .forms import Params

Obj = dict[str, Any]
API_VERSION = "2026-05-27.dahlia"
LETTERS = string.ascii_letters + string.digits
ACCOUNT = "acct_1StandIn000001"

# kind: (prefix of its ids, its address)
KINDS = {
    "customer": ("cus", "customers"),
    "product": ("prod", "products"),
    "price": ("price", "prices"),
    "payment_method": ("pm", "payment_methods"),
    "subscription": ("sub", "subscriptions"),
    "subscription_item": ("si", "subscription_items"),
    "invoice": ("in", "invoices"),
    "invoiceitem": ("ii", "invoiceitems"),
    "line_item": ("il", "line_items"),
    "payment_intent": ("pi", "payment_intents"),
    "charge": ("ch", "charges"),
    "refund": ("re", "refunds"),
    "coupon": ("co", "coupons"),
    "promotion_code": ("promo", "promotion_codes"),
    "discount": ("di", "discounts"),
    "checkout.session": ("cs_test", "checkout/sessions"),
    "billing_portal.session": ("bps", "billing_portal/sessions"),
    "billing_portal.configuration": ("bpc", "billing_portal/configurations"),
    "event": ("evt", "events"),
    "webhook_endpoint": ("we", "webhook_endpoints"),
    "account": ("acct", "accounts"),
    "invoice_payment": ("inpay", "invoice_payments"),
    "credit_note": ("cn", "credit_notes"),
    "dispute": ("du", "disputes"),
}


class Store:
    """All objects by kind and id, oldest first. Whoever reads or writes holds `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.base = ""  # of this server, for the pages' addresses
        self.heard: Callable[[Obj], None] = lambda event: None  # the deliveries' ear
        self.request: Obj = {"id": None, "idempotency_key": None}
        self.clear()

    def clear(self) -> None:
        self.ahead = 0.0  # seconds that control calls moved the clock on
        self.frozen: float | None = None  # the moment that falls due while the clock moves
        self.objects: dict[str, dict[str, Obj]] = {kind: {} for kind in KINDS}
        self.behaviours: dict[
            str, str
        ] = {}  # pays | fails | asks; by payment method as made, or as a control call says
        self.overrides: dict[str, str] = {}
        self.hidden: dict[str, Obj] = {}  # what goes with an object and is never shown
        self.sequence = 0
        self.add(account(self))

    # -- Time ----------------------------------------------------------------------------------------------------------
    @property
    def now(self) -> int:
        return int(self.frozen if self.frozen is not None else time.time() + self.ahead)

    # -- Objects -------------------------------------------------------------------------------------------------------
    def new_id(self, kind: str) -> str:
        prefix = KINDS[kind][0]
        length = 58 if kind == "checkout.session" else 24
        return f"{prefix}_{''.join(secrets.choice(LETTERS) for _ in range(length))}"

    def add(self, obj: Obj) -> Obj:
        """Keep a new object; the same one comes back."""
        self.objects[obj["object"]][obj["id"]] = obj
        return obj

    def get(self, kind: str, key: str, param: str = "id") -> Obj:
        """Raises: StripeError (resource_missing)."""
        obj = self.objects[kind].get(key)
        if obj is None:
            raise missing(kind.rsplit(".", 1)[-1] if kind != "checkout.session" else "checkout.session", key, param)
        return obj

    def live(self, kind: str, key: str, param: str = "id") -> Obj:
        """The object, unless it was deleted. Raises: StripeError (resource_missing)."""
        obj = self.get(kind, key, param)
        if obj.get("deleted"):
            raise missing(kind, key, param)
        return obj

    def all(self, kind: str, **where: Any) -> list[Obj]:
        """Those that are not deleted, newest first."""
        return [
            obj
            for obj in reversed(self.objects[kind].values())
            if not obj.get("deleted") and all(obj.get(name) == value for name, value in where.items())
        ]

    # -- Events --------------------------------------------------------------------------------------------------------
    def tell(self, kind: str, obj: Obj, before: Obj | None = None) -> Obj:
        """Record an event about an object as it stands; `before` is how it stood, for what changed."""
        data: Obj = {"object": copy.deepcopy(obj)}
        if before is not None:
            data["previous_attributes"] = {
                name: value for name, value in before.items() if obj.get(name) != value and name != "object"
            }
        endpoints = [one for one in self.all("webhook_endpoint") if one["status"] == "enabled"]
        event = self.add(
            {
                "id": self.new_id("event"),
                "object": "event",
                "api_version": API_VERSION,
                "context": None,
                "created": self.now,
                "data": data,
                "livemode": False,
                "pending_webhooks": len(endpoints),
                "request": dict(self.request),
                "type": kind,
            }
        )
        self.heard(event)
        return event

    def change(self, obj: Obj, kind: str, **values: Any) -> Obj:
        """Change an object and tell it, if anything changed."""
        before = copy.deepcopy(obj)
        obj.update(values)
        if obj != before:
            self.tell(kind, obj, before)
        return obj

    # -- Answers -------------------------------------------------------------------------------------------------------
    def page(self, rows: Iterable[Obj], params: Params, url: str) -> Obj:
        """One page of a list that stands newest first."""
        limit = params.number("limit", 10, 1) or 10
        if limit > 100:
            raise invalid("limit", "Invalid integer: limit must be at most 100.")
        found = [row for row in rows if _in_range(row, params)]
        keys = [row["id"] for row in found]
        if after := params.text("starting_after"):
            if after not in keys:
                raise missing("object", after, "starting_after")
            found = found[keys.index(after) + 1 :]
        elif before := params.text("ending_before"):
            if before not in keys:
                raise missing("object", before, "ending_before")
            found = found[: keys.index(before)]
            shown = found[-limit:]
            return listed(shown, url, has_more=len(found) > limit)
        return listed(found[:limit], url, has_more=len(found) > limit)

    def shown(self, obj: Obj, expand: list[str]) -> Obj:
        """A copy of the object for an answer, with what was asked for in place of ids."""
        shown = copy.deepcopy(obj)
        for path in expand:
            self._expand(shown, path.split("."), path)
        return shown

    def _expand(self, obj: Any, path: list[str], whole: str) -> None:
        step, *rest = path
        if obj.get("object") in ("list", "search_result") and step == "data":
            for row in obj["data"]:
                self._expand(row, rest, whole)
            return
        if step not in obj and step in OPTIONAL.get(_kind(obj), ()):
            obj[step] = self._optional(obj, step)
        if step not in obj:
            message = f"This property cannot be expanded ({whole})."
            raise StripeError(message, param="expand[]", code="property_cannot_be_expanded")
        value = obj[step]
        if isinstance(value, list):
            obj[step] = [self._found(one) for one in value]
            inner = [one for one in obj[step] if isinstance(one, dict)]
        else:
            obj[step] = self._found(value)
            inner = [obj[step]] if isinstance(obj[step], dict) else []
        for one in inner if rest else []:
            self._expand(one, rest, whole)

    def _optional(self, obj: Obj, step: str) -> Any:
        """What an object shows only where it is asked for."""
        if step == "breakdown":
            return {"discounts": [], "taxes": []}
        if step == "subscriptions":
            running = [row for row in self.all("subscription", customer=obj["id"]) if row["ended_at"] is None]
            return listed(copy.deepcopy(running), f"/v1/customers/{obj['id']}/subscriptions")
        nothing = listed([], f"/v1/invoice_payments?invoice={obj['id']}") if step == "payments" else None
        return copy.deepcopy(self.hidden.get(obj["id"], {}).get(step, nothing))

    def _found(self, value: Any) -> Any:
        """The object that an id names; what is no id stays."""
        if not isinstance(value, str):
            return value
        for rows in self.objects.values():
            if value in rows:
                return copy.deepcopy(rows[value])
        return value


# Shown only where they are asked for.
OPTIONAL = {
    "checkout.session": ("line_items",),
    "coupon": ("applies_to",),
    "customer": ("subscriptions", "sources", "tax_ids"),
    "price": ("currency_options", "tiers"),
    "invoice": ("payments", "confirmation_secret"),
    "total_details": ("breakdown",),
}


def _kind(obj: Obj) -> str:
    return str(obj.get("object", "total_details" if "amount_discount" in obj else ""))


def listed(rows: Iterable[Obj], url: str, *, has_more: bool = False) -> Obj:
    return {"object": "list", "data": list(rows), "has_more": has_more, "url": url}


def _in_range(row: Obj, params: Params) -> bool:
    """Whether `created` lies where the call says: a moment, or gt, gte, lt, lte."""
    asked = params.values.get("created")
    if asked is None:
        return True
    if not isinstance(asked, dict):
        return bool(row["created"] == params.number("created"))
    bounds = params.within_of("created").only("gt gte lt lte")
    tests = {
        "gt": lambda edge: row["created"] > edge,
        "gte": lambda edge: row["created"] >= edge,
        "lt": lambda edge: row["created"] < edge,
        "lte": lambda edge: row["created"] <= edge,
    }
    return all(tests[name](bounds.number(name)) for name in bounds.values)


def account(store: Store) -> Obj:
    """The account that all belongs to."""
    return {
        "id": ACCOUNT,
        "object": "account",
        "business_profile": {"mcc": None, "name": "Stand-in", "support_email": None, "support_url": None, "url": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "created": store.now,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "standin@example.com",
        "external_accounts": listed([], f"/v1/accounts/{ACCOUNT}/external_accounts"),
        "future_requirements": {},
        "metadata": {},
        "payouts_enabled": True,
        "requirements": {"currently_due": [], "disabled_reason": None, "past_due": []},
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "dashboard": {"display_name": "Stand-in", "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": "STAND-IN"},
        },
        "tos_acceptance": {"date": None},
        "type": "standard",
    }
