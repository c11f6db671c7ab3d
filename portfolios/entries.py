"""What a visitor typed into the calculator, kept in the browser until there is an account to save it in (J1.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE = "calculator"
SALT = "portfolios.calculator"
MAX_AGE = 7 * 24 * 60 * 60
NAMES = ("gpu", "cards", "kwh", "price", "fee", "rented", "fixed", "platform", "region")
PLAN_NAMES = ("trend", "depreciation", "discount")
LONGEST = 80


def kept(entries: Mapping[str, str]) -> dict[str, str]:
    """The entries that the calculator knows, each as it stands in an address."""
    return {name: str(entries[name])[:LONGEST] for name in (*NAMES, *PLAN_NAMES) if str(entries.get(name, "")).strip()}


def remember(request: HttpRequest, response: HttpResponse, entries: Mapping[str, str]) -> None:
    """Keep the entries in a signed cookie for a week."""
    text = signing.dumps(kept(entries), salt=SALT, compress=True)
    response.set_cookie(COOKIE, text, max_age=MAX_AGE, httponly=True, samesite="Lax", secure=request.is_secure())


def recall(request: HttpRequest) -> dict[str, str]:
    """The entries that this browser kept; none where there are none, or where somebody changed them."""
    try:
        found = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=MAX_AGE)
    except (signing.BadSignature, ValueError, json.JSONDecodeError):
        return {}
    return kept(found) if isinstance(found, dict) else {}


def forget(response: HttpResponse) -> None:
    response.delete_cookie(COOKIE, samesite="Lax")


def address(entries: Mapping[str, str]) -> str:
    """The entries as a query."""
    return urlencode(kept(entries))
