"""Which continent a country lies in, and what a region is called. No Django.

Regions of market figures are ISO 3166 countries ("SE"), continents by our own words, and `global`. Two-letter codes of
continents would collide with countries (AF is Afghanistan, SA Saudi Arabia).
"""

from __future__ import annotations

from functools import lru_cache

from babel import Locale, UnknownLocaleError

GLOBAL = "global"

_COUNTRIES = {
    "africa": """
        AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML MR MU MW MZ
        NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW""",
    "asia": """
        AE AF AM AZ BD BH BN BT CN CY GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY NP
        OM PH PK PS QA SA SG SY TH TJ TL TM TR TW UZ VN YE""",
    "europe": """
        AD AL AT AX BA BE BG BY CH CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME
        MK MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK""",
    "north-america": """
        AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR SV SX
        TC TT US VC VG VI""",
    "south-america": "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
    "oceania": "AS AU CC CK CX FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS",
}
_CONTINENT = {code: continent for continent, codes in _COUNTRIES.items() for code in codes.split()}
_UN_AREA = {  # Babel names continents by their UN M.49 number
    "africa": "002",
    "asia": "142",
    "europe": "150",
    "north-america": "003",
    "south-america": "005",
    "oceania": "009",
    GLOBAL: "001",
}

CONTINENTS: tuple[str, ...] = tuple(_COUNTRIES)
COUNTRIES: frozenset[str] = frozenset(_CONTINENT)
REGIONS: frozenset[str] = COUNTRIES | frozenset(CONTINENTS) | {GLOBAL}


def continent_of(country: str) -> str | None:
    """The continent that an ISO country lies in; None for every other word."""
    return _CONTINENT.get(country)


def is_continent(region: str) -> bool:
    return region in _COUNTRIES


@lru_cache(maxsize=2048)
def region_name(region: str, language: str = "en") -> str:
    """A region as a reader knows it, in `language` ("en", "de-at" …); an unknown region as it is written."""
    try:
        locale = Locale.parse(language.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError, TypeError):
        locale = Locale("en")
    name = locale.territories.get(_UN_AREA.get(region, region))
    return str(name) if name else region
