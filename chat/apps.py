from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from billing.limits import Usage
    from gpuadvisor.accounts.models import User


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = _("Chat")

    def ready(self) -> None:
        """Tell plans how conversations are counted and closed; hear when the demo host is loaded."""
        from billing import limits, shrinking

        from . import receivers  # noqa: F401 - connects them
        from .models import Conversation
        from .shrinking import KIND

        limits.register("conversations", lambda user: Conversation.objects.visible_to(user).count())
        shrinking.register(KIND)
        limits.register("messages", lambda user: Conversation.objects.visible_to(user).most_messages())
        limits.register_meter("tokens_a_day", tokens_today)


def tokens_today(user: User) -> Usage:
    """What the account took of today's tokens, under its own ceiling where staff set one."""
    from billing.limits import Usage

    from .budget import meter

    day = meter(user)
    return Usage(day.used, day.cap)
