"""Units as a text writes them and as facts carry them, and which of them agree."""

from __future__ import annotations

import re
from functools import lru_cache

_TIME = r"(?:h(?:r|our)?s?|day|night|week|wk|month|mo|year|yr)"
_FILL = (
    r"(?:\s(?:in|of|as|net|gross|revenue|profit|income|payouts?|fees?|energy|electricity|power|costs?|more|less"
    r"|extra|better|worse"
    r"|rent|earnings|for|the|lost|each))"
)
PER = re.compile(
    rf"^(?:{_FILL}{{0,3}}?)(?:\s?/\s?|\s(?:per|an?|each|every|for each|for every|and|by the)\s|\sby the\s)"
    rf"(?:(?:rented|available|billed|offered|paid|sold)\s)?(?P<what>GPU[-\s/]?{_TIME}|GPU|card|kWh"
    rf"|kilowatt[- ]hour|{_TIME})(?![\w-])(?! (?:ago|before|earlier"
    rf"|later|prior))",
    re.IGNORECASE,
)
ADVERB = re.compile(r"^(?:\s(?:net|gross))?\s(?P<what>hourly|daily|weekly|monthly|yearly|annually)\b", re.IGNORECASE)
ADJECTIVE = re.compile(
    r"\b(?P<what>hourly|daily|weekly|monthly|yearly|annual|per[- ]hour|per[- ]day|per[- ]month|a day's"
    r"|a month's|a week's)\b",
    re.IGNORECASE,
)
_PERS = {"hourly": "h", "daily": "day", "weekly": "week", "monthly": "month", "yearly": "year", "annually": "year"}
_PERS |= {"annual": "year", "a day's": "day", "a week's": "week", "a month's": "month", "night": "day"}
_SYMBOLS: tuple[tuple[str, str], ...] = (
    (r"\s?(?:%|per\s?cent(?:age)?)[-\s]?points?\b", "pt"),
    (r"\s?%(?!\w)|\s(?:percent|per cent)\b", "%"),
    (r"\s?(?:pp|ppts?|pts?)\b", "pt"),
    (r"[-\s](?:percentage[-\s])?points?\b", "pt"),
    (r"(?:\s?¢|\scents?)\s(?:of|from|out of|on|per|in)\s(?:every |each |the |a )?dollar\b", "%"),
    (r"\seuro[- ]?cents?\b", "eurocent"),
    (r"\s?¢|\s(?:US[- ])?cents?\b", "cent"),
    (r"\s?(?:USD|US dollars|dollars)\b", "USD"),
    (r"\s?(?:EUR|euros?)\b|\s?€", "EUR"),
    (r"[-\s]?(?:kWh|kilowatt[- ]hours?)\b", "kWh"),
    (r"[-\s]?MWh\b", "MWh"),
    (r"[-\s]?(?:kW|kilowatts?)\b", "kW"),
    (r"[-\s]?(?:W|watts?)(?!\w)", "W"),
    (r"[-\s]?GPU[-\s]?(?:h|hours?|hrs?)\b", "GPU-h"),
    (r"[-\s]?GPU[-\s]?days?\b", "GPU-day"),
    (r"[-\s]?(?:h|hours?|hrs?)(?![\w])", "h"),
    (r"[-\s]?(?:min|mins|minutes?)\b", "min"),
    (r"[-\s]?days?\b", "day"),
    (r"[-\s]?(?:weeks?|wks?)\b", "week"),
    (r"[-\s]?months?\b", "month"),
    (r"[-\s]?years?\b", "year"),
    (r"\s?[x×]\s?(?=(?:NVIDIA|RTX|GTX|[ABHLTV]\d|GPU|\d{4}|GeForce))", "GPU"),
    (r"\s?[x×](?!\w)|\stimes\b(?=\s(?:as|more|the|higher|what|that|its|your|bigger|larger|cheaper))", "x"),
    (r"\s?(?:GB|GiB|TB|TiB|MB|Gbps|Mbps|Gbit/s|Mbit/s|TFLOPS)\b", "GB"),
    (r"(?:th|nd|st|rd)\spercentile\b", "percentile"),
)
SYMBOLS = [(re.compile(pattern, re.IGNORECASE), unit) for pattern, unit in _SYMBOLS]
SHORT = {"%", "pt", "cent", "eurocent", "USD", "EUR", "kWh", "kW", "W", "MWh", "x"}
NOUNS = (
    r"GPUs?|cards?|units?|portfolios?|machines?|servers?|platforms?|suggestions?|insights?|rentals?|offers?"
    r"|listings?|hosts?"
    r"|models?|configurations?|outages?|interruptions?|changes|metrics?|locations?|countries|recommendations?"
    r"|samples|rows?"
    r"|times|rules?|alerts?|customers|renters?|contracts?|disputes?|payouts?"
)
NOUN = re.compile(
    rf"^[-\s](?:(?!and\b|or\b|of\b|to\b|in\b|the\b|is\b)[\w'-]+\s){{0,2}}?(?P<noun>{NOUNS})\b", re.IGNORECASE
)
MODEL = re.compile(
    r"^\s(?:(?:NVIDIA|GeForce|RTX|GTX)\s)*(?:[ABHLTV]\d{2,4}|\d{4})(?:\s?(?:Tis?|Super|Ada|SXM|PCIe))*(?:s\b"
    r"|\sGPUs|\scards|\b)"
)


