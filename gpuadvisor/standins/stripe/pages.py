"""The pages that a visitor would see at Stripe: Checkout, Portal, an invoice."""

from __future__ import annotations

from html import escape

from . import checkout, items, portal
from .forms import Params
from .periods import day_text, money_text
from .store import Obj, Store

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 40rem; padding: 2rem 1rem }
.note { border-left: 4px solid #b45309; padding: .25rem .75rem; margin: 0 0 1.5rem }
.error { border-left: 4px solid #dc2626; padding: .25rem .75rem }
form { display: inline-block; margin: .25rem .5rem .25rem 0 }
button, select, input { font: inherit; padding: .5rem .75rem }
table { border-collapse: collapse; width: 100% } td, th { padding: .35rem .5rem; text-align: left }
"""


def page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f'<body><p class="note">This is a stand-in for Stripe. No money moves.</p>'
        f"<h1>{escape(title)}</h1>{body}</body></html>"
    )


def gone(text: str) -> str:
    return page("Nothing to do here", f"<p>{escape(text)}</p>")


def _button(label: str, action: str, fields: dict[str, str], inner: str = "") -> str:
    hidden = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in fields.items())
    return f'<form method="post" action="{escape(action)}">{hidden}{inner}<button>{escape(label)}</button></form>'


def _error(text: str) -> str:
    return f'<p class="error" role="alert">{escape(text)}</p>' if text else ""


def _price_text(price: Obj) -> str:
    recurring = price["recurring"]
    return f"{money_text(price['unit_amount'], price['currency'])} / {recurring['interval']}"


# -- Checkout ----------------------------------------------------------------------------------------------------------
def checkout_page(store: Store, key: str, error: str = "", asks: bool = False, code: str = "") -> str:
    session = checkout.open_session(store, key)
    lines = store.hidden[key]["line_items"]["data"]
    rows = "".join(
        f"<tr><td>{escape(line['description'])}</td><td>{_price_text(line['price'])}</td></tr>" for line in lines
    )
    trial = checkout.trial_end(store, session)
    total = money_text(session["amount_total"], session["currency"])
    off = session["total_details"]["amount_discount"]
    body = f"<table>{rows}</table>"
    body += f"<p>Discount: {money_text(off, session['currency'])}</p>" if off else ""
    body += f"<p>Free until {day_text(trial)}.</p>" if trial else ""
    body += f'<p>Due today: <strong id="total">{total}</strong></p>{_error(error)}'
    action = f"/pay/{key}"
    if asks:
        body += "<p>Your bank asks you to confirm this payment.</p>"
        body += _button("Confirm", action, {"card": "confirmed", "code": code})
        body += _button("Refuse", action, {"card": "fails", "code": code})
        return page("Your bank", body)
    label = "Start trial" if trial else "Subscribe"
    cards = {"pays": f"{label} (card 4242)", "fails": "Pay with a card that is declined"}
    cards["asks"] = "Pay with a card whose bank asks"
    if not checkout.needs_card(session):
        cards["none"] = f"{label} without a card"
    body += f'<form method="post" action="{action}">'
    if session["allow_promotion_codes"]:
        words = 'placeholder="Promotion code" aria-label="Promotion code"'
        body += f'<p><input name="code" {words} value="{escape(code)}"></p>'
    for card, text in cards.items():
        body += f'<p><button name="card" value="{card}">{escape(text)}</button></p>'
    body += "</form>"
    if session["cancel_url"]:
        body += f'<p><a href="{escape(session["cancel_url"])}">Back</a></p>'
    return page("Checkout", body)


# -- Portal ------------------------------------------------------------------------------------------------------------
def portal_page(store: Store, key: str, error: str = "") -> str:
    session = store.get("billing_portal.session", key)
    features, action = portal.features_of(store, session), f"/portal/{key}"
    body = _error(error)
    if session["flow"]:
        return page("Your plan", body + _flow(store, session, action) + _back(session))
    for subscription in store.all("subscription", customer=session["customer"]):
        if subscription["ended_at"] is None:
            body += _plan(store, session, subscription, features, action)
    if features["payment_method_update"]["enabled"]:
        body += _cards(store, session, action)
    if features["invoice_history"]["enabled"]:
        body += "<h2>Invoices</h2><table>"
        for invoice in store.all("invoice", customer=session["customer"]):
            if invoice["status"] != "draft":
                link = f'<a href="{escape(invoice["hosted_invoice_url"])}">{escape(invoice["number"])}</a>'
                amount = money_text(invoice["total"], invoice["currency"])
                body += f"<tr><td>{link}</td><td>{day_text(invoice['created'])}</td>"
                body += f"<td>{amount}</td><td>{invoice['status']}</td></tr>"
        body += "</table>"
    return page("Your plan", body + _back(session))


def _back(session: Obj) -> str:
    return f'<p><a href="{escape(session["return_url"])}">Return</a></p>' if session["return_url"] else ""


def _cards(store: Store, session: Obj, action: str) -> str:
    body = "<h2>Card</h2><ul>"
    for method in store.all("payment_method", customer=session["customer"]):
        body += f"<li>{escape(method['card']['brand'])} {method['card']['last4']}</li>"
    body += "</ul>"
    body += _button("New card 4242", f"{action}/card", {"card": "pays"})
    body += _button("New card whose bank asks", f"{action}/card", {"card": "asks"})
    body += _button("New card that fails later", f"{action}/card", {"card": "fails later"})
    return body + _button("New card that is declined", f"{action}/card", {"card": "fails"})


def _flow(store: Store, session: Obj, action: str) -> str:
    """The one thing that the session was opened for."""
    flow = session["flow"]
    kind, details = flow["type"], flow.get(flow["type"]) or {}
    if kind == "payment_method_update":
        return _cards(store, session, action)
    subscription = store.live("subscription", details["subscription"])
    if subscription["ended_at"] is not None:
        return "<p>This plan has ended.</p>"
    fields = {"subscription": subscription["id"]}
    if kind == "subscription_cancel":
        return _plan_line(store, subscription) + _button("Cancel plan", f"{action}/cancel", fields)
    if kind == "subscription_update":
        return _plan_line(store, subscription) + _change(store, session, subscription, action)
    price = store.live("price", Params(details).rows("items")[0].need("price"))
    body = _plan_line(store, subscription)
    body += f"<p>Change to <strong>{escape(items.name_of(store, price))}, {_price_text(price)}</strong>. "
    body += "What is left of the period that you have paid is taken off.</p>"
    return body + _button("Confirm", f"{action}/plan", fields | {"price": price["id"]})


def _plan(store: Store, session: Obj, subscription: Obj, features: Obj, action: str) -> str:
    fields = {"subscription": subscription["id"]}
    body = _plan_line(store, subscription)
    if subscription["cancel_at"]:
        body += _button("Do not cancel", f"{action}/resume", fields)
    elif features["subscription_cancel"]["enabled"]:
        body += _button("Cancel plan", f"{action}/cancel", fields)
        body += _button("Cancel now", f"{action}/cancel-now", fields)
    return body + _change(store, session, subscription, action)


def _plan_line(store: Store, subscription: Obj) -> str:
    item = subscription["items"]["data"][0]
    body = f"<h2>{escape(items.name_of(store, item['price']))}</h2>"
    body += f"<p>{_price_text(item['price'])}, {subscription['status']}. "
    if subscription["cancel_at"]:
        return f"{body}Ends on {day_text(subscription['cancel_at'])}.</p>"
    return f"{body}Renews on {day_text(item['current_period_end'])}.</p>"


def _change(store: Store, session: Obj, subscription: Obj, action: str) -> str:
    item, fields = subscription["items"]["data"][0], {"subscription": subscription["id"]}
    options = "".join(
        f'<option value="{row["id"]}">{escape(items.name_of(store, row))}, {_price_text(row)}</option>'
        for row in portal.offered_prices(store, session)
        if row["id"] != item["price"]["id"]
    )
    if not options:
        return ""
    select = f'<select name="price" aria-label="Plan">{options}</select> '
    return _button("Change plan", f"{action}/plan", fields, select)


# -- Invoice -----------------------------------------------------------------------------------------------------------
def invoice_page(store: Store, key: str, error: str = "") -> str:
    invoice = store.live("invoice", key)
    if invoice["status"] == "draft":
        return gone("This invoice is not final yet.")
    rows = "".join(
        f"<tr><td>{escape(line['description'])}</td><td>{money_text(line['amount'], line['currency'])}</td></tr>"
        for line in invoice["lines"]["data"]
    )
    due = money_text(invoice["amount_remaining"], invoice["currency"])
    body = f"<p>{invoice['status'].capitalize()}. Due: {due}</p><table>{rows}</table>{_error(error)}"
    if invoice["status"] == "open":
        body += _button("Pay (card 4242, bank confirms)", f"/invoice/{key}", {"card": "pays"})
        body += _button("Pay with a card that is declined", f"/invoice/{key}", {"card": "fails"})
    return page(f"Invoice {invoice['number']}", body)
