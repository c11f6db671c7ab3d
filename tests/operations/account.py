"""An account with a row in every table that may hold something of it."""

import zlib
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from allauth.account.models import EmailConfirmation
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.mail import EmailMessage

from alerts.models import (
    Alert,
    AlertDelivery,
    AlertLog,
    Channel,
    DeliveryAttempt,
    Episode,
    EpisodeEvent,
    HostEvent,
    Inbox,
    Mark,
    QuietHours,
    Throttle,
    Watch,
)
from billing.models import (
    Drift,
    Grant,
    Invoice,
    PlanChange,
    PlanNotice,
    Reconciliation,
    StripeEvent,
    Subscription,
    Visit,
)
from chat.models import Ceiling, TokenDay
from gpuadvisor.accounts.models import ApiToken, StaffConsent, User
from gpuadvisor.core import audit, clock, mail
from gpuadvisor.core.partitions import ensure_months
from gpuadvisor.operations.models import Erasure, Impersonation, SiteMode, SystemMessage
from gpuadvisor.operations.privacy import inventory
from gpuadvisor.operations.privacy.tables import STRIPE_OF_NOBODY
from market.models import Quarantine
from portfolios.models import (
    CostProfile,
    GPUConfiguration,
    IngestBatch,
    InsightRuleSetting,
    MetricImport,
    MetricImportRow,
    MetricSample,
    Portfolio,
)
from tests.world import one_of_each

CUSTOMER = "cus_Leaving0001"
NAME = "Wilhelmina Quartz"  # stands nowhere but in what is this host's
FORMULA = '=HYPERLINK("http://bad.example";"a")'


def fill(client, host, *, staff):
    """A row of the host's in every table; the keys of `one_of_each`."""
    now = clock.now()
    User.objects.filter(pk=host.pk).update(name=NAME)
    host.name = NAME
    client.force_login(host)
    client.get("/settings/")
    keys = one_of_each(host)
    gpu = GPUConfiguration.objects.get(pk=keys["gpu"])
    Portfolio.objects.filter(pk=gpu.portfolio_id).update(name=FORMULA, description=f"{NAME}'s cellar")
    _account(host, staff, now)
    _plan(host, staff, now)
    _fleet(host, gpu, keys, now)
    _alerts(host, gpu, keys, now)
    TokenDay.objects.create(user=host, day=now.date(), used=10)
    Ceiling.objects.create(user=host, tokens_a_day=5, note=f"for {NAME}")
    Impersonation.objects.create(
        staff=staff, user=host, reason="She wrote to us", begun_at=now, expires_at=now + timedelta(hours=1)
    )
    Erasure.objects.create(
        user=host, account=host.pk, state="undone", asked_at=now, due_at=now + timedelta(days=7), undone_at=now
    )
    stripe_copies(host)
    return keys


def of_staff(staff):
    """What names a member of staff as who did it."""
    now = clock.now()
    Quarantine.objects.create(
        source="vast", rule="jump", subject="1", reason="It jumped.", observed_at=now, first_seen_at=now,
        last_seen_at=now, decided_by=staff, decided_at=now, decision="confirmed",
    )  # fmt: skip
    Reconciliation.objects.create(by=staff, begun_at=now)
    SystemMessage.objects.create(text="Back at six", begins_at=now, ends_at=now + timedelta(hours=1), by=staff)
    SiteMode.objects.update_or_create(pk=1, defaults={"by": staff})
    LogEntry.objects.create(user=staff, action_flag=2, object_repr="x", object_id="1")


def _account(host, staff, now):
    host.groups.add(Group.objects.get_or_create(name="Hosts")[0])
    host.user_permissions.add(Permission.objects.first())
    StaffConsent.objects.create(user=host, given_at=now, until=now)
    EmailConfirmation.objects.create(email_address=host.emailaddress_set.first(), key="confirm-key-1", sent=now)
    social = SocialAccount.objects.create(user=host, provider="github", uid="77", extra_data={"login": NAME})
    app = SocialApp.objects.create(provider="github", name="GitHub", client_id="c")
    SocialToken.objects.create(app=app, account=social, token="gho_secret", token_secret="tok_secret")
    if not UserSession.objects.filter(user=host).exists():
        key = Session.objects.first().session_key
        UserSession.objects.create(user=host, ip="127.0.0.1", session_key=key, user_agent="Firefox")
    mail.queue(EmailMessage("Hello", f"Dear {NAME}", "us@example.com", [host.email]))
    audit.record(user=host, action="token.created", details={"name": NAME})
    audit.record(user=staff, action="plan.granted", details={"account": str(host.pk), "reason": f"{NAME} asked"})
    LogEntry.objects.create(
        user=staff, content_type=ContentType.objects.get_for_model(User), object_id=str(host.pk),
        object_repr=host.email, action_flag=2, change_message=NAME,
    )  # fmt: skip


