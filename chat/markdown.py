"""What the advisor writes, as HTML that can do nothing: no raw HTML, no images, links that show where they lead.

A model may be talked into writing anything, so the library's HTML is built from a short list and cleaned once more.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    import nh3
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

SHIFT, DEEPEST = 2, 5  # "# A" is an h3: the page has its h1, the conversation its h2
OPEN, CLOSE, FIRST = "\ue000", "\ue001", 0xE100  # marks in the text around the figure number n: OPEN, FIRST + n … CLOSE
MOST_FIGURES = 0xF8FF - FIRST
PRIVATE = re.compile("[\ue000-\uf8ff]")
MARKS = re.compile(f"{OPEN}[\ue100-\uf8ff]|{CLOSE}")
MARKED = re.compile(f"{OPEN}([\ue100-\uf8ff])([^{OPEN}{CLOSE}]*){CLOSE}")
TAG = re.compile(r"(<[^>]*>)")  # the library escapes ">" within attributes
HERE = re.compile(r"/(?![/\\])[^\s\\]*")
LINK_RULES = "nofollow noopener noreferrer ugc"

_of_thread = threading.local()  # linkify keeps the text it works on in itself


def render(text: str, figures: Iterable[Sequence[Any]] = ()) -> SafeString:
    """The text as safe HTML; each of `figures` (start, end, tool message, row, cell) becomes a link to its source.

    A mark that would change how the text around it is read is left out, and its figure stays plain.
    """
    text = PRIVATE.sub("\ufffd", text)
    plain = _parser().render(text)
    known = [figure for figure in map(_figure, figures) if figure is not None and figure[1] <= len(text)]
    html = _linked(text, plain, sorted(known)[:MOST_FIGURES]) if known else plain
    return mark_safe(_cleaner().clean(html))


def render_part(text: str) -> SafeString:
    """The end of a text that is still being written: what is half said is closed, or waits."""
    return render(mend(text))


def split_stable(text: str) -> tuple[str, str]:
    """What further text cannot change, and the rest: cut at the last blank line outside of code and lists."""
    cut, position, fence, was_blank = 0, 0, "", False
    for line in text.splitlines(keepends=True):
        is_whole = line.endswith("\n")
        if not fence and was_blank and line.strip() and not re.match(r"\s|[-*+](?:\s|$)|\d{1,9}(?:[.)]|$)", line):
            cut = position
        if mark := re.match(r" {0,3}(`{3,}|~{3,})", line):
            if not fence:
                fence = mark[1]
            elif is_whole and mark[1].startswith(fence) and not line.strip(" `~\r\n"):
                fence = ""
        was_blank = not line.strip()
        position += len(line)
    return text[:cut], text[cut:]


def mend(text: str) -> str:
    """Close what is open at the end of a text, or leave out what cannot be read yet, so that nothing flickers."""
    head, _, line = text.rpartition("\n")
    if _in_fence(text):
        return text if not re.fullmatch(r"\s*[`~]{1,}", line) else head
    if re.match(r"\s*\|", line) or _is_table(head):
        return _without_half_table(head, line)
    if re.fullmatch(r"\s*(?:[-*+>#`~_=]+|\d{1,9}[.)]?)\s*", line):  # a list, heading, rule or fence begins
        return head
    paragraph = re.split(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d{1,9}[.)])\s)", text)[-1]
    return text[: len(text) - len(paragraph)] + _closed(paragraph)


def _in_fence(text: str) -> bool:
    fence = ""
    for line in text.split("\n")[:-1]:
        if mark := re.match(r" {0,3}(`{3,}|~{3,})", line):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence):
                fence = ""
    return bool(fence)


def _is_table(head: str) -> bool:
    return bool(re.match(r"\s*\|", head.rpartition("\n")[2]))


def _without_half_table(head: str, line: str) -> str:
    """Whole rows only, and none before the line under the header has come."""
    lines = head.split("\n") if head else []
    if not line.strip() or not re.match(r"\s*\|", line):
        rows, rest = lines, line
    else:
        rows, rest = lines, ""
    first = len(rows)
    while first and re.match(r"\s*\|", rows[first - 1]):
        first -= 1
    table = rows[first:]
    if len(table) < 2 or not re.fullmatch(r"\s*\|?[\s:|-]+\|?\s*", table[1]):
        rows = rows[:first]
    return "\n".join([*rows, rest])


def _closed(text: str) -> str:
    """One paragraph with its emphasis, code and links closed."""
    text = re.sub(r"!?\[[^\]]*\]\([^)\s]*(?:\s[^)]*)?$", lambda half: _label(half[0]), text)
    text = re.sub(r"!\[[^\]]*\]?$|!$", "", text)
    text = re.sub(r"\[([^\[\]]*)\]?$", r"\1", text)
    text = re.sub(r"<[^<>\s]*$", "", text)
    if (ticks := len(re.findall(r"(?<!\\)`", text))) % 2:
        return text[:-1] if text.endswith("`") else text + "`" if ticks else text
    prose = re.sub(r"`[^`]*`", lambda code: "x" * len(code[0]), text)
    stripped = prose.rstrip()
    if lone := re.search(r"(?:^|\s)([*_~]{1,3})$", stripped):  # begins: nothing to show of it yet
        text, prose = text[: len(stripped) - len(lone[1])], prose[: len(stripped) - len(lone[1])]
    ends = ""
    for mark in ("**", "__", "~~"):
        if prose.count(mark) % 2:
            if mark != "~~" and re.search(rf"[^{mark[0]}\s]{re.escape(mark[0])}$", prose):
                text, prose = text[:-1], prose[:-1]  # the first half of what closes it
            ends += mark
        prose = prose.replace(mark, "  ")
    if len(re.findall(r"(?<![\w\\*])\*(?=[^\s*])", prose)) > len(re.findall(r"(?<=[^\s*\\])\*(?![\w*])", prose)):
        ends = f"*{ends}"
    return text.rstrip() + ends if ends else text


def _label(half: str) -> str:
    return "" if half.startswith("!") else half[1 : half.index("]")]


def _figure(figure: Sequence[Any]) -> tuple[int, int, str, str] | None:
    """Start, end, message and row; None where it has no source or is not what we store."""
    try:
        start, end, message, row = int(figure[0]), int(figure[1]), str(UUID(str(figure[2]))), str(figure[3])
    except (ValueError, TypeError, IndexError):
        return None
    return (start, end, message, row) if 0 <= start < end else None


def _linked(text: str, plain: str, figures: list[tuple[int, int, str, str]]) -> str:
    """`plain` with a link around each figure."""
    separate = [now for before, now in zip([(0, 0, "", ""), *figures], figures, strict=False) if now[0] >= before[1]]
    numbered = list(enumerate(separate))
    html = _parser().render(_marked(text, numbered))
    if MARKS.sub("", html) != plain:  # one of them stands where a character counts
        kept: list[tuple[int, tuple[int, int, str, str]]] = []
        for one in numbered:
            if MARKS.sub("", _parser().render(_marked(text, [one]))) == plain:
                kept.append(one)
        html = _parser().render(_marked(text, kept))
        if MARKS.sub("", html) != plain:
            return plain
    return _with_links(html, separate)


def _marked(text: str, numbered: Iterable[tuple[int, tuple[int, int, str, str]]]) -> str:
    parts, position = [], 0
    for number, (start, end, _message, _row) in numbered:
        parts += [text[position:start], OPEN, chr(FIRST + number), text[start:end], CLOSE]
        position = end
    return "".join([*parts, text[position:]])


def _with_links(html: str, figures: Sequence[tuple[int, int, str, str]]) -> str:
    """Marks in texts become links, all others vanish: within tags, within links, around more than a text."""
    title = escape(_("Where this figure comes from"))

    def link(found: re.Match[str]) -> str:
        _start, _end, message, row = figures[ord(found[1]) - FIRST]
        url = f"{reverse('chat:sources', kwargs={'pk': message})}#{quote(row, safe='')}"
        return f'<a class="figure-link" href="{escape(url)}" title="{title}">{found[2]}</a>'

    parts, links = [], 0
    for part in TAG.split(html):
        if part.startswith("<"):
            links += part.startswith("<a ") - (part == "</a>")
        elif not links:
            part = MARKED.sub(link, part)
        parts.append(MARKS.sub("", part))
    return "".join(parts)


def _parser() -> MarkdownIt:
    """This thread's."""
    if not hasattr(_of_thread, "parser"):
        _of_thread.parser = _new_parser()
    parser: MarkdownIt = _of_thread.parser
    return parser


