"""The example file is right as it is, so that importing it unedited teaches nothing wrong."""

import csv
from decimal import Decimal

from django.urls import reverse

from tests.factories import GPUConfigurationFactory


def test_the_examples_revenue_is_that_of_all_gpus_of_the_entry(host, host_client):
    GPUConfigurationFactory(portfolio__user=host, quantity=4, custom_name="rig")
    text = host_client.get(reverse("portfolios:metric-import-example")).content.decode()
    (row,) = csv.DictReader(text.splitlines())
    rented = Decimal(row["utilization"]) / 100 * 24 * 4
    assert Decimal(row["daily_revenue"]) == (rented * Decimal(row["hourly_rate"])).quantize(Decimal("0.01"))
