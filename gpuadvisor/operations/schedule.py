"""The one table of scheduled jobs. Beat's schedule is made from it, and so are the pages that tell how they run.

A job whose `slot` is set runs once in each stretch of that length, whatever beats and workers there are
(`core.jobs.once_per_slot`, promise 29). One without is a sweep: it takes what is due by leases, so that two at once
share the work. What is frequent or takes no slot expires when the next is due: no pile awaits a worker that was down.

Imports no models: `gpuadvisor.celery` reads it before Django is up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from celery.schedules import crontab, schedule
from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SECONDS_10, MINUTE, MINUTES_5, MINUTES_10, QUARTER, HOUR, HOURS_6, DAY = (
    *(timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=10)),
    *(timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6), timedelta(days=1)),
)
LATE_GRACE = MINUTES_10  # a job waits behind others, and takes its time
QUEUES = ("bulk", "alerts", "ingest", "chat")


@dataclass(frozen=True)
class Job:
    """One scheduled job: `name` is its slot's name too, `what` tells people what it does."""

    name: str
    what: str | Promise
    task: str
    every: timedelta
    at: crontab | None = None  # the minute at which; without: every so often from beat's start
    slot: timedelta | None = None
    by_itself: bool = False  # the task claims its slots by rules of its own: core.jobs.claim_slot
    queues: tuple[str, ...] = ()  # where it goes; without: as CELERY_TASK_ROUTES says
    button: str = ""  # the admin's page that has a button for it, where "run now" would find nothing due
    amber_after: timedelta | None = None
    red_after: timedelta | None = None

    @property
    def queue(self) -> str:
        """Where its message goes."""
        if self.queues:
            return self.queues[0]
        routes = settings.CELERY_TASK_ROUTES.items()
        for pattern, route in routes:
            if fnmatchcase(self.task, pattern):
                return str(route["queue"])
        return str(settings.CELERY_TASK_DEFAULT_QUEUE)

    @property
    def _grace(self) -> timedelta:
        return max(LATE_GRACE, self.every / 8)

    @property
    def amber(self) -> timedelta:
        """How long after its last good run it is late."""
        return self.amber_after or self.every + self._grace

    @property
    def red(self) -> timedelta:
        """How long after its last good run somebody must look."""
        return self.red_after or 2 * (self.every + self._grace)


def _sweep(name: str, what: Any, task: str, every: timedelta, **more: Any) -> Job:
    return Job(name, what, task, every, **more)


def _daily(name: str, what: Any, task: str, hour: int, minute: int, *, slot: timedelta = DAY) -> Job:
    return Job(name, what, task, DAY, crontab(hour=hour, minute=minute), slot)


def _hourly(name: str, what: Any, task: str, minute: int, *, hours: int = 1, **more: Any) -> Job:
    at = crontab(minute=minute, hour="*" if hours == 1 else f"*/{hours}")
    return Job(name, what, task, timedelta(hours=hours), at, **{"slot": timedelta(hours=hours), **more})


