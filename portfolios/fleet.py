"""A host's rows as the dashboard needs them, and what follows from one of them alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock
from market.models import GPUModel, Platform

from .costs import Costs, costs_of
from .models import GPUConfiguration, Portfolio


@dataclass(frozen=True)
class Fleet:
    """Portfolios that are not archived, newest first; the GPUs of the active ones, removed ones included.

    `now`: the moment at which all of it was read.
    """

    portfolios: Sequence[Portfolio]
    gpus: Sequence[GPUConfiguration]
    platforms: dict[str, Platform]
    now: datetime
    costs: Mapping[UUID, Costs] = field(default_factory=dict)

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def active(self) -> list[Portfolio]:
        return [portfolio for portfolio in self.portfolios if portfolio.is_active]

    @property
    def models(self) -> list[GPUModel]:
        """Each GPU model in use, that with most GPUs first."""
        counts: dict[GPUModel, int] = {}
        for item in self.gpus:
            if item.is_active:
                counts[item.gpu_model] = counts.get(item.gpu_model, 0) + item.quantity
        return sorted(counts, key=lambda model: (-counts[model], model.name))

    def platform_name(self, slug: str) -> str:
        return self.platforms[slug].name if slug in self.platforms else slug


def read_fleet(user: User) -> Fleet:
    """The fleet of `user`, in the order of the dashboard query of data-models.md."""
    portfolios = list(Portfolio.objects.visible_to(user).open().order_by("-created_at", "pk"))
    by_pk = {item.pk: item for item in portfolios}
    gpus = list(
        GPUConfiguration.objects.visible_to(user)
        .filter(portfolio__is_active=True)
        .select_related("gpu_model")
        .order_by("-portfolio__created_at", "portfolio_id", "custom_name", "pk")
    )
    for item in gpus:
        item.portfolio = by_pk.get(item.portfolio_id) or item.portfolio
    platforms = {item.slug: item for item in Platform.objects.all()}
    now = clock.now()
    return Fleet(portfolios, gpus, platforms, now, with_costs(gpus, today=now.date()))


def idle_watts(item: GPUConfiguration) -> Decimal | None:
    """Draw of one idle GPU: what the host states, else the catalog's typical figure, else unknown."""
    stated = item.hardware_details.get("idle_watts")
    return Decimal(str(stated)) if stated is not None else item.gpu_model.idle_watts


def load_watts(item: GPUConfiguration) -> Decimal | None:
    """Draw of one GPU under load; no GPU draws nothing, so 0 means that nobody knows."""
    return item.power_consumption or None


def with_costs(items: Iterable[GPUConfiguration], *, today: date | None = None) -> dict[UUID, Costs]:
    """The costs of these GPUs, each of which keeps its own, as Django keeps a row that was joined."""
    items = list(items)
    found = costs_of(items, today=today)
    for item in items:
        item.__dict__["_costs"] = found[item.pk]
    return found


def costs(item: GPUConfiguration) -> Costs:
    """What it costs: as `with_costs` found, else asked for now."""
    if "_costs" not in item.__dict__:
        with_costs([item])
    known: Costs = item.__dict__["_costs"]
    return known


def usd_per_kwh(item: GPUConfiguration) -> Decimal | None:
    """Mean price of electricity over today's hours: the GPU's own, else its portfolio's, else unknown."""
    return costs(item).usd_per_kwh


def has_cost(item: GPUConfiguration) -> bool:
    """Whether the energy cost of its days can be known."""
    return None not in (usd_per_kwh(item), idle_watts(item), load_watts(item))


def cost_missing(items: Iterable[GPUConfiguration]) -> str:
    """What the energy cost of these GPUs lacks; empty where nothing."""
    active = [item for item in items if item.is_active]
    if any(usd_per_kwh(item) is None for item in active):
        return _("Set the electricity price.")
    if not all(has_cost(item) for item in active):
        return _("Enter idle and load watts.")
    return ""
