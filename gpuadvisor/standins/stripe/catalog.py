"""Products, prices, coupons and promotion codes."""

from __future__ import annotations

from typing import Any

from .errors import StripeError, invalid, missing, required
from .forms import Params
from .store import Obj, Store, listed

INTERVALS = "day week month year"
PRODUCT = (
    "active description images marketing_features metadata name package_dimensions shippable statement_descriptor"
    " tax_code unit_label url"
)
PRICE = (
    "active billing_scheme currency lookup_key metadata nickname product product_data recurring tax_behavior"
    " transfer_lookup_key unit_amount unit_amount_decimal"
)
COUPON = (
    "amount_off applies_to currency duration duration_in_months id max_redemptions metadata name percent_off redeem_by"
)


# -- Products ----------------------------------------------------------------------------------------------------------
def product_create(store: Store, params: Params) -> Obj:
    params.only(f"{PRODUCT} id type default_price_data")
    key = params.text("id") or store.new_id("product")
    if key in store.objects["product"]:
        raise StripeError(f"Product already exists: {key}", code="resource_already_exists", param="id")
    product = store.add(
        {
            "id": key,
            "object": "product",
            "active": params.flag("active", True),
            "created": store.now,
            "default_price": None,
            "description": params.text("description"),
            "images": params.texts("images"),
            "livemode": False,
            "marketing_features": [dict(row.values) for row in params.rows("marketing_features")],
            "metadata": params.metadata(),
            "name": params.need("name"),
            "package_dimensions": None,
            "shippable": None,
            "statement_descriptor": params.text("statement_descriptor"),
            "tax_code": params.text("tax_code"),
            "type": "service",
            "unit_label": params.text("unit_label"),
            "updated": store.now,
            "url": params.text("url"),
        }
    )
    if "default_price_data" in params:
        data = params.within_of("default_price_data")
        product["default_price"] = price_create(store, Params(data.values | {"product": key}))["id"]
    store.tell("product.created", product)
    return product


def product_update(store: Store, params: Params, key: str) -> Obj:
    params.only(f"{PRODUCT} default_price")
    product = store.live("product", key)
    values: Obj = {"metadata": params.metadata(product["metadata"])}
    for name in ("description", "name", "statement_descriptor", "tax_code", "unit_label", "url", "default_price"):
        if name in params:
            values[name] = params.text(name)
    if values.get("default_price"):
        store.live("price", values["default_price"], "default_price")
    if "active" in params:
        values["active"] = params.flag("active")
    if "marketing_features" in params:
        values["marketing_features"] = [dict(row.values) for row in params.rows("marketing_features")]
    if any(product[name] != value for name, value in values.items()):
        store.change(product, "product.updated", **values, updated=store.now)
    return product


def product_delete(store: Store, params: Params, key: str) -> Obj:
    product = store.live("product", key)
    if store.all("price", product=key):
        message = "This product cannot be deleted because it has one or more user-created prices."
        raise StripeError(message)
    return deleted(store, product, "product.deleted")


def product_list(store: Store, params: Params) -> Obj:
    params.only("active created ending_before ids limit shippable starting_after type url")
    rows = store.all("product", **({"active": params.flag("active")} if "active" in params else {}))
    if ids := params.texts("ids"):
        rows = [row for row in rows if row["id"] in ids]
    return store.page(rows, params, "/v1/products")


def product_features(store: Store, params: Params, key: str) -> Obj:
    store.live("product", key)
    return listed([], f"/v1/products/{key}/features")


def deleted(store: Store, obj: Obj, kind: str) -> Obj:
    """Take an object away; what stays in its place says so."""
    store.tell(kind, obj)
    rest = {"id": obj["id"], "object": obj["object"], "deleted": True}
    store.objects[obj["object"]][obj["id"]] = rest
    return rest