def after(text: str, at: int, money: str) -> tuple[str, str, int, int]:
    """The unit behind a number that ends at `at`: unit, what it counts, end of the figure, end of the unit's words."""
    rest = text[at : at + 64]
    unit, end, used = money, at, 0
    if not unit:
        for pattern, name in SYMBOLS:
            if match := pattern.match(rest):
                unit, used = name, len(match[0].rstrip())
                end = at + used if name in SHORT or not rest[0].isspace() else at
                break
    if unit and unit not in {"USD", "EUR", "GBP", "cent", "eurocent", "kWh", "pt", "%", "h", "GPU", "W", "kW", "GPU-h"}:
        return unit, "", end, at + used
    if not unit:
        if match := MODEL.match(rest):
            return "GPU", "", at, at + match.end()
        if match := NOUN.match(rest):
            noun = match["noun"].lower().rstrip("s")
            return ("GPU" if noun in {"gpu", "card", "unit"} else ""), noun, at, at + match.end()
    if money and (match := re.match(r"^\s?(?:USD)\b", rest)):
        used = match.end()
    pers: set[str] = set()
    for _twice in range(2):
        tail = rest[used:]
        match = PER.match(tail) or ADVERB.match(tail)
        if not match:
            break
        what = re.sub(r"[\s/]", "-", match["what"].lower())
        if "gpu" in what or what == "card":
            pers.add("GPU")
            what = what.removeprefix("gpu").strip("-")
        if what and what != "card":
            pers.add(_PERS.get(what) or _time(what))
        used += match.end()
        if match[0].lstrip().startswith("/") or (end == at + used - match.end() and tail.startswith("/")):
            end = at + used
    if pers and unit in {"USD", "EUR", "GBP", "cent", "eurocent"}:
        unit = f"{unit}/{_per(pers)}"
    elif pers and unit == "":
        unit = f"/{_per(pers)}" if rest.lstrip().startswith("/") else ""
    return unit, "", end, at + used


def _time(word: str) -> str:
    short = {"hr": "h", "hour": "h", "hours": "h", "hrs": "h", "h": "h", "wk": "week", "mo": "month", "yr": "year"}
    return short.get(word, "kWh" if word.startswith(("kwh", "kilowatt")) else "h" if word == "hs" else word)


def _per(pers: set[str]) -> str:
    other = sorted(pers - {"GPU"})
    if "GPU" in pers:
        return f"GPU-{other[0]}" if other else "GPU"
    return other[0]


