"""What a kilowatt-hour costs, hour by hour, where clocks change and zones lie half an hour off (R-020)."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError

from market.reference_rates import in_dollars
from portfolios.bands import validate_bands
from portfolios.tariffs import hourly_prices

D = Decimal
ALL = [0, 1, 2, 3, 4, 5, 6]
NIGHT = {"days": ALL, "from": 22, "to": 6, "price": "0.10"}
DOCS = (Path(settings.BASE_DIR) / "docs" / "economics.md").read_text(encoding="utf-8")


def cheap_hours(day, zone, *bands):
    prices = hourly_prices(day=day, price=D("0.30"), bands=bands or [NIGHT], zone=ZoneInfo(zone))
    return [hour for hour, price in enumerate(prices) if price == D("0.10")]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("UTC", date(2027, 1, 5), [0, 1, 2, 3, 4, 5, 22, 23]),
        ("America/New_York", date(2027, 3, 13), list(range(3, 11))),
        ("America/New_York", date(2027, 3, 14), list(range(3, 10))),  # 02:00 local is skipped
        ("America/New_York", date(2027, 11, 7), list(range(2, 11))),  # 01:00 local comes twice
        ("Europe/Berlin", date(2027, 3, 28), [0, 1, 2, 3, 20, 21, 22, 23]),
        ("Europe/Berlin", date(2027, 10, 31), [0, 1, 2, 3, 4, 21, 22, 23]),
        ("Asia/Kolkata", date(2027, 1, 5), [0, *range(17, 24)]),
        ("Asia/Kathmandu", date(2027, 1, 5), [0, *range(17, 24)]),
    ],
)
def test_a_night_is_cheap_by_the_local_clock(zone, day, hours):
    assert cheap_hours(day, zone) == hours


def test_the_docs_tell_the_same_hours():
    section = DOCS.split("\n## Tariffs\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d{4}-\d\d-\d\d) \| (\d+)-(\d+) \|$", section, re.M)
    assert len(rows) == 5
    for day, first, last in rows:
        assert cheap_hours(date.fromisoformat(day), "America/New_York") == list(range(int(first), int(last) + 1))


def test_the_docs_tell_the_same_rates():
    section = DOCS.split("\n## Currencies\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([A-Z]{3}) \| [\d.]+ \| ([\d.]+) \|$", section, re.M)
    told = in_dollars(date(2024, 12, 31), {"USD": D("1.0389"), "GBP": D("0.82918")})
    rates = {one.currency: one.usd_per_unit for one in told}
    assert {currency: D(usd) for currency, usd in rows} == rates


def test_a_band_past_midnight_belongs_to_the_day_on_which_it_began():
    friday = {"days": [4], "from": 22, "to": 6, "price": "0.10"}
    assert cheap_hours(date(2027, 1, 8), "UTC", friday) == [22, 23]  # a Friday
    assert cheap_hours(date(2027, 1, 9), "UTC", friday) == [0, 1, 2, 3, 4, 5]
    assert cheap_hours(date(2027, 1, 10), "UTC", friday) == []


def test_the_first_band_that_fits_counts():
    dear = {"days": ALL, "from": 0, "to": 24, "price": "0.50"}
    assert len(cheap_hours(date(2027, 1, 8), "UTC", NIGHT, dear)) == 8
    assert cheap_hours(date(2027, 1, 8), "UTC", dear, NIGHT) == []


def test_an_hour_without_a_price_is_unknown():
    prices = hourly_prices(day=date(2027, 1, 8), price=None, bands=[NIGHT], zone=ZoneInfo("UTC"))
    assert prices.count(None) == 16


@pytest.mark.parametrize(
    "bands",
    [
        {},
        [NIGHT] * 25,
        [{**NIGHT, "days": []}],
        [{**NIGHT, "days": [7]}],
        [{**NIGHT, "from": 6}],
        [{**NIGHT, "from": 24}],
        [{**NIGHT, "to": 25}],
        [{**NIGHT, "price": "NaN"}],
        [{**NIGHT, "price": "-1"}],
        [{**NIGHT, "more": 1}],
        [{"days": [1]}],
        ["night"],
    ],
    ids=map(str, range(12)),
)
def test_what_is_no_band_is_refused(bands):
    with pytest.raises(ValidationError):
        validate_bands(bands)


def test_a_band_is_taken():
    validate_bands([NIGHT])