# -- Prices ------------------------------------------------------------------------------------------------------------
def price_create(store: Store, params: Params) -> Obj:
    params.only(PRICE)
    if "product_data" in params:
        product = product_create(store, params.within_of("product_data"))["id"]
    else:
        product = store.live("product", params.need("product"), "product")["id"]
    amount = params.number("unit_amount", None, 0)
    if amount is None:
        amount = int(float(params.text("unit_amount_decimal", "") or _no_amount()))
    price: Obj = {
        "id": store.new_id("price"),
        "object": "price",
        "active": params.flag("active", True),
        "billing_scheme": "per_unit",
        "created": store.now,
        "currency": params.need("currency").lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": params.metadata(),
        "nickname": params.text("nickname"),
        "product": product,
        "recurring": _recurring(params),
        "tax_behavior": params.choice("tax_behavior", "exclusive inclusive unspecified", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if "recurring" in params else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
    if lookup_key := params.text("lookup_key"):
        _take_lookup_key(store, lookup_key, params)
        price["lookup_key"] = lookup_key
    store.add(price)
    store.tell("price.created", price)
    return price


def _no_amount() -> str:
    raise required("unit_amount")


def _recurring(params: Params) -> Obj | None:
    if "recurring" not in params:
        return None
    inner = params.within_of("recurring").only("interval interval_count meter usage_type")
    inner.need("interval")
    return {
        "interval": inner.choice("interval", INTERVALS, ""),
        "interval_count": inner.number("interval_count", 1, 1),
        "meter": None,
        "trial_period_days": None,
        "usage_type": inner.choice("usage_type", "licensed", "licensed"),
    }


def _take_lookup_key(store: Store, lookup_key: str, params: Params, own: str = "") -> None:
    """One active price has a lookup key; another gets it only if it is told to take it over."""
    for holder in store.all("price", lookup_key=lookup_key):
        if holder["id"] == own:
            continue
        if not params.flag("transfer_lookup_key"):
            message = f"A price (`{holder['id']}`) already uses that lookup key."
            raise StripeError(message, code="resource_already_exists", param="lookup_key")
        store.change(holder, "price.updated", lookup_key=None)


def price_update(store: Store, params: Params, key: str) -> Obj:
    params.only("active lookup_key metadata nickname tax_behavior transfer_lookup_key")
    price = store.live("price", key)
    values: Obj = {"metadata": params.metadata(price["metadata"])}
    if "active" in params:
        values["active"] = params.flag("active")
    if "nickname" in params:
        values["nickname"] = params.text("nickname")
    if "tax_behavior" in params:
        values["tax_behavior"] = params.choice("tax_behavior", "exclusive inclusive unspecified", "unspecified")
    if "lookup_key" in params:
        values["lookup_key"] = params.text("lookup_key")
        if values["lookup_key"]:
            _take_lookup_key(store, values["lookup_key"], params, own=key)
    return store.change(price, "price.updated", **values)


def price_list(store: Store, params: Params) -> Obj:
    params.only("active created currency ending_before limit lookup_keys product recurring starting_after type")
    rows = store.all("price", **({"active": params.flag("active")} if "active" in params else {}))
    for name in ("currency", "product", "type"):
        if value := params.text(name):
            rows = [row for row in rows if row[name] == value]
    if keys := params.texts("lookup_keys"):
        if len(keys) > 10:
            raise invalid("lookup_keys", "At most 10 lookup keys.")
        rows = [row for row in rows if row["lookup_key"] in keys]
    if interval := params.within_of("recurring").text("interval"):
        rows = [row for row in rows if row["recurring"] and row["recurring"]["interval"] == interval]
    return store.page(rows, params, "/v1/prices")


def plan_of(price: Obj) -> Obj:
    """The old shape of a recurring price, which still stands on each subscription item."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


# -- Coupons and promotion codes ---------------------------------------------------------------------------------------
def coupon_create(store: Store, params: Params) -> Obj:
    params.only(COUPON)
    percent, amount = params.text("percent_off"), params.number("amount_off", None, 1)
    if (percent is None) == (amount is None):
        raise invalid("percent_off", "You must pass either percent_off or amount_off, and not both.")
    if percent is not None and not 0 < float(percent) <= 100:
        raise invalid("percent_off", "Percentages must be between 0 and 100.")
    duration = params.choice("duration", "forever once repeating", "once")
    months = params.number("duration_in_months", None, 1)
    if (duration == "repeating") != (months is not None):
        raise invalid("duration_in_months", "duration_in_months goes with duration=repeating.")
    key = params.text("id") or store.new_id("coupon")[3:11]
    if key in store.objects["coupon"] and not store.objects["coupon"][key].get("deleted"):
        raise StripeError("Coupon already exists.", code="resource_already_exists", param="id")
    coupon = store.add(
        {
            "id": key,
            "object": "coupon",
            "amount_off": amount,
            "created": store.now,
            "currency": params.need("currency") if amount is not None else None,
            "duration": duration,
            "duration_in_months": months,
            "livemode": False,
            "max_redemptions": params.number("max_redemptions", None, 1),
            "metadata": params.metadata(),
            "name": params.text("name"),
            "percent_off": None if percent is None else float(percent),
            "redeem_by": params.number("redeem_by"),
            "times_redeemed": 0,
            "valid": True,
        }
    )
    store.hidden[key] = {"applies_to": {"products": params.within_of("applies_to").texts("products")}}
    store.tell("coupon.created", coupon)
    return coupon


def coupon_update(store: Store, params: Params, key: str) -> Obj:
    params.only("metadata name")
    coupon = store.live("coupon", key)
    name = params.text("name") if "name" in params else coupon["name"]
    return store.change(coupon, "coupon.updated", name=name, metadata=params.metadata(coupon["metadata"]))


def coupon_delete(store: Store, params: Params, key: str) -> Obj:
    return deleted(store, store.live("coupon", key), "coupon.deleted")


def coupon_list(store: Store, params: Params) -> Obj:
    params.only("created ending_before limit starting_after")
    return store.page(store.all("coupon"), params, "/v1/coupons")


def promotion_code_create(store: Store, params: Params) -> Obj:
    params.only("active code customer expires_at max_redemptions metadata promotion restrictions")
    promotion = params.within_of("promotion").only("type coupon")
    coupon = store.live("coupon", promotion.need("coupon"), "promotion[coupon]")
    key = store.new_id("promotion_code")
    code = params.text("code") or key[-8:].upper()
    if any(row["code"].lower() == code.lower() and row["active"] for row in store.all("promotion_code")):
        raise StripeError("An active promotion code with that code already exists.", param="code")
    row = store.add(
        {
            "id": key,
            "object": "promotion_code",
            "active": params.flag("active", True),
            "code": code,
            "created": store.now,
            "customer": params.text("customer"),
            "customer_account": None,
            "expires_at": params.number("expires_at"),
            "livemode": False,
            "max_redemptions": params.number("max_redemptions", None, 1),
            "metadata": params.metadata(),
            "promotion": {"coupon": coupon["id"], "type": "coupon"},
            "restrictions": {
                "first_time_transaction": params.within_of("restrictions").flag("first_time_transaction"),
                "minimum_amount": None,
                "minimum_amount_currency": None,
            },
            "times_redeemed": 0,
        }
    )
    store.tell("promotion_code.created", row)
    return row


def promotion_code_update(store: Store, params: Params, key: str) -> Obj:
    params.only("active metadata restrictions")
    row = store.live("promotion_code", key)
    active = params.flag("active", row["active"])
    return store.change(row, "promotion_code.updated", active=active, metadata=params.metadata(row["metadata"]))


def promotion_code_list(store: Store, params: Params) -> Obj:
    params.only("active code coupon created customer ending_before limit starting_after")
    rows = store.all("promotion_code", **({"active": params.flag("active")} if "active" in params else {}))
    if code := params.text("code"):
        rows = [row for row in rows if row["code"].lower() == code.lower()]
    if coupon := params.text("coupon"):
        rows = [row for row in rows if row["promotion"]["coupon"] == coupon]
    return store.page(rows, params, "/v1/promotion_codes")


def coupon_for_code(store: Store, code: str, customer: str | None) -> Obj:
    """The promotion code that a customer may redeem. Raises: StripeError."""
    for row in store.all("promotion_code", active=True):
        if row["code"].lower() == code.strip().lower() and row["customer"] in (None, customer):
            check_redeemable(store, row)
            return row
    raise missing("promotion code", code, "promotion_code")


def check_redeemable(store: Store, row: Obj) -> None:
    """Raises: StripeError where a coupon or a promotion code is over."""
    until, most = row.get("redeem_by") or row.get("expires_at"), row["max_redemptions"]
    if (until and store.now >= until) or (most is not None and row["times_redeemed"] >= most):
        raise StripeError("This coupon has expired or has been redeemed too often.", code="coupon_expired")
    if row["object"] == "promotion_code":
        check_redeemable(store, store.live("coupon", row["promotion"]["coupon"], "coupon"))


def discounts_of(store: Store, rows: list[Params], *, customer: str, subscription: str | None) -> list[str]:
    """New discounts from coupons and promotion codes; one that stands already is kept. Raises: StripeError."""
    keys = []
    for row in rows:
        row.only("coupon discount promotion_code")
        if standing := row.text("discount"):
            keys.append(store.get("discount", standing, "discounts")["id"])
            continue
        promotion: Any = None
        if code := row.text("promotion_code"):
            promotion = store.live("promotion_code", code, "discounts")
            check_redeemable(store, promotion)
            coupon = store.live("coupon", promotion["promotion"]["coupon"], "discounts")
        else:
            coupon = store.live("coupon", row.need("coupon"), "discounts")
            check_redeemable(store, coupon)
        keys.append(discount(store, coupon, promotion, customer=customer, subscription=subscription)["id"])
    return keys


def discount(store: Store, coupon: Obj, promotion: Obj | None, *, customer: str, subscription: str | None) -> Obj:
    for redeemed in (coupon, promotion):
        if redeemed:
            redeemed["times_redeemed"] += 1
    months = coupon["duration_in_months"]
    row = store.add(
        {
            "id": store.new_id("discount"),
            "object": "discount",
            "checkout_session": None,
            "customer": customer,
            "customer_account": None,
            "end": store.now + months * 2_629_800 if months else None,
            "invoice": None,
            "invoice_item": None,
            "promotion_code": promotion["id"] if promotion else None,
            "source": {"coupon": coupon["id"], "type": "coupon"},
            "start": store.now,
            "subscription": subscription,
            "subscription_item": None,
        }
    )
    store.tell("customer.discount.created", row)
    return row
