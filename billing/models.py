"""What a host may do, by plan (R-021), what Stripe told of it, and how plans changed.

Every user has a subscription from sign-up on. Stripe's ids are text: nothing here refers to dj-stripe's tables.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gpuadvisor.accounts.models import Tier
from gpuadvisor.core.fields import bounded, known
from gpuadvisor.core.models import BaseModel

MOST_MONEY = 1_000_000_000


class Subscription(BaseModel):
    """A user's plan; a free user has a row too (tier free, active, no Stripe ids)."""

    class Status(models.TextChoices):
        """Stripe's own words."""

        INCOMPLETE = "incomplete", _("Incomplete")
        INCOMPLETE_EXPIRED = "incomplete_expired", _("Incomplete, expired")
        TRIALING = "trialing", _("Trial")
        ACTIVE = "active", _("Active")
        PAST_DUE = "past_due", _("Past due")
        CANCELED = "canceled", _("Canceled")
        UNPAID = "unpaid", _("Unpaid")
        PAUSED = "paused", _("Paused")

    class Interval(models.TextChoices):
        """How often it is paid; nothing where nothing is."""

        NONE = "", _("Never")
        MONTH = "month", _("Monthly")
        YEAR = "year", _("Yearly")

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="subscription")
    tier = models.CharField(max_length=20, choices=Tier, default=Tier.FREE)
    paid_tier = models.CharField(
        max_length=20,
        choices=Tier,
        default=Tier.FREE,
        db_default="free",
        help_text=_("What Stripe's subscription gives now."),
    )
    stripe_subscription_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    stripe_customer_id = models.CharField(max_length=255, null=True, blank=True, db_index=True)
    monthly_price = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    current_period_start = models.DateTimeField(null=True, blank=True)
    current_period_end = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    interval = models.CharField(max_length=10, choices=Interval, default=Interval.NONE, db_default="", blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True, help_text=_("When a plan that was cancelled ends."))
    synced_at = models.DateTimeField(null=True, blank=True, help_text=_("When Stripe's side was last written here."))
    billing_details = models.JSONField(default=dict, blank=True)
    grace_until = models.DateTimeField(
        null=True, blank=True, help_text=_("Until then all that a smaller plan has no room for goes on as it was.")
    )
    kept = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        help_text=_("What the host keeps of what the plan has no room for: keys by limit."),
    )
    trial_used_at = models.DateTimeField(null=True, blank=True)
    past_due_since = models.DateTimeField(null=True, blank=True, help_text=_("Since when the card fails."))
    compared_at = models.DateTimeField(null=True, blank=True, help_text=_("When it was last found to be as at Stripe."))
    owed = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        help_text=_("The invoice that is not paid: invoice, url, asks (whether the bank wants a confirmation)."),
    )
    has_card = models.BooleanField(default=False, db_default=False, help_text=_("Whether Stripe can go on by itself."))

    class Meta:
        db_table = "subscriptions"
        verbose_name = _("subscription")
        constraints = [
            known("billing_subscription_tier_known", "tier", Tier.values, _("Choose one of the plans.")),
            known(
                "billing_subscription_status_known",
                "status",
                [
                    "incomplete",
                    "incomplete_expired",
                    "trialing",
                    "active",
                    "past_due",
                    "canceled",
                    "unpaid",
                    "paused",
                ],
                _("This is not a state that a subscription can have."),
            ),
            known("billing_subscription_paid_tier_known", "paid_tier", Tier.values, _("Choose one of the plans.")),
            known("billing_subscription_interval_known", "interval", ["", "month", "year"], _("A month or a year.")),
            bounded("billing_subscription", "monthly_price", 0, 1_000_000, _("A price is 0 or more.")),
        ]

    def __str__(self) -> str:
        return f"{self.tier} ({self.status})"


class StripeEvent(BaseModel):
    """What Stripe told, kept before it was answered, and worked off after (reliability e13 to e15).

    Units: `next_at` when it is tried next; `lease` whose it is until `lease_until`.
    """

    class State(models.TextChoices):
        DUE = "due", _("Due")
        DONE = "done", _("Done")
        DEAD = "dead", _("Given up")

    event_id = models.CharField(max_length=255, unique=True)
    kind = models.CharField(max_length=100)
    livemode = models.BooleanField()
    account = models.CharField(max_length=255, blank=True)
    customer = models.CharField(
        max_length=255, blank=True, help_text=_("The events of one customer are handled in turn.")
    )
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.DUE)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    received_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "stripe_events"
        verbose_name = _("Stripe event")
        verbose_name_plural = _("Stripe events")
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state="due"), name="billing_event_due"),
            models.Index(fields=["customer"], condition=Q(state="due"), name="billing_event_due_customer"),
            models.Index(fields=["received_at"], name="billing_event_received"),
        ]
        constraints = [
            known("billing_event_state_known", "state", ["due", "done", "dead"], _("Choose one of the states.")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.state})"


