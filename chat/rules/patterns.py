"""The words of each intent, in the order in which they are tried."""

import re

_OWN = r"(?:gpus?|rigs?|machines?|cards?)"

_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "make_alert",
        (
            r"\b(?:make|create|add|set(?: up)?)\b.*\b(?:alerts?|alarms?)\b",
            r"\b(?:want|need|give me|like) an? (?:new )?(?:alert|alarm)\b",
            r"\b(?:alert|notify|warn|tell|ping|remind|mail|e-?mail|message) me (?:when|whenever|if|once|as soon)\b",
            r"\b(?:alert|alarm) (?:when|whenever|if|once)\b",
        ),
    ),
    (
        "plan",
        (
            rf"\b(?:sell|selling|buy|buying|replac\w+|upgrad\w+|swap\w*|invest\w*)\b.*\b(?:X|{_OWN}|more|another)\b",
            r"\bhold,? (?:or|expand)\b|\bshould (?:i|we) (?:sell|buy|expand|upgrade|invest)\b",
            r"\bshould (?:i|we) (?:keep|hold) (?:it|them|(?:my |the |this )?X)\b",
            r"\bworth (?:buying|selling|keeping|it to (?:buy|sell|keep))\b",
        ),
    ),
    (
        "what_if",
        (
            r"\bwhat (?:if|would happen|happens)\b",
            r"\bif i (?:charge|raise|lower|set|ask|cut|drop|pay|paid)\w*\b",
            r"\bsuppose\b",
        ),
    ),
    (
        "note_price",
        (
            r"\b(?:note|log|record|write down)\b.*\b(?:price|rate)",
            r"\b(?:price|rate) change\b.*\bnote",
            r"\b(?:i|we)(?: have|'ve)? (?:just |already |now )*"
            r"(?:changed|set|raised|lowered|cut|dropped|increased|put)\b.*\b(?:price|rate|to|at)\b",
        ),
    ),
    (
        "accept",
        (
            r"\baccept\b",
            r"\b(?:take|apply|follow|do) (?:the|that|this|your) (?:\w+ )?(?:suggestion|advice|recommendation)",
        ),
    ),
    (
        "changes",
        (
            r"\b(?:price|rate) changes\b",
            r"\b(?:when|how often) did i (?:last )?change\b",
            r"\b(?:history|journal) of (?:my )?(?:price|rate)s?\b|\bprice journal\b",
            r"\bdid (?:my|the) (?:last )?(?:price|rate) (?:change|cut|rise)\b",
        ),
    ),
    (
        "elsewhere",
        (
            r"\bwhere (?:else|would|could|should|can|do|does|is)\b.*\b(?:earn|make|pay|rent|list|more|host|best)",
            r"\b(?:other|another|better|different|which|best) (?:platform|marketplace)s?\b",
            r"\bswitch (?:to|platform)|\bmove (?:it|them|my \w+) to\b",
            r"\bearn more (?:else|on|at|somewhere)",
        ),
    ),
    (
        "why",
        (
            r"\bwhy\b|\bhow come\b",
            r"\bwhat (?:caused|happened|went wrong|is behind|explains|changed)\b",
            r"\breasons? (?:for|why)\b",
            r"\bme or (?:is it )?the market\b|\bis it me\b",
            r"\b(?:less|more|worse|better) than last (?:week|month)\b",
        ),
    ),
    (
        "charge",
        (
            r"\bwhat (?:should|can|could|must|do) (?:i|we) (?:charge|ask)\b",
            r"\bhow much (?:should|can|could) (?:i|we) (?:charge|ask)\b",
            r"\b(?:right|best|good|fair|optimal|ideal) (?:price|rate)\b",
            r"\bwhat (?:price|rate)\b|\b(?:price|rate) (?:should|to set)\b|\bcharge for\b",
            r"\btoo (?:expensive|dear|cheap|high|low)\b|\b(?:above|below|over|under) (?:the )?market\b",
            r"\b(?:raise|lower|cut|increase|reduce|change|reprice|drop)\b.*\b(?:price|rate)s?\b",
            r"\bhow (?:should|do) i price\b|\bpriced? (?:right|well|correctly|competitively)\b",
        ),
    ),
    (
        "power",
        (
            r"\b(?:power|electricity|energy|kwh|kilowatt|watts?|tariff)\b.*"
            r"\b(?:cost|spend|pay|bill|use|draw|price|worth|eat|what|much)",
            r"\b(?:cost|spend|pay|bill|how much|what)\b.*\b(?:power|electricity|energy|kwh|watts?)\b",
            r"\bmy costs?\b|\bwhat do i pay\b|\bfees?\b.*\b(?:pay|cost|much)|\bmuch\b.*\bfees?\b",
            r"\bbreak[- ]?even\b.*\b(?:my|rate|price)",
        ),
    ),
    (
        "least",
        (r"\b(?:least|worst|lowest|weakest|poorest|badly|losing|loses?|idle|unprofitable|underperform\w*)\b",),
    ),
    (
        "most",
        (
            rf"\b(?:most|best|highest|strongest|top|better)\b.*"
            rf"\b(?:earn\w*|{_OWN}|portfolios?|perform\w*|net|revenue|profit\w*|paying|pays|money)\b",
            r"\bwhich\b.*\bpays\b|\bearns? (?:me )?(?:the )?most\b",
        ),
    ),
    (
        "market",
        (
            r"\bcompare\b.*\bX\b.*\bX\b|\bX (?:or|vs\.?|versus|against) (?:an? |the |my )?X\b",
            r"\bmarket\b|\b(?:falling|rising|trend\w*|demand|going (?:up|down)|median|competition|competitors)\b",
            r"\bprices? (?:of|for)\b",
            r"\bhow much (?:does|do|is|are) (?:an? |the )?.*\b(?:rent|go for|cost)\b",
            r"\b(?:does|do|is|are) (?:an? |the )?X\b.*\b(?:rent|go for|cost|worth|pay|bring)\b",
            r"\b(?:rate|price)s? (?:of|for) (?:an? |the )?X\b",
        ),
    ),
    ("alerts", (r"\b(?:alerts?|alarms?|episodes?)\b|\bat risk\b",)),
    (
        "unusual",
        (
            r"\b(?:anything|something|what(?:'s| is)) (?:unusual|odd|wrong|new|strange|broken|going on|off)\b",
            r"\b(?:insights?|problems?|issues?|warnings?|outages?|offline|downtime)\b",
            r"\b(?:missing|gaps?)\b.*\b(?:data|figures|days)|\b(?:data|figures|days)\b.*\b(?:missing|gaps?)\b",
        ),
    ),
    (
        "next",
        (
            r"\bwhat (?:should|can|could|do|must|shall) (?:i|we) (?:do|change|improve|fix)\b",
            r"\bwhat(?:'s| is) next\b|\bnext steps?\b|\bto ?do\b",
            r"\bsuggest\w*\b|\brecommend\w*\b|\badvi[cs]e\b",
            r"\bhow (?:can|do|could) (?:i|we) (?:earn|make|improve|increase|get)\b",
            r"\bimprove\b|\boptimi[sz]e\b|\bearn more\b",
        ),
    ),
    (
        "portfolios",
        (
            r"\b(?:list|show|which|what are|how many|compare|rank|all)\b.*\bportfolios?\b|^\W*(?:my )?portfolios?\W*$",
            rf"\b(?:list|show|what) (?:me )?(?:all )?(?:of )?(?:my|are my) {_OWN}\b|\bhow many {_OWN}\b",
        ),
    ),
    (
        "doing",
        (
            r"\bhow (?:am i|are we|are my|is my|is it|is business|did i|did we|have i|was|were|is|are|'s)\b",
            r"\b(?:revenue|net|profit|earn\w*|income|payout|occupancy|utili[sz]ation|uptime|results?|kpis?|figures)\b",
            r"\b(?:numbers|performance|summary|overview|status|report|rented|make|made|margin|payback)\b",
            r"\b(?:floor|yield|coverage|percentile|break[- ]?even|time to rent|on the books|reliability|index)\b",
        ),
    ),
    (
        "help",
        (
            r"\bhelp\b|\bwhat can you\b|\bwho are you\b|\bhow do(?:es)? (?:you|this) work\b",
            r"\bare you (?:an? )?(?:ai|bot|human|robot|language model|llm|chatgpt)\b",
            r"^\W*(?:hi|hello|hey|good (?:morning|evening|day)|thanks?|thank you|ok(?:ay)?)\W*$",
        ),
    ),
)
INTENTS = tuple((intent, re.compile("|".join(ways), re.I | re.S)) for intent, ways in _WORDS)
PERIODS = tuple(
    (period, re.compile(words, re.I))
    for period, words in (
        ("90d", r"\b(?:quarter|three months|3 months|90[- ]?d(?:ays?)?|last ninety)\b"),
        ("30d", r"\b(?:months?|monthly|30[- ]?d(?:ays?)?|four weeks|4 weeks|thirty days)\b"),
        ("7d", r"\b(?:weeks?|weekly|7[- ]?d(?:ays?)?|seven days)\b"),
        ("today", r"\b(?:today|24[- ]?h(?:ours?)?|right now|this morning|tonight)\b"),
    )
)
DEFINE = re.compile(
    r"\bwhat(?:'s| is| are| does| do)\b.*\b(?:mean|stand for)\b|\bdefin(?:e|ition)\b|\bexplain\b|\bmeaning of\b"
    r"|^\W*what(?:'s| is| are) (?:an? |the )?[\w /-]+?\W*$",
    re.I,
)
OWN = re.compile(r"\b(?:my|mine|i|me|our|we)\b", re.I)
CONDITION = re.compile(r"\b(?:if|would|what about|charge|at)\b", re.I)
DOWN = re.compile(r"\b(?:lower\w*|cut\w*|drop\w*|reduc\w*|less|cheaper|decreas\w*|down|below|under|discount)\b", re.I)
POWER = re.compile(r"\b(?:electricity|power|energy|tariff|kwh|kilowatt)\b", re.I)
RATE = re.compile(r"\b(?:rate|charge|ask)\b", re.I)
RATE_BEFORE = re.compile(r"\b(?:to|at|charge|for|ask|is|of)\s$", re.I)
NO_AMOUNT = re.compile(r"\s?(?:%|percent|per cent|(?:days?|weeks?|months?|hours?|h|gpus?|w|watts?|gb)\b)", re.I)
IDLE = re.compile(r"\b(?:idle|empty|not rented|unrented|vacant)\b", re.I)
BUYING = re.compile(r"\b(?:buy\w*|replac\w+|upgrad\w+|swap\w*|invest\w*|more|another)\b", re.I)
SELLING = re.compile(r"\b(?:sell\w*|replac\w+|upgrad\w+|swap\w*)\b", re.I)
PRICE_WORDS = re.compile(r"\b(?:price|prices|median|rate|market)\b", re.I)
DAYS_BACK = re.compile(
    r"\b(?:(?P<before>(?:the )?day before yesterday)|(?P<one>yesterday)|(?P<n>\d{1,2}) days? ago)\b", re.I
)
WEEKDAY = re.compile(r"\b(?:on|last|this|of|was) (mon|tues|wednes|thurs|fri|satur|sun)day\b", re.I)
WEEKDAYS = ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun")
FOLLOWS = re.compile(r"^\W*(?:and|or|but|also|same|what about|how about|then)\b", re.I)
BARE = re.compile(
    r"\b(?:and|or|the|an?|my|our|of|for|about|what|how|is|are|tell|show|me|please|gpus?|cards?|X|s)\b|[\W_]", re.I
)
MARKUP = re.compile(
    r"```.*?(?:```|$)|<[^<>\s][^<>]*>|\b[\w.]+\((?!e?s\))[^()]*\)|\b(?:https?|javascript|data):\S+", re.I | re.S
)
PRONOUN = re.compile(
    r"\b(?:this|that|it|its|the)\s+(?:gpu|card|rig|machine|one)\b|\b(?:it|its)\b|\b(?:this|that)\W*$", re.I
)
TOKEN = re.compile(r"[a-z]+|\d+|[^\W\d_]+")
_NUMBER = r"(?P<number>\d{1,4}(?:\.\d{1,4})?|\.\d{1,4})"
PRICE = re.compile(
    rf"(?P<sign>\$\s?)?{_NUMBER}\s?(?P<cents>¢|ct\b|cents?\b)?\s?(?:\$|usd\b|dollars?\b)?\s?"
    r"(?:/|per|an?|for (?:a|one)|each)?\s?(?P<kwh>k\.?w\.?h\b|kilowatt[- ]?hours?)?",
    re.I,
)
PERCENT = re.compile(rf"{_NUMBER}\s?(?:%|percent\b|per cent\b)", re.I)
