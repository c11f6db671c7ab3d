"""What the advisor writes becomes HTML that can do nothing (promise 25), and reads well while it is half written."""

import re
from html.parser import HTMLParser

import pytest

from chat.markdown import mend, render, render_part, split_stable
from tests.chat.payloads import FOREIGN, PAYLOADS

SOURCE = "0190a000-0000-7000-8000-000000000001"
TAGS = {*"a p br hr h3 h4 h5 strong em s blockquote code pre div ul ol li table thead tbody tr th td".split()}  # noqa: SIM905
ATTRIBUTES = {"href", "title", "rel", "class", "start", "tabindex", "role", "aria-label"}


class Found(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


def figures_of(text, *words):
    """The figures `words`, in their order in `text`."""
    found, position = [], 0
    for number, word in enumerate(words):
        start = text.index(word, position)
        position = start + len(word)
        found.append([start, position, SOURCE, f"row{number}", "net"])
    return found


@pytest.mark.parametrize("text", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_nothing_written_leaves_the_short_list_of_tags(text):
    """Promise 25: whole, half written, and around figures."""
    for html in (render(text), render_part(text[:-3]), render(text, figures_of(text, text[1:4]))):
        found = Found(html)
        assert set(found.tags) <= TAGS
        assert {name for name, _ in found.attributes} <= ATTRIBUTES
        assert all(re.match(r"https://|/(?![/\\])", value) for name, value in found.attributes if name == "href")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("![a cat](https://e.example/c.png)", "<p>[image: a cat]</p>"),
        ("![](https://e.example/c.png)", "<p>[image]</p>"),
        ("# A\n## B\n### C\n###### D", "<h3>A</h3>\n<h4>B</h4>\n<h5>C</h5>\n<h5>D</h5>"),
        ("[pay](/billing/)", '<p><a href="/billing/" rel="nofollow noopener noreferrer ugc">pay</a></p>'),
        ("[x](//e.example)", "<p>[x](//e.example)</p>"),
        ("[x](http://e.example)", "<p>[x](http://e.example)</p>"),
        ("www.e.example a@e.example", "<p>www.e.example a@e.example</p>"),
        ("[bank](https://bank.example@e.example/)", "<p>[bank](https://bank.example@e.example/)</p>"),
    ],
    ids=["image", "image without words", "headings", "own page", "//", "http", "fuzzy", "user in address"],
)
def test_what_is_drawn_of_markdown(text, html):
    assert render(text).strip() == html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[bank](https://e.example/)", "bank</a> (e.example)"),
        ("[https://bank.example](https://e.example/)", "https://bank.example</a> (e.example)"),
        ("https://e.example/a", "https://e.example/a</a></p>"),
        ("[b](https://аррӏе.example/)", "(xn--80ak6aa92e.example)"),
    ],
    ids=["hidden", "another in its words", "shown already", "letters that look alike"],
)
def test_a_link_that_leads_away_shows_its_host(text, shown):
    assert shown in render(text)


@pytest.mark.parametrize(
    ("text", "words", "linked"),
    [
        ("You made **$1,240.50** at _62%_.", ["$1,240.50", "62%"], ["$1,240.50", "62%"]),
        ("| GPU | net |\n|---|--:|\n| 4090 | $5 |", ["4090", "$5"], ["4090", "$5"]),
        ("- 5 days\n- `6 h`\n\n```\n7\n```", ["5", "6 h", "7"], ["5", "6 h", "7"]),
        ("### 12 GPUs", ["12"], ["12"]),
        ("5. five\n6. six", ["5", "6"], []),
        ("[rate 5](https://e.example/5)", ["5", "5"], []),
        ("https://e.example/5/ and 6", ["5", "6"], ["6"]),
        ("\\$5, &#36;6, 7", ["$5", "36", "7"], ["7"]),
        ("**5** and **6 7** 8", ["5** and **6", "8"], ["8"]),
    ],
    ids=["bold", "table", "list and code", "heading", "list numbers", "in a link", "address", "escaped", "across"],
)
def test_a_figure_links_to_its_source_and_changes_nothing_else(text, words, linked, settings):
    """F10: where a mark would change how the text is read, the figure stays plain."""
    html = render(text, figures_of(text, *words))
    found = re.findall(
        rf'<a class="figure-link" href="/chat/sources/{SOURCE}/#row\d" title="[^"]+"[^>]*>(.*?)</a>', html
    )
    assert found == linked
    assert re.sub(r'<a class="figure-link"[^>]*>(.*?)</a>', r"\1", html) == render(text)


