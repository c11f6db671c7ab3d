"""Running the site: its hooks into the apps below."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "gpuadvisor.operations"
    label = "operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        from gpuadvisor.core import notices

        from . import after_restore
        from .privacy import banner, erasing

        notices.register(banner.erasure_notices)
        after_restore.register("deleted accounts", erasing.replay)
