from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PortfoliosConfig(AppConfig):
    name = "portfolios"
    verbose_name = _("Portfolios")

    def ready(self) -> None:
        """Tell the plans how portfolios are counted; hear what the market tells."""
        from billing import limits

        from . import receivers  # noqa: F401 - connects them
        from .models import Portfolio

        limits.register("portfolios", lambda user: Portfolio.objects.visible_to(user).counting_towards_plan().count())
