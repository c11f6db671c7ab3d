"""Stripe's parameters: forms with brackets, in which all values are text."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from .errors import StripeError, invalid, required

KEY = re.compile(r"\[([^\]]*)\]")
TRUTH = {"true": True, "false": False, "True": True, "False": False, True: True, False: False}


def parse(text: str) -> dict[str, Any]:
    """`items[0][price]=p&expand[]=x` as {"items": [{"price": "p"}], "expand": ["x"]}."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head = name.split("[", 1)[0]
        _put(tree, [head, *KEY.findall(name[len(head) :])], value)
    return {name: one if name == "metadata" else _as_lists(one) for name, one in tree.items()}


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    *parents, last = path
    for step in parents:
        inner = tree.setdefault(step, {})
        if not isinstance(inner, dict):
            raise invalid(path[0], f"Invalid {path[0]}: given both as a value and as an object.")
        tree = inner
    tree[str(len(tree)) if last == "" else last] = value


def _as_lists(value: Any) -> Any:
    """Objects whose names are numbers are lists."""
    if not isinstance(value, dict):
        return value
    inner = {name: one if name == "metadata" else _as_lists(one) for name, one in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


class Params:
    """What a call was given; each accessor refuses what Stripe refuses, by the parameter's name."""

    def __init__(self, values: dict[str, Any], within: str = "") -> None:
        self.values = values
        self.within = within

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def _name(self, name: str) -> str:
        return f"{self.within}[{name}]" if self.within else name

    def only(self, names: str) -> Params:
        """Raises: StripeError for a parameter that is none of these."""
        known = {*names.split(), "expand"}
        for name in self.values:
            if name not in known:
                name = self._name(name)
                message = f"Received unknown parameter: {name}"
                raise StripeError(message, code="parameter_unknown", param=name)
        return self

    def text(self, name: str, default: str | None = None) -> str | None:
        """The text; an empty one is Stripe's way to unset."""
        value = self.values.get(name, default)
        if value is not None and not isinstance(value, str):
            raise invalid(self._name(name), f"Invalid string: {value}")
        return value or None

    def need(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise required(self._name(name))
        return value

    def choice(self, name: str, choices: str, default: str) -> str:
        value = self.text(name, default) or default
        if value not in choices.split():
            raise invalid(self._name(name), f"Invalid {self._name(name)}: must be one of {', '.join(choices.split())}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.values.get(name)
        if value is None or value == "":
            return default
        if not isinstance(value, str | bool) or value not in TRUTH:
            raise invalid(self._name(name), f"Invalid boolean: {value}")
        return TRUTH[value]

    def number(self, name: str, default: int | None = None, least: int | None = None) -> int | None:
        value = self.values.get(name)
        if value is None or value == "":
            return default
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise StripeError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name) from None
        if least is not None and number < least:
            raise invalid(self._name(name), f"This value must be greater than or equal to {least}.")
        return number

    def within_of(self, name: str) -> Params:
        """The object under this name; empty where it is missing."""
        value = self.values.get(name) or {}
        if not isinstance(value, dict):
            raise invalid(self._name(name), f"Invalid object: {value}")
        return Params(value, self._name(name))

    def rows(self, name: str) -> list[Params]:
        value = self.values.get(name) or []
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise invalid(self._name(name), "Invalid array")
        return [Params(row, f"{self._name(name)}[{number}]") for number, row in enumerate(value)]

    def texts(self, name: str) -> list[str]:
        value = self.values.get(name) or []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise invalid(self._name(name), "Invalid array")
        return value

    def metadata(self, old: dict[str, str] | None = None) -> dict[str, str]:
        """What metadata becomes: names are added, an empty value removes one, an empty text removes all."""
        value = self.values.get("metadata")
        if value is None:
            return dict(old or {})
        if value == "":
            return {}
        if not isinstance(value, dict):
            raise invalid("metadata", "Invalid object")
        merged = {**(old or {}), **{name: str(one) for name, one in value.items()}}
        if len(merged) > 50 or any(len(name) > 40 or len(one) > 500 for name, one in merged.items()):
            raise invalid("metadata", "Metadata takes 50 keys of 40 characters with values of 500 characters.")
        return {name: one for name, one in merged.items() if one != ""}
