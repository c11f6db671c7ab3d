"""What alerts do when figures change under them; connected when the app is ready."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from gpuadvisor.accounts.models import User
from gpuadvisor.core.nudge import nudge
from market.signals import market_refreshed
from portfolios.signals import demo_loaded, figures_merged

from . import demo


@receiver(figures_merged)
def look_at_shares(sender: object, **kwargs: Any) -> None:
    nudge("alerts.tasks_evaluating.look_at_shares")


@receiver(market_refreshed)
def look_at_prices(sender: object, **kwargs: Any) -> None:
    nudge("alerts.tasks_evaluating.look_at_prices")


@receiver(demo_loaded)
def show_the_demo(sender: object, user: User, **kwargs: Any) -> None:
    demo.show(user)
    nudge("alerts.tasks_evaluating.look_around")
