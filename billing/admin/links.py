"""Ways from one list of the admin to another, and to Stripe's own pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

DASHBOARD = "https://dashboard.stripe.com/"


def to_list(name: str, text: str, **query: str) -> SafeString:
    """A link to a list, searched or filtered."""
    return format_html('<a href="{}?{}">{}</a>', reverse(f"admin:billing_{name}_changelist"), urlencode(query), text)


def account(user: Any) -> SafeString | str:
    """A link to the account; a dash where it is gone."""
    if user is None:
        return "–"
    return format_html('<a href="{}">{}</a>', reverse("admin:accounts_user_change", args=[user.pk]), user.email)


def at_stripe(kind: str, key: str | None) -> SafeString | str:
    """A link to an object (customers, subscriptions, invoices) on Stripe's dashboard; its id alone in a rehearsal."""
    if not key or settings.STRIPE_API_BASE:
        return key or "–"
    url = f"{DASHBOARD}{'' if settings.STRIPE_LIVE_MODE else 'test/'}{kind}/{key}"
    title = _("On Stripe's dashboard")
    return format_html('<a href="{}" title="{}" target="_blank" rel="noopener noreferrer">{} ↗</a>', url, title, key)
