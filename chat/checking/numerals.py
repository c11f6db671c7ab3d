"""The numbers of a text: value, precision, unit, direction. English, digits as en-us and en-gb write them."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace

from . import units

WORDS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
}
TIMES = {"twice": 2.0, "thrice": 3.0, "double": 2.0, "doubled": 2.0, "doubles": 2.0, "triple": 3.0, "tripled": 3.0}
TIMES |= {"half": 0.5, "halved": 0.5}
MOST = 1e15  # no figure is larger: what a text may hold is bounded
SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6}
_WORD = "|".join(WORDS)
_MONTH = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
_MONTH += r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
_SPAN = r"(?:days?|weeks?|months?|hours?|years?|nights?|minutes?)"

# What holds digits and tells no figure. In lower case, for speed: so is the text that it reads.
FREE = re.compile(
    re.sub(
        r"\\.|[A-Z]",
        lambda match: match[0] if match[0][0] == "\\" else match[0].lower(),
        rf"""
    \bhttps?://\S+ | \]\([^)\s]*\) | \bwww\.\S+
    | \b\d{{4}}-\d{{2}}(?:-\d{{2}})?(?:[T ]\d{{1,2}}:\d{{2}}(?::\d{{2}})?Z?)?\b
    | \b\d{{1,2}}[/.]\d{{1,2}}[/.](?:\d{{4}}|\d{{2}})\b
    | (?<![\d.,])\b\d{{1,2}}(?:st|nd|rd|th)?(?:[ ]?(?:–|-|to|and)[ ]?\d{{1,2}}(?:st|nd|rd
      |th)?)?[ ](?:of[ ])?{_MONTH}\b\.?(?:,?[ ]\d{{4}}\b)?
    | \b{_MONTH}\.?[ ]\d{{1,2}}(?:st|nd|rd|th)?(?:[ ]?(?:–|-|to|and)[ ]?\d{{1,2}}(?:st|nd|rd|th)?)?\b(?![\d.,]*\d
      |[ ]?%)(?:,?[ ]\d{{4}}\b)?
    | \b{_MONTH}\s(?:20\d\d)\b
    | \b\d{{1,2}}[:.]\d{{2}}(?::\d{{2}})?\s?(?:[ap]\.?m\.?\b|UTC\b|CET\b|GMT\b|o'clock)
      | \b\d{{1,2}}:\d{{2}}(?::\d{{2}})?\b
    | \b\d{{1,2}}\s?(?:[ap]\.m\.|[ap]m\b|o'clock)
    | \b(?:in|since|until|by|of|from|during|through|before|after|year|to|for)\s20[0-4]\d\b(?![\d,.]*\d|\s?(?:%
      |k?W\b|GPU|h\b))
    | \bQ[1-4](?:\s20\d\d)?\b | \b24/7\b | \b\d+(?:st|nd|rd|th)\b(?!\spercentile)
    | \b(?:version|driver|cuda|python|linux|ubuntu|release|docs?|rfc|tier|gen)\s?v?\d+(?:\.\d+)*\b
      | \bv\d+(?:\.\d+)*\b
    | \b(?:step|option|point|no\.|number|item|question|rule|section|chapter|phase|suggestion|row|line
      |plan)\s\#?\d+\b(?!\s?[%$])
    | \#\d+\b | \[\d+\] | (?<=\s)\(\d\)(?=\s)
    | \b(?:rtx|gtx|quadro|tesla|geforce|nvidia|radeon|rx|titan)(?:\s|-)?(?:pro\s)?[a-z]?\d+(?:\s?(?:tis?|super|s
      |ada|xt|xtx|pro|d|x)\b)*(?:\s\d+\s?gb\b)?
    | \b(?:[ABHLPTV]\d{{1,4}}s?|GH200|GB[23]00|MI\d{{3}}X?)(?:[- ]?(?:SXM\d?|PCIe|NVL|Ada|Ti))*(?:[- ]?\d+\s?GB)?\b
    | (?<![$€£])\b(?:10[5678]0|16[56]0|20[678]0|30[5-9]0|40[5-9]0|50[5-9]0)(?:\s?(?:tis?|super
      |d)\b)*s?(?:'s)?(?:\s\d+\s?gb\b)?(?![\d,.]*\d|\s?(?:%|k?W\b|h\b|GPU|hours))
    | \b\d+[- ](?:day|week|month|hour|year|minute|night)(?=\s(?:\w+\s)?(?:window|period|view|average|mean|median
      |trend|low|high|range|figure|total|run|test|comparison|forecast|horizon|plan|history|net|revenue|profit
        |occupancy|utili[sz]ation|line|number|sum|trial|look|data|report|change|lease|contract)s?\b)
    | \b(?:last|past|previous|prior|next|coming|following|preceding|first|these|those|every|within|final
      |trailing)\s(?:\w+\s)?(?:\d+|{_WORD})(?:\sfull|\swhole)?[- ]{_SPAN}\b
    | \b(?:\d+|{_WORD})\s{_SPAN}\s(?:before|earlier|ago|prior|from\snow|either\sside|of\s(?:data|history|samples
      |evidence|records)|on\srecord)\b
    | \b(?:try|test|wait|check|look|review|give|hold|keep|leave|run|watch|see|come\sback|revisit|compare|ask
      |again|stay|decide)\b[^.;,]{{0,40}}?\b(?:in|for|after|over|within|another|at\sleast|about|wait|it
        |until)\s(?:at\sleast\s|about\s|another\s|the\s)?(?:\d+|{_WORD})(?:\s?(?:–|-|to|or)\s?(?:\d+
          |{_WORD}))?\s(?:full\s|more\s)?{_SPAN}
    | \b(?:your|the|these|those|my|our)\s(?:{_WORD})\s(?:most|least|best|worst|biggest|largest|smallest|cheapest
      |dearest|strongest|weakest|highest|lowest|top|bottom)\b
    | \b(?:cheapest|dearest|priciest|lowest|highest|top|bottom|most\sexpensive)\s(?:10|ten)(?:\s?%|\spercent)
    | \b(?:last|past|previous)\s(?:7|14|30)\b(?!\s?[%$]|[.,]\d|\s\w)
    | \bwait\s(?:\d+|{_WORD})(?:\s?(?:–|-|to|or)\s?(?:\d+|{_WORD}))?\s(?:more\s)?{_SPAN}
    | \b100\s?%\s(?:sure|certain|clear|right|yours)\b | \b(?:index|market)\s(?:\w+\s)?(?:=|is|at
      |of)\s100\b(?!\s?%|\.\d) | \b100\s?(?:=|is|means|stands\sfor)\s(?:the\s)?market
    | (?<=\d)\s?/\s?100\b(?![.,]?\d) | (?<=\d\sout\sof\s)100\b
    | \b(?:on|from|since|until|by|through|to|of)\s(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])\b(?![/.\d]|\s?%)
    | \b(?:for|of|on)\s(?:every\s|each\s)\$1(?:\.00)?(?![\d.,]*\d|k)
    | \b(?:out\s)?of\s100\b(?![.,]?\d|\s?%) | \b24\shours\sa\sday\b | \b7\sdays\sa\sweek\b | \bp\d{{1,2}}\b
      | \bK\d{{1,2}}\b | \bFP\d+\b | \bINT\d\b
    | ^[ \t>]*\d{{1,3}}[.)](?=\s) | ^\#{{1,6}}\s\d+(?:\.\d+)*[.):]?(?=\s)
    | \b(?:one|two|three|nine|\d)\s(?:in|out\sof)\s(?:ten|two|three|four|five|10|\d)\b(?!\s?%)
      | \bdouble[- ]check\w* | \bhalf\s(?:an?|the|of|a\sday)\b | \bhalf[- ](?:hour|day|way)\w*
    | \b(?:\d{{1,2}}|{_WORD})\s(?:\w+\s)?(?:things?|steps?|ways?|reasons?|options?|questions?|ideas?|causes?
      |factors?|caveats?|notes?|levers?|moves?|candidates?|scenarios?|facts|details|sentences?|words?|examples?)\b
    """,
    ),
    re.VERBOSE | re.MULTILINE,
)
NUMBER = re.compile(
    r"(?<![\w.])(?<![A-Za-z][-_/])(?P<sign>[+\-−–±]\s?)?(?:(?P<money>(?:US)?\$|[€£]|USD|EUR|GBP)\s?(?P<sign2>[+\-−])?)?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?![\d]|,\d{3}\b|\.\d)"
    r"(?P<scale>\s?(?:[kKM](?![\w])|thousand\b|million\b))?"
)
COUNT_WORD = re.compile(rf"\b(?P<word>{_WORD})(?=[\s-])", re.IGNORECASE)
BARE_WORD = re.compile(rf"\b(?:with|has|have|had|and|to)\s({_WORD})(?=[.,;)]|$)", re.IGNORECASE)
TIMES_WORD = re.compile(rf"\b(?:{'|'.join(TIMES)})\b", re.IGNORECASE)
_MONEY = {"$": "USD", "US$": "USD", "USD": "USD", "€": "EUR", "EUR": "EUR", "£": "GBP", "GBP": "GBP"}

ABOUT = re.compile(
    r"(?:\b(?P<about>about|around|roughly|approximately|approx\.?|some|close to|near|circa|ca\."
    r"|in the region of|on the order of)"
    r"|(?P<tilde>[~≈]|c\.)"
    r"|\b(?P<over>over|more than|above|at least|just over|a little over|slightly over|slightly more than|upwards of)"
    r"|\b(?P<under>under|less than|below|nearly|almost|just under|a little under|slightly under|up to|at most"
    r"|not quite|just below|just short of))"
    r"\s*(?:an?\s)?$",
    re.IGNORECASE,
)
AFTER_ABOUT = re.compile(r"^\s?(?:or so|give or take|or thereabouts|-?ish)\b", re.IGNORECASE)
_FILL = (
    r"(?:\s+(?:by|of|about|around|roughly|some|another|a|an|the|further|only|just|nearly|almost|over|more than"
    r"|approximately"
    r"|another|some|less than|up to|under|at least|close to|slightly|clearly|sharply|now|again|well|steeply"
    r"|still)|\s*[~≈(]|\s+is|\s+was)*\s*$"
)
DOWN = re.compile(
    r"\b(?:down|fell|falls?|fallen|falling|drop(?:s|ped|ping)?|declin(?:e|ed|es|ing)|decreas(?:e|ed|es|ing)"
    r"|lost|los(?:es?|ing|s|ses)|slipped|slid"
    r"|shrank|shrunk|minus|negative|reduc(?:e|ed|es|ing|tion)|dip(?:s|ped)?|cuts?|lower(?:ed)?|sank|worse|gave up"
    r"|took(?: away)?|costs? you)" + _FILL,
    re.IGNORECASE,
)
UP = re.compile(
    r"\b(?:up|rose|rises?|risen|rising|grew|grows?|grown|gain(?:s|ed|ing)?|increas(?:e|ed|es|ing)|climb(?:s|ed"
    r"|ing)?|jump(?:s|ed)?"
    r"|add(?:s|ed)?|plus|improv(?:e|ed|es|ement)|higher|rais(?:e|ed|es|ing)|better|won|gave)" + _FILL,
    re.IGNORECASE,
)
# A glance, before the longer patterns are tried.
TURN = re.compile(
    r"d[oi][wp]|f[ea]ll|drop|decl|decr|lo[sw]|sl[il]|shr|minus|nega|redu|dip|cut|sank|worse|gave|took|cost|\bup"
    r"|r[io]s|gr[eo]w|gain"
    r"|incr|climb|jump|add|plus|impr|high|rais|bett|won|less|few|under|cheap|behi|short|more|above|over|dear"
    r"|ahead|extra|below"
)
FALL_OF = re.compile(
    r"\b(?:drop|fall|decline|decrease|loss|reduction|dip|cut)\s(?:in|of)\s(?:[\w-]+\s){1,3}of\s+(?:about "
    r"|around )?$|\bnegative\s(?:\w+\s)?of\s+$",
    re.IGNORECASE,
)
RISE_OF = re.compile(
    r"\b(?:rise|increase|gain|growth|jump)\s(?:in|of)\s(?:[\w-]+\s){1,3}of\s+(?:about |around )?$", re.IGNORECASE
)
DOWN_AFTER = re.compile(
    r"^(?:\s(?:percentage\s)?points?|\spp|\spts?)?\s(?:a (?:day|week|month|hour)\s|per (?:day|week|month"
    r"|hour)\s)?(?:less|lower|fewer|down|below|under(?= the (?:market|median|middle)| market| median)|cheaper|worse"
    r"|(?:of (?:the|that|this|your) )?(?:drop|decline|decrease|fall|reduction|loss|dip)|behind|short)\b",
    re.IGNORECASE,
)
UP_AFTER = re.compile(
    r"^(?:\s(?:percentage\s)?points?|\spp|\spts?)?\s(?:a (?:day|week|month|hour)\s|per (?:day|week|month"
    r"|hour)\s)?(?:more|higher|up|above|over(?= the (?:market|median|middle)| market| median)|dearer|better|ahead|extra"
    r"|(?:of (?:the|that|this|your) )?(?:rise|increase|gain|growth|improvement|jump))\b",
    re.IGNORECASE,
)
RANGE = re.compile(r"^\s?(?:–|—|-|to|and|or|±|\+/-|through|until)\s?$", re.IGNORECASE)
LISTED = re.compile(r"^\s?(?:,|,?\s(?:and|or|then)|/)\s?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Numeral:
    """One number. Units: characters; `step` is the worth of its last digit; `sign` what the words around say."""

    start: int
    end: int
    value: float
    step: float
    unit: str = ""
    sign: int = 0
    is_signed: bool = False  # a sign stands before the digits
    near: str = ""  # "about", "over", "under"
    noun: str = ""
    after: int = 0  # where its unit's words end
    is_range: bool = False  # one end of a range


class Spans:
    """Stretches of a text, to ask whether a place lies in one."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._starts = [start for start, _end in spans]
        self._spans = spans

    def holds(self, at: int) -> bool:
        index = bisect_right(self._starts, at) - 1
        return index >= 0 and self._spans[index][1] > at


def free_spans(text: str, start: int = 0) -> list[tuple[int, int]]:
    """Where `text[start:]` holds dates, names of GPUs, list numbers and other digits that tell no figure."""
    low = text.lower()
    return [match.span() for match in FREE.finditer(low if len(low) == len(text) else text, start)]


def numerals(
    text: str, free: Spans | None = None, unit: str = "", start: int = 0, end: int | None = None
) -> list[Numeral]:
    """The numbers of `text[start:end]`, in order; `unit` is that of bare ones, from the heading of a column or row."""
    free = free or Spans(free_spans(text))
    end = len(text) if end is None else end
    found = [numeral for match in NUMBER.finditer(text, start, end) if (numeral := _number(text, match, free, unit))]
    found += [numeral for match in COUNT_WORD.finditer(text, start, end) if (numeral := _counted(text, match, free))]
    for match in TIMES_WORD.finditer(text, start, end):
        if not free.holds(match.start()):
            value = TIMES[match[0].lower()]
            found.append(Numeral(match.start(), match.end(), value, value / 5, "x", after=match.end()))
    found.sort(key=lambda numeral: numeral.start)
    if any(numeral.unit == "GPU" for numeral in found):  # "Berlin with four GPUs, Oslo with three"
        for match in BARE_WORD.finditer(text, start, end):
            value = float(WORDS[match[1].lower()])
            found.append(Numeral(match.start(1), match.end(1), value, 1.0, "GPU", noun="gpu", after=match.end(1)))
        found.sort(key=lambda numeral: numeral.start)
    return _joined(text, found)


def _number(text: str, match: re.Match[str], free: Spans, unit: str) -> Numeral | None:
    at = match.start("digits")
    if free.holds(at):
        return None
    digits = match["digits"].replace(",", "")
    places = len(digits.partition(".")[2])
    scale = SCALES[match["scale"].strip().lower()] if match["scale"] else 1.0
    money = _MONEY.get((match["money"] or "").strip().upper(), "")
    told, noun, end, after = units.after(text, match.end(), money)
    if after == match.end() and end < len(text) and (text[end].isalpha() or text[end] == "_") and not match["scale"]:
        return None  # part of a name: "80GBx", "3d"
    if not told and not noun:
        told = unit
    start, signs = match.start(), (match["sign"] or "") + (match["sign2"] or "")
    if match["sign"] and not _is_sign(text, match):
        start, signs = match.start("money") if match["money"] else at, match["sign2"] or ""
    numeral = Numeral(
        start,
        end,
        min(float(digits), MOST) * scale,
        10.0 ** -min(places, 18) * scale,
        told,
        noun=noun,
        after=max(after, end),
    )
    return _directed(text, numeral, signs)


def _is_sign(text: str, match: re.Match[str]) -> bool:
    """Whether the dash before the digits is a sign, and not a range, a bullet or an aside."""
    mark = match["sign"]
    if "±" in mark or text[: match.start()].rstrip()[-1:].isdigit():
        return False
    is_dash = mark[0] in "–-"
    if is_dash and mark[-1:].isspace():
        return False
    return not (is_dash and text[: match.start()][-1:] in {"%", "h", "$"})


def _directed(text: str, numeral: Numeral, signs: str) -> Numeral:
    before = text[max(0, numeral.start - 48) : numeral.start]
    behind = text[numeral.end : numeral.end + 40]
    sign, is_signed, near = 0, False, ""
    if signs:
        is_signed = True
        sign = 1 if "+" in signs else -1
    elif not TURN.search(text[max(0, numeral.start - 48) : numeral.after + 40].lower()):
        pass
    elif (
        DOWN.search(before)
        or FALL_OF.search(before)
        or DOWN_AFTER.match(behind)
        or DOWN_AFTER.match(text[numeral.after : numeral.after + 24])
    ):
        sign = -1
    elif (
        UP.search(before)
        or RISE_OF.search(before)
        or UP_AFTER.match(behind)
        or UP_AFTER.match(text[numeral.after : numeral.after + 24])
    ):
        sign = 1
    if match := ABOUT.search(before[-28:]):
        near = "over" if match["over"] else "under" if match["under"] else "about"
    elif AFTER_ABOUT.match(behind):
        near = "about"
    return replace(numeral, sign=sign, is_signed=is_signed, near=near)


def _counted(text: str, match: re.Match[str], free: Spans) -> Numeral | None:
    """A number in letters counts only before what it counts."""
    word = match["word"].lower()
    if word == "one" or free.holds(match.start()):
        return None
    unit, noun, _end, after = units.after(text, match.end(), "")
    if not (unit or noun) or unit in {"USD", "W"}:
        return None
    numeral = Numeral(match.start(), match.end(), float(WORDS[word]), 1.0, unit, noun=noun, after=after)
    directed = _directed(text, numeral, "")
    return None if unit == "pt" and not directed.sign else directed


def _may_be_range(text: str, one: Numeral, two: Numeral, between: str) -> bool:
    """ "by 2.7 % to $752" is no range, nor is "81 % and 43 %"; "between 71 and 81 %" is one."""
    word = between.strip().lower()
    before = text[max(0, one.start - 16) : one.start].lower()
    bases = one.unit.partition("/")[0], two.unit.partition("/")[0]
    if all(bases) and bases[0] != bases[1]:
        return False
    if word in {"and", "or"}:
        if word == "and" and one.is_signed and two.is_signed and one.sign < 0 < two.sign:
            return True  # "with −$54 and +$175 as the extremes"
        return bool(re.search(r"\bbetween\s+\S{0,3}$", before))
    return not (word == "to" and re.search(r"\bby\s+\S{0,3}$", before))


def _joined(text: str, found: list[Numeral]) -> list[Numeral]:
    """Ranges and lists say a unit once: "$0.31–0.38/h", "71, 74 and 81 %"."""
    for i in range(len(found) - 2, -1, -1):
        one, two = found[i], found[i + 1]
        between = text[one.end : two.start]
        is_range = bool(RANGE.match(between)) and _may_be_range(text, one, two, between)
        if not is_range and not LISTED.match(between):
            continue
        is_mixed = i + 2 < len(found) and found[i + 2].unit not in {"", two.unit}
        if is_mixed and not is_range and LISTED.match(text[two.end : found[i + 2].start]):
            continue  # "76, 80.9 %, $0.765": each of its own unit
        first, second = one.unit, two.unit
        if not first and not one.noun:
            first = second
        elif not second and not two.noun:
            second = first
        elif is_range and first in {"USD", "EUR"} and second.startswith(f"{first}/"):
            first = second
        elif is_range and first in {"USD", "EUR"} and second.startswith("/"):
            first = second = first + second
        near = (two.near or one.near) if is_range else two.near
        found[i] = replace(
            one, unit=first, is_range=one.is_range or is_range, noun=one.noun or ("" if one.unit else two.noun)
        )
        found[i + 1] = replace(two, unit=second, is_range=two.is_range or is_range, near=near)
    return found