class PlanChange(BaseModel):
    """One change of a plan or its price, for revenue by month; it outlives the account.

    Units: prices in USD a month.
    """

    class Source(models.TextChoices):
        STRIPE = "stripe", _("Stripe")
        STAFF = "staff", _("Staff")
        PROGRAM = "program", _("Program")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    account = models.UUIDField(null=True, blank=True, help_text=_("The account's key, which stays when it is deleted."))
    before = models.CharField(max_length=20, choices=Tier)
    after = models.CharField(max_length=20, choices=Tier)
    price_before = models.DecimalField(max_digits=10, decimal_places=2)
    price_after = models.DecimalField(max_digits=10, decimal_places=2)
    source = models.CharField(max_length=10, choices=Source)
    at = models.DateTimeField()

    class Meta:
        db_table = "plan_changes"
        verbose_name = _("change of plan")
        verbose_name_plural = _("changes of plans")
        permissions = [("view_revenue", "Can view revenue")]
        indexes = [models.Index(fields=["at"], name="billing_planchange_at")]
        constraints = [
            known("billing_planchange_before_known", "before", Tier.values, _("Choose one of the plans.")),
            known("billing_planchange_after_known", "after", Tier.values, _("Choose one of the plans.")),
            known("billing_planchange_source_known", "source", ["stripe", "staff", "program"], _("Choose a source.")),
            bounded("billing_planchange", "price_before", 0, 1_000_000, _("A price is 0 or more.")),
            bounded("billing_planchange", "price_after", 0, 1_000_000, _("A price is 0 or more.")),
        ]

    def __str__(self) -> str:
        return f"{self.before} to {self.after} {self.at:%Y-%m-%d}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.account = self.account or self.user_id
        super().save(*args, **kwargs)


class Grant(BaseModel):
    """A plan that staff gave an account for a time, without payment. It stands above what is paid, never below."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("account"), related_name="grants")
    tier = models.CharField(_("plan"), max_length=20, choices=Tier.choices[1:])
    until = models.DateTimeField(_("until"))
    reason = models.CharField(_("reason"), max_length=200)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text=_("By its time, or when it was revoked."))
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    revoke_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "plan_grants"
        verbose_name = _("granted plan")
        verbose_name_plural = _("granted plans")
        indexes = [models.Index(fields=["until"], condition=Q(ended_at=None), name="billing_grant_open")]
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(ended_at=None),
                name="billing_grant_one_open_per_user",
                violation_error_message=_("The account has a granted plan: revoke that one first."),
            ),
            known(
                "billing_grant_tier_known",
                "tier",
                ["individual", "professional", "enterprise"],
                _("Choose one of the plans above the free one."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_tier_display()}, {self.user}"


class Visit(BaseModel):
    """A way to Stripe that a page has asked for and a job prepares: a page never waits for Stripe itself.

    `url` is where the browser goes; `session_id` Stripe's name of what was made there.
    """

    class Kind(models.TextChoices):
        CHECKOUT = "checkout", _("Checkout")
        PORTAL = "portal", _("Billing Portal")
        TRIAL = "trial", _("Trial")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")
        DONE = "done", _("Done")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    tier = models.CharField(max_length=20, choices=Tier, blank=True)
    interval = models.CharField(max_length=10, choices=Subscription.Interval, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    flow = models.CharField(
        max_length=10, blank=True, db_default="", help_text=_("Where the Portal opens: card or cancel.")
    )
    url = models.TextField(blank=True)
    session_id = models.CharField(max_length=255, blank=True, db_index=True)
    error = models.CharField(max_length=300, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, help_text=_("Until then one worker prepares it."))
    begun_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text=_("When Stripe's page closes."))

    class Meta:
        db_table = "stripe_visits"
        verbose_name = _("visit to Stripe")
        verbose_name_plural = _("visits to Stripe")
        indexes = [models.Index(fields=["begun_at"], name="billing_visit_begun")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind"],
                condition=Q(state__in=["waiting", "ready"]),
                name="billing_visit_one_open_per_kind",
                violation_error_message=_("This is on its way already."),
            ),
            known("billing_visit_kind_known", "kind", ["checkout", "portal", "trial"], _("Choose one of the kinds.")),
            known(
                "billing_visit_state_known",
                "state",
                ["waiting", "ready", "failed", "done"],
                _("Choose one of the states."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.state})"


class Invoice(BaseModel):
    """What Stripe billed an account, for the host's list and the money of a month; it outlives the account.

    Units: amounts in `currency`, gross; `refunded` of what was `paid`.
    """

    class Status(models.TextChoices):
        """Stripe's own words."""

        DRAFT = "draft", _("Draft")
        OPEN = "open", _("Open")
        PAID = "paid", _("Paid")
        VOID = "void", _("Void")
        UNCOLLECTIBLE = "uncollectible", _("Uncollectible")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    invoice_id = models.CharField(max_length=255, unique=True)
    customer = models.CharField(max_length=255)
    number = models.CharField(max_length=100, blank=True)
    tier = models.CharField(max_length=20, choices=Tier, blank=True)
    status = models.CharField(max_length=20, choices=Status)
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    paid = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    refunded = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    billed_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    url = models.TextField(blank=True, help_text=_("Stripe's page of it, where it can be paid or confirmed."))
    synced_at = models.DateTimeField(null=True, blank=True, help_text=_("When Stripe's side was last written here."))

    class Meta:
        db_table = "stripe_invoices"
        verbose_name = _("invoice")
        indexes = [
            models.Index(fields=["user", "-billed_at"], name="billing_invoice_user"),
            models.Index(fields=["paid_at"], name="billing_invoice_paid"),
        ]
        constraints = [
            known(
                "billing_invoice_status_known",
                "status",
                ["draft", "open", "paid", "void", "uncollectible"],
                _("This is not a state that an invoice can have."),
            ),
            bounded("billing_invoice", "total", -MOST_MONEY, MOST_MONEY, _("This is no sum.")),
            bounded("billing_invoice", "paid", 0, MOST_MONEY, _("This is no sum.")),
            bounded("billing_invoice", "refunded", 0, MOST_MONEY, _("This is no sum.")),
        ]

    def __str__(self) -> str:
        return self.number or self.invoice_id


