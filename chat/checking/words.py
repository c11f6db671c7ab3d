"""Words of time, change and whole by which a text and a fact say what a figure is of."""

from __future__ import annotations

import re
from typing import NamedTuple

CHANGE = re.compile(
    r"\b(?:chang(?:e|es|ed)|impact|at worst|at best|mov(?:e|es|ed)|differen(?:ce|t)|delta|effect|against|versus"
    r"|vs|compared with|on the (?:\d+|seven|week|day|month|year)\b"
    r"|share of the (?:fall|rise)|part of|growth|trend|shift)\b",
    re.IGNORECASE,
)
LOSS = re.compile(
    r"\b(?:lost|loss|losses|missed|cost|costs|drop|fall|decline|below|cheaper|less|fee|fees|forgone|saving|savings)\b",
    re.IGNORECASE,
)
TOTAL = re.compile(
    r"\b(?:in total|net effect|(?:that|which|this) makes|add(?:s|ing)? up to|sums? (?:up )?to|all in all"
    r"|on balance|total|overall|altogether|all together|together|combined|in all|fleet|across (?:all|the|your"
    r"|everything)|whole|everything|all your|all of|sum)\b",
    re.IGNORECASE,
)
YOU = re.compile(r"\b(?:you|your|yours|you've|you're|you'd|we)\b", re.IGNORECASE)
IT = re.compile(
    r"\b(?:it|its|it's|this|that|these|those|they|their|them|the card|the machine|the GPU|the same|the latter"
    r"|there|here)\b",
    re.IGNORECASE,
)
PAST = re.compile(
    r"\b(?:earlier|before|previous(?:ly)?|had been|when (?:you|we|I) (?:asked|looked|spoke)|a moment ago|until"
    r"|used to|old)\b",
    re.IGNORECASE,
)
MAYBE = re.compile(
    r"\b(?:if|an? (?:price|rate) of|at|would|could|were|say|with|to|instead|mentioned|asked|said|want(?:ed)?"
    r"|aim|target|goal|paid|pay"
    r"|your question|suppose|assum(?:e|ing)|what[- ]if|told)\b",
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
    r"|(?P<before>\b(?:(?:(?:the )?(?P<bn>\d{1,4}|two|three|seven|ten|thirty|fourteen)[ _-](?:full )?(?P<bs>day"
    r"|week|month)s?[ _](?:before(?: that)?|earlier|prior|previous))"
    r"|(?:the )?(?P<bs2>day|week|month|year) (?:before(?: last)?|earlier|prior)"
    r"|(?:the )?(?:previous|prior|preceding)[ _](?:(?P<bn3>\d{1,4}|two|three|seven|ten|thirty"
    r"|fourteen) )?(?P<bs3>day|week|month|year|period|window)s?"
    r"|a (?P<bs4>week|month|year) ago|(?P<bn5>\d{1,4}|two|three|seven|ten|thirty|fourteen)[ _](?P<bs5>day|week"
    r"|month)s? ago|period before|(?:the )?window before|before that|previously|having been|used to be|earlier"
    r"|before(?= *$| (?:was|were|it was)\b))(?![\w]))"
    r"|(?P<ahead>\b(?:next|coming|following)[ _](?:(?P<an>\d{1,4}|two|three|seven|ten|thirty|fourteen) )?(?P<as>day"
    r"|week|month|year)s?\b)"
    r"|(?P<last>\b(?:last|past|trailing|these|those|over|within|in|for|during|the"
    r"|first)[ _](?:the[ _])?(?:last |past )?(?P<ln>\d{1,4}|two|three|seven|ten|thirty"
    r"|fourteen)[ -](?:full )?(?P<ls>day|week|month|hour)s?\b)"
    r"|(?P<short>(?<![\w$.])(?P<sn>\d{1,4})(?:[ -]?(?P<ss>d|day|days|week|weeks|month|months))(?=[ _,).]|$))"
    r"|(?P<this>\b(?:this|current)[ _](?P<ts>week|month|year|period|window)(?:'s)?\b)"
    r"|(?P<lastone>\b(?:last|past)[ _](?P<os>week|month|year|night|quarter)(?:'s)?\b)"
    r"|(?P<rate>\b(?:worth )?(?:per|a|each|every)[ _](?P<rs>day|week|month|year)\b)",
    re.IGNORECASE,
)


def period(match: re.Match[str]) -> Period | None:
    """What a match of PERIOD means; None for a rate ("a day")."""
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
    return None


def _days(count: str | None, span: str | None) -> int:
    if not span or span.lower() in {"period", "window"}:
        return 0
    number = int(count) if count and count.isdigit() else _N.get((count or "one").lower(), 1)
    return number * _SPAN[span.lower().rstrip("s")]
