from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "gpuadvisor.core"
    label = "core"
