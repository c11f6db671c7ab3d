"""Questions worth asking now, made of today's own facts; the rules answer each of them."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User


@dataclass(frozen=True)
class Suggested:
    """A question to offer. `kind` says which fact it comes from."""

    text: str
    kind: str


def questions(user: User, limit: int = 4) -> list[Suggested]:
    """Up to `limit` questions, those of today's facts first."""
    standing = [
        Suggested(_("How am I doing?"), "kpis"),
        Suggested(_("What should I charge?"), "price"),
        Suggested(_("What should I do next?"), "next"),
        Suggested(_("What does my power cost?"), "power"),
    ]
    return standing[:limit]
