from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = _("Billing")

    def ready(self) -> None:
        from gpuadvisor.core import health

        from . import client, events, receivers, reconciling, rehearsal  # noqa: F401 (connects them)

        client.configure()
        health.AMBER["stripe"] = events.check
        health.AMBER["stripe-drift"] = reconciling.check
