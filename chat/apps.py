from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = _("Chat")

    def ready(self) -> None:
        """Tell plans how conversations are counted."""
        from billing import limits

        from .models import Conversation

        limits.register("conversations", lambda user: Conversation.objects.visible_to(user).count())