def _plan(host, staff, now):
    Subscription.objects.update_or_create(
        user=host,
        defaults={
            "tier": "individual",
            "paid_tier": "individual",
            "status": "active",
            "monthly_price": Decimal(9),
            "interval": "month",
            "stripe_customer_id": CUSTOMER,
            "stripe_subscription_id": "sub_Leaving0001",
        },
    )
    StripeEvent.objects.create(
        event_id="evt_1", kind="invoice.paid", livemode=False, customer=CUSTOMER, state="done", next_at=now,
        received_at=now, payload={"data": {"object": {"customer_email": host.email, "client_secret": "pi_secret_9"}}},
    )  # fmt: skip
    PlanChange.objects.create(
        user=host, before="free", after="individual", price_before=0, price_after=9, source="stripe", at=now
    )
    Grant.objects.create(user=host, tier="professional", until=now + timedelta(days=1), reason=f"{NAME}", by=staff)
    Visit.objects.create(user=host, kind="portal", state="done", url="https://billing.stripe.com/p/door", begun_at=now)
    Invoice.objects.create(
        user=host, invoice_id="in_1", customer=CUSTOMER, number="A-1", status="paid", currency="usd", total=9, paid=9,
        billed_at=now, url="https://invoice.stripe.com/i/hers",
    )  # fmt: skip
    PlanNotice.objects.create(user=host, kind="trial-ends", about="x", at=now)
    Drift.objects.create(user=host, customer=CUSTOMER, field="tier", ours=NAME, theirs="b", found_at=now)


def _fleet(host, gpu, keys, now):
    ensure_months(MetricSample, now.date(), now.date())
    MetricSample.objects.create(
        gpu_configuration=gpu, platform="vast", source="api", sampled_at=now.replace(minute=0, second=0, microsecond=0)
    )
    IngestBatch.objects.create(
        user=host, token=ApiToken.objects.get(pk=keys["token"]), kind="metrics", digest="d" * 64, item_count=1,
        received_at=now, payload=[{"note": NAME}],
    )  # fmt: skip
    batch = MetricImport.objects.get(pk=keys["import"])
    MetricImportRow.objects.create(
        batch=batch, line=2, gpu_configuration_id=gpu.pk, platform="vast", metric_date=now.date(), figures={}
    )
    CostProfile.objects.create(portfolio=gpu.portfolio, price_per_kwh=Decimal("0.3"))
    InsightRuleSetting.objects.create(user=host, rule="idle")


def _alerts(host, gpu, keys, now):
    alert = Alert.objects.get(pk=keys["alert"])
    channel = Channel.objects.get(pk=keys["channel"])
    alert.channels.add(channel)
    episode = Episode.objects.get(pk=keys["episode"])
    Throttle.objects.create(user=host, alert_type=alert.alert_type, last_sent=now)
    QuietHours.objects.create(user=host, starts="22:00", ends="07:00")
    EpisodeEvent.objects.create(episode=episode, kind="opened", text=NAME, at=now)
    Watch.objects.create(alert=alert, subject=str(gpu.pk), episode=episode, true_since=now, seen_at=now)
    Mark.objects.create(subject=str(gpu.pk), seen_until=now)
    Inbox.objects.create(user=host, platform="vast", token="t" * 64, sealed_token=b"s", secret=b"s")
    HostEvent.objects.create(
        user=host, platform="vast", event_id="1", kind="outage", machine=NAME, happened_at=now, received_at=now
    )
    delivery = AlertDelivery.objects.get(pk=keys["delivery"])
    delivery.tells.add(AlertLog.objects.get(pk=keys["log"]))
    DeliveryAttempt.objects.create(delivery=delivery, number=1, at=now, seconds=1)
    AlertDelivery.objects.create(user=host, channel=channel, payload={"title": NAME}, next_at=now, created_at=now)


def stripe_copies(host):
    """One of each copy that dj-stripe may hold of a customer: bare rows, as far as the columns allow."""
    copies = [one.model for one in inventory.held() if inventory.is_stripes(one)]
    copies.sort(key=lambda model: (model._meta.auto_created is not False, model.__name__ != "Customer"))
    made = {}
    for model in copies:
        _copy(model, host, made)
    return made


def _copy(model, host, made):
    if model in made:
        return made[model]
    made[model] = None  # circles: the second of the two is left empty
    values = {}
    label = model.__name__
    for column in model._meta.concrete_fields:
        kind = column.get_internal_type()
        if column.name == "subscriber":
            values[column.name] = host
        elif column.name == "id" and not column.primary_key:
            values["id"] = CUSTOMER if label == "Customer" else f"x_{label}"
        elif column.name == "email":
            values["email"] = host.email
        elif column.name == "stripe_data" and model.__name__ in STRIPE_OF_NOBODY:
            values["stripe_data"] = {"id": f"x_{label}"}
        elif column.name == "stripe_data":
            values["stripe_data"] = {
                "id": f"x_{label}", "customer": CUSTOMER, "customer_name": NAME, "client_secret": "s",
                "data": {"object": {"customer": CUSTOMER, "email": host.email}},
            }  # fmt: skip
        elif column.is_relation and column.related_model in {one.model for one in inventory.held()}:
            other = _copy(column.related_model, host, made)
            if other is not None:
                values[column.name] = other
        elif column.is_relation and not column.null:
            values[column.name] = _copy(column.related_model, host, made)
        elif column.name == "body":
            values["body"] = f'{{"customer": "{CUSTOMER}", "name": "{NAME}"}}'
        elif not column.null and not column.has_default() and not column.primary_key:
            values[column.name] = _value(kind)
        elif column.primary_key and kind in ("CharField", "TextField"):
            values[column.name] = f"x_{label}"
    made[model] = model._base_manager.model(**values)
    made[model].save_base(raw=True, force_insert=True)
    return made[model]


def _value(kind):
    return {
        "JSONField": {},
        "BooleanField": False,
        "DecimalField": Decimal(1),
        "DateTimeField": clock.now(),
        "GenericIPAddressField": "127.0.0.1",
        "UUIDField": UUID(int=zlib.crc32(b"x")),
    }.get(kind, 1 if "Integer" in kind else "x")
