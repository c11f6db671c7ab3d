"""One factory per model: the least that makes a valid row."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

import factory
from factory.django import DjangoModelFactory

from alerts.models import Alert, AlertDelivery, AlertLog, Channel, Episode
from billing.models import Visit
from chat.models import Answer, Conversation, Message, Offer
from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, crypto
from market.models import GPUModel, MarketData, Platform
from portfolios.models import (
    Analytics,
    CompSet,
    CostProfile,
    FeeOverride,
    GPUConfiguration,
    Insight,
    MaintenanceWindow,
    MetricImport,
    OptimizationSuggestion,
    PerformanceMetric,
    Portfolio,
    PriceChange,
)

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PASSWORD = "correct-horse-battery-9"


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"host{n}@example.com")
    name = factory.Sequence(lambda n: f"Host {n}")
    email_verified = True

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        password = kwargs.pop("password", PASSWORD)
        return model_class.objects.create_user(*args, password=password, **kwargs)

    @factory.post_generation
    def verified_address(obj, create, extracted, **kwargs):
        """allauth's row of the address, verified, as after a click on the link."""
        if create and extracted is not False:
            obj.emailaddress_set.create(email=obj.email, verified=True, primary=True)


class GPUModelFactory(DjangoModelFactory[GPUModel]):
    class Meta:
        model = GPUModel
        django_get_or_create = ("name",)

    name = "RTX 4090"
    slug = factory.LazyAttribute(lambda o: o.name.lower().replace(" ", "-"))
    manufacturer = "NVIDIA"
    architecture = "Ada Lovelace"
    memory_gb = 24
    cuda_cores = 16384
    base_power_consumption = Decimal("450")
    specifications = factory.LazyFunction(lambda: {"idle_watts": 20})


class PlatformFactory(DjangoModelFactory[Platform]):
    class Meta:
        model = Platform
        django_get_or_create = ("slug",)

    slug = "vast"
    name = "Vast.ai"
    status = Platform.Status.ACTIVE
    open_to_new_hosts = True
    host_sets_ondemand_price = True
    publishes_utilization = True
    fee_percentage = Decimal("25")


class PortfolioFactory(DjangoModelFactory[Portfolio]):
    class Meta:
        model = Portfolio
        skip_postgeneration_save = True

    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Garage {n}")
    is_active = True
    state = Portfolio.State.ACTIVE

    @factory.post_generation
    def price_per_kwh(obj, create, extracted, **kwargs):
        """The price of its electricity, in the cost profile that it makes."""
        if create and extracted is not None:
            CostProfileFactory(portfolio=obj, price_per_kwh=Decimal(extracted))


class GPUConfigurationFactory(DjangoModelFactory[GPUConfiguration]):
    class Meta:
        model = GPUConfiguration

    portfolio = factory.SubFactory(PortfolioFactory)
    gpu_model = factory.SubFactory(GPUModelFactory)
    quantity = 2
    power_consumption = Decimal("450")


class PerformanceMetricFactory(DjangoModelFactory[PerformanceMetric]):
    class Meta:
        model = PerformanceMetric

    gpu_configuration = factory.SubFactory(GPUConfigurationFactory)
    platform = "vast"
    metric_date = factory.Sequence(lambda n: NOON.date() - timedelta(days=n % 30))
    utilization_percentage = Decimal("75")
    hourly_rate = Decimal("0.40")
    daily_revenue = Decimal("14.40")
    uptime_hours = 24


class MarketDataFactory(DjangoModelFactory[MarketData]):
    class Meta:
        model = MarketData

    gpu_model = "RTX 4090"
    platform = "vast"
    median_price = Decimal("0.64")
    p10_price = Decimal("0.32")
    p90_price = Decimal("0.87")
    average_utilization = Decimal("71")
    gpu_count = 1000
    active_instances = 710
    demand_indicators = factory.LazyFunction(lambda: {"source": "500farm_machines"})
    data_timestamp = NOON


class AnalyticsFactory(DjangoModelFactory[Analytics]):
    class Meta:
        model = Analytics

    user = factory.SubFactory(UserFactory)
    metric_type = Analytics.Type.UTILIZATION
    analysis_date = NOON.date()
    expires_at = NOON + timedelta(hours=1)


class InsightFactory(DjangoModelFactory[Insight]):
    class Meta:
        model = Insight

    analytics = factory.SubFactory(AnalyticsFactory)
    insight_type = "idle"
    title = "Rack 1 is rented less than its market"
    priority_level = Insight.Priority.MEDIUM


class CostProfileFactory(DjangoModelFactory[CostProfile]):
    """Of a portfolio; with `gpu_configuration` that of one of its GPU configurations."""

    class Meta:
        model = CostProfile

    portfolio = factory.SubFactory(PortfolioFactory)
    price_per_kwh = Decimal("0.20")


class MetricImportFactory(DjangoModelFactory[MetricImport]):
    """A file that was read and waits for its owner's yes; without a file."""

    class Meta:
        model = MetricImport

    user = factory.SubFactory(UserFactory)
    name = "results.csv"
    state = MetricImport.State.READY


class FeeOverrideFactory(DjangoModelFactory[FeeOverride]):
    class Meta:
        model = FeeOverride

    user = factory.SubFactory(UserFactory)
    platform = "vast"
    fee_percentage = Decimal("15")
    valid_from = NOON.date() - timedelta(days=60)


class CompSetFactory(DjangoModelFactory[CompSet]):
    class Meta:
        model = CompSet

    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Rivals {n}")
    gpu_model = factory.SubFactory(GPUModelFactory)
    platform = "vast"


