"""Where the bars of a distribution of prices stand: offers in, rectangles of an SVG out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from django.utils.translation import gettext as _

from gpuadvisor.core import charts, formats

BARS = 24
WIDTH, HEIGHT = charts.WIDTH, 220.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 8.0, 34.0, 28.0
FAR = Decimal("1.5")  # times the p90: what lies beyond shares the last bar, or one dear machine would flatten all


class Offer(Protocol):
    """What a histogram needs of an offer."""

    @property
    def price(self) -> Decimal: ...
    @property
    def gpus(self) -> int: ...
    @property
    def rented(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of prices: how many GPUs stand in it, rented below and free on top of them."""

    low: Decimal
    high: Decimal
    is_last: bool
    rented: int
    free: int
    x: str
    width: str
    rented_y: str
    rented_height: str
    free_y: str
    free_height: str

    @property
    def title(self) -> str:
        words = {"range": self.range, "rented": self.rented, "free": self.free}
        return _("%(range)s: %(rented)s rented, %(free)s free") % words

    @property
    def range(self) -> str:
        if self.is_last:
            return f"{formats.price(self.low)} +"
        return f"{formats.price(self.low)} – {formats.price(self.high)}"


@dataclass(frozen=True, slots=True)
class Tick:
    at: str
    text: str


def _tick(value: float, scale: float) -> Tick:
    return Tick(f"{HEIGHT - BOTTOM - value * scale:.1f}", formats.number(value, 0))


@dataclass(frozen=True, slots=True)
class Histogram:
    """The bars with their axes; `tells_rented` False: the source does not say which offers are taken."""

    bars: list[Bar]
    size: str
    left: str
    right: str
    bottom: str
    top: str
    words_at: str
    base: str
    is_late: bool
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    median_at: str
    median: Decimal | None
    offers: int
    gpus: int
    tells_rented: bool


def histogram(offers: Sequence[Offer], median: Decimal | None) -> Histogram:
    """The distribution of `offers` (one at least, the cheapest first), each GPU counted at its machine's price."""
    gpus = sum(offer.gpus for offer in offers)
    low, high = offers[0].price, offers[-1].price
    reached, p90 = 0, high
    for offer in offers:
        reached += offer.gpus
        if reached * 10 >= gpus * 9:
            p90 = offer.price
            break
    top = min(high, max(p90 * FAR, low))
    ticks, _step = charts.nice_ticks(float(low), float(top), BARS)
    edges = [Decimal(repr(round(tick, 6))) for tick in ticks]
    if edges[-1] <= top:  # the dearest lies exactly on the last edge
        edges.append(edges[-1] + (edges[-1] - edges[-2]))
    counts = [[0, 0] for _edge in edges[1:]]
    for offer in offers:
        at = next((i for i, edge in enumerate(edges[1:]) if offer.price < edge), len(counts) - 1)
        taken = min(offer.rented or 0, offer.gpus)
        counts[at][0] += taken
        counts[at][1] += offer.gpus - taken
    tallest = max(rented + free for rented, free in counts)
    y_values, _y_step = charts.nice_ticks(0, tallest, 3)
    y_values = [value for value in y_values if value == round(value)] or [0.0, float(tallest)]
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    scale = height / max(y_values[-1], tallest)
    bar_width = width / len(counts)

    def x_of(price: Decimal) -> float:
        share = float((price - edges[0]) / (edges[-1] - edges[0]))
        return LEFT + width * min(1.0, max(0.0, share))

    bars = []
    for i, (rented, free) in enumerate(counts):
        rented_height, free_height = rented * scale, free * scale
        base = HEIGHT - BOTTOM
        bars.append(
            Bar(
                low=edges[i],
                high=edges[i + 1],
                is_last=i == len(counts) - 1 and high >= edges[-1],
                rented=rented,
                free=free,
                x=f"{LEFT + i * bar_width + 1:.1f}",
                width=f"{max(1.0, bar_width - 2):.1f}",
                rented_y=f"{base - rented_height:.1f}",
                rented_height=f"{rented_height:.1f}",
                free_y=f"{base - rented_height - free_height:.1f}",
                free_height=f"{free_height:.1f}",
            )
        )
    every = max(1, -(-len(edges) // 6))
    return Histogram(
        bars=bars,
        size=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        left=f"{LEFT:.0f}",
        right=f"{WIDTH - RIGHT:.0f}",
        bottom=f"{HEIGHT - BOTTOM:.0f}",
        top=f"{TOP - 12:.0f}",
        words_at=f"{TOP - 18:.0f}",
        base=f"{HEIGHT - BOTTOM + 20:.0f}",
        is_late=median is not None and x_of(median) > LEFT + width * 0.7,
        x_ticks=[Tick(f"{x_of(edge):.1f}", formats.price(edge)) for edge in edges[::every]],
        y_ticks=[_tick(value, scale) for value in y_values if value],
        median_at=f"{x_of(median):.1f}" if median is not None else "",
        median=median,
        offers=len(offers),
        gpus=gpus,
        tells_rented=any(offer.rented is not None for offer in offers),
    )
