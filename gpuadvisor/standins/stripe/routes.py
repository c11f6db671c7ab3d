"""Which function answers which address."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import catalog, changes, checkout, credits, customers, events, invoices, items, payments, portal, subscriptions
from .forms import Params
from .store import ACCOUNT, Obj, Store, listed

Call = Callable[..., Obj]


def _get(kind: str) -> Call:
    return lambda store, params, key: store.get(kind, key)


def _live(kind: str) -> Call:
    return lambda store, params, key: store.live(kind, key)


def _nothing(url: str) -> Call:
    return lambda store, params: listed([], url)


def _search(kind: str, url: str) -> Call:
    return lambda store, params: customers.search(store, params, kind, url)


def _accounts(store: Store, params: Params) -> Obj:
    return listed(store.all("account"), "/v1/accounts")


def _customer_methods(store: Store, params: Params, key: str) -> Obj:
    return customers.method_list(store, params, key)


def _customer_method(store: Store, params: Params, key: str, method: str) -> Obj:
    return customers.owned(store, method, key)


TABLE: tuple[tuple[str, str, Call], ...] = (
    ("GET", "account", lambda store, params: store.get("account", ACCOUNT)),
    ("GET", "accounts", _accounts),
    ("GET", "accounts/{}", _get("account")),
    ("POST", "customers", customers.create),
    ("GET", "customers", customers.list_all),
    ("GET", "customers/search", _search("customer", "/v1/customers/search")),
    ("GET", "customers/{}", customers.retrieve),
    ("POST", "customers/{}", customers.update),
    ("DELETE", "customers/{}", customers.delete),
    ("GET", "customers/{}/sources", customers.sources),
    ("GET", "customers/{}/payment_methods", _customer_methods),
    ("GET", "customers/{}/payment_methods/{}", _customer_method),
    ("POST", "payment_methods", customers.method_create),
    ("GET", "payment_methods", customers.method_list),
    ("GET", "payment_methods/{}", _live("payment_method")),
    ("POST", "payment_methods/{}", customers.method_update),
    ("POST", "payment_methods/{}/attach", customers.method_attach),
    ("POST", "payment_methods/{}/detach", customers.method_detach),
    ("POST", "products", catalog.product_create),
    ("GET", "products", catalog.product_list),
    ("GET", "products/search", _search("product", "/v1/products/search")),
    ("GET", "products/{}", _live("product")),
    ("POST", "products/{}", catalog.product_update),
    ("DELETE", "products/{}", catalog.product_delete),
    ("GET", "products/{}/features", catalog.product_features),
    ("POST", "prices", catalog.price_create),
    ("GET", "prices", catalog.price_list),
    ("GET", "prices/search", _search("price", "/v1/prices/search")),
    ("GET", "prices/{}", _live("price")),
    ("POST", "prices/{}", catalog.price_update),
    ("POST", "coupons", catalog.coupon_create),
    ("GET", "coupons", catalog.coupon_list),
    ("GET", "coupons/{}", _live("coupon")),
    ("POST", "coupons/{}", catalog.coupon_update),
    ("DELETE", "coupons/{}", catalog.coupon_delete),
    ("POST", "promotion_codes", catalog.promotion_code_create),
    ("GET", "promotion_codes", catalog.promotion_code_list),
    ("GET", "promotion_codes/{}", _live("promotion_code")),
    ("POST", "promotion_codes/{}", catalog.promotion_code_update),
    ("POST", "subscriptions", subscriptions.create),
    ("GET", "subscriptions", subscriptions.list_all),
    ("GET", "subscriptions/search", _search("subscription", "/v1/subscriptions/search")),
    ("GET", "subscriptions/{}", _live("subscription")),
    ("POST", "subscriptions/{}", changes.update),
    ("DELETE", "subscriptions/{}", subscriptions.cancel),
    ("POST", "subscriptions/{}/resume", subscriptions.resume),
    ("POST", "subscription_items", changes.item_create),
    ("GET", "subscription_items", items.list_all),
    ("GET", "subscription_items/{}", _live("subscription_item")),
    ("POST", "subscription_items/{}", changes.item_update),
    ("DELETE", "subscription_items/{}", changes.item_delete),
    ("GET", "invoiceitems", items.waiting),
    ("GET", "invoiceitems/{}", _live("invoiceitem")),
    ("GET", "invoices", invoices.list_all),
    ("GET", "invoices/search", _search("invoice", "/v1/invoices/search")),
    ("POST", "invoices/create_preview", changes.preview),
    ("GET", "invoices/{}", _live("invoice")),
    ("POST", "invoices/{}", invoices.update),
    ("DELETE", "invoices/{}", invoices.delete),
    ("GET", "invoices/{}/lines", invoices.lines),
    ("POST", "invoices/{}/finalize", invoices.call_finalize),
    ("POST", "invoices/{}/pay", invoices.call_pay),
    ("POST", "invoices/{}/void", invoices.call_void),
    ("POST", "invoices/{}/mark_uncollectible", invoices.call_mark_uncollectible),
    ("GET", "invoice_payments", payments.invoice_payment_list),
    ("GET", "invoice_payments/{}", _live("invoice_payment")),
    ("GET", "payment_intents", payments.intent_list),
    ("GET", "payment_intents/{}", _live("payment_intent")),
    ("GET", "charges", payments.charge_list),
    ("GET", "charges/{}", _live("charge")),
    ("POST", "refunds", payments.refund_create),
    ("GET", "refunds", payments.refund_list),
    ("GET", "refunds/{}", _live("refund")),
    ("POST", "refunds/{}", payments.refund_update),
    ("POST", "checkout/sessions", checkout.create),
    ("GET", "checkout/sessions", checkout.list_all),
    ("GET", "checkout/sessions/{}", _get("checkout.session")),
    ("POST", "checkout/sessions/{}", checkout.update),
    ("POST", "checkout/sessions/{}/expire", checkout.expire),
    ("GET", "checkout/sessions/{}/line_items", checkout.line_items),
    ("POST", "billing_portal/sessions", portal.create),
    ("POST", "billing_portal/configurations", portal.configuration_create),
    ("GET", "billing_portal/configurations", portal.configuration_list),
    ("GET", "billing_portal/configurations/{}", _live("billing_portal.configuration")),
    ("POST", "billing_portal/configurations/{}", portal.configuration_update),
    ("GET", "events", events.list_all),
    ("GET", "events/{}", events.retrieve),
    ("POST", "webhook_endpoints", events.endpoint_create),
    ("GET", "webhook_endpoints", events.endpoint_list),
    ("GET", "webhook_endpoints/{}", _live("webhook_endpoint")),
    ("POST", "webhook_endpoints/{}", events.endpoint_update),
    ("DELETE", "webhook_endpoints/{}", events.endpoint_delete),
    ("GET", "tax_rates", _nothing("/v1/tax_rates")),
    ("POST", "credit_notes", credits.create),
    ("GET", "credit_notes", credits.list_all),
    ("GET", "credit_notes/{}", _live("credit_note")),
    ("GET", "disputes", credits.dispute_list),
    ("GET", "disputes/{}", _live("dispute")),
    ("GET", "balance_transactions", _nothing("/v1/balance_transactions")),
    ("GET", "subscription_schedules", _nothing("/v1/subscription_schedules")),
)
COMPILED = [(method, re.compile("/v1/" + path.replace("{}", "([^/]+)")), call) for method, path, call in TABLE]


def find(method: str, path: str) -> tuple[Call, tuple[Any, ...]] | None:
    """The function for an address and what the address names."""
    for known, pattern, call in COMPILED:
        if known == method and (found := pattern.fullmatch(path)):
            return call, found.groups()
    return None
