"""Whom a question names: GPU configurations, portfolios and GPU models, by the words under which they go. No Django."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from .patterns import TOKEN

FAMILIES = frozenset({"rtx", "gtx", "tesla", "quadro", "nvidia", "amd", "radeon", "geforce"})


@dataclass(frozen=True)
class Named:
    """Something that the host may mean. `model` is the GPU model's name of a GPU configuration."""

    kind: Literal["gpu", "portfolio", "model"]
    key: str
    name: str
    model: str = ""


def name_tokens(text: str) -> list[str]:
    return TOKEN.findall(text.lower())


def who(text: str, names: Sequence[Named]) -> tuple[tuple[Named, ...], Named | None, Named | None]:
    """GPUs, portfolio and model that the text names, each by its longest name; a model stands for the host's own GPUs
    of it."""
    tokens = f" {' '.join(name_tokens(text))} "
    found = [(len(way), named) for named in names for way in _ways(named) if f" {way} " in tokens]
    gpus, portfolios, models = (_longest(found, kind) for kind in ("gpu", "portfolio", "model"))
    model = models[0] if models else None
    if models and not gpus:
        kinds = {one.name for one in models}
        gpus = tuple(named for named in names if named.kind == "gpu" and named.model in kinds)
        model = next((one for one in models if gpus and one.name == gpus[0].model), model)
    return gpus, portfolios[0] if portfolios else None, model


def without(text: str, named: Iterable[Named]) -> str:
    """The text with an X for each name, whose digits and words say nothing of what is asked."""
    for one in named:
        for way in sorted({one.name, one.model, *_ways(one)} - {""}, key=len, reverse=True):
            spelled = r"[\s_-]*".join(map(re.escape, name_tokens(way)))
            if spelled:
                text = re.sub(rf"(?<!\w){spelled}(?!\w)", "X", text, flags=re.I)
    return text


def _longest(found: Sequence[tuple[int, Named]], kind: str) -> tuple[Named, ...]:
    mine = [(length, named) for length, named in found if named.kind == kind]
    best = max((length for length, _named in mine), default=0)
    return tuple(dict.fromkeys(named for length, named in mine if length == best))


def _ways(named: Named) -> list[str]:
    """What something goes by: its name, and of a model the number that it is known by, with what stands behind."""
    tokens = name_tokens(named.name)
    if named.kind != "model":
        whole = " ".join(tokens)
        return [whole] if len(whole) > 2 else []
    short = [token for token in tokens if token not in FAMILIES]
    first = next((place for place, token in enumerate(short) if token.isdigit()), None)
    ways = [" ".join(tokens), " ".join(short)]
    if first is not None:
        ways += [" ".join(short[:end]) for end in range(first + 1, len(short))]
    return [way for way in dict.fromkeys(ways) if len(way) > 2 and any(letter.isdigit() for letter in way)]