class PlanNotice(BaseModel):
    """A mail about a plan that was sent, so that none is sent twice; `about` tells one occasion from the next."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=30)
    about = models.CharField(max_length=255)
    at = models.DateTimeField()

    class Meta:
        db_table = "plan_notices"
        verbose_name = _("notice about a plan")
        verbose_name_plural = _("notices about plans")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind", "about"],
                name="billing_notice_once",
                violation_error_message=_("This was told already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d}"


class Drift(BaseModel):
    """Where our side and Stripe's differed when both were compared, and whether that was put right (promise 11)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    customer = models.CharField(max_length=255, blank=True)
    field = models.CharField(max_length=50)
    ours = models.CharField(max_length=255, blank=True)
    theirs = models.CharField(max_length=255, blank=True)
    found_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, blank=True, help_text=_("When it was last found to differ."))
    repaired_at = models.DateTimeField(null=True, blank=True)
    left_at = models.DateTimeField(null=True, blank=True, help_text=_("When staff said that it may stay so."))
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "stripe_drifts"
        verbose_name = _("difference from Stripe")
        verbose_name_plural = _("differences from Stripe")
        indexes = [
            models.Index(fields=["-found_at"], name="billing_drift_found"),
            models.Index(fields=["found_at"], condition=Q(repaired_at=None), name="billing_drift_open"),
        ]

    def __str__(self) -> str:
        return f"{self.field}: {self.ours} / {self.theirs}"


class Reconciliation(BaseModel):
    """One comparison of all that we have with all that Stripe has; `phase` and `cursor` say where it goes on.

    Units: `compared` accounts; `found`, `repaired` differences; `mirrored` objects that dj-stripe's tables lacked.
    """

    class Phase(models.TextChoices):
        CUSTOMERS = "customers", _("Customers")
        SUBSCRIPTIONS = "subscriptions", _("Subscriptions")
        ROWS = "rows", _("Our own rows")
        INVOICES = "invoices", _("Invoices")

    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("asked by")
    )
    begun_at = models.DateTimeField(_("begun"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    phase = models.CharField(max_length=20, choices=Phase, default=Phase.CUSTOMERS)
    cursor = models.CharField(max_length=255, blank=True)
    compared = models.PositiveIntegerField(default=0)
    found = models.PositiveIntegerField(default=0)
    repaired = models.PositiveIntegerField(default=0)
    mirrored = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True, help_text=_("Why it stopped before its end."))
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "stripe_reconciliations"
        verbose_name = _("comparison with Stripe")
        verbose_name_plural = _("comparisons with Stripe")
        indexes = [models.Index(fields=["-begun_at"], name="billing_reconciliation_begun")]
        constraints = [
            known(
                "billing_reconciliation_phase_known",
                "phase",
                ["customers", "subscriptions", "rows", "invoices"],
                _("Choose one of the phases."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.begun_at:%Y-%m-%d %H:%M}"
