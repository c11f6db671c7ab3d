"""Whom a question names: GPU configurations, portfolios and GPU models, by the words under which they go. No Django."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

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


class Who(NamedTuple):
    """Whom a text names. `model`: the first of `models`; `variants`: other models that go by the words of one."""

    gpus: tuple[Named, ...] = ()
    portfolio: Named | None = None
    model: Named | None = None
    models: tuple[Named, ...] = ()
    variants: tuple[Named, ...] = ()


def who(text: str, names: Sequence[Named]) -> Who:
    """GPUs, portfolio and models that the text names, each by its longest name; a model stands for the host's own GPUs
    of it."""
    tokens = f" {' '.join(name_tokens(text))} "
    found = [(way, named) for named in names for way in _ways(named) if f" {way} " in tokens]
    gpus, portfolios = (_longest(found, kind) for kind in ("gpu", "portfolio"))
    groups = _models(found, tokens)
    if groups and not gpus:
        kinds = {one.name for group in groups for one in group}
        gpus = tuple(named for named in names if named.kind == "gpu" and named.model in kinds)
    own = {gpu.model for gpu in gpus}
    models: list[Named] = []
    variants: list[Named] = []
    for group in groups:
        chosen = next((one for one in group if one.name in own), group[0])
        models.append(chosen)
        variants += [one for one in group if one != chosen]
    return Who(
        gpus, portfolios[0] if portfolios else None, models[0] if models else None, tuple(models), tuple(variants)
    )


def _models(found: Sequence[tuple[str, Named]], tokens: str) -> list[list[Named]]:
    """The models that are named, in the order of the text; those that go by the same words together."""
    ways = {way for way, named in found if named.kind == "model"}
    longest = [way for way in ways if not any(way != other and f" {way} " in f" {other} " for other in ways)]
    groups: list[list[Named]] = []
    for way in sorted(longest, key=tokens.index):
        group = [named for one, named in found if one == way and named.kind == "model"]
        groups.append(_exact(group, way) or group)
    return groups


def _exact(group: Sequence[Named], way: str) -> list[Named]:
    """The one model whose name the words are, with its family before them or without."""
    return [one for one in group if way in (" ".join(name_tokens(one.name)), " ".join(_short(one)))][:1]


def _short(named: Named) -> list[str]:
    return [token for token in name_tokens(named.name) if token not in FAMILIES]


def without(text: str, named: Iterable[Named]) -> str:
    """The text with an X for each name, whose digits and words say nothing of what is asked."""
    for one in named:
        for way in sorted({one.name, one.model, *_ways(one)} - {""}, key=len, reverse=True):
            spelled = r"[\s_-]*".join(map(re.escape, name_tokens(way)))
            if spelled:
                text = re.sub(rf"(?<!\w){spelled}(?!\w)", "X", text, flags=re.I)
    return text


def _longest(found: Sequence[tuple[str, Named]], kind: str) -> tuple[Named, ...]:
    mine = [(len(way), named) for way, named in found if named.kind == kind]
    best = max((length for length, _named in mine), default=0)
    return tuple(dict.fromkeys(named for length, named in mine if length == best))


def _ways(named: Named) -> list[str]:
    """What something goes by: its name, and of a model the number that it is known by, with what stands behind."""
    tokens = name_tokens(named.name)
    if named.kind != "model":
        whole = " ".join(tokens)
        return [whole] if len(whole) > 2 else []
    short = _short(named)
    first = next((place for place, token in enumerate(short) if token.isdigit()), None)
    ways = [" ".join(tokens), " ".join(short)]
    if first is not None:
        ways += [" ".join(short[:end]) for end in range(first + 1, len(short))]
    return [way for way in dict.fromkeys(ways) if len(way) > 2 and any(letter.isdigit() for letter in way)]
