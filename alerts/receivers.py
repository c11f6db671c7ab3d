"""What alerts do when figures change under them; connected when the app is ready."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from gpuadvisor.core.nudge import nudge
from market.signals import market_refreshed
from portfolios.signals import figures_merged


@receiver(figures_merged)
def look_at_shares(sender: object, **kwargs: Any) -> None:
    nudge("alerts.tasks_evaluating.look_at_shares")


@receiver(market_refreshed)
def look_at_prices(sender: object, **kwargs: Any) -> None:
    nudge("alerts.tasks_evaluating.look_at_prices")
