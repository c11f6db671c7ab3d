"""Words and bounds that several rules share."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext as _

from gpuadvisor.core import formats

from ..facts import WINDOW_DAYS, GPUFact

LEAST_OFFERS = 5


def signed(value: Decimal) -> str:
    """USD with their sign, whole from ten on."""
    text = formats.money(abs(value), places=0 if abs(value) >= 10 else 2)
    return f"+{text}" if value >= 0 else f"−{text}"


def evidence_words(offers: int | None, gpu: GPUFact) -> str:
    return _("%(n)s offers, %(days)s of %(window)s days with a rented share, %(coverage)s of the hours on record.") % {
        "n": formats.number(offers) if offers is not None else _("unknown number of"),
        "days": formats.number(gpu.known_days),
        "window": formats.number(WINDOW_DAYS),
        "coverage": formats.percent(gpu.coverage, 0),
    }
