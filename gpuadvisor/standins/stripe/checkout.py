"""Checkout sessions: made by a call, paid on a page."""

from __future__ import annotations

from typing import Any

from . import customers, items, subscriptions
from .catalog import check_redeemable, coupon_for_code
from .errors import StripeError, invalid, missing, required
from .forms import Params
from .periods import DAY
from .store import Obj, Store, listed

FIELDS = (
    "adaptive_pricing after_expiration allow_promotion_codes automatic_tax billing_address_collection branding_settings"
    " cancel_url client_reference_id consent_collection currency custom_fields custom_text customer customer_email"
    " customer_update discounts expires_at line_items locale metadata mode name_collection origin_context"
    " payment_method_collection payment_method_options payment_method_types phone_number_collection"
    " saved_payment_method_options subscription_data success_url tax_id_collection ui_mode"
)
SUBSCRIPTION_DATA = (
    "billing_cycle_anchor billing_mode default_tax_rates description invoice_settings metadata proration_behavior"
    " trial_end trial_period_days trial_settings"
)
DECLINED = "Your card was declined. Try another card."


def create(store: Store, params: Params) -> Obj:
    params.only(FIELDS)
    if params.need("mode") != "subscription":
        raise invalid("mode", "The stand-in has Checkout in mode subscription only.")
    success_url = params.need("success_url")
    if not params.rows("line_items"):
        raise required("line_items")
    customer, email = params.text("customer"), params.text("customer_email")
    if customer and email:
        raise invalid("customer_email", "You may only specify one of these parameters: customer, customer_email.")
    if customer:
        email = store.live("customer", customer, "customer")["email"]
    elif "customer_update" in params:
        raise invalid("customer_update", "`customer_update` can only be used with `customer`.")
    discounts, takes_codes = params.rows("discounts"), params.flag("allow_promotion_codes")
    if discounts and takes_codes:
        message = "You may only specify one of these parameters: allow_promotion_codes, discounts."
        raise invalid("allow_promotion_codes", message)
    given = [_discount(store, row) for row in discounts]
    wanted = [_line(store, row) for row in params.rows("line_items")]
    taxes = params.within_of("automatic_tax").flag("enabled")  # kept and shown; what it comes to is always nothing
    inner = params.within_of("subscription_data").only(SUBSCRIPTION_DATA)
    trial_end = subscriptions.trial_end_of(store, inner)
    if trial_end and trial_end < store.now + 2 * DAY and "trial_end" in inner:
        raise invalid("subscription_data[trial_end]", "The trial end must be at least 48 hours in the future.")
    expires_at = params.number("expires_at", store.now + DAY) or 0
    if not store.now + 1740 <= expires_at <= store.now + DAY + 60:
        raise invalid("expires_at", "The `expires_at` timestamp must be from 30 minutes to 24 hours in the future.")
    key = store.new_id("checkout.session")
    session = store.add(
        {
            "id": key,
            "object": "checkout.session",
            "adaptive_pricing": {"enabled": False},
            "after_expiration": None,
            "allow_promotion_codes": takes_codes or None,
            "amount_subtotal": 0,
            "amount_total": 0,
            "automatic_tax": {"enabled": taxes, "liability": None, "provider": None, "status": None},
            "billing_address_collection": params.text("billing_address_collection"),
            "branding_settings": None,
            "cancel_url": params.text("cancel_url"),
            "client_reference_id": params.text("client_reference_id"),
            "client_secret": None,
            "collected_information": {"business_name": None, "individual_name": None, "shipping_details": None},
            "consent": None,
            "consent_collection": None,
            "created": store.now,
            "currency": wanted[0].price["currency"],
            "currency_conversion": None,
            "custom_fields": [],
            "custom_text": {"after_submit": None, "shipping_address": None, "submit": None}
            | {"terms_of_service_acceptance": None},
            "customer": customer,
            "customer_account": None,
            "customer_creation": None if customer else "always",
            "customer_details": None,
            "customer_email": None if customer else email,
            "discounts": given,
            "expires_at": expires_at,
            "invoice": None,
            "invoice_creation": None,
            "livemode": False,
            "locale": params.text("locale"),
            "metadata": params.metadata(),
            "mode": "subscription",
            "origin_context": None,
            "payment_intent": None,
            "payment_link": None,
            "payment_method_collection": params.choice("payment_method_collection", "always if_required", "always"),
            "payment_method_configuration_details": None,
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": params.texts("payment_method_types") or ["card"],
            "payment_status": "unpaid",
            "permissions": None,
            "phone_number_collection": {"enabled": False},
            "recovered_from": None,
            "saved_payment_method_options": {"allow_redisplay_filters": ["always"], "payment_method_remove": "disabled"}
            | {"payment_method_save": None},
            "setup_intent": None,
            "shipping_address_collection": None,
            "shipping_cost": None,
            "shipping_options": [],
            "status": "open",
            "submit_type": None,
            "subscription": None,
            "success_url": success_url,
            "tax_id_collection": {"enabled": False, "required": "never"},
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "url": f"{store.base}/pay/{key}",
            "wallet_options": None,
        }
    )
    store.hidden[key] = {"wanted": wanted, "data": inner.values}
    _sum_up(store, session, given)
    return session


