from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "gpuadvisor.operations"
    label = "operations"
    verbose_name = "Operations"
