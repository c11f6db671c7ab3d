from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "gpuadvisor.accounts"
    label = "accounts"
    verbose_name = "Hosts and staff"

    def ready(self) -> None:
        from . import receivers  # noqa: F401 (connects them)
