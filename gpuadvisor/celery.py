"""The Celery application and the one beat schedule."""

from typing import Any

from celery import Celery
from celery.signals import worker_ready
from django.conf import settings

from gpuadvisor.operations.schedule import beat_schedule

app = Celery("gpuadvisor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["market"], related_name="tasks_history")
app.autodiscover_tasks(["market"], related_name="tasks_money")
app.autodiscover_tasks(["billing"], related_name="tasks_grants")
app.autodiscover_tasks(["billing"], related_name="tasks_shrinking")
app.autodiscover_tasks(["billing"], related_name="tasks_notices")
app.autodiscover_tasks(["billing"], related_name="tasks_reconcile")
app.autodiscover_tasks(["alerts"], related_name="tasks_evaluating")
app.autodiscover_tasks(["alerts"], related_name="tasks_incoming")
app.autodiscover_tasks(["gpuadvisor.operations"], related_name="tasks_privacy")
app.autodiscover_tasks(["gpuadvisor.operations"], related_name="tasks_backups")
app.autodiscover_tasks(["gpuadvisor.operations"], related_name="tasks_retention")
app.autodiscover_tasks(["gpuadvisor.operations"], related_name="tasks_watching")

app.conf.beat_schedule = beat_schedule()  # a new job: a row in gpuadvisor/operations/schedule.py


@app.on_after_configure.connect
def beat_for_the_replica(sender: Celery, **kwargs: Any) -> None:
    """Only where there is a copy of the database to watch: its row is written every few seconds."""
    if "replica" in settings.DATABASES:
        sender.add_periodic_task(5, sender.signature("gpuadvisor.core.tasks.replica_heartbeat"), expires=5)


@worker_ready.connect
def first_work(sender: Any, **kwargs: Any) -> None:
    """A worker that has just come up says so and asks for what may be overdue, instead of waiting for beat."""
    if sender.hostname.startswith("chat@"):  # gpuadvisor/servers/site.py
        app.send_task("chat.tasks.sweep")
        return
    for task in (
        "gpuadvisor.core.tasks.heartbeat",
        "gpuadvisor.core.tasks.make_months",
        "market.tasks.refresh_market",
        "market.tasks_history.roll_up",
        "market.tasks_history.make_forecasts",
        "market.tasks_money.refresh_currency_rates",
        "portfolios.tasks.make_comp_days",
    ):
        app.send_task(task)