def _discount(store: Store, row: Params) -> Obj:
    row.only("coupon promotion_code")
    if code := row.text("promotion_code"):
        check_redeemable(store, store.live("promotion_code", code, "discounts"))
        return {"coupon": None, "promotion_code": code}
    coupon = store.live("coupon", row.need("coupon"), "discounts")
    check_redeemable(store, coupon)
    return {"coupon": coupon["id"], "promotion_code": None}


def _line(store: Store, row: Params) -> items.Wanted:
    row.only("adjustable_quantity dynamic_tax_rates price price_data quantity tax_rates")
    return items.Wanted(items.wanted_price(store, row), row.number("quantity", 1, 1) or 1)


def trial_end(store: Store, session: Obj) -> int | None:
    return subscriptions.trial_end_of(store, Params(store.hidden[session["id"]]["data"], "subscription_data"))


def _sum_up(store: Store, session: Obj, discounts: list[Obj]) -> None:
    """The session's sums and its line items."""
    wanted = store.hidden[session["id"]]["wanted"]
    amounts = [one.price["unit_amount"] * one.quantity for one in wanted]
    subtotal = 0 if trial_end(store, session) else sum(amounts)
    off = 0
    for row in discounts:
        key = row["coupon"] or store.get("promotion_code", row["promotion_code"])["promotion"]["coupon"]
        coupon = store.get("coupon", key)
        left = subtotal - off
        off += min(left, coupon["amount_off"] or round(left * (coupon["percent_off"] or 0) / 100))
    session |= {"amount_subtotal": subtotal, "amount_total": subtotal - off, "discounts": discounts}
    session["total_details"] = {"amount_discount": off, "amount_shipping": 0, "amount_tax": 0}
    lines = [
        {
            "id": f"li_{session['id'][-20:]}{number}",
            "object": "item",
            "adjustable_quantity": None,
            "amount_discount": 0,
            "amount_subtotal": amount,
            "amount_tax": 0,
            "amount_total": amount,
            "currency": one.price["currency"],
            "description": items.name_of(store, one.price),
            "discounts": [],
            "metadata": {},
            "price": one.price,
            "quantity": one.quantity,
        }
        for number, (one, amount) in enumerate(zip(wanted, amounts, strict=True))
    ]
    store.hidden[session["id"]]["line_items"] = listed(lines, f"/v1/checkout/sessions/{session['id']}/line_items")


def needs_card(session: Obj) -> bool:
    return bool(session["amount_total"]) or session["payment_method_collection"] == "always"


