"""Customers and their payment methods."""

from __future__ import annotations

import re
from typing import Any

from .catalog import deleted
from .errors import StripeError, declined, invalid
from .forms import Params
from .store import Obj, Store, listed

FIELDS = (
    "address balance description email invoice_settings metadata name phone preferred_locales shipping tax tax_exempt"
)
CARDS = {  # name: (brand, last four, behaviour)
    "pm_card_visa": ("visa", "4242", "pays"),
    "pm_card_mastercard": ("mastercard", "4444", "pays"),
    "pm_card_chargeCustomerFail": ("visa", "0341", "fails"),
    "pm_card_chargeDeclined": ("visa", "0002", "refused"),
    "pm_card_visa_chargeDeclined": ("visa", "0002", "refused"),
    "pm_card_authenticationRequired": ("visa", "3184", "asks"),
    "pm_card_threeDSecure2Required": ("visa", "3220", "asks"),
}
NUMBERS = {"4242424242424242": "pm_card_visa", "4000000000000341": "pm_card_chargeCustomerFail"}
TERM = re.compile(r"""^-?(\w+)(?:\[['"](.+?)['"]\])?\s*[:~]\s*(?:'([^']*)'|"([^"]*)")$""")


# -- Customers ---------------------------------------------------------------------------------------------------------
def create(store: Store, params: Params) -> Obj:
    params.only(f"{FIELDS} payment_method source test_clock")
    _check_email(params)
    customer: Obj = {
        "id": store.new_id("customer"),
        "object": "customer",
        "address": params.values.get("address") or None,
        "balance": params.number("balance", 0),
        "created": store.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": params.text("description"),
        "discount": None,
        "email": params.text("email"),
        "invoice_prefix": store.new_id("customer")[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": params.metadata(),
        "name": params.text("name"),
        "next_invoice_sequence": 1,
        "phone": params.text("phone"),
        "preferred_locales": params.texts("preferred_locales"),
        "shipping": params.values.get("shipping") or None,
        "tax_exempt": params.choice("tax_exempt", "exempt none reverse", "none"),
        "test_clock": None,
    }
    key = customer["id"]
    store.add(customer)
    store.hidden[key] = {
        "sources": listed([], f"/v1/customers/{key}/sources"),
        "tax_ids": listed([], f"/v1/customers/{key}/tax_ids"),
    }
    try:
        if method := params.text("payment_method"):
            customer["invoice_settings"]["default_payment_method"] = attach_card(store, method, key)["id"]
        _default_method(store, params, customer)
    except StripeError:
        del store.objects["customer"][key]
        raise
    store.tell("customer.created", customer)
    return customer


def _check_email(params: Params) -> None:
    email = params.text("email")
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise StripeError(f"Invalid email address: {email}", code="email_invalid", param="email")


def _default_method(store: Store, params: Params, customer: Obj) -> Obj:
    """What `invoice_settings` becomes."""
    settings = dict(customer["invoice_settings"])
    given = params.within_of("invoice_settings").only("custom_fields default_payment_method footer rendering_options")
    if "default_payment_method" in given:
        method = given.text("default_payment_method")
        if method and owned(store, method, customer["id"])["id"] != method:
            raise invalid("invoice_settings[default_payment_method]", "The payment method must be attached first.")
        settings["default_payment_method"] = method
    if "footer" in given:
        settings["footer"] = given.text("footer")
    return settings


def retrieve(store: Store, params: Params, key: str) -> Obj:
    """A deleted customer is still told of."""
    return store.get("customer", key)


def update(store: Store, params: Params, key: str) -> Obj:
    params.only(f"{FIELDS} default_source source")
    customer = store.live("customer", key)
    _check_email(params)
    values: Obj = {"metadata": params.metadata(customer["metadata"])}
    for name in ("description", "email", "name", "phone"):
        if name in params:
            values[name] = params.text(name)
    for name in ("address", "shipping"):
        if name in params:
            values[name] = params.values[name] or None
    if "balance" in params:
        values["balance"] = params.number("balance")
    if "invoice_settings" in params:
        values["invoice_settings"] = _default_method(store, params, customer)
    if "preferred_locales" in params:
        values["preferred_locales"] = params.texts("preferred_locales")
    return store.change(customer, "customer.updated", **values)


def delete(store: Store, params: Params, key: str) -> Obj:
    """Delete a customer for good; running subscriptions end at once."""
    from .subscriptions import end  # the two know each other

    customer = store.live("customer", key)
    for subscription in store.all("subscription", customer=key):
        if subscription["ended_at"] is None:
            end(store, subscription)
    for method in store.all("payment_method", customer=key):
        store.change(method, "payment_method.detached", customer=None)
    return deleted(store, customer, "customer.deleted")


def list_all(store: Store, params: Params) -> Obj:
    params.only("created email ending_before limit starting_after test_clock")
    rows = store.all("customer", **({"email": params.text("email")} if "email" in params else {}))
    return store.page(rows, params, "/v1/customers")


def sources(store: Store, params: Params, key: str) -> Obj:
    params.only("ending_before limit object starting_after")
    store.live("customer", key)
    return listed([], f"/v1/customers/{key}/sources")


def search(store: Store, params: Params, kind: str, url: str) -> Obj:
    """`email:'a@b.c' AND metadata['k']:'v'`: terms joined by AND (or all by OR), `:` exact, `~` a part."""
    params.only("limit page query")
    query = params.need("query")
    glue = " OR " if " OR " in query else " AND "
    terms = [_term(one) for one in query.split(glue)]
    join = any if glue == " OR " else all
    rows = [row for row in store.all(kind) if join(_matches(row, *term) for term in terms)]
    limit, start = params.number("limit", 10, 1) or 10, int(params.text("page", "0") or 0)
    return {
        "object": "search_result",
        "data": rows[start : start + limit],
        "has_more": len(rows) > start + limit,
        "next_page": str(start + limit) if len(rows) > start + limit else None,
        "url": url,
    }


def _term(text: str) -> tuple[str, str | None, str, bool, bool]:
    found = TERM.match(text.strip())
    if not found:
        raise invalid("query", f"We were unable to parse your search query: {text}")
    name, key, single, double = found.groups()
    return name, key, single if single is not None else double, "~" in text.split("'")[0], text.strip()[0] == "-"


def _matches(row: Obj, name: str, key: str | None, value: str, is_part: bool, is_not: bool) -> bool:
    field: Any = row.get(name)
    if key is not None and isinstance(field, dict):
        field = field.get(key)
    text = "" if field is None else str(field).lower()
    return (value.lower() in text if is_part else text == value.lower()) != is_not


# -- Payment methods ---------------------------------------------------------------------------------------------------
def card(store: Store, name: str, billing: Obj | None = None) -> Obj:
    """A new card that behaves as its name says."""
    brand, last4, behaviour = CARDS[name]
    key = store.new_id("payment_method")
    store.behaviours[key] = behaviour
    empty = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
    return store.add(
        {
            "id": key,
            "object": "payment_method",
            "allow_redisplay": "always",
            "billing_details": {"address": empty, "email": None, "name": None, "phone": None, "tax_id": None}
            | (billing or {}),
            "card": {
                "brand": brand,
                "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
                "country": "US",
                "display_brand": brand,
                "exp_month": 12,
                "exp_year": 2034,
                "fingerprint": f"standin{last4}",
                "funding": "credit",
                "generated_from": None,
                "last4": last4,
                "networks": {"available": [brand], "preferred": None},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "created": store.now,
            "customer": None,
            "customer_account": None,
            "livemode": False,
            "metadata": {},
            "type": "card",
        }
    )


def owned(store: Store, key: str, customer: str) -> Obj:
    """This customer's payment method; a card's name makes a new one of theirs. Raises: StripeError."""
    if key in CARDS:
        return attach_card(store, key, customer)
    method = store.live("payment_method", key, "payment_method")
    if method["customer"] != customer:
        raise StripeError("The customer does not have a payment method with that ID.", code="resource_missing")
    return method


def attach_card(store: Store, key: str, customer: str) -> Obj:
    method = card(store, key) if key in CARDS else store.live("payment_method", key)
    if method["customer"] not in (None, customer):
        raise StripeError("The payment method you provided has already been attached to a customer.")
    if store.behaviours[method["id"]] == "refused":
        del store.objects["payment_method"][method["id"]]
        raise declined()
    if method["customer"] is None:
        store.change(method, "payment_method.attached", customer=customer)
    return method


def method_create(store: Store, params: Params) -> Obj:
    params.only("allow_redisplay billing_details card customer metadata type")
    if params.choice("type", "card", "card") != "card":
        raise invalid("type", "The stand-in knows cards only.")
    token = params.within_of("card").text("token") or params.within_of("card").text("number") or "pm_card_visa"
    name = NUMBERS.get(token, token.replace("tok_", "pm_card_"))
    if name not in CARDS:
        raise invalid("card[token]", f"No such token: '{token}'")
    return card(store, name)


def method_update(store: Store, params: Params, key: str) -> Obj:
    params.only("allow_redisplay billing_details card metadata")
    method = store.live("payment_method", key)
    billing = method["billing_details"] | params.within_of("billing_details").values
    metadata = params.metadata(method["metadata"])
    return store.change(method, "payment_method.updated", billing_details=billing, metadata=metadata)


def method_attach(store: Store, params: Params, key: str) -> Obj:
    params.only("customer")
    customer = store.live("customer", params.need("customer"), "customer")
    return attach_card(store, key, customer["id"])


def method_detach(store: Store, params: Params, key: str) -> Obj:
    method = store.live("payment_method", key)
    if method["customer"] is None:
        raise StripeError("The payment method you provided is not attached to a customer.")
    customer = store.get("customer", method["customer"])
    settings = customer["invoice_settings"]
    if settings["default_payment_method"] == key:
        store.change(customer, "customer.updated", invoice_settings=settings | {"default_payment_method": None})
    for subscription in store.all("subscription", customer=customer["id"], default_payment_method=key):
        store.change(subscription, "customer.subscription.updated", default_payment_method=None)
    return store.change(method, "payment_method.detached", customer=None)


def method_list(store: Store, params: Params, customer: str | None = None) -> Obj:
    params.only("allow_redisplay customer ending_before limit starting_after type")
    customer = customer or params.text("customer")
    if customer:
        store.live("customer", customer, "customer")
    url = "/v1/payment_methods"
    return store.page(store.all("payment_method", **({"customer": customer} if customer else {})), params, url)


def method_of(store: Store, subscription: Obj | None, customer: Obj) -> Obj | None:
    """What a payment is taken from: the subscription's own, else the customer's default."""
    key = (subscription or {}).get("default_payment_method") or customer["invoice_settings"]["default_payment_method"]
    return store.objects["payment_method"].get(key) if key else None


def behaviour(store: Store, method: Obj, customer: str) -> str:
    """pays | fails | asks: what a control call says of this card, its owner or all; else as it was made."""
    for key in (method["id"], customer, "*"):
        if said := store.overrides.get(key):
            return said
    return store.behaviours.get(method["id"], "pays")
