"""The banner of a site whose Stripe is the stand-in."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from gpuadvisor.core.notices import Notice, register

from . import client

SENTENCE = Notice(_("Payments here are a rehearsal: no money moves."), level="warn")


def is_rehearsal() -> bool:
    """Whether the site takes payments of another server than Stripe's; production refuses such."""
    return settings.BILLING_ENABLED and settings.STRIPE_API_BASE not in ("", client.STRIPE)


@register
def notices(request: HttpRequest) -> Iterable[Notice]:
    return [SENTENCE] if is_rehearsal() else []
