"""The settings page of API tokens."""

from __future__ import annotations

from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from gpuadvisor.core.errors import DomainError
from gpuadvisor.core.http import go_to

from . import api_tokens
from .models import ApiToken, AppRequest
from .token_forms import TokenForm


@require_safe
def tokens(request: AppRequest) -> HttpResponse:
    """The user's live tokens, and the form for another."""
    return _page(request, TokenForm(user=request.user))


@require_http_methods(["GET", "HEAD", "POST"])
@reauthentication_required(allow_get=True)  # type: ignore[untyped-decorator] # as the other pages that change who may act for this account
def create(request: AppRequest) -> HttpResponse:
    """Make a token and show its key, here and never again."""
    if request.method != "POST":
        return _page(request, TokenForm(user=request.user))
    form = TokenForm(request.POST, user=request.user)
    if form.is_valid():
        try:
            token, key = api_tokens.create_token(
                user=request.user,
                name=form.cleaned_data["name"],
                pk=form.cleaned_data["once"],
                scopes=form.cleaned_data["may"],
                portfolio_ids=form.cleaned_data.get("portfolios", ()),
            )
        except DomainError as error:
            form.add_error(error.code if error.code in form.fields else None, error.user_message)
        else:
            return _page(request, TokenForm(user=request.user), token=token, key=key)
    return _page(request, form, status=422)


@require_http_methods(["GET", "POST"])
def revoke(request: AppRequest, pk: UUID) -> HttpResponse:
    """Ask, then let the key open nothing any more."""
    token = get_object_or_404(ApiToken.objects.filter(user=request.user), pk=pk)
    if request.method == "POST":
        api_tokens.revoke_token(token, by=request.user)
        return go_to(request, "accounts:tokens", toast_text=_("Token revoked. Its key opens nothing any more."))
    return render(request, "accounts/token_revoke.html", {"token": token})


def _page(
    request: AppRequest, form: TokenForm, *, token: ApiToken | None = None, key: str = "", status: int = 200
) -> HttpResponse:
    live = api_tokens.live_tokens(request.user)
    names = dict(api_tokens.portfolio_choices(request.user))
    for one in live:
        one.portfolio_names = [names.get(pk, _("one that is gone")) for pk in one.portfolio_ids]  # type: ignore[attr-defined]
        one.may = [api_tokens.SCOPES.get(scope, scope) for scope in one.scopes]  # type: ignore[attr-defined]
    context = {
        "form": form,
        "tokens": live,
        "new_token": token,
        "new_key": key,
        "is_full": len(live) >= api_tokens.MAX_LIVE,
        "most": api_tokens.MAX_LIVE,
        "per_hour": settings.API_TOKEN_PER_HOUR,
        "anonymous_per_hour": settings.API_ANONYMOUS_PER_HOUR,
    }
    return render(request, "accounts/tokens.html", context, status=status)
