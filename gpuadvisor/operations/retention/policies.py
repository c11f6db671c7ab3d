"""The one table of how long rows are kept. A test fails for a table with a time that no line here speaks of.

Periods count whole UTC days back from today: a row goes once its moment lies before 00:00 of the first day kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Any

from django.apps import apps
from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.plans import PLANS

from . import rolled_up

Sentence = str | Promise


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time by the calendar."""

    years: int = 0
    days: int = 0

    def before(self, today: date) -> date:
        """The first day that is kept."""
        year = today.year - self.years
        day = today.replace(year=year, day=28 if (today.month, today.day) == (2, 29) and year % 4 else today.day)
        return day - timedelta(days=self.days)

    def __str__(self) -> str:
        told = [f"{n} {word if n != 1 else word[:-1]}" for n, word in ((self.years, "years"), (self.days, "days")) if n]
        return " and ".join(told)


class How(Enum):
    """What becomes of rows that are past their time."""

    MONTHS = "months dropped"
    BATCHES = "in batches"
    JOB = "by a job of its own"
    WITH = "with the row it hangs on"
    KEPT = "kept until deletion"
    STANDING = "does not grow with time"


@dataclass(frozen=True, slots=True)
class Policy:
    """How long one table's rows are kept.

    `moment` is a column, or SQL over `t` that an index follows; `among` is SQL over `t` that the index holds for.
    `goes` is SQL over `t` that must hold as well; it may name %(limit)s and the limits of plans, %(free)s. `proof`
    says why days must stay, or "".
    """

    name: str
    model: str
    how: How
    moment: str = ""
    period: Period | None = None
    by_plan: dict[str, Period] | None = None
    among: str = ""
    goes: str = ""
    proof: Callable[[str, date, date], str] | None = None
    by: str = ""  # the job, or the table whose rows take these along
    note: Sentence = ""

    @property
    def table(self) -> str:
        return str(self.model_class._meta.db_table)

    @property
    def model_class(self) -> type[models.Model]:
        return apps.get_model(self.model)

    @property
    def is_ours(self) -> bool:
        """Whether `purge` deletes its rows itself."""
        return self.how in (How.MONTHS, How.BATCHES)

    @property
    def condition(self) -> str:
        """SQL over `t`: what must hold beside the moment."""
        return " and ".join(filter(None, (self.among, self.goes))) or "true"

    def limit(self, today: date) -> date:
        """The first day that is kept, of the plan that keeps least."""
        if self.by_plan:
            return max(period.before(today) for period in self.by_plan.values())
        return (self.period or Period()).before(today)

    def values(self, today: date) -> dict[str, Any]:
        """What `goes` may name."""
        limits = {plan: period.before(today) for plan, period in (self.by_plan or {}).items()}
        return {"limit": self.limit(today), **limits}

    @property
    def rule(self) -> str:
        """How long, and how it goes, in words."""
        if self.by_plan:
            kept = [f"{period} ({plan})" for plan, period in self.by_plan.items()]
            above = [plan for plan in PLANS if plan not in self.by_plan]
            return f"{', '.join(kept)}, until deleted ({', '.join(above)}); {self.how.value}"
        if self.how is How.JOB:
            return f"{self.period}; by the job {self.by}" if self.period else f"by the job {self.by}"
        if self.how is How.WITH:
            return f"with its {self.by}"
        return f"{self.period}; {self.how.value}" if self.period else self.how.value


TWO_YEARS, FIVE_YEARS, QUARTER = Period(years=2), Period(years=5), Period(days=90)

# Silence ends with a message, and with the host's taking it out of the archive. On a smaller plan the time counts from
# when that plan began, and from the end of its grace, at the earliest: nothing goes on the day of a downgrade.
RANKS = ", ".join(f"('{tier}', {rank})" for rank, tier in enumerate(PLANS))
SILENT = f"""
    (select case u.subscription_tier when 'free' then %(free)s::timestamptz
                                     when 'individual' then %(individual)s::timestamptz end
        > greatest(coalesce(t.last_message_at, t.started_at), t.restored_at,
            (select s.grace_until from subscriptions s where s.user_id = u.id),
            (select max(c.at) from plan_changes c
             join (values {RANKS}) was(tier, rank) on was.tier = c.before
             join (values {RANKS}) now(tier, rank) on now.tier = c.after
             where c.user_id = u.id and was.rank > now.rank))
     from users u where u.id = t.user_id)
"""  # noqa: S608 - names of our own plans