class SuggestionFactory(DjangoModelFactory[OptimizationSuggestion]):
    class Meta:
        model = OptimizationSuggestion

    gpu_configuration = factory.SubFactory(GPUConfigurationFactory)
    portfolio = factory.SelfAttribute("gpu_configuration.portfolio")
    suggestion_type = "rate"
    title = "Rack 1: $0.40 → $0.44/GPU-h, +$21/month"
    platform = "vast"
    from_rate = Decimal("0.40")
    to_rate = Decimal("0.44")
    estimated_impact = Decimal("21.00")
    impact_low = Decimal("4.00")
    impact_high = Decimal("37.00")
    expires_at = factory.LazyFunction(lambda: datetime.now(UTC) + timedelta(days=7))


class PriceChangeFactory(DjangoModelFactory[PriceChange]):
    class Meta:
        model = PriceChange

    gpu_configuration = factory.SubFactory(GPUConfigurationFactory)
    platform = "vast"
    changed_at = NOON
    from_rate = Decimal("0.40")
    to_rate = Decimal("0.44")


class ConversationFactory(DjangoModelFactory[Conversation]):
    class Meta:
        model = Conversation

    user = factory.SubFactory(UserFactory)
    title = factory.Sequence(lambda n: f"Question {n}")
    last_message_at = factory.LazyFunction(clock.now)


class MessageFactory(DjangoModelFactory[Message]):
    class Meta:
        model = Message

    conversation = factory.SubFactory(ConversationFactory)
    role = "user"
    content = "How am I doing?"


class AnswerFactory(DjangoModelFactory[Answer]):
    """A finished answer of the rules, with its question."""

    class Meta:
        model = Answer

    user = factory.SelfAttribute("question.conversation.user")
    question = factory.SubFactory(MessageFactory)
    message = factory.SubFactory(
        MessageFactory,
        conversation=factory.SelfAttribute("..question.conversation"),
        role="assistant",
        content="Well enough.",
        metadata={"advisor": "rules"},
    )
    state = "finished"
    advisor = "rules"
    asked_at = factory.LazyFunction(clock.now)
    ended_at = factory.LazyAttribute(lambda o: o.asked_at if o.state not in ("waiting", "working") else None)


class OfferFactory(DjangoModelFactory[Offer]):
    class Meta:
        model = Offer

    user = factory.SelfAttribute("message.conversation.user")
    message = factory.SubFactory(MessageFactory, role="assistant")
    name = "accept_suggestion"
    title = "Accept this suggestion?"
    lines = factory.LazyFunction(lambda: [["Suggestion", "Raise rig-01 to $0.37"]])


class ChannelFactory(DjangoModelFactory[Channel]):
    """A webhook that works."""

    class Meta:
        model = Channel

    user = factory.SubFactory(UserFactory)
    kind = "webhook"
    name = factory.Sequence(lambda n: f"Hook {n}")
    address = factory.LazyAttribute(lambda o: crypto.seal(o.url.encode(), purpose="channel"))
    secret = factory.LazyFunction(lambda: crypto.seal(b"k" * 32, purpose="channel"))
    digest_of_address = factory.LazyAttribute(lambda o: sha256(o.url.encode()).hexdigest())
    hint = "hooks.example.com/…"
    receiver = "hooks.example.com"

    class Params:
        url = factory.Sequence(lambda n: f"https://hooks.example.com/{n}")


class AlertFactory(DjangoModelFactory[Alert]):
    class Meta:
        model = Alert

    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Rule {n}")
    alert_type = "utilization_drop"
    conditions = factory.LazyFunction(lambda: {"scope": "account", "threshold": "60", "for_minutes": 120})


class EpisodeFactory(DjangoModelFactory[Episode]):
    class Meta:
        model = Episode

    alert = factory.SubFactory(AlertFactory)
    user = factory.SelfAttribute("alert.user")
    title = "rig-01: 41% rented, below 60%"
    cause = "machine"
    cause_key = factory.Sequence(str)
    money_per_day = Decimal("4.20")
    opened_at = factory.LazyFunction(clock.now)
    last_seen_at = factory.SelfAttribute("opened_at")


class AlertLogFactory(DjangoModelFactory[AlertLog]):
    class Meta:
        model = AlertLog

    alert = factory.SubFactory(AlertFactory)
    trigger_reason = "rig-01: 41% rented, below 60%"
    triggered_at = factory.LazyFunction(clock.now)


class AlertDeliveryFactory(DjangoModelFactory[AlertDelivery]):
    class Meta:
        model = AlertDelivery

    user = factory.SelfAttribute("channel.user")
    channel = factory.SubFactory(ChannelFactory)
    payload = factory.LazyFunction(lambda: {"title": "rig-01: 41% rented, below 60%"})
    next_at = factory.LazyFunction(clock.now)
    created_at = factory.SelfAttribute("next_at")


class MaintenanceWindowFactory(DjangoModelFactory[MaintenanceWindow]):
    class Meta:
        model = MaintenanceWindow

    portfolio = factory.SubFactory(PortfolioFactory)
    starts_at = factory.LazyFunction(clock.now)
    ends_at = factory.LazyAttribute(lambda o: o.starts_at + timedelta(hours=2))


class VisitFactory(DjangoModelFactory[Visit]):
    class Meta:
        model = Visit

    user = factory.SubFactory(UserFactory)
    kind = "checkout"
    tier = "professional"
    interval = "month"
    begun_at = factory.LazyFunction(clock.now)
