"""A small fleet with two weeks of figures, a market and a suggestion, for the advisor to speak of."""

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from gpuadvisor.core import clock
from gpuadvisor.core.partitions import ensure_standing_months
from portfolios.models import PerformanceMetric
from tests.factories import (
    GPUConfigurationFactory,
    GPUModelFactory,
    MarketDataFactory,
    PlatformFactory,
    PortfolioFactory,
    PriceChangeFactory,
    SuggestionFactory,
)


def a_fleet(host):
    """Rack 1 (RTX 4090, dear, of late less rented) and Rack 2 (RTX 3090), whose power price is known."""
    today, now = clock.today(), timezone.now()
    ensure_standing_months(today)
    PlatformFactory()
    garage = PortfolioFactory(user=host, name="Garage", price_per_kwh="0.20")
    gpus = [
        GPUConfigurationFactory(
            portfolio=garage,
            gpu_model=GPUModelFactory(name=model),
            custom_name=name,
            platform_mappings={"vast": {"machine_id": number}},
        )
        for name, model, number in (("Rack 1", "RTX 4090", "1"), ("Rack 2", "RTX 3090", "2"))
    ]
    PerformanceMetric.objects.bulk_create(
        PerformanceMetric(
            gpu_configuration=gpu,
            platform="vast",
            metric_date=today - timedelta(days=age),
            hourly_rate=rate,
            utilization_percentage=share - (20 if age <= 7 else 0),
            daily_revenue=(rate * 48 * (share - (20 if age <= 7 else 0)) / 100).quantize(Decimal("0.01")),
            uptime_hours=18 if age == 3 else 24,
        )
        for gpu, rate, share in zip(
            gpus, (Decimal("0.71"), Decimal("0.1513")), (Decimal("81.3"), Decimal(66)), strict=True
        )
        for age in range(1, 16)
    )
    for model, price in (("RTX 4090", "0.64"), ("RTX 3090", "0.1612")):
        for days, factor in ((0, "0.95"), (7, "1")):
            MarketDataFactory(
                gpu_model=model,
                median_price=Decimal(price) * Decimal(factor),
                data_timestamp=now - timedelta(days=days, minutes=20),
            )
    SuggestionFactory(gpu_configuration=gpus[0], from_rate=Decimal("0.71"), to_rate=Decimal("0.66"))
    PriceChangeFactory(gpu_configuration=gpus[0], changed_at=now - timedelta(days=4))
    return gpus
