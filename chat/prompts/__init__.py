"""The texts that go to the language model. A changed text gets a new number: an answer tells which one it had."""

from functools import cache
from pathlib import Path


@cache
def read_prompt(name: str) -> str:
    """The text of one file of this folder."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8").strip()
