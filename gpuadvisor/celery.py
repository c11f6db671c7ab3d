"""The Celery application and the one beat schedule."""

from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import worker_ready

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

# Jobs take a slot (core.jobs), so a second beat starts nothing twice. What is due every minute or more often expires
# when the next is due, so that no pile awaits a worker that was down.
app.conf.beat_schedule = {
    "core.heartbeat": {"task": "gpuadvisor.core.tasks.heartbeat", "schedule": 30.0, "options": {"expires": 30.0}},
    "core.send-due-mails": {
        "task": "gpuadvisor.core.tasks.send_due_mails",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "core.sweep-limits": {"task": "gpuadvisor.core.tasks.sweep_limits", "schedule": crontab(minute="*/10")},
    "core.make-months": {"task": "gpuadvisor.core.tasks.make_months", "schedule": crontab(minute=7, hour="*/6")},
    "core.clean-up": {"task": "gpuadvisor.core.tasks.clean_up", "schedule": crontab(minute=20, hour=3)},
    "alerts.deliver-due": {"task": "alerts.tasks.deliver_due", "schedule": 10.0, "options": {"expires": 10.0}},
    "alerts.send-digests": {"task": "alerts.tasks.send_digests", "schedule": crontab(minute="*/5")},
    "billing.end-grants": {"task": "billing.tasks_grants.end_grants", "schedule": crontab(minute="*/5")},
    "billing.settle-plans": {"task": "billing.tasks_shrinking.settle_plans", "schedule": crontab(minute=3)},
    "billing.remind": {"task": "billing.tasks_notices.remind", "schedule": crontab(minute=28)},
    "market.refresh": {"task": "market.tasks.refresh_market", "schedule": crontab(minute="*/15")},
    "market.apply-decisions": {"task": "market.tasks.apply_decisions", "schedule": 60.0, "options": {"expires": 60.0}},
    "market.warm": {"task": "market.tasks.warm_pages", "schedule": crontab(minute="5-59/10")},
    "market.clean-up": {"task": "market.tasks.clean_up", "schedule": crontab(minute=50, hour=3)},
    "market.roll-up": {"task": "market.tasks_history.roll_up", "schedule": crontab(minute=12)},
    "market.forecasts": {"task": "market.tasks_history.make_forecasts", "schedule": crontab(minute=26, hour="*/6")},
    "market.currency-rates": {
        "task": "market.tasks_money.refresh_currency_rates",
        "schedule": crontab(minute=44, hour="*/6"),
    },
    "portfolios.merge-ingest": {"task": "portfolios.tasks.merge_ingest", "schedule": crontab(minute="*/5")},
    "portfolios.purge-ingest": {"task": "portfolios.tasks.purge_ingest", "schedule": crontab(minute=33, hour=3)},
    "portfolios.clean-up": {"task": "portfolios.tasks.clean_up", "schedule": crontab(minute=10, hour=4)},
    "portfolios.analyse-fleets": {"task": "portfolios.tasks.analyse_fleets", "schedule": crontab(minute=33)},
    "portfolios.estimate-all": {"task": "portfolios.tasks.estimate_all", "schedule": crontab(minute=14, hour=4)},
    "portfolios.work-imports": {
        "task": "portfolios.tasks.work_imports",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "portfolios.purge-imports": {"task": "portfolios.tasks.purge_imports", "schedule": crontab(minute=40)},
    "portfolios.comp-days": {"task": "portfolios.tasks.make_comp_days", "schedule": crontab(minute=18)},
    "portfolios.follow-price-changes": {
        "task": "portfolios.tasks.follow_price_changes",
        "schedule": crontab(minute=43),
    },
    "portfolios.suggest-fleets": {"task": "portfolios.tasks.suggest_fleets", "schedule": crontab(minute=48)},
    "chat.sweep": {"task": "chat.tasks.sweep", "schedule": 10.0, "options": {"expires": 10.0}},
    "chat.archive-silent": {"task": "chat.tasks.archive_silent", "schedule": crontab(minute=38, hour=4)},
    "billing.handle-events": {
        "task": "billing.tasks.handle_events",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "billing.sweep-visits": {"task": "billing.tasks.sweep_visits", "schedule": 10.0, "options": {"expires": 10.0}},
    "billing.purge-visits": {"task": "billing.tasks.purge_visits", "schedule": crontab(minute=57, hour=3)},
    "billing.reconcile": {"task": "billing.tasks_reconcile.night", "schedule": crontab(minute=24, hour=2)},
    "billing.purge-events": {"task": "billing.tasks.purge_events", "schedule": crontab(minute=56, hour=3)},
    "alerts.match-events": {
        "task": "alerts.tasks_incoming.match_events",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "alerts.purge-events": {"task": "alerts.tasks_incoming.purge_events", "schedule": crontab(minute=51, hour=3)},
    "alerts.look-around": {
        "task": "alerts.tasks_evaluating.look_around",
        "schedule": 300.0,
        "options": {"expires": 300.0},
    },
    "operations.make-exports": {
        "task": "gpuadvisor.operations.tasks_privacy.make_exports",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "operations.erase-accounts": {
        "task": "gpuadvisor.operations.tasks_privacy.erase_accounts",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "operations.expire-exports": {
        "task": "gpuadvisor.operations.tasks_privacy.expire_exports",
        "schedule": crontab(minute="*/10"),
    },
    "operations.look-after-erasures": {
        "task": "gpuadvisor.operations.tasks_privacy.look_after_erasures",
        "schedule": crontab(minute=41, hour="*/6"),
    },
    "backups.push-wal": {
        "task": "gpuadvisor.operations.tasks_backups.push_wal",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "backups.back-up": {"task": "gpuadvisor.operations.tasks_backups.back_up", "schedule": crontab(minute=41)},
    "backups.mark": {"task": "gpuadvisor.operations.tasks_backups.mark", "schedule": crontab(minute=28)},
    "backups.check": {"task": "gpuadvisor.operations.tasks_backups.check", "schedule": crontab(minute=11)},
    "backups.copy": {"task": "gpuadvisor.operations.tasks_backups.copy", "schedule": crontab(minute=22, hour="*/6")},
    "portfolios.top-up-demo": {"task": "portfolios.tasks.top_up_demo", "schedule": crontab(minute=5, hour="*/6")},
}


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
