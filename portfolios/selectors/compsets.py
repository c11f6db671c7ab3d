"""Comp sets as their page lists them: the host's own, and those that GPUs get by their traits."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from gpuadvisor.accounts.models import User
from market import comps
from market.comps import Comp, Criteria
from market.models import Platform

from .. import comparing
from ..models import CompSet, GPUConfiguration
from ..querysets import GPUConfigurationQuerySet

MOST_AUTOMATIC = 100


@dataclass(frozen=True)
class Row:
    """One comp set of the host: what it asks for, what it comes to now, how many GPU configurations chose it."""

    comp_set: CompSet
    words: str
    comp: Comp | None
    gpus: int


@dataclass(frozen=True)
class Automatic:
    """What some GPU configurations are compared with by their traits."""

    criteria: Criteria
    words: str
    note: str
    comp: Comp | None
    items: tuple[GPUConfiguration, ...]


@dataclass(frozen=True)
class CompSets:
    """Everything on the page. `left_out`: how many further automatic ones are not listed."""

    mine: list[Row]
    automatic: list[Automatic]
    left_out: int = 0


def active_gpus(user: User) -> GPUConfigurationQuerySet:
    return (
        GPUConfiguration.objects.visible_to(user)
        .active()
        .filter(portfolio__is_active=True)
        .select_related("gpu_model", "portfolio")
    )


def comp_sets(user: User) -> CompSets:
    """The host's comp sets by name, and the automatic ones of the GPUs in use; the number of queries is constant."""
    names = dict(Platform.objects.values_list("slug", "name"))
    mine = list(
        CompSet.objects.filter(user=user)
        .select_related("gpu_model")
        .annotate(chosen_by=Count("gpus", filter=Q(gpus__is_active=True)))
        .order_by("name")
    )
    wanted = {row.pk: comparing.criteria_of(row, row.gpu_model.name) for row in mine}
    found = comps.comps_now(wanted.values())
    items = list(active_gpus(user).order_by("custom_name", "pk"))
    groups: dict[Criteria, list[tuple[GPUConfiguration, comparing.Chosen]]] = {}
    picks = comparing.chosen(items, names=names)
    for item in items:
        if (pick := picks[item.pk]).why == "automatic":
            groups.setdefault(pick.criteria, []).append((item, pick))
    automatic = [
        Automatic(
            criteria,
            some[0][1].words,
            next((pick.note for _item, pick in some if pick.note), ""),
            some[0][1].comp,
            tuple(item for item, _pick in some),
        )
        for criteria, some in sorted(groups.items(), key=lambda pair: pair[0].key)
    ]
    return CompSets(
        [
            Row(
                row,
                comparing.words_of(wanted[row.pk], names),
                found.get(wanted[row.pk]),
                row.chosen_by,
            )
            for row in mine
        ],
        automatic[:MOST_AUTOMATIC],
        max(0, len(automatic) - MOST_AUTOMATIC),
    )
