from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "gpuadvisor.accounts"
    label = "accounts"
    verbose_name = "Accounts"
