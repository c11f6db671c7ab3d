"""docs/economics.md is computed again: each table's inputs go into the function that its section names."""

import re
from datetime import date
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings

from portfolios import economics
from portfolios.economics import Total

DAY = re.compile(r"\d{4}-\d\d-\d\d")
PAGE = Path(settings.BASE_DIR) / "docs" / "economics.md"


def total(text):
    """`160.00 / 2` is a sum over two days on record."""
    if text == "unknown":
        return Total()
    value, days = text.split("/")
    return Total(Decimal(value), int(days))


def read(text, name=""):
    text = text.strip()
    if "/" in text:
        return [total(part.strip()) for part in text.split(",")]
    if "," in text or "×" in text or name in {"parts", "daily_revenues"}:
        return [read(part) if "×" not in part else tuple(map(read, part.split("×"))) for part in text.split(",")]
    if text == "unknown":
        return None
    if text in {"yes", "no"}:
        return text == "yes"
    if DAY.fullmatch(text):
        return date.fromisoformat(text)
    if name in {"quantity", "days", "gpu_days", "gpus", "all_gpus", "months"}:
        return int(text)
    return Decimal(text)


def examples():
    """(function, inputs, {path into the result: expected text}) of each table."""
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        named = re.search(r"^Function: `([\w.]+)`$", section, re.M)
        if not named:
            continue
        for table in re.findall(r"\| input \| value \|\n\| --- \| --- \|\n((?:\|.*\n?)+)", section):
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]
            inputs = {name: read(value, name) for name, value in rows if not name.startswith("**")}
            wanted = {name.strip("*"): value for name, value in rows if name.startswith("**")}
            yield pytest.param(named[1], inputs, wanted, id=f"{named[1]}-{len(inputs)}-{next(iter(wanted.values()))}")


def rounded(value, expected):
    """`value` in as many places as are written."""
    if isinstance(expected, list):
        return [rounded(one, other) for one, other in zip(value, expected, strict=True)]
    return Decimal(value).quantize(expected) if isinstance(expected, Decimal) and value is not None else value


@pytest.mark.parametrize(("function", "inputs", "wanted"), list(examples()))
def test_the_worked_example_comes_out_as_written(function, inputs, wanted):
    module, _dot, name = function.rpartition(".")  # one of another app stands with its module
    called = getattr(import_module(module) if module else economics, name)
    result = called(inputs[name]) if (name := next(iter(inputs))) in {"parts", "daily_revenues"} else called(**inputs)
    for path, text in wanted.items():
        value = result
        head, *attributes = path.split(".")
        if head in {"first", "second"}:
            value = result[head == "second"]
        for attribute in attributes:
            value = getattr(value, attribute)
        expected = text if isinstance(value, str) else read(text, "parts" if isinstance(value, tuple) else "")
        assert rounded(value, expected) == expected, path


def test_every_formula_has_a_worked_example():
    written = {param.values[0] for param in examples() if "." not in param.values[0]}
    public = {
        name
        for name, value in vars(economics).items()
        if callable(value) and not isinstance(value, type) and value.__module__.startswith(economics.__name__)
    }
    assert public == written
