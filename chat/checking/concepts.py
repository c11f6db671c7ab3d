"""What figures measure: the concepts that a text and the label of a cell may name, and the words for each."""

from __future__ import annotations

import re
from collections.abc import Iterator

_COSTS = r"(?:platform )?(?:fees?|costs?|electricity|energy|power|everything|fixed costs?)"
# What a figure measures. One concept may be said in many ways; a label may hold several.
CONCEPTS: dict[str, str] = {
    "unexplained": r"left unexplained|unexplained|can(?:no|')t (?:be )?explain(?:ed)?|no explanation",
    "rented_rate": r"reali[sz](?:e|es|ed|ing)|rented (?:out )?(?:at|for)|per (?:rented|billed|paid"
    r"|sold) (?:gpu[- ])?hour|(?:average|mean|realized|effective|actual) (?:rented |hourly |realized "
    r"|effective )?(?:rate|price)|rented rate",
    "yield": r"yields?|per (?:available|offered) (?:GPU[- ])?hour",
    "breakeven": r"break[- ]?even|breaks? even|covers? (?:its|your|the|all) (?:own )?costs?",
    "tariff": r"kilowatt[- ]hours? costs?|(?:a|per) (?:kwh|kilowatt[- ]hour)|power at|tariffs?"
    r"|electricity (?:price|rate)s?|price of (?:electricity|power)|power price|kWh price",
    "limit": r"limit(?:ing)? [\w.'-]{1,24} power|power[- ]limit(?:s|ing|ed)?|limit(?:ing|ed)?(?: the"
    r"| its)? power|capped|limit(?:ed)? to",
    "draw": r"power draw|draws?|drawing|drew|watts|consum(?:es?|ption)",
    "bandwidth": r"bandwidth",
    "storage": r"storage|disk",
    "fixed": r"fixed(?: costs?)?|colo(?:cation)?|internet|rent of the rack|hosting cost",
    "worth": r"(?:could|should|might|may) (?:earn|make|bring|gain|add|yield|save)|impact|worth|gains?|uplifts?"
    r"|extra|adds?|benefit"
    r"|would bring|more a (?:month|day)",
    "revenue": r"revenues?|came in|earn(?:s|ed|ings?)?|gross(?:ed)?|incomes?|brought(?: you)? in|bring(?:s"
    r"|ing)?(?: you)? in|takings|turnover|took in|billed|pulled in|before fees",
    "payout": r"pay-?outs?|paid out",
    "fee": r"platforms? (?:kept|keeps?|took|takes?|charged?|retain(?:s|ed)?)|(?:to|for"
    r"|by) (?:the )?(?:platforms?|marketplaces?)|(?:the )?marketplaces?(?= [$\d])|fees?"
    r"|commissions?|platform(?:'s)? (?:take|cut|share)|take rate|takes?(?= (?:only "
    r"|about )?\d+(?:\.\d+)? ?%)|only takes|(?:charg(?:es?|ing)|wants|deducts)(?= (?:hosts? |you )?(?:only "
    r"|about )?\d+(?:\.\d+)? ?%(?! (?:more|less|above|below|over|under)))|(?<=\.ai )(?:took|takes|keeps|kept"
    r"|charged)|(?<=runpod )(?:took|takes|keeps|kept|charged)|(?<=salad )(?:took|takes|keeps|kept|charged)",
    "net": r"net(?:s|ted|ting)?(?! (?:effect|impact)\b)|profits?|left(?: over| you)?|leaves?(?: you)?|clear(?:s"
    r"|ed) (?=[$\d])"
    r"|yours to keep|bottom line|take[- ]home|after (?:the )?(?:platform(?:'s|s')? )?(?:all |every )?"
    + _COSTS
    + r"(?:(?:, and|,| and) "
    + _COSTS
    + r")*(?! (?:of |\()[$\d])|pocket(?:s|ed)?|keeps?|kept|remain(?:s|ed|ing)?(?! (?:your|the|a|at)\b)|(?:is"
    r"|was|are|were) left",
    "margin": r"margins?",
    "energy": r"utilit(?:y|ies)(?: company| bill)?|power company|meter|energy|electricity|power(?: costs?"
    r"| bills?)?|electric",
    "occupancy": r"(?:hardly|rarely|seldom|barely|never|not)(?: ever)? (?:idle|empty|vacant)|rents?(?= \d)"
    r"|occupanc(?:y|ies)|utili[sz]ation|occupied|busy|in use|rented|rent(?:s"
    r"|ing)? out|booked",
    "floor": r"floors?|minimum|lowest (?:sensible |sane )?(?:rate|price|bid)|not go below|never go below",
    "p10": r"p10|cheapest|off[- ]peak|(?:lower|lowest|bottom|first) decile|bottom (?:tenth|ten|10)(?: ?%"
    r"| percent)?|(?:its|their) 10th|a tenth(?![^.;,]{0,36}? (?:more|above|over))"
    r"|one in ten(?![^.;,]{0,36}? (?:more|above|over))|10 in 100|10th percentile|the 10th|10 of 100",
    "low": r"low(?:er)? (?:end|bound|case)|as little as|the worst|worst case|at worst|pessimistic"
    r"|bad (?:scenario|case|one)|downside",
    "p90": r"top (?:tenth|ten|10)(?: ?%| percent)?|(?:upper|highest|top|ninth) decile|(?:its|their) 90th|(?:at "
    r"|in )?peak (?:hours?|times?|rates?)|p90|a tenth(?=[^.;,]{0,36}? (?:more|above|over))"
    r"|one in ten(?=[^.;,]{0,36}? (?:more|above|over))|dearest|priciest|most expensive|90th percentile|the 90th"
    r"|90 of 100",
    "high": r"high(?:er)? (?:end|bound|case)|as much as|the best(?! day)|best case|at best|optimistic"
    r"|good (?:scenario|case|one)|goes (?:really )?well|upside",
    "percentile": r"percentiles?|cheaper than",
    "median": r"medians?|middle of the market|mid-?point|typical",
    "market": r"markets?|others|other hosts?|competitors?|competition|comparables?|comparison set"
    r"|those compared(?: with)?|comp set|rivals?|peers?|elsewhere|similar (?:machines|cards|GPUs"
    r"|offers|listings)|going rate|everyone else|renters pay",
    "payback": r"pays?(?: itself)? back|pay-?back|paid (?:itself )?off|earned back|recoup(?:s|ed)?"
    r"|amorti[sz]ed",
    "reliability": r"reliability",
    "uptime": r"uptime|online|reachable|up and running",
    "offline": r"offline|outages?|downtime|down for|unreachable|was down|were down|dark",
    "coverage": r"coverage|(?<!per day )on record|observed",
    "forecast": r"forecasts?|expect(?:s|ed)?|predict(?:s|ed|ion)?|project(?:s|ed|ion)|likely|look(?:s"
    r"|ing) ahead",
    "current": r"current(?:ly)?|now|today's rate|present(?:ly)?|at the moment|as it is|as things stand"
    r"|existing",
    "suggested": r"take (?=[$\d])|go with|stick (?:with|to)|instead of|should|rais(?:e|ing)|lowering|set (?:it "
    r"|them )?(?:at|to)|suggest(?:s|ed|ion)?"
    r"|what the market (?:would |will |can |could )?(?:support|bear|carry|allow)s?|recommend(?:s|ed|ation)?"
    r"|proposed?|new (?:price|rate)|move (?:it )?to|raise (?:it "
    r"|them )?to|lower (?:it |them )?to|target",
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
    "then": r"(?<=, )then|rate then|difference|delta|would|(?:you|it|that|they)'d|what[- ]if|if you"
    r"|if it|becomes?|rather than|at that (?:rate|price)",
    "bestday": r"(?:best|highest|strongest) (?:days?\b|of the last)|its (?:best|highest)(?= (?:was|at|of|\d|\$))",
    "worstday": r"(?:worst|lowest|weakest) (?:days?\b|of the last)|(?:its (?:worst|lowest)|worst)(?= (?:was|at"
    r"|of|\d|\$))",
    "atmedian": r"at (?:its|the|their|a) (?:current |market |market's )?(?:median|market|average)(?: price"
    r"| rate)?(?! of)",
    "at": r"(?:at|with) (?=[$\d])",
    "goes": r"(?:go(?:es)?|sells?) for|they(?:'re| are)?(?= (?:ask|charge|rented|at|\d))",
    "saved": r"sav(?:ed|es?|ing|ings)",
    "upto": r"up to (?=[$\d])",
    "lowest": r"lowest|minimal",
    "highest": r"highest|maximal",
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
    | {"market", "confidence", "supply", "p10", "p90", "at", "goes", "saved", "upto", "lowest", "highest", "atmedian"}
)
# Words of so many uses that they only choose among right facts.
VAGUE = frozenset(
    {"worth", "cost", "lost", "forecast", "list", "current", "average", "supply", "confidence", "at"}
    | {"goes", "saved", "upto", "lowest", "highest", "atmedian"}
)
OF_TOOLS = {"outages": ("offline",)}
IMPLIED = {
    "rented_rate": ("rate", "occupancy"),
    "fee": ("cost",),
    "energy": ("cost",),
    "fixed": ("cost",),
    "margin": ("net",),
}
NEARBY = {
    "energy": ("tariff",),
    "goes": ("market", "median"),
    "saved": ("change",),
    "atmedian": ("market", "median"),
    "upto": ("high",),
    "lowest": ("p10", "low"),
    "highest": ("p90", "high"),
    "median": ("market",),
    "percentile": ("market",),
    "p10": ("market",),
    "p90": ("market",),
}
# Two steps, for speed: a plain pattern finds the places, and the one with names says which concept it is there.
_FIND = re.compile(r"\b(?:" + "|".join(CONCEPTS.values()).lower() + r")(?!\w)")
_NAME = re.compile("|".join(rf"(?P<{name}>(?:{pattern.lower()})(?!\w))" for name, pattern in CONCEPTS.items()))


def find_concepts(low: str, start: int = 0) -> Iterator[tuple[int, int, str]]:
    """The concepts that `low[start:]`, a text in lower case, names: start, end, name."""
    for match in _FIND.finditer(low, start):
        if (named := _NAME.match(low, match.start())) and named.lastgroup:
            yield named.start(), named.end(), named.lastgroup


def concepts(words: str) -> frozenset[str]:
    """The concepts that these words name, and those that they imply."""
    found = {name for _start, _end, name in find_concepts(words.replace("_", " ").lower())}
    return frozenset(found.union(*(IMPLIED.get(name, ()) for name in found)))
