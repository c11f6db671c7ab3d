"""The kinds of channel. A further one is a module with the names of `base.Kind`, and a line in `KINDS`."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from .base import ChannelError, Kind, Outcome, Parcel

KINDS = {
    "email": "alerts.channels.email",
    "discord": "alerts.channels.discord",
    "webhook": "alerts.channels.webhook",
}

__all__ = ["KINDS", "ChannelError", "Kind", "Outcome", "Parcel", "kind", "kinds", "kinds_in_order", "send"]


def kind(name: str) -> Kind:
    """The module of a kind.

    Raises: KeyError where there is none.
    """
    return cast("Kind", import_module(KINDS[name]))


def kinds() -> dict[str, Kind]:
    """All kinds by their name, in the order in which pages offer them."""
    return {name: kind(name) for name in KINDS}


def kinds_in_order() -> list[str]:
    """The kinds whose messages go out one after the other."""
    return [name for name in KINDS if kind(name).in_order]


def send(parcel: Parcel) -> Outcome:
    """Send one message; whatever goes wrong is an outcome. Asks no database; 10 seconds (e-mail: for each step)."""
    if not parcel.address:  # sealed under a key that we no longer have
        return Outcome("retry", error="The address cannot be opened.", is_ours=True)
    try:
        return kind(parcel.kind).send(parcel)
    except KeyError:
        return Outcome("dead", error="This kind of channel is no longer offered.")
    except Exception as error:  # a worker must go on with the others; the row keeps what it was
        return Outcome("retry", error=f"{type(error).__name__}", is_ours=True)