def heading(words: str) -> str:
    """The unit that the heading of a column or a row states for its bare numbers: "Net ($/day)", "Occupancy, %"."""
    match = re.search(
        r"[(\[,]\s*(?P<unit>[^()\[\],]+?)\s*[)\]]?\s*$|(?P<bare>[$€][/\w-]*|%|\bkWh|\bW|\bUSD(?:/[\w-]+)?)\s*$", words
    )
    if not match:
        return ""
    told = (match["unit"] or match["bare"]).strip()
    money = "USD" if told.startswith(("$", "USD")) else "EUR" if told.startswith(("€", "EUR")) else ""
    rest = re.sub(r"^(?:USD|EUR|[$€])", "", told)
    unit, _noun, _end, used = after(f"1{rest}" if rest.startswith(("/", " ")) or not rest else f"1 {rest}", 1, money)
    return unit if unit or used else ""


@lru_cache(maxsize=256)
def parts(unit: str) -> tuple[str, str]:
    """A unit as what and per what, in the words of facts: ("USD", "GPU-h")."""
    what, _slash, per = unit.strip().partition("/")
    what = {"$": "USD", "points": "pt", "pp": "pt", "percentage points": "pt", "hours": "h", "hour": "h"}.get(
        what, what
    )
    what = {"days": "day", "weeks": "week", "months": "month", "years": "year", "GPUs": "GPU", "gpu": "GPU"}.get(
        what, what
    )
    what = {"x": "x", "times": "x", "×": "x", "GPU-hours": "GPU-h", "minutes": "min"}.get(what, what)
    if what.lower() in {"share", "ratio", "score", "0-1"}:
        what = "share"
    for long, short in (
        (" a month", "month"),
        (" a day", "day"),
        (" a year", "year"),
        (" an hour", "h"),
        (" a week", "week"),
    ):
        if what.endswith(long):
            what, per = what.removesuffix(long), short
    per = {"hour": "h", "GPU-hour": "GPU-h", "mo": "month", "GPU/h": "GPU-h", "GPU-h": "GPU-h"}.get(per, per)
    return what, per


DAYS = {"day": (1, 1), "week": (7, 7), "month": (28, 31), "year": (360, 366)}


@lru_cache(maxsize=4096)
def factor(text: str, fact: str) -> float | None:
    """By what a number in the text's unit is multiplied to be in the fact's; None where they do not agree.

    A rate over another span (an hour, a day, a month) never agrees: that is a sum to declare.
    """
    told, told_per = parts(text)
    known, known_per = parts(fact)
    if told == "" and told_per == "":
        return 1.0
    if told in {"cent"} and known == "USD":
        return 0.01 if _pers_agree(told_per, known_per) else None
    if told == "eurocent" and known == "EUR":
        return 0.01 if _pers_agree(told_per, known_per) else None
    if told == known:
        return 1.0 if _pers_agree(told_per, known_per) else None
    if told_per or (known_per and known != "USD"):
        return None
    agreed: dict[tuple[str, str], float] = {
        ("%", "share"): 0.01,
        ("%", ""): 0.01,
        ("%", "percentile"): 1.0,
        ("pt", "%"): 1.0,
        ("kW", "W"): 1000.0,
        ("W", "kW"): 0.001,
        ("MWh", "kWh"): 1000.0,
        ("min", "h"): 1 / 60,
        ("h", "min"): 60.0,
        ("h", "GPU-h"): 1.0,
        ("GPU-h", "h"): 1.0,
        ("GPU", ""): 1.0,
        ("x", ""): 1.0,
        ("percentile", "%"): 1.0,
        ("percentile", ""): 1.0,
    }
    return agreed.get((told, known))


def _pers_agree(told: str, known: str) -> bool:
    if told == known or not told or (told == "GPU" and known.startswith("GPU-")):
        return True
    if {told, known} == {"h", "GPU-h"}:
        return True
    if known == "":
        return told in DAYS  # a sum over such a span: the matcher asks which span the sum has
    return known == f"GPU-{told}"
