"""What a currency was worth on a day, and where we have it from (R-020)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from gpuadvisor.core.models import JobRun
from market import currencies, reference_rates, tasks_money
from market.catalog.services import load_catalog
from market.models import CurrencyRate, Platform, PlatformFee
from market.reference_rates import BadDocument, Quoted
from market.sources.base import SourceError

DAY = date(2026, 11, 20)
XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<gesmes:subject>Reference rates</gesmes:subject>
<Cube><Cube time='2024-12-31'>
<Cube currency='USD' rate='1.0389'/><Cube currency='JPY' rate='163.06'/><Cube currency='GBP' rate='0.82918'/>
</Cube></Cube></gesmes:Envelope>"""


def rate(currency, day, usd="1.1"):
    return CurrencyRate.objects.create(currency=currency, day=day, usd_per_unit=Decimal(usd), source="ECB")


def test_a_dollar_is_a_dollar_without_a_row(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        found = currencies.usd_rate("USD", DAY)
    assert (found.usd_per_unit, found.is_old) == (1, False)


def test_the_newest_rate_not_later_than_the_day_counts(db):
    for age, usd in ((-1, "9"), (2, "1.2"), (3, "1.1")):
        rate("EUR", DAY - timedelta(days=age), usd)
    found = currencies.usd_rate("EUR", DAY)
    assert (found.usd_per_unit, found.day, found.source) == (Decimal("1.2"), DAY - timedelta(days=2), "ECB")


@pytest.mark.parametrize(("age", "is_old"), [(0, False), (10, False), (11, True)])
def test_a_rate_of_more_than_ten_days_ago_is_old(db, age, is_old):
    rate("EUR", DAY - timedelta(days=age))
    assert currencies.usd_rate("EUR", DAY).is_old is is_old


def test_a_currency_that_nobody_quoted_has_no_rate(db):
    rate("EUR", DAY + timedelta(days=1))
    assert currencies.usd_rate("EUR", DAY) is None
    assert currencies.usd_rate("XXX", DAY) is None


def test_many_rates_are_one_query(db, django_assert_num_queries):
    rate("EUR", DAY)
    rate("GBP", DAY, "1.25")
    with django_assert_num_queries(1):
        found = currencies.usd_rates({"USD", "EUR", "GBP", "XXX"}, DAY)
    assert sorted(found) == ["EUR", "GBP", "USD"]


def test_the_document_is_told_in_dollars():
    found = {quoted.currency: quoted for quoted in reference_rates.parse(XML)}
    assert sorted(found) == ["EUR", "GBP", "JPY"]
    assert found["EUR"].usd_per_unit == Decimal("1.03890000")
    assert found["GBP"].usd_per_unit == Decimal("1.25292458")
    assert found["JPY"].usd_per_unit == Decimal("0.00637127")
    assert {quoted.day for quoted in found.values()} == {date(2024, 12, 31)}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>busy</html>", id="another page"),
        pytest.param(XML.replace(b"USD", b"AUD"), id="no dollar"),
        pytest.param(XML.replace(b"1.0389", b"-1"), id="negative"),
        pytest.param(XML.replace(b"1.0389", b"NaN"), id="no number"),
        pytest.param(XML.replace(b"1.0389", b"1e999999999"), id="endless"),
        pytest.param(XML.replace(b"2024-12-31", b"yesterday"), id="no day"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b "c">]>' + XML[39:], id="entities"),
        pytest.param(XML[:200], id="cut off"),
    ],
)
def test_a_document_that_is_none_is_refused_in_one_sentence(document):
    with pytest.raises(BadDocument):
        reference_rates.parse(document)


def test_the_command_reads_a_file_and_a_second_run_changes_nothing(db, tmp_path, capsys):
    file = tmp_path / "rates.xml"
    file.write_bytes(XML)
    for told in ("3 new rates", "0 new rates"):
        call_command("refresh_currency_rates", from_file=file)
        assert told in capsys.readouterr().out
    assert CurrencyRate.objects.count() == 3


@pytest.mark.parametrize("content", [None, b"nothing"], ids=["missing", "no document"])
def test_the_command_tells_what_is_wrong_with_a_file(db, tmp_path, content):
    file = tmp_path / "rates.xml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CommandError):
        call_command("refresh_currency_rates", from_file=file)


def test_off_means_that_nobody_is_asked(db, monkeypatch):
    monkeypatch.setattr(currencies, "fetch_document", lambda *a, **k: pytest.fail("asked"))
    assert currencies.refresh() == 0
    assert tasks_money.refresh_currency_rates() == 0
    with pytest.raises(CommandError, match="CURRENCY_RATES is off"):
        call_command("refresh_currency_rates")


def test_a_bank_that_cannot_be_reached_is_a_line_of_the_log_and_an_error_of_its_run(db, settings, monkeypatch, caplog):
    settings.CURRENCY_RATES = "ecb"

    def fail(*args, **kwargs):
        raise SourceError("The European Central Bank could not be reached.")

    monkeypatch.setattr(currencies, "fetch_document", fail)
    assert tasks_money.refresh_currency_rates() == 0
    assert "could not be reached" in caplog.text
    assert "could not be reached" in JobRun.objects.get(job="market.currency-rates").error


def test_the_bank_is_asked_through_the_markets_client(db, settings, httpserver_rates):
    settings.CURRENCY_RATES = "ecb"
    assert currencies.refresh() == 3
    assert currencies.refresh() == 0
    assert "xml" in httpserver_rates[0]


@pytest.fixture
def httpserver_rates(monkeypatch):
    """A server of our own that answers as the bank's; the Accept headers that it got."""
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers["Accept"])
            self.send_response(200)
            self.send_header("Content-Length", str(len(XML)))
            self.end_headers()
            self.wfile.write(XML)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(reference_rates, "URL", f"http://127.0.0.1:{server.server_port}/eurofxref-daily.xml")
    yield asked
    server.shutdown()
    server.server_close()


def test_a_stored_rate_stays(db):
    rate("EUR", DAY, "1.2")
    assert currencies.store_rates([Quoted("EUR", DAY, Decimal("1.3"), "ECB")]) == 0
    assert CurrencyRate.objects.get().usd_per_unit == Decimal("1.2")


def test_the_catalog_brings_dated_rates_and_the_fees_of_platforms(db):
    loaded = load_catalog()
    assert loaded.rates == 13
    assert currencies.usd_rate("GBP", date(2025, 1, 2)).usd_per_unit == Decimal("1.25292458")
    assert currencies.usd_rate("EUR", DAY).is_old
    assert loaded.fees.new == PlatformFee.objects.count() > 0
    assert PlatformFee.objects.get(platform__slug="runpod", valid_from=date(2025, 11, 25)).fee_percentage is None
    again = load_catalog()
    assert (again.fees.new, again.fees.changed, again.rates, again.changed_anything) == (0, 0, 0, False)


def test_a_line_of_staff_stays_and_a_line_of_the_file_comes_back(db):
    load_catalog()
    clore = Platform.objects.get(slug="clore")
    PlatformFee.objects.filter(platform=clore, order_type="on_demand", currency="").update(fee_percentage=1)
    PlatformFee.objects.create(platform=clore, valid_from=DAY, fee_percentage=7)
    loaded = load_catalog()
    assert loaded.fees.changed == 1
    assert PlatformFee.objects.get(platform=clore, valid_from=DAY).fee_percentage == 7
    assert PlatformFee.objects.get(platform=clore, order_type="on_demand", currency="").fee_percentage == 10
