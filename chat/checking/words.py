"""Words by which a text and a fact say what a figure is of: concepts, periods, sums over all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_COSTS = r"(?:platform )?(?:fees?|costs?|electricity|energy|power|everything|fixed costs?)"
# What a figure measures. One concept may be said in many ways; a label may hold several.
CONCEPTS: dict[str, str] = {
    "rented_rate": r"rented (?:out )?(?:at|for)|(?:average|mean) (?:rented |hourly )?(?:rate|price)|rented rate",
    "yield": r"yields?|per (?:available|offered) (?:GPU[- ])?hour",
    "breakeven": r"break[- ]?even|breaks? even|covers? (?:its|your|the|all) (?:own )?costs?",
    "tariff": r"kilowatt[- ]hours? costs?|(?:a|per) (?:kwh|kilowatt[- ]hour)|power at|tariffs?|electricity (?:price|rate)s?|price of (?:electricity|power)|power price|kWh price",
    "limit": r"power limit|limit(?:ing|ed)?(?: the| its)? power|capped|limit(?:ed)? to",
    "draw": r"power draw|draws?|drawing|drew|watts|consum(?:es?|ption)",
    "bandwidth": r"bandwidth",
    "storage": r"storage|disk",
    "fixed": r"fixed(?: costs?)?|colo(?:cation)?|internet|rent of the rack|hosting cost",
    "worth": r"could (?:earn|make|bring|gain|add)|impact|worth|gains?|uplifts?|extra|adds?|benefit|upside|would bring|more a (?:month|day)",
    "revenue": r"revenues?|came in|earn(?:s|ed|ings?)?|gross(?:ed)?|incomes?|brought(?: you)? in|bring(?:s|ing)?(?: you)? in|takings|turnover"
    r"|took in|billed|pulled in|before fees",
    "payout": r"pay-?outs?|paid out",
    "fee": r"platforms? (?:kept|keeps?|took|takes?|charged?|retain(?:s|ed)?)|(?:to|for|by) (?:the )?(?:platforms?|marketplaces?)|(?:the )?marketplaces?(?= [$\d])|fees?|commissions?|platform(?:'s)? (?:take|cut|share)|take rate",
    "net": r"net(?:s|ted|ting)?|profits?|left(?: over| you)?|leaves?(?: you)?|clear(?:s|ed) (?=[$\d])|bottom line|take[- ]home"
    r"|after (?:the )?(?:platform(?:'s|s')? )?(?:all |every )?"
    + _COSTS
    + r"(?:(?:, and|,| and) "
    + _COSTS
    + r")*|pocket(?:s|ed)?|keeps?|kept",
    "margin": r"margins?",
    "energy": r"meter|energy|electricity|power(?: costs?| bills?)?|electric",
    "occupancy": r"rents?(?= \d)|occupanc(?:y|ies)|utili[sz]ation|occupied|busy|in use|rented|rent(?:s|ing)? out|booked",
    "floor": r"floors?|minimum|lowest (?:sensible |sane )?(?:rate|price|bid)|not go below|never go below",
    "p10": r"p10|cheapest|a tenth|one in ten|10 in 100|10th percentile|the 10th|10 of 100",
    "low": r"low(?:er)? (?:end|bound|case)|as little as|the worst|worst case|at worst|pessimistic",
    "p90": r"top tenth|p90|dearest|most expensive|90th percentile|the 90th|90 of 100",
    "high": r"high(?:er)? (?:end|bound|case)|as much as|the best(?! day)|best case|at best|optimistic",
    "percentile": r"percentiles?|cheaper than",
    "median": r"medians?|middle of the market|mid-?point|typical",
    "market": r"markets?|others|other hosts?|competitors?|competition|comparables?|comparison set|those compared(?: with)?|comp set|rivals?|peers?"
    r"|elsewhere|similar (?:machines|cards|GPUs|offers|listings)|going rate|everyone else|go(?:es)? for|renters pay|they(?= (?:ask|charge|\d))",
    "payback": r"pays?(?: itself)? back|pay-?back|paid (?:itself )?off|earned back|recoup(?:s|ed)?|amorti[sz]ed",
    "reliability": r"reliability",
    "uptime": r"uptime|online|reachable|up and running",
    "offline": r"offline|outages?|downtime|down for|unreachable|was down|were down|dark",
    "coverage": r"coverage|on record|observed",
    "forecast": r"forecasts?|expect(?:s|ed)?|predict(?:s|ed|ion)?|project(?:s|ed|ion)|likely|look(?:s|ing) ahead",
    "current": r"current(?:ly)?|now|today's rate|present(?:ly)?|at the moment|as it is|as things stand|existing",
    "suggested": r"instead of|should|rais(?:e|ing)|lowering|set (?:it |them )?(?:at|to)|suggest(?:s|ed|ion)?|recommend(?:s|ed|ation)?|proposed?|new (?:price|rate)|move (?:it )?to|raise (?:it |them )?to"
    r"|lower (?:it |them )?to|target",
    "confidence": r"confiden(?:ce|t)|certainty|sure",
    "list": r"list(?:ed|s)?|advertised",
    "average": r"averages?|averaged|mean|on average",
    "idle": r"idle|unrented|vacant|empty",
    "lost": r"lost|losing|loses|losses|loss|cost you|missed|forgone|price tag",
    "rate": r"rates?|pric(?:e|es|ed|ing)|charg(?:e|es|ed|ing)|rents? (?:at|for)|hourly|ask(?:s|ed|ing)?",
    "cost": r"costs?|expenses?|spend(?:ing)?|spent|bills?",
    "resale": r"resale|second[- ]hand|sell(?:s|ing)?(?: it)? for|used price",
    "capex": r"purchase(?:d)?|bought|paid for (?:it|them|the)|invested|buying",
    "wait": r"time to rent|wait(?:s|ing)?|until (?:it is|they are) rented|to rent",
    "kwh": r"kWh|energy used",
    "index": r"ind(?:ex|ices)",
    "supply": r"supply|on offer|offered|listings",
    "temperature": r"temperatures?|degrees",
    "then": r"(?<=, )then|rate then|difference|delta|would|(?:you|it|that|they|i)'d|what[- ]if|if you|if it|at (?=[$\d])|becomes?|rather than|with (?=[$\d])|at that (?:rate|price)",
    "demand": r"demand|score",
    "overhead": r"overhead",
    "pace": r"pace|on the books|contracted|reserved",
}
# A cell that says one of these, where the text does not, is another cell than the one without.
QUALIFIERS = (
    "change",
    "low",
    "high",
    "p10",
    "p90",
    "then",
    "suggested",
    "forecast",
    "lost",
    "confidence",
    "coverage",
    "resale",
    "capex",
    "tariff",
    "pace",
    "yield",
    "limit",
    "overhead",
    "demand",
    "index",
    "idle",
    "margin",
    "fee",
    "breakeven",
    "floor",
    "percentile",
    "market",
    "median",
)
# Words that say which one of a kind, not what is measured: they choose after the others.
WEAK = frozenset(
    {"change", "low", "high", "then", "suggested", "forecast", "current", "worth", "cost", "lost", "list", "average"}
    | {"market", "confidence", "supply", "p10", "p90"}
)
OF_TOOLS = {"outages": ("offline",)}
IMPLIED = {
    "rented_rate": ("rate", "occupancy"),
    "fee": ("cost",),
    "energy": ("cost",),
    "fixed": ("cost",),
    "margin": ("net",),
}
NEARBY = {"median": ("market",), "percentile": ("market",), "p10": ("market",), "p90": ("market",)}
# Two steps, for speed: a plain pattern finds the places, and the one with names says which concept it is there.
_FIND = re.compile(r"\b(?:" + "|".join(CONCEPTS.values()).lower() + r")(?!\w)")
_NAME = re.compile("|".join(rf"(?P<{name}>(?:{pattern.lower()})(?!\w))" for name, pattern in CONCEPTS.items()))


def find_concepts(low: str) -> Iterator[tuple[int, int, str]]:
    """The concepts that a text in lower case names: start, end, name."""
    for match in _FIND.finditer(low):
        if (named := _NAME.match(low, match.start())) and named.lastgroup:
            yield named.start(), named.end(), named.lastgroup


CHANGE = re.compile(
    r"\b(?:chang(?:e|es|ed)|impact|at worst|at best|mov(?:e|es|ed)|differen(?:ce|t)|delta|effect|against|versus|vs|compared with|on the (?:\d+|seven|week|day|month|year)\b"
    r"|share of the (?:fall|rise)|part of|growth|trend|shift)\b",
    re.IGNORECASE,
)
LOSS = re.compile(
    r"\b(?:lost|loss|losses|missed|cost|costs|drop|fall|decline|below|cheaper|less|fee|fees|forgone|saving|savings)\b",
    re.IGNORECASE,
)
TOTAL = re.compile(
    r"\b(?:in total|total|overall|altogether|all together|together|combined|in all|fleet|across (?:all|the|your|everything)|whole|everything|all your|all of|sum)\b",
    re.IGNORECASE,
)
YOU = re.compile(r"\b(?:you|your|yours|you've|you're|you'd|we)\b", re.IGNORECASE)
IT = re.compile(
    r"\b(?:it|its|it's|this|that|these|those|they|their|them|the card|the machine|the GPU|the same|there|here)\b",
    re.IGNORECASE,
)
PAST = re.compile(
    r"\b(?:earlier|before|previous(?:ly)?|had been|when (?:you|we|I) (?:asked|looked|spoke)|a moment ago|until|used to|old)\b",
    re.IGNORECASE,
)
MAYBE = re.compile(
    r"\b(?:if|at|would|could|were|say|with|to|instead|mentioned|asked|said|want(?:ed)?|aim|target|goal|paid|pay|your question|suppose|assum(?:e|ing)|what[- ]if|told)\b",
    re.IGNORECASE,
)


class Period(NamedTuple):
    """A span. Units: days, 0 where open; `shift` 0 is the current one, 1 the one before, -1 one ahead, 9 open."""

    days: int
    shift: int

    def clashes(self, other: Period) -> bool:
        is_other_span = bool(self.days and other.days) and not _alike(self.days, other.days)
        return is_other_span or (9 not in (self.shift, other.shift) and self.shift != other.shift)


def _alike(one: int, two: int) -> bool:
    return one == two or (one >= 28 and two >= 28 and abs(one - two) <= 3) or (one >= 360 and two >= 360)


_N = {"one": 1, "two": 2, "three": 3, "seven": 7, "ten": 10, "thirty": 30, "fourteen": 14}
_SPAN = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365, "night": 1}
PERIOD = re.compile(
    r"(?P<now>\b(?:today|so far today|tonight|this morning)\b)"
    r"|(?P<present>\b(?:now|currently|at present|at the moment)\b)"
    r"|(?P<yesterday>\byesterday\b)|(?P<tomorrow>\btomorrow\b)"
    r"|(?P<before>\b(?:(?:(?:the )?(?P<bn>\d+|two|three|seven|ten|thirty|fourteen)[ _-](?:full )?(?P<bs>day|week|month)s?[ _](?:before(?: that)?|earlier|prior|previous))"
    r"|(?:the )?(?P<bs2>day|week|month|year) (?:before(?: last)?|earlier|prior)"
    r"|(?:the )?(?:previous|prior|preceding)[ _](?:(?P<bn3>\d+|two|three|seven|ten|thirty|fourteen) )?(?P<bs3>day|week|month|year|period|window)s?"
    r"|a (?P<bs4>week|month|year) ago|(?P<bn5>\d+|two|three|seven|ten|thirty|fourteen)[ _](?P<bs5>day|week|month)s? ago|period before|(?:the )?window before|before that|previously|earlier|before(?= *$))(?![\w]))"
    r"|(?P<ahead>\b(?:next|coming|following)[ _](?:(?P<an>\d+|two|three|seven|ten|thirty|fourteen) )?(?P<as>day|week|month|year)s?\b)"
    r"|(?P<last>\b(?:last|past|trailing|these|those|over|within|in|for|during|the|first)[ _](?:the[ _])?(?:last |past )?(?P<ln>\d+|two|three|seven|ten|thirty|fourteen)[ -](?:full )?(?P<ls>day|week|month|hour)s?\b)"
    r"|(?P<short>(?<![\w$.])(?P<sn>\d+)(?:[ -]?(?P<ss>d|day|days|week|weeks|month|months))(?=[ _,).]|$))"
    r"|(?P<this>\b(?:this|current)[ _](?P<ts>week|month|year|period|window)(?:'s)?\b)"
    r"|(?P<lastone>\b(?:last|past)[ _](?P<os>week|month|year|night|quarter)(?:'s)?\b)"
    r"|(?P<rate>\b(?:worth )?(?:per|a|each|every)[ _](?P<rs>day|week|month|year)\b)",
    re.IGNORECASE,
)


def period(match: re.Match[str]) -> Period | None:
    """What a match of PERIOD means; None for a rate ("a day")."""
    kind = match.lastgroup
    if match["rate"]:
        return None
    if match["now"]:
        return Period(1, 0)
    if match["present"]:
        return Period(0, 0)
    if match["yesterday"]:
        return Period(1, 1)
    if match["tomorrow"]:
        return Period(1, -1)
    if match["before"]:
        span = match["bs"] or match["bs2"] or match["bs3"] or match["bs4"] or match["bs5"]
        count = match["bn"] or match["bn3"] or match["bn5"]
        return Period(_days(count, span), 1)
    if match["ahead"]:
        return Period(_days(match["an"], match["as"]), -1)
    if match["last"]:
        if match["ls"].lower() == "hour":
            return Period(1, 9) if match["ln"] == "24" else None
        return Period(
            _days(match["ln"], match["ls"]),
            0
            if re.match(r"(?i)(?:the[ _])?(?:last|past|these|trailing)|\w+[ _](?:the[ _])?(?:last|past)", match[0])
            else 9,
        )
    if match["short"]:
        return Period(_days(match["sn"], {"d": "day"}.get(match["ss"].lower(), match["ss"])), 9)
    if match["this"]:
        return Period(_SPAN.get(match["ts"].lower(), 0), 0)
    if match["lastone"]:
        return Period(_SPAN[match["os"].lower()], 9)
    assert kind
    return None


def _days(count: str | None, span: str | None) -> int:
    if not span or span.lower() in {"period", "window"}:
        return 0
    number = int(count) if count and count.isdigit() else _N.get((count or "one").lower(), 1)
    return number * _SPAN[span.lower().rstrip("s")]


def concepts(words: str) -> frozenset[str]:
    """The concepts that these words name, and those that they imply."""
    found = {name for _start, _end, name in find_concepts(words.replace("_", " ").lower())}
    return frozenset(found.union(*(IMPLIED.get(name, ()) for name in found)))
