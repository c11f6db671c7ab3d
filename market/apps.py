from django.apps import AppConfig


class MarketConfig(AppConfig):
    name = "market"

    def ready(self) -> None:
        from gpuadvisor.core import notices

        from . import adviser
        from .notices import market_notices

        notices.register(market_notices)
        adviser.register()
