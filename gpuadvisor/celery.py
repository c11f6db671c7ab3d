"""The Celery application and the one beat schedule."""

from celery import Celery

app = Celery("gpuadvisor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
