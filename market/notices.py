"""The banner that every page carries while the market is simulated."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from gpuadvisor.core.notices import Notice

from .selectors import current_origin


def market_notices(request: HttpRequest) -> list[Notice]:
    """One warning while current figures come from the simulated market; from a cache."""
    if current_origin() != "simulated":
        return []
    text = _(
        "Simulated market. No source could be reached, so current market figures are made up: at levels seen in the "
        "real market, but nobody was asked or paid these prices."
    )
    return [Notice(text, level="warn", url=f"{reverse('market:index')}#sources", link=_("State of the sources"))]
