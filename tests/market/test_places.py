"""R-036: countries, continents and what they are called."""

from __future__ import annotations

import pytest

from market import places


@pytest.mark.parametrize(
    ("country", "continent"),
    [
        ("US", "north-america"),
        ("SE", "europe"),
        ("TR", "asia"),
        ("ZA", "africa"),
        ("BR", "south-america"),
        ("NZ", "oceania"),
        ("SA", "asia"),  # Saudi Arabia, not South America
        ("AF", "asia"),  # Afghanistan, not Africa
        ("NA", "africa"),  # Namibia, not North America
        ("ZZ", None),
        ("EU", None),
        ("us", None),
        ("global", None),
        ("", None),
    ],
)
def test_a_country_lies_in_one_continent(country, continent):
    assert places.continent_of(country) == continent


def test_every_inhabited_country_of_iso_3166_has_its_continent():
    from babel import Locale

    codes = {code for code in Locale("en").territories if len(code) == 2 and code.isalpha()}
    left_out = codes - places.COUNTRIES
    # Antarctica and islands where nobody lives; Ascension and the like, which have no code of their own; groups, fakes
    assert " ".join(sorted(left_out)) == "AC AQ BV CP CQ DG EA EU EZ GS HM IC QO TA TF UN XA XB ZZ"
    assert codes >= places.COUNTRIES


@pytest.mark.parametrize(
    ("region", "language", "name"),
    [
        ("US", "en", "United States"),
        ("SE", "de", "Schweden"),
        ("SE", "de-at", "Schweden"),
        ("europe", "en", "Europe"),
        ("north-america", "en", "North America"),
        ("oceania", "en", "Oceania"),
        ("global", "en", "world"),
        ("secure", "en", "secure"),
        ("SE", "no such language", "Sweden"),
    ],
)
def test_a_region_has_a_name(region, language, name):
    assert places.region_name(region, language) == name


def test_regions_are_words_that_cannot_be_mistaken_for_each_other():
    assert len(places.REGIONS) == len(places.COUNTRIES) + 6 + 1
    assert not set(places.CONTINENTS) & places.COUNTRIES
