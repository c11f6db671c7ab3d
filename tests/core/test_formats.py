"""Numbers, money and times in the reader's language (R-004, ui.md 8)."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from babel.numbers import format_currency, format_decimal
from django.conf import settings
from django.utils import timezone, translation

from gpuadvisor.core import formats
from gpuadvisor.core.figures import Figure

NOW = datetime(2026, 3, 12, 12, 4, tzinfo=UTC)
VALUES = ["0", "0.005", "0.4125", "1", "12.345", "999.995", "1234.5", "1234567.891", "-0.5", "-9870.4"]


@pytest.mark.parametrize("language", [code for code, _name in settings.LANGUAGES])
@pytest.mark.parametrize("value", VALUES)
def test_money_is_written_as_babel_writes_it(language, value):
    """The quick way and Babel's own agree in every language of the site, but for the minus sign."""
    with translation.override(language):
        locale = translation.to_locale(language)
        exact = Decimal(value).quantize(Decimal("0.01"), "ROUND_HALF_UP")
        expected = format_currency(exact, "USD", locale=locale).replace("-", formats.MINUS)
        assert formats.money(value) == expected
        assert formats.number(value, 2) == format_decimal(exact, "#,##0.00", locale=locale).replace("-", formats.MINUS)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.0166", "$0.0166"),
        ("0.6400", "$0.64"),
        ("0.625", "$0.625"),
        ("0", "$0.00"),
        ("0.99996", "$1.00"),
        ("2.0949", "$2.095"),
        ("2", "$2.00"),
        ("12.3456", "$12.35"),
        ("1000", "$1,000.00"),
        (None, "–"),
        ("free", "–"),
    ],
)
def test_a_price_per_gpu_hour_is_as_precise_as_it_matters(value, text):
    """R-034: a card of 1.66 cents is not shown as one of 2, and whole cents get no zeros that nobody told."""
    assert formats.price(value) == text


def test_a_price_is_written_in_the_readers_language():
    """R-004"""
    with translation.override("de"):
        assert formats.price(Decimal("0.0166")) == "0,0166\u00a0$"


@pytest.mark.parametrize(
    ("language", "money", "rate", "percent"),
    [
        ("en-us", "$1,240.50", "$0.4125/GPU-h", "81.4%"),
        ("de", "1.240,50\u00a0$", "0,4125\u00a0$/GPU-h", "81,4\u00a0%"),
    ],
)
def test_money_has_two_places_and_a_rate_four(language, money, rate, percent):
    with translation.override(language):
        assert formats.money(Decimal("1240.5")) == money
        assert formats.rate(Decimal("0.41250")) == rate
        assert formats.percent(Decimal("81.44")) == percent


@pytest.mark.parametrize("value", [None, "", "abc", float("nan"), Decimal("Infinity"), True])
def test_what_is_no_number_is_a_dash_and_never_zero(value):
    for write in (formats.money, formats.rate, formats.percent, formats.number):
        assert write(value) == formats.DASH


@pytest.mark.parametrize(
    ("value", "text"), [("3", "3"), ("3.50", "3.5"), ("3.456", "3.46"), ("1200", "1,200"), ("-4", "−4"), ("100", "100")]
)
def test_number_shows_the_decimals_that_it_carries(value, text):
    assert formats.number(value) == text


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("USD", "$412.80"),
        ("USD/GPU-h", "$412.8000/GPU-h"),
        ("USD/kWh", "$412.8000/kWh"),
        ("%", "412.8%"),
        ("W", "413\u00a0W"),
        ("kWh", "412.8\u00a0kWh"),
        ("GPU", "413\u00a0GPUs"),
        ("h", "412.8\u00a0h"),
        ("", "412.8"),
    ],
)
def test_quantity_knows_the_places_of_its_unit(unit, text):
    assert formats.quantity(Decimal("412.8"), unit) == text


def test_an_unknown_figure_is_a_dash():
    assert formats.figure(Figure.unknown("USD", "Enter a price.")) == formats.DASH
    assert formats.figure(Figure(Decimal(0), "USD")) == "$0.00"


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        ("106.2", "100", "up 6.2% on the 7 days before"),
        ("90", "100", "down 10.0% on the 7 days before"),
        ("5", "5.00", "the same as the 7 days before"),
        ("5", None, "no figure for the 7 days before"),
        (None, "5", ""),
        ("3", "0", "up 3.00 on the 7 days before"),
        ("-2", "4", "down 6.00 on the 7 days before"),
        ("-6", "-4", "down 50.0% on the 7 days before"),
    ],
)
def test_a_change_is_told_in_words(now, before, words):
    assert formats.change(now, before, "the 7 days before") == words


@pytest.mark.parametrize(
    ("value", "step", "text"), [(0.4, 0.1, "$0.40"), (0.425, 0.025, "$0.425"), (200, 100, "$200"), (1.5, 0.5, "$1.50")]
)
def test_an_axis_shows_the_decimals_that_tell_its_lines_apart(value, step, text):
    assert formats.axis(value, "USD/GPU-h", step) == text


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=12), "12 minutes ago"),
        (timedelta(hours=23), "23 hours ago"),
        (timedelta(hours=25), "Mar 11, 2026, 11:04\u202fAM"),
        (-timedelta(hours=2), "in 2 hours"),
    ],
)
def test_time_is_relative_under_a_day(age, text):
    assert formats.relative(NOW - age, NOW) == text


def test_an_instant_is_told_in_the_readers_zone_and_a_day_is_not_moved():
    with timezone.override(ZoneInfo("America/New_York")):
        assert formats.moment(NOW) == "Mar 12, 2026, 8:04\u202fAM"
        assert formats.moment(date(2026, 3, 12)) == "Mar 12, 2026"
        assert formats.clock_time(NOW) == "8:04\u202fAM"


@pytest.mark.parametrize("language", [code for code, _name in settings.LANGUAGES])
@pytest.mark.parametrize("unit", ["USD", "%", "W", "kWh", ""])
def test_the_writer_of_a_chart_writes_as_quantity_does(language, unit):
    with translation.override(language):
        write = formats.writer(unit)
        assert [write(float(value)) for value in ("0.4", "-1234.56", "98765.4")] == [
            formats.quantity(value, unit) for value in ("0.4", "-1234.56", "98765.4")
        ]
        assert write(None) == formats.DASH
