"""Keys for programs: made, shown once, recognised, revoked (R-061). Only a key's SHA-256 is kept."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gpuadvisor.core import audit, clock
from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.ids import uuid7

from .models import ApiToken, User
from .tokens import digest

PREFIX = "gpa_"
SECRET_BYTES = 32
HINT = 10  # characters of a key that are kept in plain, to tell keys apart
SHAPE = re.compile(r"gpa_[A-Za-z0-9_-]{43}\Z", re.ASCII)
MAX_LIVE = 10
NOTE_USE_EVERY = timedelta(minutes=1)
REPEAT_WITHIN = timedelta(seconds=10)
SCOPES = {
    "read": gettext_lazy("read"),
    "ingest": gettext_lazy("send figures"),
    "alerts.read": gettext_lazy("read alerts"),
    "alerts": gettext_lazy("change alerts"),
}
Portfolios = Callable[[User], list[tuple[UUID, str]]]
_portfolios: list[Portfolios] = []


def register_portfolios(choices: Portfolios) -> None:
    """Tell which portfolios (id, name) a user may give a token for; the app that has them does, when it is ready."""
    _portfolios[:] = [choices]


def portfolio_choices(user: User) -> list[tuple[UUID, str]]:
    return _portfolios[0](user) if _portfolios else []


def live_tokens(user: User) -> list[ApiToken]:
    """The user's keys that still open something, newest first."""
    return list(user.api_tokens.filter(revoked_at=None))


@transaction.atomic
def create_token(
    *,
    user: User,
    name: str,
    pk: UUID | None = None,
    scopes: Sequence[str] = ("read",),
    portfolio_ids: Collection[UUID] = (),
) -> tuple[ApiToken, str]:
    """A new token and its key, which nothing can tell a second time. Without `portfolio_ids` it is for all of them.

    `pk` makes a form that was sent twice end in one token: the second answer within seconds carries the key that works.
    Raises: DomainError for the demo host, an eleventh token, a name in use, a portfolio of somebody else, or a form
    that was used before.
    """
    if not scopes or not set(scopes) <= SCOPES.keys():
        raise ValueError(f"unknown scopes: {scopes}")
    if not set(portfolio_ids) <= {pk for pk, _name in portfolio_choices(user)}:
        raise DomainError(_("Choose among your portfolios."), code="portfolios")
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # so that the count below is exact
    if user.is_demo:
        raise DomainError(_("The demo account is read-only: sign up to make tokens of your own."), code="demo")
    key = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    if pk and (made := user.api_tokens.filter(pk=pk).first()):
        return _with_new_key(made, key), key
    live = user.api_tokens.filter(revoked_at=None)
    if live.count() >= MAX_LIVE:
        raise DomainError(_("You have %(number)d tokens: revoke one first.") % {"number": MAX_LIVE}, code="limit")
    if live.filter(name=name).exists():
        raise DomainError(_("You have a token of this name."), code="name")
    token = ApiToken.objects.create(
        pk=pk or uuid7(),
        user=user,
        name=name,
        digest=digest(key),
        hint=key[:HINT],
        scopes=list(scopes),
        portfolio_ids=list(portfolio_ids),
    )
    details = {
        "name": name,
        "hint": token.hint,
        "scopes": list(scopes),
        "portfolios": [str(pk) for pk in portfolio_ids],
    }
    audit.record(user=user, action="token.created", details=details)
    return token, key


def _with_new_key(token: ApiToken, key: str) -> ApiToken:
    """The token of a form sent twice: the browser shows the second answer, so its key is the one that counts."""
    if token.revoked_at or token.last_used_at or clock.now() - token.created_at > REPEAT_WITHIN:
        raise DomainError(_("This token was made already. Its key is not shown a second time."), code="used")
    token.digest, token.hint = digest(key), key[:HINT]
    token.save(update_fields=["digest", "hint"])
    return token


@transaction.atomic
def revoke_token(token: ApiToken, *, by: User) -> None:
    """From now on the key opens nothing; the row stays, so that its use can still be looked up."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=clock.now()):
        details = {"name": token.name, "hint": token.hint, "owner": str(token.user_id)}
        audit.record(user=by, action="token.revoked", details=details)


def authenticate(key: str) -> ApiToken | None:
    """The live token of `key` with its user; None where there is none, or its user may not sign in."""
    if not SHAPE.match(key):
        return None
    is_due = Q(last_used_at=None) | Q(last_used_at__lt=Now() - NOTE_USE_EVERY)
    token = (
        ApiToken.objects.filter(digest=digest(key), revoked_at=None, user__is_active=True, user__is_demo=False)
        .select_related("user")
        .annotate(use_is_due=ExpressionWrapper(is_due, BooleanField()))
        .first()
    )
    if token is not None and token.use_is_due:
        ApiToken.objects.filter(is_due, pk=token.pk).update(last_used_at=Now())
    return token
