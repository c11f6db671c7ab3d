"""Fixtures of the alerts' tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.factories import GPUConfigurationFactory, MarketDataFactory


@pytest.fixture
def gpu():
    return GPUConfigurationFactory(quantity=4, portfolio__state="active", portfolio__is_active=True)


@pytest.fixture
def price():
    """Rows of the market up to now, for an old one speaks for nobody."""
    now = datetime.now(UTC)

    def make(value, minutes, offers=20):
        moment = now - timedelta(minutes=minutes)
        MarketDataFactory(median_price=Decimal(value), offer_count=offers, data_timestamp=moment)

    return make
