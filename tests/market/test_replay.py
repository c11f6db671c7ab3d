"""Real documents through a refresh, against a calculation of its own: R-017, R-036, done-when of the market step.

Nothing of the pipeline's arithmetic is used here: every GPU is written out, figures are `statistics` and `Fraction`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import statistics
from collections import defaultdict
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest

from gpuadvisor.core import clock
from market import ingest
from market.models import MarketData, PricingSnapshot, Quarantine
from market.recompute import Span, recompute
from tests.market.documents import document, machine, machines, recorded

D = Decimal
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("catalog")]

NAMES = {
    ("RTX 4090", 24): "RTX 4090",
    ("RTX 4090", 48): "RTX 4090 48GB",
    ("RTX 5060 Ti", 16): "RTX 5060 Ti 16GB",
    ("RTX 5060 Ti", 8): "RTX 5060 Ti 8GB",
    ("RTX PRO 6000 WS", 96): "RTX PRO 6000 WS",
    ("RTX 5080", 16): "RTX 5080",
    ("RTX PRO 5000", 48): "RTX PRO 5000",
    ("RTX 6000Ada", 48): "RTX 6000 Ada",
    ("RTX A6000", 48): "RTX A6000",
    ("Q RTX 8000", 48): "Quadro RTX 8000",
    ("RTX 5000Ada", 32): "RTX 5000 Ada",
}
# The file tells no places: machines are dealt out over these, so that the sums over places are checked too.
PLACES = ("US", "SE", "JP", "BR", "ZA", "AU", "CA", "DE", "", "US", "GB", "IN", "XX")
CONTINENTS = {
    "north-america": {"US", "CA"},
    "europe": {"SE", "DE", "GB"},
    "asia": {"JP", "IN"},
    "south-america": {"BR"},
    "africa": {"ZA"},
    "oceania": {"AU"},
}


def four(value):
    """Half up to four places."""
    exact = Fraction(value) * 10_000
    return D(math.floor(exact + Fraction(1, 2))) / 10_000


def tenth(values, number):
    """The value below which so many tenths of the values lie; the mean of two where that falls between them."""
    place = Fraction(len(values) * number, 10)
    if place.denominator == 1 and place < len(values):
        return (values[int(place) - 1] + values[int(place)]) / 2
    return values[math.floor(place)]


def whole_machines():
    """The machines of the file: one row each, of which parts stand beside it; rented is what none of them offers."""
    rows = csv.DictReader(io.StringIO(gzip.decompress(recorded("snapshots/vast_offers_2026-06-12.csv.gz")).decode()))
    by_machine = defaultdict(list)
    for row in rows:
        by_machine[int(row["machine_id"])].append(row)
    found = []
    for number, parts in sorted(by_machine.items()):
        whole = max(parts, key=lambda row: int(row["gpu_count"]))
        gpus = int(whole["gpu_count"])
        free = max((int(row["gpu_count"]) for row in parts if row["rent_status"] == "available"), default=0)
        found.append(
            {
                "id": number,
                "name": whole["gpu_model"],
                "memory": D(whole["vram_gb"]),
                "gpus": gpus,
                "rented": gpus - min(free, gpus),
                "renter_price": D(whole["host_price_per_gpu_hour_usd"]) / D("0.75"),
                "country": PLACES[number % len(PLACES)],
                "verified": number % 3 != 0,
                "datacenter": number % 4 == 0,
            }
        )
    return found


def as_document(found, at):
    rows = [
        machine(
            row["id"],
            gpu_name=row["name"],
            gpu_ram=float(row["memory"] * 1024),
            num_gpus=row["gpus"],
            num_gpus_rented=row["rented"],
            dph_base=float(row["renter_price"] * row["gpus"]),
            verification="verified" if row["verified"] else "unverified",
            hosting_type=1 if row["datacenter"] else 0,
            location={"country": row["country"]},
        )
        for row in found
    ]
    return machines(*rows, at=at)


def named(row):
    memory = min((gb for name, gb in NAMES if name == row["name"]), key=lambda gb: abs(gb - row["memory"]))
    return NAMES[row["name"], memory]


def expected_cells(found):
    """(GPU, region) to what it should come to, every GPU written out."""
    members = defaultdict(list)
    for row in found:
        row = row | {"price": four(row["renter_price"])}
        members[named(row), "global"].append(row)
        for continent, countries in CONTINENTS.items():
            if row["country"] in countries:
                members[named(row), row["country"]].append(row)
                members[named(row), continent].append(row)
    cells = {}
    for key, rows in members.items():
        every = sorted(row["price"] for row in rows for _gpu in range(row["gpus"]))
        taken = [row["price"] for row in rows for _gpu in range(row["rented"])]
        free = [row["price"] for row in rows for _gpu in range(row["gpus"] - row["rented"])]
        sizes = defaultdict(int)
        for row in rows:
            sizes["1-3" if row["gpus"] < 4 else "4-7" if row["gpus"] < 8 else "8+"] += row["gpus"]
        cells[key] = {
            "average_price": four(Fraction(sum(map(Fraction, every)), len(every))),
            "min_price": every[0],
            "max_price": every[-1],
            "median_price": four(statistics.median(map(Fraction, every))),
            "p10_price": four(tenth(list(map(Fraction, every)), 1)),
            "p90_price": four(tenth(list(map(Fraction, every)), 9)),
            "average_utilization": (D(100 * len(taken)) / len(every)).quantize(D("0.01"), ROUND_HALF_UP),
            "active_instances": len(taken),
            "gpu_count": len(every),
            "offer_count": len(rows),
            "rented_median": four(statistics.median(map(Fraction, taken))) if taken else None,
            "available_median": four(statistics.median(map(Fraction, free))) if free else None,
            "available_gpus": len(free),
            "verified_gpus": sum(row["gpus"] for row in rows if row["verified"]),
            "datacenter_gpus": sum(row["gpus"] for row in rows if row["datacenter"]),
            "by_size": dict(sizes),
        }
    return cells


def stored_cells(platform):
    cells = {}
    for row in MarketData.objects.filter(platform=platform):
        told = row.demand_indicators
        names = ("average_price", "min_price", "max_price", "median_price", "p10_price", "p90_price")
        names += ("average_utilization", "active_instances", "gpu_count", "offer_count")
        cells[row.gpu_model, row.region] = {name: getattr(row, name) for name in names} | {
            "rented_median": D(told["rented_median"]) if "rented_median" in told else None,
            "available_median": D(told["available_median"]) if "available_median" in told else None,
            "available_gpus": told.get("available_gpus"),
            "verified_gpus": told.get("verified_gpus"),
            "datacenter_gpus": told.get("datacenter_gpus"),
            "by_size": told.get("by_size"),
        }
    return cells


def test_every_cell_of_a_real_market_equals_an_independent_calculation():
    found = whole_machines()
    assert sum(row["gpus"] for row in found if row["name"] == "RTX 4090") == 1663  # over machines, not over rows
    at = clock.now().replace(microsecond=0)
    report = ingest.refresh("500farm_machines", document=document(as_document(found, at), now=at))
    assert report.status == "ok", report.error
    refused = {int(subject) for subject in Quarantine.objects.values_list("subject", flat=True)}
    assert 0 < len(refused) < 0.02 * len(found)
    for row in found:  # what was refused lies far off, by the plain median of its model
        if row["id"] in refused:
            middle = statistics.median(each["renter_price"] for each in found if named(each) == named(row))
            assert not middle / 5 <= row["renter_price"] <= middle * 5
    wanted = expected_cells([row for row in found if row["id"] not in refused])
    stored = stored_cells("vast")
    assert set(stored) == set(wanted)
    assert len(stored) > 100
    for key, cell in wanted.items():
        assert stored[key] == cell, key
    assert PricingSnapshot.objects.count() == len(found)


def test_the_same_market_a_quarter_of_an_hour_later_and_all_of_it_computed_again():
    found, at = whole_machines(), ingest.bucket(clock.now()) - timedelta(hours=1)
    ingest.refresh("500farm_machines", document=document(as_document(found, at), now=at))
    refused = set(Quarantine.objects.values_list("subject", flat=True))
    later = [row | {"rented": row["gpus"] if row["id"] % 5 == 0 else row["rented"]} for row in found if row["id"] % 17]
    at += timedelta(minutes=15)
    ingest.refresh("500farm_machines", document=document(as_document(later, at), now=clock.now()))
    assert {str(row["id"]) for row in found if not row["id"] % 17} == set(
        PricingSnapshot.objects.filter(additional_features={"gone": True}).values_list("external_id", flat=True)
    )
    wanted = expected_cells([row for row in later if str(row["id"]) not in refused])
    MarketData.objects.filter(data_timestamp=at).delete()
    recompute(Span(at, at + timedelta(minutes=15)))
    MarketData.objects.exclude(data_timestamp=at).delete()
    assert stored_cells("vast") == wanted


def test_the_recorded_servers_of_clore():
    """USD per server and day; the server of two kinds of GPU has no price of either."""
    body = recorded("composed/clore_marketplace.json")
    servers = json.loads(body)["servers"]
    assert ingest.refresh("clore", document=document(body, now=clock.now())).status == "ok"
    one = servers[0]
    price = four(Fraction(D(str(one["price"]["usd"]["on_demand_usd"]))) / 24 / one["specs"]["gpu_count"])
    stored = stored_cells("clore")
    assert set(stored) == {("RTX 4090", region) for region in ("global", "US", "north-america")}
    for cell in stored.values():
        assert {cell[name] for name in ("average_price", "min_price", "max_price", "median_price")} == {price}
        assert (cell["gpu_count"], cell["active_instances"], cell["average_utilization"]) == (1, 1, D(100))
        assert (cell["available_gpus"], cell["available_median"], cell["rented_median"]) == (0, None, price)
        assert (cell["verified_gpus"], cell["by_size"]) == (None, {"1-3": 1})


def test_the_recorded_rates_of_salad():
    """Net to the host: average, least and most, no median; a share without numbers of GPUs."""
    body = recorded("composed/salad_demand_monitor_gpu.json")
    assert ingest.refresh("salad", document=document(body, now=clock.now())).status == "ok"
    told = {row["displayName"]: row for row in json.loads(body)}
    rows = MarketData.objects.filter(platform="salad")
    assert {row.gpu_model for row in rows} == {"RTX 4090", "RTX 3060"}
    for row in rows:
        rates = told[row.gpu_model]["earningRates"]
        assert [row.average_price, row.min_price, row.max_price] == [
            four(Fraction(D(str(rates[f"{which}EarningRate"])))) for which in ("avg", "min", "max")
        ]
        assert (row.median_price, row.p10_price, row.p90_price) == (None, None, None)
        assert (row.gpu_count, row.active_instances, row.offer_count) == (None, None, None)
        assert row.average_utilization == told[row.gpu_model]["utilizationPct"]
        assert row.demand_indicators["price_basis"] == "host_net"
        assert row.demand_indicators["demand_tier"] == told[row.gpu_model]["demandTier"]
        assert row.demand_indicators["demand_score"] == told[row.gpu_model]["utilizationPct"]
