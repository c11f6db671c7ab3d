"""The Billing Portal: sessions and settings made by calls, and what its page does."""

from __future__ import annotations

import copy
from typing import Any

from . import changes, customers, subscriptions
from .errors import StripeError, invalid
from .forms import Params
from .store import Obj, Store

FLOWS = "payment_method_update subscription_cancel subscription_update subscription_update_confirm"


# -- Calls -------------------------------------------------------------------------------------------------------------
def create(store: Store, params: Params) -> Obj:
    params.only("configuration customer flow_data locale on_behalf_of return_url")
    customer = store.live("customer", params.need("customer"), "customer")
    if given := params.text("configuration"):
        configuration = store.live("billing_portal.configuration", given, "configuration")
    else:
        configuration = default_configuration(store)
    key = store.new_id("billing_portal.session")
    session = store.add(
        {
            "id": key,
            "object": "billing_portal.session",
            "configuration": configuration["id"],
            "created": store.now,
            "customer": customer["id"],
            "customer_account": None,
            "flow": _flow(store, params),
            "livemode": False,
            "locale": params.text("locale"),
            "on_behalf_of": None,
            "return_url": params.text("return_url") or configuration["default_return_url"],
            "url": f"{store.base}/portal/{key}",
        }
    )
    store.tell("billing_portal.session.created", session)
    return session


def _flow(store: Store, params: Params) -> Obj | None:
    if "flow_data" not in params:
        return None
    data = params.within_of("flow_data")
    data.need("type")
    kind = data.choice("type", FLOWS, "")
    if kind != "payment_method_update":
        key = data.within_of(kind).need("subscription")
        store.live("subscription", key, f"flow_data[{kind}][subscription]")
    flow = {name: data.values.get(name) for name in FLOWS.split() if name != "payment_method_update"}
    after = data.values.get("after_completion") or {"type": "portal_homepage"}
    return flow | {"type": kind, "after_completion": after}


def default_configuration(store: Store) -> Obj:
    for row in store.all("billing_portal.configuration", is_default=True):
        return row
    allowed = {"enabled": "true", "proration_behavior": "create_prorations"}
    row = configuration_create(store, Params({"features": {"subscription_update": allowed}}))
    row["is_default"] = True
    return row


def _features(params: Params, old: Obj | None = None) -> Obj:
    given = params.within_of("features")
    old = old or {}

    def part(name: str, is_on: bool) -> tuple[Params, Obj]:
        inner, before = given.within_of(name), old.get(name, {})
        return inner, {"enabled": inner.flag("enabled", before.get("enabled", is_on))}

    _, customer = part("customer_update", False)
    _, history = part("invoice_history", True)
    _, method = part("payment_method_update", True)
    end, cancel = part("subscription_cancel", True)
    before = old.get("subscription_cancel", {})
    cancel["cancellation_reason"] = {"enabled": False, "options": []}
    cancel["mode"] = end.choice("mode", "at_period_end immediately", before.get("mode", "at_period_end"))
    cancel["proration_behavior"] = end.choice("proration_behavior", subscriptions.PRORATIONS, "none")
    change, update = part("subscription_update", False)
    before = old.get("subscription_update", {})
    how = before.get("proration_behavior", "none")
    products = [
        {"prices": row.texts("prices"), "product": row.need("product"), "adjustable_quantity": {"enabled": False}}
        for row in change.rows("products")
    ]
    update |= {
        "default_allowed_updates": change.texts("default_allowed_updates") or ["price"],
        "products": products if "products" in change else before.get("products", []),
        "proration_behavior": change.choice("proration_behavior", subscriptions.PRORATIONS, how),
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": change.choice("trial_update_behavior", "end_trial continue_trial", "end_trial"),
    }
    return {
        "customer_update": customer | {"allowed_updates": given.within_of("customer_update").texts("allowed_updates")},
        "invoice_history": history,
        "payment_method_update": method | {"payment_method_configuration": None},
        "subscription_cancel": cancel,
        "subscription_update": update,
    }


def configuration_create(store: Store, params: Params) -> Obj:
    params.only("business_profile default_return_url features login_page metadata name")
    row = store.add(
        {
            "id": store.new_id("billing_portal.configuration"),
            "object": "billing_portal.configuration",
            "active": True,
            "application": None,
            "business_profile": {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None}
            | params.within_of("business_profile").values,
            "created": store.now,
            "default_return_url": params.text("default_return_url"),
            "features": _features(params),
            "is_default": False,
            "livemode": False,
            "login_page": {"enabled": False, "url": None},
            "metadata": params.metadata(),
            "name": params.text("name"),
            "updated": store.now,
        }
    )
    store.tell("billing_portal.configuration.created", row)
    return row


