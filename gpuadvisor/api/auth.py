"""Who asks: the bearer of a token, or anybody from one network address; each with an allowance of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from allauth.core.internal.ratelimit import get_ip
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja.security import HttpBearer

from gpuadvisor.accounts.api_tokens import PREFIX, authenticate
from gpuadvisor.accounts.models import ApiToken

from . import limits
from .problems import Problem

BEARER = re.compile(r"Bearer ([!-~]{1,200})\Z", re.ASCII | re.IGNORECASE)
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="GPU Advisor API"'}
IN_ADDRESS = frozenset({"token", "access_token", "api_key", "apikey", "api_token", "authorization"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; without a token it is anybody."""

    token: ApiToken | None


def bearer(request: HttpRequest, *scopes: str) -> ApiToken:
    """The token that asks, for what a program may do only as somebody; one of `scopes` is enough.

    Raises: Problem 401 without a token, 403 where it has none of the scopes.
    """
    caller: Caller = request.auth  # type: ignore[attr-defined]
    if caller.token is None:
        raise Problem(401, headers=CHALLENGE)
    if not set(scopes) & set(caller.token.scopes):
        raise Problem(403, f"This token may not: it needs the scope {' or '.join(f'“{scope}”' for scope in scopes)}.")
    return caller.token


class Bearer(HttpBearer):
    """An optional token. A wrong one is refused, never taken for none, at the cost of the address it came from."""

    def __call__(self, request: HttpRequest) -> Caller:
        """Count the request.

        Raises: Problem 401 for what is no live token, 429 where the allowance is used up, 400 without an address.
        """
        try:
            address = f"address:{get_ip(request)}"  # behind the proxies that sign-in trusts
        except PermissionDenied:
            raise Problem(400, "X-Forwarded-For has no address where the trusted proxies write it.") from None
        header = request.headers.get("Authorization")
        if header is None and not _has_token_in_address(request):
            request.allowance = limits.charge(address, most=settings.API_ANONYMOUS_PER_HOUR)  # type: ignore[attr-defined]
            return Caller(None)
        match = BEARER.match(header or "")
        token = authenticate(match[1]) if match and not _has_token_in_address(request) else None
        if token is None:
            request.allowance = limits.charge(address, most=settings.API_ANONYMOUS_PER_HOUR)  # type: ignore[attr-defined]
            raise Problem(401, headers=CHALLENGE)
        request.allowance = limits.charge(f"token:{token.pk.hex}", most=settings.API_TOKEN_PER_HOUR)  # type: ignore[attr-defined]
        return Caller(token)

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        """The live token's caller; ninja asks for the method, `__call__` does the work."""
        found = authenticate(token)
        return Caller(found) if found else None


def _has_token_in_address(request: HttpRequest) -> bool:
    """Addresses are logged and kept by browsers: a token there is refused, so that nobody gets used to it."""
    return any(
        name.lower() in IN_ADDRESS or any(value.startswith(PREFIX) for value in values)
        for name, values in request.GET.lists()
    )
