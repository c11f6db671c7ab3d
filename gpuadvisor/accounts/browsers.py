"""What a browser calls itself, in words: for the list of sessions."""

from __future__ import annotations

import re

# The first that fits counts: Chrome's name stands in Edge's and Opera's too, Safari's in nearly all.
BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"OPR/"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"(?:Firefox|FxiOS)/"),
    ("Chrome", r"(?:Chrome|CriOS|HeadlessChrome)/"),
    ("Safari", r"Safari/"),
    ("curl", r"curl/"),
)
SYSTEMS = (
    ("Android", r"Android"),
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Windows", r"Windows"),
    ("macOS", r"Macintosh|Mac OS X"),
    ("ChromeOS", r"CrOS"),
    ("Linux", r"Linux|X11"),
)


def _first(names: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for name, pattern in names if re.search(pattern, text)), "")


def browser_and_system(user_agent: str) -> tuple[str, str]:
    """The browser's and the system's name, each empty where unknown."""
    return _first(BROWSERS, user_agent), _first(SYSTEMS, user_agent)