_OPERATIONS = "gpuadvisor.operations"
JOBS: tuple[Job, ...] = (
    # -- the site itself
    _sweep(
        "core.heartbeat",
        _("Shows that beat, the broker and a worker of each queue are alive"),
        "gpuadvisor.core.tasks.heartbeat",
        timedelta(seconds=30),
        queues=QUEUES,
    ),
    _sweep("core.send-due-mails", _("Sends mails"), "gpuadvisor.core.tasks.send_due_mails", SECONDS_10),
    Job(
        "core.sweep-limits",
        _("Deletes sign-in limits that have run out"),
        "gpuadvisor.core.tasks.sweep_limits",
        MINUTES_10,
        crontab(minute="*/10"),
        MINUTES_10,
    ),
    _hourly(
        "core.make-months",
        _("Keeps the months of every partitioned table ready"),
        "gpuadvisor.core.tasks.make_months",
        7,
        hours=6,
    ),
    _daily("core.clean-up", _("Deletes ended sessions and old job runs"), "gpuadvisor.core.tasks.clean_up", 3, 20),
    # -- the market
    Job(
        "market.refresh",
        _("Asks each source whose slot is due"),
        "market.tasks.refresh_market",
        QUARTER,
        crontab(minute="*/15"),
        by_itself=True,  # each source has slots of its own length
    ),
    _sweep(
        "market.apply-decisions",
        _("Lets figures follow what staff decided about held rows"),
        "market.tasks.apply_decisions",
        MINUTE,
    ),
    Job(
        "market.warm",
        _("Makes public pages ready before a reader asks"),
        "market.tasks.warm_pages",
        MINUTES_10,
        crontab(minute="5-59/10"),
    ),
    _daily("market.clean-up", _("Deletes old source runs and refused rows"), "market.tasks.clean_up", 3, 50),
    _hourly("market.roll-up", _("Makes the market's days"), "market.tasks_history.roll_up", 12),
    _hourly("market.forecasts", _("Makes forecasts"), "market.tasks_history.make_forecasts", 26, hours=6),
    _hourly(
        "market.currency-rates",
        _("Asks what currencies are worth"),
        "market.tasks_money.refresh_currency_rates",
        44,
        hours=6,
    ),
    # -- fleets
    Job(
        "portfolios.merge-ingest",
        _("Merges what programs have posted"),
        "portfolios.tasks.merge_ingest",
        MINUTES_5,
        crontab(minute="*/5"),
        MINUTES_5,
    ),
    _daily(
        "portfolios.purge-ingest",
        _("Deletes posts that were merged long ago"),
        "portfolios.tasks.purge_ingest",
        3,
        33,
        slot=HOUR,
    ),
    _daily("portfolios.clean-up", _("Deletes analyses that are past their time"), "portfolios.tasks.clean_up", 4, 10),
    _hourly("portfolios.analyse-fleets", _("Analyzes fleets"), "portfolios.tasks.analyse_fleets", 33),
    _daily("portfolios.estimate-all", _("Estimates what portfolios will earn"), "portfolios.tasks.estimate_all", 4, 14),
    _sweep("portfolios.work-imports", _("Reads files of daily results"), "portfolios.tasks.work_imports", MINUTE),
    _hourly(
        "portfolios.purge-imports",
        _("Deletes imports that nobody said yes to"),
        "portfolios.tasks.purge_imports",
        40,
    ),
    _hourly(
        "portfolios.comp-days",
        _("Stores what hosts are compared with"),
        "portfolios.tasks.make_comp_days",
        18,
    ),
    _hourly(
        "portfolios.follow-price-changes",
        _("Sees price changes in daily results"),
        "portfolios.tasks.follow_price_changes",
        43,
    ),
    _hourly("portfolios.suggest-fleets", _("Makes suggestions"), "portfolios.tasks.suggest_fleets", 48),
    _hourly(
        "portfolios.top-up-demo",
        _("Gives the demo account the days that have passed"),
        "portfolios.tasks.top_up_demo",
        5,
        hours=6,
        slot=HOUR,
    ),
    # -- alerts
    _sweep("alerts.deliver-due", _("Sends alerts"), "alerts.tasks.deliver_due", SECONDS_10),
    Job(
        "alerts.send-digests",
        _("Queues digests, and what quiet hours held back"),
        "alerts.tasks.send_digests",
        MINUTES_5,
        crontab(minute="*/5"),
        MINUTES_5,
    ),
    _sweep(
        "alerts.match-events",
        _("Puts reported events onto open alerts"),
        "alerts.tasks_incoming.match_events",
        MINUTE,
    ),
    _sweep(
        "alerts.look-around",
        _("Looks at every alert whose figures are new"),
        "alerts.tasks_evaluating.look_around",
        MINUTES_5,
    ),
    _daily(
        "alerts.purge-events",
        _("Deletes reported events older than 90 days"),
        "alerts.tasks_incoming.purge_events",
        3,
        51,
        slot=HOUR,
    ),
    # -- the advisor
    _sweep("chat.sweep", _("Answers questions that were left lying"), "chat.tasks.sweep", SECONDS_10),
    _daily(
        "chat.archive-silent",
        _("Archives conversations that were silent for six months"),
        "chat.tasks.archive_silent",
        4,
        38,
    ),
    # -- plans and payments
    Job(
        "billing.end-grants",
        _("Ends plans by agreement"),
        "billing.tasks_grants.end_grants",
        MINUTES_5,
        crontab(minute="*/5"),
        MINUTES_5,
    ),
    _hourly(
        "billing.settle-plans",
        _("Settles what lies beyond a plan"),
        "billing.tasks_shrinking.settle_plans",
        3,
    ),
    _hourly("billing.remind", _("Reminds of payments"), "billing.tasks_notices.remind", 28),
    _sweep("billing.handle-events", _("Handles what Stripe told"), "billing.tasks.handle_events", SECONDS_10),
    _sweep("billing.sweep-visits", _("Prepares ways to Stripe"), "billing.tasks.sweep_visits", SECONDS_10),
    _daily("billing.purge-visits", _("Deletes old ways to Stripe"), "billing.tasks.purge_visits", 3, 57),
    _daily("billing.reconcile", _("Compares plans with Stripe"), "billing.tasks_reconcile.night", 2, 24),
    _daily("billing.purge-events", _("Deletes Stripe's events of long ago"), "billing.tasks.purge_events", 3, 56),
    _sweep(
        "operations.watch",
        _("Sees what goes wrong, and tells operators"),
        f"{_OPERATIONS}.tasks_watching.watch",
        MINUTE,
    ),
    Job(
        "operations.purge",
        _("Deletes what is kept no longer, from 03:00 UTC in slices"),
        f"{_OPERATIONS}.tasks_retention.purge",
        MINUTES_5,
        crontab(minute="*/5"),
        MINUTES_5,
    ),
    # -- privacy
    _sweep(
        "operations.make-exports",
        _("Makes exports of accounts"),
        f"{_OPERATIONS}.tasks_privacy.make_exports",
        MINUTE,
    ),
    _sweep(
        "operations.erase-accounts",
        _("Goes on with deletions of accounts"),
        f"{_OPERATIONS}.tasks_privacy.erase_accounts",
        MINUTE,
    ),
    Job(
        "operations.expire-exports",
        _("Deletes the files of exports whose day is over"),
        f"{_OPERATIONS}.tasks_privacy.expire_exports",
        MINUTES_10,
        crontab(minute="*/10"),
        MINUTES_10,
    ),
    _hourly(
        "operations.look-after-erasures",
        _("Completes the ledger of deleted accounts"),
        f"{_OPERATIONS}.tasks_privacy.look_after_erasures",
        41,
        hours=6,
    ),
    # -- backups
    _sweep(
        "backups.push-wal",
        _("Brings the database's log into the backups"),
        f"{_OPERATIONS}.tasks_backups.push_wal",
        MINUTE,
    ),
    _hourly(
        "backups.back-up",
        _("Starts the day's backup, asked every hour"),
        f"{_OPERATIONS}.tasks_backups.back_up",
        41,
        slot=None,
        by_itself=True,
        button="admin:operations_backup_changelist",
    ),
    _hourly(
        "backups.mark",
        _("Counts rows, so that a restore can be compared"),
        f"{_OPERATIONS}.tasks_backups.mark",
        28,
    ),
    _hourly(
        "backups.check",
        _("Starts the month's restore check, asked every hour"),
        f"{_OPERATIONS}.tasks_backups.check",
        11,
        slot=None,
        by_itself=True,
        button="admin:operations_restorecheck_changelist",
    ),
    _hourly(
        "backups.copy",
        _("Brings the second place of the backups up to date"),
        f"{_OPERATIONS}.tasks_backups.copy",
        22,
        hours=6,
    ),
)
BY_NAME = {job.name: job for job in JOBS}
BY_TASK = {job.task: job for job in JOBS}


def beat_schedule() -> dict[str, dict[str, Any]]:
    """What beat is told: one entry for each job and queue."""
    entries = {}
    for job in JOBS:
        entry: dict[str, Any] = {"task": job.task, "schedule": job.at or schedule(job.every)}
        options = {"expires": job.every.total_seconds()} if job.every < QUARTER or not job.slot else {}
        if not job.queues:
            entries[job.name] = {**entry, "options": options}
        for queue in job.queues:
            entries[f"{job.name}:{queue}"] = {**entry, "args": (queue,), "options": {**options, "queue": queue}}
    return entries