MONTHS = (
    Policy("metrics", "portfolios.PerformanceMetric", How.MONTHS, "metric_date", TWO_YEARS),
    Policy("samples", "portfolios.MetricSample", How.MONTHS, "sampled_at", TWO_YEARS),
    # The rows that point first: a month of offers and trends goes together with the market data it stands on.
    Policy("offers", "market.PricingSnapshot", How.MONTHS, "snapshot_time", TWO_YEARS, proof=rolled_up.trouble),
    Policy("trends", "market.UtilizationTrend", How.MONTHS, "trend_date", TWO_YEARS, proof=rolled_up.trouble),
    Policy(
        "market",
        "market.MarketData",
        How.MONTHS,
        "data_timestamp",
        TWO_YEARS,
        proof=rolled_up.trouble,
        note=_("In full resolution; their days stay."),
    ),
    Policy("market-days", "market.MarketDaily", How.MONTHS, "day", FIVE_YEARS),
)
BATCHES = (
    Policy(
        "conversations",
        "chat.Conversation",
        How.BATCHES,
        "coalesce(t.last_message_at, t.started_at)",
        by_plan={"free": Period(years=1), "individual": TWO_YEARS},
        goes=SILENT,
        note=_("Of silence, with all messages, answers and offers; archived after six months."),
    ),
    Policy(
        "alert-logs",
        "alerts.AlertLog",
        How.BATCHES,
        "triggered_at",
        QUARTER,
        note=_("With their deliveries and attempts."),
    ),
    Policy(
        "deliveries",
        "alerts.AlertDelivery",
        How.BATCHES,
        "created_at",
        QUARTER,
        among="t.log_id is null",
        goes="t.status <> 'pending'",
        note=_("Of no single alert: tests, digests, what quiet hours held back."),
    ),
    Policy(
        "episodes",
        "alerts.Episode",
        How.BATCHES,
        "resolved_at",
        QUARTER,
        among="t.state = 'resolved'",
        note=_("From their end, with their timeline; open ones stay."),
    ),
    Policy(
        "source-runs",
        "market.SourceRun",
        How.BATCHES,
        "started_at",
        Period(years=2, days=1),
        note=_("As long as the offers that they stored; those without figures go earlier, by market.clean-up."),
    ),
    Policy("token-days", "chat.TokenDay", How.BATCHES, "day", Period(years=3)),
    Policy(
        "mails",
        "core.QueuedMail",
        How.BATCHES,
        "created_at",
        QUARTER,
        goes="t.status <> 'pending'",
        note=_("To whom, what about and when; the text is emptied once sent, or after 24 hours."),
    ),
    Policy(
        "exports",
        "operations.Export",
        How.BATCHES,
        "asked_at",
        QUARTER,
        among="t.state in ('failed', 'expired')",
        note=_("That one was made; the file goes after 24 hours."),
    ),
    Policy(
        "backups",
        "operations.Backup",
        How.BATCHES,
        "started_at",
        Period(years=1),
        goes="t.state in ('failed', 'expired')",
        note=_("That one was made; the files go after BACKUP_DAYS."),
    ),
    Policy("restore-checks", "operations.RestoreCheck", How.BATCHES, "started_at", Period(years=3)),
    Policy("incidents", "core.Incident", How.BATCHES, "ended_at", Period(years=1), note=_("From their end.")),
    Policy("system-messages", "operations.SystemMessage", How.BATCHES, "ends_at", Period(years=1)),
)


def _job(name: str, model: str, by: str, moment: str, period: Period | None = None, note: Sentence = "") -> Policy:
    return Policy(name, model, How.JOB, moment, period, by=by, note=note)