def configuration_update(store: Store, params: Params, key: str) -> Obj:
    params.only("active business_profile default_return_url features login_page metadata name")
    row = store.live("billing_portal.configuration", key)
    values: Obj = {"metadata": params.metadata(row["metadata"]), "features": _features(params, row["features"])}
    values |= {name: params.text(name) for name in ("default_return_url", "name") if name in params}
    values["active"] = params.flag("active", row["active"])
    values["business_profile"] = row["business_profile"] | params.within_of("business_profile").values
    return store.change(row, "billing_portal.configuration.updated", **values)


def configuration_list(store: Store, params: Params) -> Obj:
    params.only("active ending_before is_default limit starting_after")
    where = {name: params.flag(name) for name in ("active", "is_default") if name in params}
    return store.page(store.all("billing_portal.configuration", **where), params, "/v1/billing_portal/configurations")


# -- The page's doings -------------------------------------------------------------------------------------------------
def features_of(store: Store, session: Obj) -> Obj:
    return store.get("billing_portal.configuration", session["configuration"])["features"]  # type: ignore[no-any-return]


def offered_prices(store: Store, session: Obj) -> list[Obj]:
    """What a subscription may be changed to; a configuration without products offers all there is."""
    update = features_of(store, session)["subscription_update"]
    if not update["enabled"]:
        return []
    named = {key for row in update["products"] for key in row["prices"]}
    rows = [row for row in store.all("price", active=True, type="recurring") if not named or row["id"] in named]
    return sorted(rows, key=lambda row: int(row["unit_amount"]))


def act(store: Store, key: str, action: str, values: dict[str, str]) -> Obj:
    """What a button of the page does: {"redirect"} to the page, or where the flow goes on; {"error"}."""
    session = store.get("billing_portal.session", key)
    mine = store.all("subscription", customer=session["customer"])
    running = [row for row in mine if row["ended_at"] is None and values.get("subscription") in (None, "", row["id"])]
    if action != "card" and not running:
        return {"error": "There is no plan to change."}
    try:
        _do(store, session, running[0] if running else None, action, values)
    except StripeError as error:
        return {"error": str(error)}
    after = (session["flow"] or {}).get("after_completion", {})
    redirect = after.get("redirect", {}) if after.get("type") == "redirect" else {}
    return {"redirect": redirect.get("return_url") or session["url"]}


def _do(store: Store, session: Obj, subscription: Any, action: str, values: dict[str, str]) -> None:
    """Raises: StripeError."""
    if action == "card":
        _change_card(store, session, values.get("card", "pays"))
    elif action in ("cancel", "cancel-now"):
        allowed = features_of(store, session)["subscription_cancel"]
        if not allowed["enabled"]:
            raise invalid("action", "Cancellation is switched off.")
        if action == "cancel-now" or allowed["mode"] == "immediately":
            subscriptions.end(store, subscription)
        else:
            _plan_end(store, subscription, is_ending=True)
    elif action == "resume":
        _plan_end(store, subscription, is_ending=False)
    elif action == "plan":
        _change_plan(store, session, subscription, values.get("price", ""))
    else:
        raise invalid("action", f"There is no button {action}.")


def _plan_end(store: Store, subscription: Obj, *, is_ending: bool) -> None:
    before = copy.deepcopy(subscription)
    changes.plan_end(store, subscription, is_ending, by_portal=True)
    store.tell(subscriptions.UPDATED, subscription, before)


def _change_plan(store: Store, session: Obj, subscription: Obj, price: str) -> None:
    if price not in [row["id"] for row in offered_prices(store, session)]:
        raise invalid("price", "That plan is not on offer.")
    update = features_of(store, session)["subscription_update"]
    change = {
        "items": [{"id": subscription["items"]["data"][0]["id"], "price": price}],
        "proration_behavior": update["proration_behavior"],
    }
    if subscription["status"] == "trialing" and update["trial_update_behavior"] == "end_trial":
        change["trial_end"] = "now"
    if change.get("trial_end") or update["proration_behavior"] == "always_invoice":
        change["payment_behavior"] = "error_if_incomplete"
    changes.update(store, Params(change), subscription["id"])


def _change_card(store: Store, session: Obj, card: str) -> None:
    """A new card becomes the default, of the customer and of all that runs; open invoices are tried with it."""
    if card == "fails":
        raise StripeError("Your card was declined.")
    name = {
        "pays": "pm_card_visa",
        "asks": "pm_card_authenticationRequired",
        "fails later": "pm_card_chargeCustomerFail",
    }
    customer = store.get("customer", session["customer"])
    method = customers.attach_card(store, name.get(card, "pm_card_visa"), customer["id"])
    settings = customer["invoice_settings"] | {"default_payment_method": method["id"]}
    store.change(customer, "customer.updated", invoice_settings=settings)
    for subscription in store.all("subscription", customer=customer["id"]):
        if subscription["ended_at"] is None:
            store.change(subscription, subscriptions.UPDATED, default_payment_method=method["id"])
            for invoice in subscriptions.of_subscription(store, subscription):
                if invoice["status"] == "open" and invoice["auto_advance"]:
                    subscriptions.confirm_payment(store, invoice, method)
