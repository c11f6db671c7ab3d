"""What a fleet does when the market changes under it; connected when the app is ready."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.dispatch import receiver

from market.signals import gpu_models_changed

from . import services


@receiver(gpu_models_changed)
def follow_models(sender: object, pks: Collection[UUID], **kwargs: Any) -> None:
    services.follow_models(pks)
