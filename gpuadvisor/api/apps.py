from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "gpuadvisor.api"
    label = "api"
