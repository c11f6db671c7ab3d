"""Every table that holds something of an account, said column by column; a test fails where one is not said.

`told` goes into an export, `secret` never leaves the database, `inner` is the program's own bookkeeping about the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class Owner:
    """An account, and by what else its rows are found."""

    pk: UUID
    addresses: tuple[str, ...] = ()  # of its mails
    customers: tuple[str, ...] = ()  # Stripe's ids of it
    session_keys: tuple[str, ...] = ()


Rows = Callable[[Owner], Q]


@dataclass(frozen=True)
class Table:
    """One table. `owner` is the path of foreign keys to the account, or what else finds its rows.

    `staff` are columns that name a member of staff: emptied when that account goes. Of a table that is `kept`, rows
    stay when the account goes, for the reason in `why`, with the columns in `emptied` empty. `key` is the order in
    which it is read, by an index, where rows are many and small. `before` are tables that find their rows by this one
    and are emptied first.
    """

    label: str
    owner: str | Rows
    told: str
    secret: str = ""
    inner: str = ""
    staff: str = ""
    is_kept: bool = False
    emptied: str = ""
    why: StrOrPromise = ""
    key: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    note: str = field(default="", compare=False)


def _mails(owner: Owner) -> Q:
    return Q(to__in=owner.addresses)


def _sessions(owner: Owner) -> Q:
    return Q(session_key__in=owner.session_keys)


def _events(owner: Owner) -> Q:
    return Q(customer__in=owner.customers)


def _itself(owner: Owner) -> Q:
    return Q(pk=owner.pk)


def _marks(owner: Owner) -> Q:
    from django.db.models import CharField
    from django.db.models.functions import Cast

    from portfolios.models import GPUConfiguration

    gpus = GPUConfiguration._base_manager.filter(portfolio__user=owner.pk)
    return Q(subject__in=gpus.annotate(text=Cast("pk", CharField())).values("text"))


def _deeds(owner: Owner) -> Q:
    """What the account did, and what was done to it."""
    key = str(owner.pk)
    named = Q(details__account=key) | Q(details__owner=key) | Q(details__user=key)
    return Q(user=owner.pk) | named


MONEY = _("Records of payments, which law wants kept: what was paid and when, and not by whom.")
PROOF = _("The proof that the account was deleted: its key and the moments, nothing else.")
DEEDS = _("What staff did and when; what it said about you is emptied.")
WORK = _("It is about the site, not about the account; the name of who worked on it is emptied.")

TABLES: tuple[Table, ...] = (
    # -- The account -------------------------------------------------------------------------------------------------
    Table(
        "accounts.User",
        _itself,
        told="id email name timezone language preferences subscription_tier created_at updated_at email_verified"
        " is_active is_staff is_superuser is_demo last_login",
        secret="password verification_token reset_token",  # noqa: S106 - names of columns
        inner="reset_expires session_epoch",
    ),
    Table("accounts.User_groups", "user", told="id user group"),
    Table("accounts.User_user_permissions", "user", told="id user permission"),
    Table(
        "accounts.ApiToken",
        "user",
        told="id user name hint scopes portfolio_ids created_at last_used_at revoked_at",
        secret="digest",  # noqa: S106
    ),
    Table("accounts.StaffConsent", "user", told="id user given_at until ended_at"),
    Table("account.EmailAddress", "user", told="id user email verified primary"),
    Table(
        "account.EmailConfirmation",
        "email_address__user",
        told="id email_address created sent",
        secret="key",  # noqa: S106
    ),
    Table("mfa.Authenticator", "user", told="id user type created_at last_used_at", secret="data"),  # noqa: S106
    Table(
        "usersessions.UserSession",
        "user",
        told="id user created_at ip last_seen_at user_agent data",
        secret="session_key",  # noqa: S106
    ),
    Table("sessions.Session", _sessions, told="expire_date", secret="session_key session_data"),  # noqa: S106
    Table("socialaccount.SocialAccount", "user", told="id user provider uid last_login date_joined extra_data"),
    Table(
        "socialaccount.SocialToken",
        "account__user",
        told="id app account expires_at",
        secret="token token_secret",  # noqa: S106
    ),
    Table(
        "core.QueuedMail",
        _mails,
        told="id to subject status created_at sent_at",
        secret="body",  # noqa: S106 - it may hold live links
        inner="attempts next_at lease lease_until last_error",
    ),
    Table(
        "core.AuditEntry",
        _deeds,
        told="id action details at",
        staff="user",
        is_kept=True,
        emptied="user details",
        why=DEEDS,
        key=("at", "pk"),
        note="what the host did itself is deleted; what staff did is kept",
    ),
    # -- The plan ----------------------------------------------------------------------------------------------------
    Table(
        "billing.Subscription",
        "user",
        told="id user tier paid_tier stripe_subscription_id stripe_customer_id monthly_price current_period_start"
        " current_period_end status created_at updated_at cancelled_at interval cancel_at billing_details grace_until"
        " kept trial_used_at past_due_since owed has_card",
        inner="synced_at compared_at",
    ),
    Table(
        "billing.StripeEvent",
        _events,
        told="id event_id kind livemode account customer payload state received_at done_at",
        inner="attempts next_at lease lease_until last_error",
    ),
    Table(
        "billing.PlanChange",
        "user",
        told="id user account before after price_before price_after source at",
        is_kept=True,
        emptied="user",
        why=MONEY,
    ),
    Table(
        "billing.Grant",
        "user",
        told="id user tier until reason created_at ended_at revoke_reason",
        staff="by revoked_by",
    ),
    Table(
        "billing.Visit",
        "user",
        told="id user kind tier interval state flow session_id error begun_at ready_at expires_at",
        secret="url",  # noqa: S106 - a door to the account's pages at Stripe
        inner="lease_until",
    ),
    Table(
        "billing.Invoice",
        "user",
        told="id user invoice_id customer number tier status currency total paid refunded billed_at paid_at url",
        inner="synced_at",
        is_kept=True,
        emptied="user url",
        why=MONEY,
    ),
    Table("billing.PlanNotice", "user", told="id user kind about at"),
    Table(
        "billing.Drift",
        "user",
        told="id user customer field ours theirs found_at seen_at repaired_at left_at",
        inner="error",
    ),
    # -- The fleet ---------------------------------------------------------------------------------------------------
    Table(
        "portfolios.Portfolio",
        "user",
        told="id user name description configuration total_power_consumption estimated_monthly_revenue created_at"
        " updated_at estimate_low estimate_high estimate_method estimated_at is_active closed_by_plan_at state",
    ),
    Table(
        "portfolios.GPUConfiguration",
        "portfolio__user",
        told="id portfolio gpu_model custom_name hardware_details platform_mappings power_consumption quantity comp_set"
        " added_at updated_at is_active",
    ),
    Table("portfolios.MaintenanceWindow", "portfolio__user", told="id portfolio starts_at ends_at note"),
    Table(
        "portfolios.PerformanceMetric",
        "gpu_configuration__portfolio__user",
        told="id gpu_configuration platform metric_date utilization_percentage hourly_rate daily_revenue uptime_hours"
        " detailed_metrics order_type currency is_after_fee gpu_revenue storage_revenue bandwidth_revenue bonus_revenue"
        " hours_observed available_gpu_hours rented_gpu_hours energy_kwh observed_by_hour rented_by_hour kwh_by_hour"
        " recorded_at updated_at",
        key=("gpu_configuration_id", "platform", "metric_date"),
    ),
    Table(
        "portfolios.MetricSample",
        "gpu_configuration__portfolio__user",
        told="id gpu_configuration platform sampled_at is_online listed_gpus rented_gpus hourly_rate gpu_revenue"
        " storage_revenue bandwidth_revenue watts order_type currency is_after_fee source recorded_at",
        key=("gpu_configuration_id", "platform", "sampled_at"),
    ),
    Table(
        "portfolios.IngestBatch",
        "user",
        told="id user token kind idempotency_key payload item_count rows_changed received_at merged_at error",
        inner="digest",
    ),
    Table(
        "portfolios.MetricImport",
        "user",
        told="id user name state settings body_bytes sha256 rows_read rows_new rows_changed rows_unchanged rows_refused"
        " error created_at finished_at undone_at",
        inner="position lease_until",
    ),
    Table(
        "portfolios.MetricImportRow",
        "batch__user",
        told="id batch line gpu_configuration_id platform metric_date figures before outcome reason",
        key=("batch_id", "line"),
    ),
    Table(
        "portfolios.CostProfile",
        "portfolio__user",
        told="id portfolio gpu_configuration currency price_per_kwh tariff_bands timezone overhead_percentage"
        " fixed_monthly purchase_price purchase_date created_at updated_at",
    ),
    Table(
        "portfolios.FeeOverride",
        "user",
        told="id user platform order_type currency fee_percentage valid_from created_at",
    ),
    Table(
        "portfolios.CompSet",
        "user",
        told="id user name gpu_model platform size is_verified is_datacenter region is_default created_at updated_at",
    ),
    Table(
        "portfolios.PriceChange",
        "gpu_configuration__portfolio__user",
        told="id gpu_configuration platform changed_at from_rate to_rate origin note suggestion created_at",
    ),
    Table("portfolios.InsightRuleSetting", "user", told="id user rule is_on threshold"),
    Table(
        "portfolios.Analytics",
        "user",
        told="id user metric_type calculated_data trend_analysis confidence_score analysis_date generated_at"
        " expires_at",
        inner="inputs",
    ),
    Table(
        "portfolios.Insight",
        "analytics__user",
        told="id analytics insight_type title description supporting_data impact_estimate impact_low impact_high"
        " portfolio gpu_configuration status superseded_by closed_at expires_at priority_level is_actionable"
        " created_at",
    ),
    Table(
        "portfolios.OptimizationSuggestion",
        "portfolio__user",
        told="id portfolio suggestion_type title description implementation_steps estimated_impact impact_low"
        " impact_high gpu_configuration platform from_rate to_rate evidence state reject_reason snoozed_until"
        " decided_at expires_at confidence_level is_implemented created_at implemented_at",
    ),
    # -- The advisor -------------------------------------------------------------------------------------------------
    Table(
        "chat.Conversation",
        "user",
        told="id user title context_summary user_preferences message_count started_at last_message_at is_archived"
        " restored_at is_pinned is_renamed closed_by_plan_at",
    ),
    Table(
        "chat.Message",
        "conversation__user",
        told="id conversation role content metadata token_count processing_cost created_at is_deleted",
    ),
    Table(
        "chat.Answer",
        "user",
        told="id user message question state advisor error is_stop_asked asked_at first_word_at ended_at",
        inner="attempts reserved_tokens reserved_on lease lease_until taken_at",
    ),
    Table("chat.TokenDay", "user", told="id user day reserved used cost_usd"),
    Table("chat.Ceiling", "user", told="id user tokens_a_day usd_a_day note updated_at"),
    Table(
        "chat.Offer",
        "user",
        told="id user message name arguments title lines state result created_at decided_at",
    ),
    # -- Alerts ------------------------------------------------------------------------------------------------------
    Table(
        "alerts.Alert",
        "user",
        told="id user name alert_type conditions notification_settings is_active created_at updated_at last_triggered"
        " trigger_count snoozed_until off_reason closed_by_plan_at",
    ),
    Table("alerts.Alert_channels", "alert__user", told="id alert channel"),
    Table("alerts.Throttle", "user", told="id user alert_type last_sent"),
    Table("alerts.QuietHours", "user", told="id user starts ends passes"),
    Table(
        "alerts.Channel",
        "user",
        told="id user kind name hint receiver least_severity digest digest_sent_at state failures_in_row"
        " last_success_at last_failure_at last_error created_at",
        secret="address secret old_secret",  # noqa: S106 - whoever has an address of Discord's or Slack's may write there
        inner="digest_of_address old_secret_until",
    ),
    Table(
        "alerts.Episode",
        "user",
        told="id alert user state severity cause cause_key title facts split money_per_day opened_at last_seen_at"
        " reminded_at resolved_at snoozed_until acted_at acted_how",
    ),
    Table("alerts.EpisodeEvent", "episode__user", told="id episode kind text data at"),
    Table(
        "alerts.Watch",
        "alert__user",
        told="id alert subject episode true_since held_minutes value limit money_per_day seen_at",
    ),
    Table("alerts.Mark", _marks, told="subject seen_until", before=("portfolios.GPUConfiguration",)),
    Table(
        "alerts.Inbox",
        "user",
        told="id user platform created_at last_event_at",
        secret="token sealed_token secret",  # noqa: S106
    ),
    Table(
        "alerts.HostEvent",
        "user",
        told="id user platform event_id kind machine gpu_configuration data happened_at received_at",
    ),
    Table(
        "alerts.AlertLog",
        "alert__user",
        told="id alert trigger_reason trigger_data delivery_status delivery_details triggered_at delivered_at episode"
        " kind severity suppressed_by folded_into",
    ),
    Table(
        "alerts.AlertDelivery",
        "user",
        told="id user log channel purpose payload status attempts created_at ended_at last_error",
        inner="next_at lease lease_until",
    ),
    Table("alerts.AlertDelivery_tells", "alertdelivery__user", told="id alertdelivery alertlog"),
    Table(
        "alerts.DeliveryAttempt",
        "delivery__user",
        told="id delivery number at seconds status_code error answer",
    ),
    # -- What was asked for on the page "Privacy", and staff ----------------------------------------------------------
    Table(
        "operations.Export",
        "user",
        told="id user state done_rows total_rows bytes error asked_at ready_at expires_at",
        inner="progress file attempts lease lease_until",
    ),
    Table(
        "operations.Erasure",
        "user",
        told="id user account state asked_at due_at undone_at done_at",
        inner="steps attempts next_at error",
        is_kept=True,
        emptied="user",
        why=PROOF,
    ),
    Table(
        "operations.Impersonation",
        "user",
        told="id user reason begun_at expires_at ended_at",
        staff="staff",
    ),
    Table(
        "admin.LogEntry",
        "user",
        told="id action_time user content_type object_id object_repr action_flag change_message",
    ),
    # -- Work of staff ------------------------------------------------------------------------------------------------
    Table(
        "market.Quarantine",
        "decided_by",
        told="id source platform rule subject decision decided_by decided_at note",
        inner="scope gpu_model price reason fragment document run observed_at first_seen_at last_seen_at times"
        " applied_at",
        is_kept=True,
        emptied="decided_by",
        why=WORK,
    ),
    Table(
        "billing.Reconciliation",
        "by",
        told="id by begun_at ended_at",
        inner="phase cursor compared found repaired mirrored error lease lease_until mailed_at",
        is_kept=True,
        emptied="by",
        why=WORK,
    ),
    Table(
        "operations.SystemMessage",
        "by",
        told="id text level begins_at ends_at by created_at",
        is_kept=True,
        emptied="by",
        why=WORK,
    ),
    Table(
        "operations.SiteMode",
        "by",
        told="id is_read_only sentence changed_at by",
        is_kept=True,
        emptied="by",
        why=WORK,
    ),
)

# Tables without a path to an account, each looked at.
OF_NOBODY = frozenset(
    {
        *("market.MarketData", "market.PricingSnapshot", "market.UtilizationTrend", "market.MarketDaily"),
        *("market.MarketForecast", "market.GPUModel", "market.GPUAlias", "market.UnknownGPUName", "market.Platform"),
        *("market.CurrencyRate", "market.PlatformFee", "market.CompDay", "market.SourceRun"),
        *("core.JobRun", "core.JobState", "core.Incident", "core.Heartbeat"),
        *("operations.Backup", "operations.RestoreCheck"),
        *("auth.Permission", "auth.Group_permissions", "auth.Group", "contenttypes.ContentType"),
        "socialaccount.SocialApp",
        "alerts.ReceiverPause",  # a receiver's host name, paused by staff for all
    }
)

# dj-stripe's copies of what Stripe has are found by Stripe's id of the customer (inventory.stripe_tables); these hold
# what belongs to the site, to the catalogue, or to nobody.
STRIPE_OF_NOBODY = frozenset(
    {
        *("IdempotencyKey", "APIKey", "Account", "AccountV2", "Coupon", "PromotionCode", "ShippingRate", "TaxCode"),
        *("TaxRate", "CountrySpec", "Transfer", "TransferReversal", "Product", "File", "FileLink", "Payout", "Price"),
        *("Feature", "ProductFeature", "BankAccount", "WebhookEndpoint", "ScheduledQueryRun"),
        *("IssuingAuthorization", "IssuingCard", "IssuingCardholder", "IssuingDispute", "IssuingTransaction"),
        "BalanceTransaction",  # the site's own book at Stripe: sums and dates
        "DjstripePaymentMethod",  # an id at Stripe and a kind
    }
)
