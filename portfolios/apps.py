from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from gpuadvisor.accounts.models import User


class PortfoliosConfig(AppConfig):
    name = "portfolios"
    verbose_name = _("Portfolios")

    def ready(self) -> None:
        """Tell plans, tokens and the advisor of portfolios; hear what the market tells."""
        from billing import limits, shrinking
        from gpuadvisor.accounts import api_tokens

        from . import (
            adviser,
            receivers,  # noqa: F401 - connects them
        )
        from .models import Portfolio
        from .shrinking import KIND

        shrinking.register(KIND)
        limits.register("portfolios", lambda user: Portfolio.objects.visible_to(user).counting_towards_plan().count())
        api_tokens.register_portfolios(_portfolio_choices)
        adviser.register()


def _portfolio_choices(user: User) -> list[tuple[UUID, str]]:
    from .models import Portfolio

    return list(Portfolio.objects.visible_to(user).open().order_by("name", "pk").values_list("pk", "name"))
