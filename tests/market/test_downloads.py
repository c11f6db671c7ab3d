"""Every chart and table of the market has its CSV: the same figures, no cell a formula (R-035)."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from market import rollups
from tests.factories import GPUModelFactory, PlatformFactory
from tests.market.model_pages import offer, page_of, start_of_hour, told

D = Decimal


@pytest.fixture
def card(db):
    PlatformFactory()
    return GPUModelFactory()


def rows_of(client, name, *args, **query):
    response = client.get(reverse(name, args=args), query)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Robots-Tag"] == "noindex"
    return list(csv.DictReader(io.StringIO(response.content.decode())))


def links(html):
    return [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]*\.csv[^"]*)"', html)]


def test_the_lines_of_a_comparison(client, card):
    GPUModelFactory(name="@GPU", slug="gpu-1")
    for hours in range(3):
        told(data_timestamp=start_of_hour() - timedelta(hours=hours))
        told(data_timestamp=start_of_hour() - timedelta(hours=hours), gpu_model="@GPU", median_price=D("0.2"))
    html = client.get(reverse("market:compare"), {"gpu": ["rtx-4090", "gpu-1"], "period": "7d"}).content.decode()
    assert f"{reverse('market:compare-csv')}?gpu=rtx-4090&gpu=gpu-1&period=7d" in links(html)
    rows = rows_of(client, "market:compare-csv", gpu=["rtx-4090", "gpu-1"], period="7d")
    assert [(row["gpu_model"], row["price_usd_per_gpu_hour"]) for row in rows] == [("RTX 4090", "0.6400")] * 3 + [
        ("'@GPU", "0.2000")
    ] * 3
    assert rows_of(client, "market:compare-csv", gpu="nonsense", period="x") == []


def test_the_offers_behind_a_distribution_name_nobody(client, card):
    row = told(offer_count=6)
    for number in range(6):
        offer(row, number, f"0.{number + 3}1", rented=1)
    (link,) = {link for link in links(page_of(client)) if "view=offers" in link}
    rows = list(csv.DictReader(io.StringIO(client.get(link).content.decode())))
    assert [row["price_usd_per_gpu_hour"] for row in rows] == [f"0.{number + 3}100" for number in range(6)]
    assert {(row["gpus"], row["rented_gpus"], row["country"]) for row in rows} == {("2", "1", "US")}
    assert not {"external_id", "machine", "host"} & set(rows[0])


def test_imported_history_apart(client, card):
    start = start_of_hour().replace(day=1) - timedelta(days=60)
    for day in range(20):
        told(data_timestamp=start + timedelta(days=day), origin="imported", median_price=D("0.3"))
    rollups.roll_up(start.date(), start.date() + timedelta(days=19))
    told()
    assert f"{reverse('market:gpu-csv', args=['rtx-4090'])}?view=imported" in links(page_of(client))
    rows = rows_of(client, "market:gpu-csv", "rtx-4090", view="imported")
    assert len(rows) == 20
    assert {(row["origin"], row["median_usd_per_gpu_hour"]) for row in rows} == {("imported", "0.3000")}


def test_the_models_of_a_platform(client, card):
    GPUModelFactory(name="H100 SXM", slug="h100-sxm")
    told()
    told(gpu_model="H100 SXM", median_price=D(2), average_utilization=None)
    html = client.get(reverse("market:platform", args=["vast"])).content.decode()
    assert links(html) == [reverse("market:platform-csv", args=["vast"])]
    rows = rows_of(client, "market:platform-csv", "vast")
    assert [(row["gpu_model"], row["price_usd_per_gpu_hour"], row["rented_percentage"]) for row in rows] == [
        ("H100 SXM", "2.0000", ""),
        ("RTX 4090", "0.6400", "71.00"),
    ]
    assert client.get(reverse("market:platform-csv", args=["nowhere"])).status_code == 404


@pytest.mark.parametrize("view", ["", "offers", "imported", "<b>"], ids=["history", "offers", "imported", "unknown"])
def test_a_model_without_figures_has_a_head_and_no_rows(client, card, view):
    assert rows_of(client, "market:gpu-csv", "rtx-4090", view=view) == []
