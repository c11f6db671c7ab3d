"""Patterns of the small words that tie a figure to what stands before and behind it."""

from __future__ import annotations

import re

PREPOSITION = re.compile(
    r"\b(?:for|on|of|in|at|from|with|by|inside|under)\b[^,;:(]*$|^\s*\(?\s*$|^\s?[-–]?\s*$|^\s+(?:remains?"
    r"|stays?|is|are|was|were)\s+$|^\s+(?:points?\s)?(?:due\s)?(?:to|because of)\s(?:the|your)\s+$"
    r"|^\s+is (?:what|the|your)\b[^,;:(]*$",
    re.IGNORECASE,
)
APART = re.compile(
    r"\b(?:and|but|while|than|versus|vs|against|compared|whereas|or|up|down|though|although|because|so|which"
    r"|where|yet|after|before|if|when)\b",
    re.IGNORECASE,
)
SPLIT = re.compile(
    r"\b(?:and|but|while|than|versus|vs|against|compared|whereas|or|up from|down from|instead of)\b|[;:(—]|\s–\s",
    re.IGNORECASE,
)
NEXT_TO = re.compile(
    r"^\s*(?:(?:it's|it is|you're|you are|they're|they are)\s+)?(?:of (?:them|these|those|which"
    r"|all(?: of (?:them|these))?)\s+)?(?:(?:more|less|extra)\s+(?=on\b"
    r"|in\b))?(?:(?:(?:went |goes |go |came |comes |come |is |are |was |were )?(?:in|of|on|as|for|to|at|from|by|due to"
    r"|because of))\s+(?:(?:the|its|your|their|a|an)\s+)?(?:be\s+)?)?"
    r"(?:(?:total|GPU|hourly|estimated|gross|pure|yearly|monthly|daily|weekly|own|platform|less|more|extra"
    r"|lower|higher|hours?|time|is|was|are|were)\s+)*[-\s(]*$",
    re.IGNORECASE,
)
OF_THEM = re.compile(r"^\s+of\s+(?:the|its|their|all|your)\s+[\w .-]{1,24}\s(?:is|are|was|were)\s+$", re.IGNORECASE)
BREAK = re.compile(
    r"[,;:(—]|\s–\s|\b(?:and|but|while|than|versus|vs|against|compared|whereas|or|from|up|down|instead)\b",
    re.IGNORECASE,
)
FAR = re.compile(SPLIT.pattern + r"|,", re.IGNORECASE)
CONTRAST = re.compile(
    r"\b(?:instead of|from|against|vs|versus|compared (?:with|to)|than|rather than|not|after"
    r"|previously|having been|used to be|had been)\s+(?:the |your |its |a |about |only |being |current "
    r"|present |yesterday's |today's )*\S{0,2}$",
    re.IGNORECASE,
)
TO = re.compile(r"\b(?:to|towards)\s+(?:about |around |roughly |some |only |just )*\S{0,2}$", re.IGNORECASE)
AGAINST = re.compile(
    r"\b(?:compared (?:with|to)|relative to|unlike|against|than|like)\s+(?:the |your |its )?$", re.IGNORECASE
)
BY = re.compile(r"\bby\s+(?:about |around |roughly |some |only |just |another )*\S{0,2}$", re.IGNORECASE)
PLURAL = re.compile(r"\b(?:their|they|them|both|these|those)\b", re.IGNORECASE)
POSITION = re.compile(
    r"^\s?(?:above|below|over|under|(?:more|less|higher|lower|cheaper|dearer) than)\s(?:it\b|them\b|that\b"
    r"|(?:the |its |that )?(?:\w+ )?(?:median|market))",
    re.IGNORECASE,
)
OWN = re.compile(r"\byour\b", re.IGNORECASE)
CLAUSE = re.compile(
    r";|:\s(?=you\b)|,?\s(?:but|while|whereas|although|so|because)\s|,\s(?:which|and"
    r"|so)\s",
    re.IGNORECASE,
)
OTHERS = re.compile(r"\b(?:others?|remaining|rest)\b", re.IGNORECASE)
THERE = re.compile(r"(?<=\w\s)there\b(?! (?:is|are|was|were) (?!\d))|\bthere\b(?! (?:is|are|was|were))", re.IGNORECASE)
MARKET_IS = re.compile(r"\bmarket\s+(?:asks|charges|is|has|pays|rents|was|lists|stands)\b", re.IGNORECASE)
MINE = re.compile(r"\b(?:yours|here|as (?:it )?is)\b|\byour\s+\S{0,2}$", re.IGNORECASE)
LEADS = re.compile(
    r"\b(?:is|was|are|were|should be|would be|fell|rose|dropped|grew|climbed|slipped|increased|decreased)\b",
    re.IGNORECASE,
)
ONE = re.compile(r"\b(?:one|another|each|alone|others?|longest|shortest|worst|largest|biggest)\b", re.IGNORECASE)
THAN = re.compile(
    r"^\s*(?:(?:percentage )?points?\s)?(?:more|less|fewer|higher|lower|better|worse)\s+than\s*$", re.IGNORECASE
)
OPEN = re.compile(
    r"\b(?:rang(?:e|es|ing)|could|might|uncertain|as (?:low|high|little|much) as|anywhere)\b", re.IGNORECASE
)
ONWARD = re.compile(
    r"\s*(?:of|is|at|was|:|fell|rose|dropped|grew|climbed|slipped|increased|decreased)?\s*(?:about |around |roughly )?",
    re.IGNORECASE,
)
VERSUS = re.compile(r"\s*(?:vs\.?|versus|against)\s", re.IGNORECASE)
IN_ALL = re.compile(r"\s*(?:in total|in all|altogether|overall|together|combined|all told)\b", re.IGNORECASE)
NOW = re.compile(r"\b(?:now|today|currently|at present|as it is|where it is|here)\b", re.IGNORECASE)
TOGETHER = re.compile(
    r"\b(?:and|or|than|vs|versus|against|to|over|out-?\w+(?:ed|s)|beats?|leads?|led|trail(?:s|ed)|topp?(?:s|ed)"
    r"|exceed(?:s|ed))\b|[,&/]",
    re.IGNORECASE,
)
COORDINATED = re.compile(r"^(?:\s|,|/|&|\band\b|\bor\b|\bboth\b|\bthe\b|\byour\b|\ba\b|'s|s)*$", re.IGNORECASE)
COMPARING = re.compile(
    r"\b(?:from|against|vs|versus|compared (?:with|to)|than|instead of|was|were|had been)\b", re.IGNORECASE
)
NESTED = re.compile(
    r"^'?s?\s*(?:(?:cards?|GPUs?|machines?|box(?:es)?)\s)?(?:\b(?:in|on|at|from|of|inside|under)\b|,|\(|×\s*\d+"
    r"|-|–|·|/)?\s*(?:the|your|a)?\s*$",
    re.IGNORECASE,
)
ON = re.compile(r"\s(?:net\s|gross\s)?(?:on|of|from|with|and|out of)\s", re.IGNORECASE)
POSSESSIVE = re.compile(r"'s\s+(?:own\s|total\s)?")
ANOTHER = re.compile(r",\s(?:and|but|so|while|because|since)\s", re.IGNORECASE)
LATTER = re.compile(r"\bthe latter\b", re.IGNORECASE)
FOR_YOU = re.compile(
    r"\b(?:net|earn|give|bring|cost|save|make|get|leave|gain)s?\s+you\b"
    r"|\byou(?:'d| would| could| might| can| may)\b",
    re.IGNORECASE,
)
VALUED = re.compile(r"(?:'s|\s(?:of|at|is|was))?[\s(]*[$€\d]|\s(?:price|rate|ask)")
IN_BRACKETS = re.compile(r"\s*\(\s*\S{0,2}")
OUT_OF = re.compile(r"\s+(?:out )?of\s+(?:the |your )?\S{0,2}")
FORMER = re.compile(r"\bthe (?P<which>former|latter)\b", re.IGNORECASE)
ABOVE = re.compile(r"\s?(?:above|below|over|under)\b", re.IGNORECASE)
DEARER = re.compile(r"\s?(?:cheaper|dearer|pricier|more expensive|less expensive)\b", re.IGNORECASE)
TITLED = re.compile(r"\s*(?:\([^)]*\)\s*)?[:–—]")
GETS = re.compile(r"\byou (?:get|make|earn|net|have)\s+\S{0,2}$", re.IGNORECASE)
INSTEAD = re.compile(r",?\s\(?(?:down from|up from|instead of|rather than|as against|currently|today)\b", re.IGNORECASE)
WITH = re.compile(r"\s[\w ]{0,16}(?:with|of|for)\s")
YOURS = re.compile(r"\b(?:you're|you are|yours?)\b", re.IGNORECASE)
NAMED = re.compile(r"\s*:\s*\S{0,2}")
CHANGE_ON = re.compile(r"\bchanges? (?:on|from|since|against)\s+(?:the )?$", re.IGNORECASE)