def _new_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("js-default", {"html": False, "linkify": True, "typographer": False, "maxNesting": 20})
    # A heading that is made by the line after it would flicker; a reference reaches over blocks.
    parser.disable(["html_block", "html_inline", "reference", "code", "lheading", "replacements", "smartquotes"])
    if parser.linkify is not None:
        parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    parser.validateLink = _may_link  # type: ignore[method-assign]
    parser.core.ruler.push("house", _house_rules)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", lambda *_args: "</table></div>\n")
    return parser


def _may_link(url: str) -> bool:
    """Pages of ours, and others by https."""
    if HERE.fullmatch(url):
        return True
    try:
        parts = urlsplit(url)
        return url.startswith("https://") and bool(parts.hostname) and parts.username is None and "\\" not in url
    except ValueError:
        return False


def _house_rules(state: Any) -> None:
    """Headings below those of the page; numbers to the right; the host behind each link that leads away."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + SHIFT, DEEPEST)}"
        elif token.type in ("th_open", "td_open"):
            token.attrs = {"class": "num"} if "right" in str(token.attrs.get("style", "")) else {}
        elif token.type == "inline" and token.children:
            token.children = list(_with_hosts(token.children))


def _with_hosts(tokens: list[Token]) -> Iterable[Token]:
    from markdown_it.token import Token

    host, text = "", ""
    for token in tokens:
        yield token
        if token.type == "link_open":
            host, text = urlsplit(str(token.attrs["href"])).hostname or "", ""
            token.attrs = {"href": token.attrs["href"]}
        elif token.type == "link_close":
            if host and not re.match(rf"https://{re.escape(host)}(?:[/?#:]|$)", text):
                yield Token("text", "", 0, content=f" ({host})")
            host = ""
        else:
            text += token.content


def _image(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return escape(f"[{_('image')}: {tokens[index].content}]" if tokens[index].content else f"[{_('image')}]")


def _table_open(*_args: Any) -> str:
    return f'<div class="tablewrap" tabindex="0" role="region" aria-label="{escape(_("Table"))}"><table>\n'


@cache
def _cleaner() -> nh3.Cleaner:
    import nh3

    marks = {"a", "p", "br", "hr", "h3", "h4", "h5", "strong", "em", "s", "blockquote", "code", "pre", "div"}
    lists = {"ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"}
    return nh3.Cleaner(
        tags=marks | lists,
        attributes={"a": {"href", "title"}, "ol": {"start"}, "div": {"tabindex", "role", "aria-label"}},
        allowed_classes={"a": {"figure-link"}, "div": {"tablewrap"}, "th": {"num"}, "td": {"num"}},
        url_schemes={"https"},
        link_rel=LINK_RULES,
        strip_comments=True,
    )
