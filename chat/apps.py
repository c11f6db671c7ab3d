from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = _("Chat")

    def ready(self) -> None:
        """Tell plans how conversations are counted; hear when the demo host is loaded."""
        from billing import limits

        from . import receivers  # noqa: F401 - connects them
        from .models import Conversation

        limits.register("conversations", lambda user: Conversation.objects.visible_to(user).count())
