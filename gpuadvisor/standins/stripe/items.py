"""Subscription items: what a subscription sells, its periods, and what a change in mid-period costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .catalog import plan_of, price_create
from .errors import StripeError, invalid, missing, required
from .forms import Params
from .invoices import Charge
from .periods import day_text, money_text, period_end, share
from .store import Obj, Store


@dataclass(frozen=True)
class Wanted:
    """One item as a call asks for it."""

    price: Obj
    quantity: int
    item: Obj | None = None
    is_deleted: bool = False


def wanted_price(store: Store, row: Params) -> Obj:
    """The recurring, active price that a row names. Raises: StripeError."""
    if "price_data" in row:
        price = price_create(store, row.within_of("price_data"))
    else:
        key = row.text("price") or row.text("plan")
        if key is None:
            raise required(f"{row.within}[price]")
        price = store.live("price", key, f"{row.within}[price]")
    if not price["active"]:
        message = "The price specified is inactive. This field only accepts active prices."
        raise invalid(f"{row.within}[price]", message)
    if price["type"] != "recurring":
        message = (
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`."
        )
        raise invalid(f"{row.within}[price]", message)
    return price


def wanted_items(store: Store, rows: list[Params], subscription: Obj | None = None) -> list[Wanted]:
    """Raises: StripeError."""
    mine = {item["id"]: item for item in subscription["items"]["data"]} if subscription else {}
    found = []
    for row in rows:
        row.only(
            "id price plan price_data quantity metadata deleted clear_usage tax_rates discounts billing_thresholds"
        )
        key = row.text("id")
        if key and key not in mine:
            raise missing("subscription item", key, f"{row.within}[id]")
        item = mine.get(key) if key else None
        names_price = any(name in row for name in ("price", "plan", "price_data"))
        price = item["price"] if item and not names_price else wanted_price(store, row)
        quantity = row.number("quantity", item["quantity"] if item else 1, 0)
        found.append(Wanted(price, quantity or 0, item, row.flag("deleted")))
    _fit(subscription, found, mine)
    return found


def _fit(subscription: Obj | None, found: list[Wanted], mine: dict[str, Obj]) -> None:
    """Raises: StripeError where the items would not make one subscription."""
    changed = {one.item["id"] for one in found if one.item}
    prices = [one.price for one in found if not one.is_deleted]
    prices += [item["price"] for key, item in mine.items() if key not in changed]
    if not prices:
        raise invalid("items", "A subscription must have at least one active item.")
    if len({price["id"] for price in prices}) < len(prices):
        raise invalid("items", "A subscription cannot have two items with the same price.")
    if len({(p["recurring"]["interval"], p["recurring"]["interval_count"], p["currency"]) for p in prices}) > 1:
        message = "Currently, subscriptions with mixed intervals or currencies are beyond the stand-in."
        raise StripeError(message, param="items")
    if subscription and prices[0]["currency"] != subscription["currency"]:
        raise invalid("items", "The currency of a subscription cannot be changed.")


def new_item(store: Store, subscription: Obj, wanted: Wanted, start: int, end: int) -> Obj:
    item = store.add(
        {
            "id": store.new_id("subscription_item"),
            "object": "subscription_item",
            "billed_until": None,
            "billing_thresholds": None,
            "created": store.now,
            "current_period_end": end,
            "current_period_start": start,
            "discounts": [],
            "metadata": {},
            "plan": plan_of(wanted.price),
            "price": wanted.price,
            "quantity": wanted.quantity,
            "subscription": subscription["id"],
            "tax_rates": [],
        }
    )
    subscription["items"]["data"].append(item)
    return item


def apply(store: Store, subscription: Obj, found: list[Wanted]) -> None:
    """Make the items what is wanted; new ones join the running period."""
    first = subscription["items"]["data"][0]
    start, end = first["current_period_start"], first["current_period_end"]
    for one in found:
        if one.item is None:
            new_item(store, subscription, one, start, end)
        elif one.is_deleted:
            subscription["items"]["data"].remove(one.item)
            store.objects["subscription_item"][one.item["id"]] = {
                "id": one.item["id"],
                "object": "subscription_item",
                "deleted": True,
            }
        else:
            one.item.update(price=one.price, plan=plan_of(one.price), quantity=one.quantity)


def recurring_of(subscription: Obj) -> Obj:
    return subscription["items"]["data"][0]["price"]["recurring"]  # type: ignore[no-any-return]


def set_period(subscription: Obj, start: int, end: int | None = None) -> None:
    """Start a period: to the end of the interval, or to the end given (a trial's)."""
    anchor = subscription["billing_cycle_anchor"]
    end = end or period_end(start, recurring_of(subscription), anchor)
    for item in subscription["items"]["data"]:
        item |= {"current_period_start": start, "current_period_end": end}


def current_end(subscription: Obj) -> int:
    return max(int(item["current_period_end"]) for item in subscription["items"]["data"])


# -- What they cost ----------------------------------------------------------------------------------------------------
def name_of(store: Store, price: Obj) -> str:
    return str(store.get("product", price["product"]).get("name", "Deleted product"))


def full_charges(store: Store, subscription: Obj) -> list[Charge]:
    """The period as it stands, in full."""
    rows = []
    for item in subscription["items"]["data"]:
        price, quantity = item["price"], item["quantity"]
        each = money_text(price["unit_amount"], price["currency"])
        text = f"{quantity} × {name_of(store, price)} (at {each} / {price['recurring']['interval']})"
        start, end = item["current_period_start"], item["current_period_end"]
        rows.append(Charge(price["unit_amount"] * quantity, text, start, end, item, price, quantity))
    return rows


def trial_charges(store: Store, subscription: Obj) -> list[Charge]:
    rows = []
    for item in subscription["items"]["data"]:
        text = f"Trial period for {name_of(store, item['price'])}"
        start, end = item["current_period_start"], item["current_period_end"]
        rows.append(Charge(0, text, start, end, item, item["price"], item["quantity"]))
    return rows


def unused(store: Store, item: Obj, at: int) -> Charge:
    """The credit for the rest of the period of an item as it stands."""
    price, start, end = item["price"], item["current_period_start"], item["current_period_end"]
    amount = -share(price["unit_amount"] * item["quantity"], start, end, at)
    text = f"Unused time on {name_of(store, price)} after {day_text(at)}"
    return Charge(amount, text, at, end, item, price, item["quantity"], is_proration=True)


def remaining(store: Store, item: Obj, wanted: Wanted, start: int, end: int, at: int) -> Charge:
    """The charge for the rest of the period of what is wanted."""
    amount = share(wanted.price["unit_amount"] * wanted.quantity, start, end, at)
    text = f"Remaining time on {name_of(store, wanted.price)} after {day_text(at)}"
    return Charge(amount, text, at, end, item, wanted.price, wanted.quantity, is_proration=True)


def keep_for_next(store: Store, subscription: Obj, charge: Charge) -> Obj:
    """An invoice item that waits for the next invoice."""
    key = store.new_id("invoiceitem")
    details: Any = {"subscription": subscription["id"], "subscription_item": charge.item["id"]}
    row = store.add(
        {
            "id": key,
            "object": "invoiceitem",
            "amount": charge.amount,
            "currency": charge.price["currency"],
            "customer": subscription["customer"],
            "customer_account": None,
            "date": store.now,
            "created": store.now,
            "description": charge.description,
            "discountable": False,
            "discounts": [],
            "invoice": None,
            "livemode": False,
            "metadata": {},
            "net_amount": charge.amount,
            "parent": {"subscription_details": details, "type": "subscription_details"},
            "period": {"start": charge.start, "end": charge.end},
            "pricing": {
                "price_details": {"price": charge.price["id"], "product": charge.price["product"]},
                "type": "price_details",
                "unit_amount_decimal": charge.price["unit_amount_decimal"],
            },
            "proration": True,
            "proration_details": {"credited_items": None, "discount_amounts": []},
            "quantity": charge.quantity,
            "quantity_decimal": str(charge.quantity),
            "tax_rates": [],
            "test_clock": None,
        }
    )
    kept = Charge(**{**charge.__dict__, "pending": key})
    store.hidden[key] = {"charge": kept}
    store.tell("invoiceitem.created", row)
    return row


# -- Calls -------------------------------------------------------------------------------------------------------------
def list_all(store: Store, params: Params) -> Obj:
    params.only("ending_before limit starting_after subscription")
    subscription = store.get("subscription", params.need("subscription"), "subscription")
    return store.page(subscription["items"]["data"], params, "/v1/subscription_items")


def waiting(store: Store, params: Params) -> Obj:
    params.only("created customer ending_before invoice limit pending starting_after")
    where = {name: value for name in ("customer", "invoice") if (value := params.text(name))}
    rows = store.all("invoiceitem", **where)
    if params.flag("pending"):
        rows = [row for row in rows if row["invoice"] is None]
    return store.page(rows, params, "/v1/invoiceitems")
