from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AlertsConfig(AppConfig):
    name = "alerts"
    verbose_name = _("Alerts")

    def ready(self) -> None:
        """Tell plans how alerts are counted and paused, and the advisor of alerts; hear of new figures."""
        from billing import limits, shrinking

        from . import (
            adviser,
            receivers,  # noqa: F401 - connects them
        )
        from .models import Alert
        from .shrinking import KIND

        limits.register("alerts", lambda user: Alert.objects.visible_to(user).count())
        shrinking.register(KIND)

        from gpuadvisor.core import notices

        from .banner import channel_notices

        notices.register(channel_notices)
        adviser.register()
