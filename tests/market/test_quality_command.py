"""`check_market_quality` (R-037): the rules measured on the recorded series."""

import gzip
import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from market.quality import RULES
from market.quality.measure import FILES

from .documents import DATA, recorded

pytestmark = pytest.mark.slow


@pytest.fixture
def measured(settings):
    """The command's answer as JSON, over the recorded series."""
    recorded("series/daily_prices_by_region.csv.gz")
    settings.MARKET_DATA_DIR = DATA
    out = StringIO()
    call_command("check_market_quality", "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_rules_find_their_faults_and_leave_clean_rows_alone(measured):
    """R-037: recall of 0.95 for every kind of fault, under 0.5 % of clean rows held."""
    assert measured["ok"] is True
    assert [row["rule"] for row in measured["rows"]] == list(RULES)
    for row in measured["rows"]:
        assert set(row) == {"rule", "recall", "precision", "held"}
        assert 0.95 <= row["recall"] <= 1, row
        assert 0.9 <= row["precision"] <= 1, row
        assert 0 <= row["held"] <= 1, row
    assert measured["clean_rows_held"] < 0.005


def test_the_tables_name_every_rule_and_every_clean_batch_that_is_held(settings):
    """R-037: what is held of the untouched series, and why."""
    recorded("series/daily_prices_by_region.csv.gz")
    settings.MARKET_DATA_DIR = DATA
    out = StringIO()
    call_command("check_market_quality", stdout=out)
    text = out.getvalue()
    assert all(text.count(f"\n{rule} ") == 2 for rule in RULES)
    assert "not on the agreed list: vast.ai 2026-05-29 20:30" in text
    assert "The rules reach their aim." in text


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["tables", "json"])
def test_without_series_the_command_says_so(settings, tmp_path, options):
    """R-037: an installation has no recorded data."""
    settings.MARKET_DATA_DIR = tmp_path
    with pytest.raises(CommandError, match=r"There are no recorded series.*Set MARKET_DATA_DIR"):
        call_command("check_market_quality", *options)


def test_a_series_that_was_cut_short_is_told(settings, tmp_path):
    """R-037: half a copied file ends in a message."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(gzip.compress(b"timestamp,platform\n" * 99)[:40])
    settings.MARKET_DATA_DIR = tmp_path
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("check_market_quality")
