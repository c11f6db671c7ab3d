"""What a host may do in the Billing Portal: card, invoices, address, cancel to the period's end, change of plan.

Stripe's default configuration offers no change of plan, so there is one of our own, found by its metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import client
from .plans import INTERVALS, PAID, lookup_key

MARK = {"gpuadvisor": "portal"}
Told = dict[str, Any]


def configuration() -> str:
    """The id of our configuration, made where there is none."""
    found = _found()
    return str((found or client.create_portal_configuration(metadata=MARK, features=_features()))["id"])


def bring(*, only_look: bool = False) -> Iterator[str]:
    """Bring the configuration to what is sold; a line where something was to do."""
    found, features = _found(), _features()
    if found is None:
        yield "portal: new"
        if not only_look:
            client.create_portal_configuration(metadata=MARK, features=features)
    elif changed := [name for name, wanted in features.items() if not _is_within(wanted, found["features"][name])]:
        yield f"portal: {', '.join(changed)}"
        if not only_look:
            client.change_portal_configuration(found["id"], features=features)


def _found() -> Told | None:
    mine = [row for row in client.portal_configurations() if row["metadata"].items() >= MARK.items()]
    return min(mine, key=lambda row: (row["created"], row["id"]), default=None)


def _features() -> Told:
    """Changing to a larger plan is paid at once, the days that are left of the old one taken off."""
    products: dict[str, list[str]] = {}
    for tier in PAID:
        for price in client.prices([lookup_key(tier, interval) for interval in INTERVALS]):
            if price["active"]:
                products.setdefault(price["product"], []).append(price["id"])
    update: Told = {"enabled": False}
    if products:
        update = {
            "enabled": True,
            "default_allowed_updates": ["price", "promotion_code"],
            "proration_behavior": "always_invoice",
            "products": [{"product": key, "prices": sorted(prices)} for key, prices in sorted(products.items())],
        }
    return {
        "customer_update": {"enabled": True, "allowed_updates": ["email", "name", "address", "tax_id"]},
        "invoice_history": {"enabled": True},
        "payment_method_update": {"enabled": True},
        "subscription_cancel": {"enabled": True, "mode": "at_period_end", "proration_behavior": "none"},
        "subscription_update": update,
    }


def _is_within(wanted: Any, found: Any) -> bool:
    """Whether all that is wanted is so, whatever more Stripe tells; the order of lists does not count."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_is_within(one, found.get(name)) for name, one in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(any(_is_within(one, other) for other in found) for one in wanted)
        )
    return bool(wanted == found)