def pay(store: Store, key: str, card: str, code: str = "", email: str = "") -> Obj:
    """What the page does: {"redirect"} where it is done, {"error"} or {"asks"} where it is not."""
    session = store.get("checkout.session", key)
    if session["status"] != "open":
        return {"error": f"This session is {session['status']}."}
    if code and session["allow_promotion_codes"]:
        try:
            row = coupon_for_code(store, code, session["customer"])
        except StripeError:
            return {"error": "This code is invalid."}
        _sum_up(store, session, [{"coupon": None, "promotion_code": row["id"]}])
    if card == "none" and needs_card(session):
        return {"error": "A card is needed."}
    said = store.overrides.get(session["customer"] or "*") or store.overrides.get("*")
    if card == "fails" or (card != "none" and said == "fails"):
        return {"error": DECLINED}
    if card == "asks" or (card == "pays" and said == "asks"):
        return {"asks": True}
    if card not in ("pays", "confirmed", "none"):
        return {"error": f"There is no card {card}."}
    _complete(store, session, card, email)
    return {"redirect": session["success_url"].replace("{CHECKOUT_SESSION_ID}", key)}


def _complete(store: Store, session: Obj, card: str, email: str) -> None:
    hidden = store.hidden[session["id"]]
    if session["customer"]:
        customer = store.get("customer", session["customer"])
    else:
        address = session["customer_email"] or email or "visitor@example.com"
        customer = customers.create(store, Params({"email": address}))
    method: Any = None
    if card != "none":
        name = "pm_card_visa" if card == "pays" else "pm_card_threeDSecure2Required"
        method = customers.attach_card(store, name, customer["id"])
        store.behaviours[method["id"]] = "pays"  # the bank was asked, if it had to be
    data = {
        name: hidden["data"][name] for name in ("description", "metadata", "trial_settings") if name in hidden["data"]
    }
    data["automatic_tax"] = session["automatic_tax"]
    data["discounts"] = [{name: value for name, value in row.items() if value} for row in session["discounts"]]
    subscription = subscriptions.begin(
        store,
        customer,
        hidden["wanted"],
        Params(data, "subscription_data"),
        trial_end=trial_end(store, session),
        own_method=method["id"] if method else None,
        is_confirmed=True,
    )
    details = {"address": customer["address"], "business_name": None, "email": customer["email"]}
    details |= {"individual_name": None, "name": customer["name"], "phone": customer["phone"]}
    session |= {
        "customer": customer["id"],
        "customer_details": details | {"tax_exempt": customer["tax_exempt"], "tax_ids": []},
        "invoice": subscription["latest_invoice"],
        "payment_status": "paid" if session["amount_total"] or not trial_end(store, session) else "no_payment_required",
        "status": "complete",
        "subscription": subscription["id"],
        "url": None,
    }
    store.tell("checkout.session.completed", session)


# -- Calls -------------------------------------------------------------------------------------------------------------
def update(store: Store, params: Params, key: str) -> Obj:
    params.only("metadata")
    session = store.get("checkout.session", key)
    session["metadata"] = params.metadata(session["metadata"])
    return session


def expire(store: Store, params: Params, key: str) -> Obj:
    session = store.get("checkout.session", key)
    if session["status"] != "open":
        message = f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {session["status"]}.'
        raise StripeError(message)
    session |= {"status": "expired", "url": None}
    store.tell("checkout.session.expired", session)
    return session


def line_items(store: Store, params: Params, key: str) -> Obj:
    params.only("ending_before limit starting_after")
    store.get("checkout.session", key)
    rows = store.hidden[key]["line_items"]["data"]
    return store.page(rows, params, f"/v1/checkout/sessions/{key}/line_items")


def list_all(store: Store, params: Params) -> Obj:
    params.only(
        "created customer customer_details ending_before limit payment_intent starting_after status subscription"
    )
    where = {name: value for name in ("customer", "status", "subscription") if (value := params.text(name))}
    rows = store.all("checkout.session", **where)
    if email := params.within_of("customer_details").text("email"):
        rows = [row for row in rows if (row["customer_details"] or {}).get("email") == email]
    return store.page(rows, params, "/v1/checkout/sessions")


def open_session(store: Store, key: str) -> Obj:
    """Raises: StripeError where no such session waits for its visitor."""
    session = store.get("checkout.session", key)
    if session["status"] != "open":
        raise missing("checkout.session", key)
    return session
