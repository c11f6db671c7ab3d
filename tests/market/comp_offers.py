"""Machines on offer, as a refresh stores them."""

from datetime import timedelta
from decimal import Decimal

from market.models import MarketData, PricingSnapshot, SourceRun
from tests.factories import MarketDataFactory

SOURCE = {"live": "500farm_machines", "simulated": "simulated"}


def run(at, origin="live", status="ok"):
    """One document of the source."""
    return SourceRun.objects.create(
        source=SOURCE[origin], status=status, started_at=at, observed_at=at, finished_at=at, offers_used=1
    )


def home(gpu, at, origin="live", platform="vast"):
    """The market's row that offers of that moment hang on."""
    found = MarketData.objects.filter(gpu_model=gpu, platform=platform, region="global", data_timestamp=at).first()
    return found or MarketDataFactory(
        gpu_model=gpu,
        platform=platform,
        origin=origin,
        data_timestamp=at,
        demand_indicators={"source": SOURCE[origin], "observed_at": at.isoformat(), "price_basis": "ask"},
    )


def offer(number, price, at, *, gpu="RTX 4090", gpus=1, rented=0, country="SE", origin="live", spot=False, **features):
    """What one machine was told to be at a moment; `gone=True`, `refused="…"` mark it."""
    told = {"gpus": gpus, "rented": rented} if not {"gone", "refused"} & set(features) else {}
    if origin == "simulated":
        told["platform"] = "vast"
    return PricingSnapshot.objects.create(
        market_data=home(gpu, at, origin),
        source=SOURCE[origin],
        external_id=str(number),
        price_per_hour=Decimal(str(price)),
        instance_type=f"{gpus}x {gpu}",
        availability_zone=country,
        spot_instance=spot,
        additional_features=told | features,
        snapshot_time=at,
    )


def hour(day, number):
    """That hour of a UTC day."""
    return day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=number)