JOBS = (
    _job("analytics", "portfolios.Analytics", "portfolios.clean-up", "analysis_date", Period(years=3)),
    _job("comp-days", "market.CompDay", "portfolios.clean-up", "day", TWO_YEARS),
    _job("ingest", "portfolios.IngestBatch", "portfolios.purge-ingest", "received_at", Period(days=30)),
    _job(
        "import-rows",
        "portfolios.MetricImportRow",
        "portfolios.purge-imports",
        "metric_date",
        Period(days=30),
        _("While the import can be undone; a day where nobody said yes."),
    ),
    _job(
        "quarantine",
        "market.Quarantine",
        "market.clean-up",
        "last_seen_at",
        Period(days=180),
        _("A released one is part of the figures and stays, and one whose decision the figures do not follow yet."),
    ),
    _job("unknown-names", "market.UnknownGPUName", "market.clean-up", "last_seen_at", Period(days=180)),
    _job("job-runs", "core.JobRun", "core.clean-up", "slot", QUARTER),
    _job("sessions", "sessions.Session", "core.clean-up", "expire_date", None, _("Until they expire.")),
    _job("host-events", "alerts.HostEvent", "alerts.purge-events", "received_at", QUARTER),
    _job("visits", "billing.Visit", "billing.purge-visits", "begun_at", QUARTER),
    _job("stripe-events", "billing.StripeEvent", "billing.purge-events", "received_at", QUARTER),
    _job("comparisons", "billing.Reconciliation", "billing.reconcile", "begun_at", Period(days=400)),
    _job("differences", "billing.Drift", "billing.reconcile", "found_at", Period(days=400), _("Those put right.")),
)


def _with(name: str, model: str, by: str) -> Policy:
    return Policy(name, model, How.WITH, by=by)


HANGING = (
    _with("insights", "portfolios.Insight", "analysis"),
    _with("messages", "chat.Message", "conversation"),
    _with("answers", "chat.Answer", "conversation"),
    _with("chat-offers", "chat.Offer", "conversation"),
    _with("attempts", "alerts.DeliveryAttempt", "delivery"),
    _with("episode-events", "alerts.EpisodeEvent", "episode"),
    _with("watches", "alerts.Watch", "episode"),
)


def _kept(note: Sentence, **tables: str) -> tuple[Policy, ...]:
    return tuple(Policy(name.replace("_", "-"), model, How.KEPT, note=note) for name, model in tables.items())


KEPT = (
    *_kept(
        _("The host's own: until they or their account are deleted."),
        users="accounts.User",
        tokens="accounts.ApiToken",
        consents="accounts.StaffConsent",
        portfolios="portfolios.Portfolio",
        gpus="portfolios.GPUConfiguration",
        windows="portfolios.MaintenanceWindow",
        suggestions="portfolios.OptimizationSuggestion",
        price_changes="portfolios.PriceChange",
        comp_sets="portfolios.CompSet",
        imports="portfolios.MetricImport",
        cost_profiles="portfolios.CostProfile",
        fee_overrides="portfolios.FeeOverride",
        alerts="alerts.Alert",
        channels="alerts.Channel",
        inboxes="alerts.Inbox",
        subscriptions="billing.Subscription",
        grants="billing.Grant",
        plan_notices="billing.PlanNotice",
        impersonations="operations.Impersonation",
        confirmations="account.EmailConfirmation",
        passkeys="mfa.Authenticator",
        signed_in="usersessions.UserSession",
        social_accounts="socialaccount.SocialAccount",
        social_tokens="socialaccount.SocialToken",
    ),
    *_kept(
        _("The books: the law asks for them for years; an account's deletion takes its name off them."),
        plan_changes="billing.PlanChange",
        invoices="billing.Invoice",
    ),
    *_kept(
        _("The record of deeds, which must outlive what it tells of; names go with their account."),
        audit="core.AuditEntry",
        erasures="operations.Erasure",
        admin_history="admin.LogEntry",
    ),
    *_kept(
        _("Staff keep these; a row a day and currency, or less."),
        gpu_models="market.GPUModel",
        platforms="market.Platform",
        fees="market.PlatformFee",
        currency_rates="market.CurrencyRate",
        pauses="alerts.ReceiverPause",
    ),
)
STANDING = tuple(
    Policy(name, model, How.STANDING, note=note)
    for name, model, note in (
        ("heartbeats", "core.Heartbeat", _("One for each process.")),
        ("forecasts", "market.MarketForecast", _("The newest of each series.")),
        ("ceilings", "chat.Ceiling", _("One for each account.")),
        ("throttles", "alerts.Throttle", _("One for each account and kind of alert.")),
        ("job-states", "core.JobState", _("One for each job.")),
        ("marks", "alerts.Mark", _("One for each thing that alerts look at.")),
        ("mode", "operations.SiteMode", _("One.")),
    )
)
POLICIES: tuple[Policy, ...] = (*MONTHS, *BATCHES, *JOBS, *HANGING, *KEPT, *STANDING)
BY_NAME = {policy.name: policy for policy in POLICIES}
OURS = tuple(policy for policy in POLICIES if policy.is_ours)
