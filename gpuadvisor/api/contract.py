"""The committed contract: what version 1 promised stays (R-061)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings

from .v1.api import api

FILE = Path(settings.BASE_DIR) / "docs" / "api" / "openapi-v1.json"
WORDS = frozenset({"description", "summary", "title", "examples", "example", "info", "tags"})


def live() -> dict[str, Any]:
    """The contract as the code has it, in plain JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema()))
    return plain


def committed() -> dict[str, Any]:
    """The contract as the file has it."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def removed(old: Any, new: Any, at: str = "") -> list[str]:
    """What `old` promised and `new` does not: paths, fields, parameters, types. Words and additions are no matter."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for name, was in old.items():
            if name in WORDS and not at.endswith("/properties"):
                continue
            if name not in new:
                found.append(f"{at}/{name}")
            else:
                found += removed(was, new[name], f"{at}/{name}")
        return found
    if isinstance(old, list) and isinstance(new, list):
        if all(isinstance(one, dict) and "name" in one for one in old):
            by_name = {one.get("name"): one for one in new}
            lost = [f"{at}/{one['name']}" for one in old if one["name"] not in by_name]
            needed = [
                f"{at}/{name} is required now"
                for name, one in by_name.items()
                if one.get("required") and not any(was["name"] == name and was.get("required") for was in old)
            ]
            kept = [removed(one, by_name[one["name"]], f"{at}/{one['name']}") for one in old if one["name"] in by_name]
            return lost + needed + [line for lines in kept for line in lines]
        return [f"{at}/{json.dumps(one)}" for one in old if one not in new]
    return [] if old == new else [f"{at}: {json.dumps(old)} became {json.dumps(new)}"]
