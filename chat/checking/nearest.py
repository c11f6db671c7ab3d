"""Which words of a sentence stand nearest to each of its figures."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import attrgetter

from .grammar import ANOTHER, BREAK, BY, CLAUSE, COMPARING, FAR, IN_ALL, LEADS, NAMED, ONWARD, POSSESSIVE, TOGETHER
from .index import Mention
from .numerals import Numeral
from .pieces import Piece

_START = attrgetter("start")


class Nearest:
    """Mentions of one text, and which of them stand nearest to a figure."""

    text: str

    def within(self, mentions: Sequence[Mention], start: int, end: int) -> list[Mention]:
        first = bisect_left(mentions, start, key=_START)
        return [each for each in mentions[first : bisect_left(mentions, end, key=_START)] if each.end <= end]

    def _choose(
        self,
        piece: Piece,
        numbers: Sequence[Numeral],
        mentions: list[Mention],
        is_after: Callable[[str, str], bool],
        *,
        chain: bool = False,
        inherit: bool = True,
    ) -> list[tuple[list[Mention], bool, bool]]:
        """For each figure the mentions that are its own, nearest first; whether they are those of the figure before."""
        text, taken = self.text, set[Mention]()
        posts: list[list[Mention]] = []
        for i, number in enumerate(numbers):
            stop = numbers[i + 1].start if i + 1 < len(numbers) else piece.end
            post: list[Mention] = []
            at = number.end
            if not chain and any(POSSESSIVE.fullmatch(text[each.end - 2 : number.start]) for each in mentions):
                posts.append(post)
                continue
            for each in mentions:
                if not number.end <= each.start < stop:
                    continue
                between = text[at : each.start]
                is_counted = number.unit == "GPU" and each.start < number.after
                if not is_counted and not chain and i + 1 < len(numbers) and not BREAK.search(text[each.end : stop]):
                    break  # it leads to the next figure
                if inherit and not chain and i + 1 < len(numbers) and NAMED.fullmatch(text[each.end : stop]):
                    break  # "10 % (Vast.ai: 25 %)"
                if chain and i + 1 < len(numbers) and ONWARD.fullmatch(text[each.end : stop]):
                    break
                if chain and i + 1 < len(numbers) and LEADS.search(between) and not BREAK.search(text[each.end : stop]):
                    break
                if (
                    is_counted
                    or is_after(between, text[max(number.after, number.end) : each.start])
                    or (chain and post and text[post[-1].end : each.start].strip() in {"", "-"})
                ):
                    post.append(each)
                    taken.add(each)
                elif not post:
                    break
            posts.append(post)
        paired = self._paired(numbers, mentions, piece)
        chosen: list[tuple[list[Mention], bool, bool]] = []
        for i, number in enumerate(numbers):
            if paired and i in paired:
                chosen.append(([paired[i]], False, False))
                continue
            start = numbers[i - 1].end if i else piece.start
            before = [each for each in mentions if start <= each.start < number.start and each not in taken]
            if chain and (cuts := [cut.end() for cut in CLAUSE.finditer(text, start, number.start)]):
                before = [each for each in before if each.start >= cuts[-1] - 1] or before
            before.reverse()
            if not chain and before and POSSESSIVE.fullmatch(text[before[0].end - 2 : number.start]):
                chosen.append((before[:1], False, False))
                continue
            own, is_inherited = posts[i] + before, False
            is_forward = not own
            if i and not own and re.fullmatch(r"\s+(?:out )?of\s+(?:the |your )?", text[start : number.start]):
                chosen.append(([], False, False))
                continue
            is_fresh = not inherit and (bool(i and posts[i - 1]) or COMPARING.search(text[start : number.start]))
            if not own and i and not is_fresh:
                own, is_inherited = chosen[i - 1][0], True
            if not own:
                stop = numbers[i + 1].start if i + 1 < len(numbers) else piece.end
                own = [each for each in mentions if number.end <= each.start < stop and each not in taken]
                own = [each for each in own if not re.search(r"[;:—]", text[number.end : each.start])]
                if not chain:
                    own = [each for each in own if not ANOTHER.search(text[number.end : each.start])]
                if i + 1 < len(numbers):
                    own = [each for each in own if not FAR.search(text[number.end : each.start])]
                if inherit and not chain:
                    own = own[:1]
            chosen.append((own, is_inherited, is_forward and not is_inherited))
        return chosen

    def _paired(self, numbers: Sequence[Numeral], mentions: list[Mention], piece: Piece) -> dict[int, Mention]:
        """ "The 4090 and the 3090 earn $12 and $7": as many names as figures, all names first."""
        if len(numbers) < 2:
            return {}
        for first in range(len(numbers) - 1):
            start = numbers[first - 1].end if first else piece.start
            before = [each for each in mentions if each.start < numbers[first].start]
            if first == 1 and BY.search(self.text[piece.start : numbers[0].start]):
                start = piece.start  # "the one leads the other by $375: $998 against $623"
            if not any(start <= each.start for each in before):
                continue
            last = first + 1
            while (
                last < len(numbers)
                and _alike(numbers[first].unit, numbers[last].unit)
                and not any(numbers[last - 1].end <= each.start < numbers[last].start for each in mentions)
                and not IN_ALL.match(self.text, numbers[last].after)
            ):
                last += 1
            count = last - first
            if count < 2 or len(before) < count:
                continue
            if any(numbers[last - 1].end <= each.start < numbers[last - 1].end + 20 for each in mentions):
                continue
            for names in (before[at : at + count] for at in range(len(before) - count, -1, -1)):
                if before[-1].start >= start > names[-1].start:
                    break  # a name of their own stands nearer
                if len({each.key or each.period for each in names}) == count and all(
                    _is_list(self.text[a.end : b.start], [n for n in numbers if a.end <= n.start < b.start])
                    and not re.search(r"[;.:]\s", self.text[a.end : b.start])
                    for a, b in itertools.pairwise(names)
                ):
                    return {first + i: name for i, name in enumerate(names)}
        return {}


def _alike(one: str, two: str) -> bool:
    return one == two or (one.partition("/")[0] == two.partition("/")[0] and ("/" in one) != ("/" in two))


def _is_list(between: str, figures: Sequence[Numeral]) -> bool:
    """Whether two names stand side by side, or in a comparison: "Garage made $40 more than Colocation"."""
    if figures:
        return bool(re.search(r"\b(?:more|less|higher|lower|better|worse|cheaper|dearer)\b[^,;]*\bthan\b", between))
    return bool(TOGETHER.search(between))