@pytest.mark.parametrize(
    "figures",
    [[[0, 1, "nothing", "r", "c"]], [[5, 3, SOURCE, "r", "c"]], [[0, 99, SOURCE, "r", "c"]], [["a"]], [[0, 2]], [None]],
    ids=["no message", "turned", "past the end", "a word", "short", "none"],
)
def test_a_figure_that_makes_no_sense_is_left_out(figures):
    assert render("5 days", figures) == "<p>5 days</p>\n"


def test_figures_that_overlap_are_linked_once():
    html = render("$1,240 net", [[0, 6, SOURCE, "a", "c"], [1, 6, SOURCE, "b", "c"]])
    assert html.count("figure-link") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("You made **1,2", "You made **1,2**"),
        ("You made **", "You made"),
        ("You made *so", "You made *so*"),
        ("Run `nvidia-smi", "Run `nvidia-smi`"),
        ("See [the pa", "See the pa"),
        ("See [the page](https://e.exa", "See the page"),
        ("See ![a c", "See "),
        ("One\n- ", "One"),
        ("One\n2.", "One"),
        ("One\n##", "One"),
        ("A\n\n| GPU | net |", "A\n\n"),
        ("A\n\n| GPU | net |\n|--", "A\n\n"),
        ("| GPU | net |\n|---|---|\n| 4090 | $", "| GPU | net |\n|---|---|\n"),
        ("```\nx = **1", "```\nx = **1"),
        ("2 * 3 = 6", "2 * 3 = 6"),
        ("**done** and more", "**done** and more"),
    ],
    ids=range(16),
)
def test_half_written_markdown_is_closed_or_waits(text, shown):
    assert mend(text).rstrip() == shown.rstrip()


TEXT = """## How you did

You earned **$1,240.50** in the *last* week, `3` of 4 GPUs were rented.

| GPU | net |
|---|--:|
| RTX 4090 | $812.10 |
| A100 | **$428.40** |

1. Raise the price of [the A100](/portfolios/).
2. Look at ![a chart](https://e.example/x.png) of the ~~old~~ rate.

```
12 * 3
```

> Nothing else changed."""


def test_no_step_of_a_growing_text_shows_its_marks():
    """ui.md 6: nothing flickers: at no length do stars, pipes or brackets stand in what is drawn."""
    for length in range(1, len(TEXT) + 1):
        stable, tail = split_stable(TEXT[:length])
        words = re.sub(r"<pre>.*?</pre>|<[^>]+>", "", render(stable) + render_part(tail), flags=re.S)
        assert not re.search(r"\*|\||`|~~|\]\(|^#|!\[", words.replace("[image: a chart]", "")), TEXT[:length]


def test_stable_blocks_only_grow_and_end_as_the_whole_text():
    before = ""
    for length in range(1, len(TEXT) + 1):
        stable, _ = split_stable(TEXT[:length])
        assert stable.startswith(before)
        before = stable
    stable, tail = split_stable(TEXT)
    assert render(stable) + render(tail) == render(TEXT)
    assert "```" not in split_stable("```\na\n\nb")[0]


@pytest.mark.parametrize(
    "text",
    ["[" * 8000, "*a **b " * 1100, "`a" * 4000, "![" * 4000, "> " * 4000, "|a" * 4000],
    ids=["brackets", "stars", "ticks", "images", "quotes", "cells"],
)
def test_a_text_made_to_be_slow_is_drawn_like_any_other(text):
    assert FOREIGN not in render(text) + render_part(text)
