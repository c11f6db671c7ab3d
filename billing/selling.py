"""What Stripe sells, brought to what `plans.py` says: a product for each paid plan, a price for each interval.

Prices are found by their lookup keys. An amount cannot change at Stripe: a new price takes over the lookup key and the
old one is archived, so who pays it goes on paying it, and nobody new does.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.utils import translation

from . import client, portal
from .plans import INTERVALS, PAID, PLANS, lookup_key

CURRENCY = "usd"
SECONDS = 120.0  # for all of it: a dozen calls at most


def bring(*, only_look: bool = False) -> list[str]:
    """Make Stripe's products, prices and Portal what our table says; each change in a line, none where all was right.

    With `only_look` nothing is written, and the lines tell what would be.
    Raises: client.StripeAway, client.StripeRefused. What was done until then is found by the next run.
    """
    with client.within(SECONDS), translation.override("en-us"):
        lines = [line for tier in PAID for line in _bring(tier, only_look)]
        return lines + list(portal.bring(only_look=only_look))


def _bring(tier: str, only_look: bool) -> Iterator[str]:
    names = [lookup_key(tier, interval) for interval in INTERVALS]
    held = {price["lookup_key"]: price for price in client.prices(names)}
    product_id = next((str(price["product"]) for price in held.values()), f"gpuadvisor_{tier}")
    wanted = {"name": str(PLANS[tier].title), "description": str(PLANS[tier].for_whom), "active": True}
    product = client.find_product(product_id)
    if product is None:
        yield f"product {product_id}: new"
        if not only_look:
            client.create_product(id=product_id, metadata={"tier": tier}, **wanted)
    elif changed := _differing(product, wanted, tier):
        yield f"product {product_id}: {', '.join(changed)}"
        if not only_look:
            client.change_product(product_id, **changed)
    for interval, name in zip(INTERVALS, names, strict=True):
        yield from _bring_price(tier, interval, product_id, held.get(name), only_look)


def _bring_price(
    tier: str, interval: str, product_id: str, old: dict[str, Any] | None, only_look: bool
) -> Iterator[str]:
    name = lookup_key(tier, interval)
    cents = int((getattr(PLANS[tier], f"price_{interval}") * 100).to_integral_exact())
    if old is not None and _is_as(old, cents, interval):
        if changed := _differing(old, {"active": True}, tier):
            yield f"price {name}: {', '.join(changed)}"
            if not only_look:
                client.change_price(old["id"], **changed)
        return
    yield f"price {name}: {Decimal(cents) / 100:.2f} USD" + (" instead of another" if old else "")
    if only_look:
        return
    client.create_price(
        product=product_id,
        currency=CURRENCY,
        unit_amount=cents,
        recurring={"interval": interval},
        lookup_key=name,
        transfer_lookup_key=True,
        metadata={"tier": tier},
    )
    if old:
        client.change_price(old["id"], active=False)


def _is_as(price: dict[str, Any], cents: int, interval: str) -> bool:
    recurring = price["recurring"] or {}
    every = (recurring.get("interval"), recurring.get("interval_count"))
    return (price["unit_amount"], price["currency"], every) == (cents, CURRENCY, (interval, 1))


def _differing(found: dict[str, Any], wanted: dict[str, Any], tier: str) -> dict[str, Any]:
    """The fields to write, the tier in the metadata among them: the plan is told by it where a price lost its name."""
    changed = {name: value for name, value in wanted.items() if found[name] != value}
    if found["metadata"].get("tier") != tier:
        changed["metadata"] = {"tier": tier}
    return changed
