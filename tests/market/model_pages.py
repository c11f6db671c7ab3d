"""What the tests of a model's page share: rows to show, and the page as text."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from django.urls import reverse

from gpuadvisor.core import clock
from market.models import PricingSnapshot
from tests.factories import MarketDataFactory

D = Decimal


def recent(minutes=3):
    return clock.now() - timedelta(minutes=minutes)


def page_of(client, status=200, slug="rtx-4090", **query):
    response = client.get(reverse("market:gpu", args=[slug]), query)
    assert response.status_code == status
    return response.content.decode()


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def told(**fields):
    indicators = {"source": "500farm_machines", **fields.pop("indicators", {})}
    return MarketDataFactory(**{"data_timestamp": recent(), "demand_indicators": indicators, **fields})


def offer(row, number, price, *, spot=False, minutes=5, **features):
    return PricingSnapshot.objects.create(
        market_data=row,
        source="500farm_machines",
        external_id=str(number),
        price_per_hour=D(price),
        availability_zone=features.pop("zone", "US"),
        spot_instance=spot,
        additional_features={"gpus": 2, "rented": 0, **features},
        snapshot_time=recent(minutes),
    )


def start_of_hour():
    return clock.now().replace(minute=0, second=0, microsecond=0)
