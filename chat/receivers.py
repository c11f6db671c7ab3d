"""What the chat does when the apps below tell news; connected when the app is ready."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from gpuadvisor.accounts.models import User
from portfolios.signals import demo_loaded

from . import samples


@receiver(demo_loaded)
def talk_of_the_demo(sender: object, user: User, **kwargs: Any) -> None:
    samples.refresh(user)
