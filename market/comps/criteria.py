"""Which offers are compared with, and what those that fit come to. No Django, no clock, no database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter

from market import stats
from market.places import continent_of

SIZES = ("1-3", "4-7", "8+")
WORDS = {True: "yes", False: "no", None: ""}
FLAGS = {word: flag for flag, word in WORDS.items()}

Weighed = tuple[int, int, int | None]  # price in ten-thousandths of a USD, GPUs, rented of them; None: not told


def size_of(gpus: int) -> str:
    """The size band of a machine of so many GPUs, as the market's own figures divide them."""
    return "8+" if gpus >= 8 else "4-7" if gpus >= 4 else "1-3"


@dataclass(frozen=True, slots=True)
class Criteria:
    """Offers of a GPU model (by its name) on a platform; what is empty or None may be anything.

    `region` is an ISO country or a continent of market.places.
    """

    gpu_model: str
    platform: str
    size: str = ""
    is_verified: bool | None = None
    is_datacenter: bool | None = None
    region: str = ""

    @property
    def key(self) -> str:
        """The criteria as one word; equal criteria have equal keys."""
        flags = (WORDS[self.is_verified], WORDS[self.is_datacenter])
        return "|".join((self.platform, self.gpu_model, self.size, *flags, self.region))

    @classmethod
    def of_key(cls, key: str) -> Criteria:
        """Raises: ValueError where `key` is none."""
        platform, gpu_model, size, verified, datacenter, region = key.split("|")
        if verified not in FLAGS or datacenter not in FLAGS:
            raise ValueError(f"Not the key of criteria: {key}")
        return cls(gpu_model, platform, size, FLAGS[verified], FLAGS[datacenter], region)

    @property
    def has_traits(self) -> bool:
        """Whether it asks for what only single offers tell; the market's own series know platform and region."""
        return bool(self.size) or self.is_verified is not None or self.is_datacenter is not None

    @property
    def wide(self) -> Criteria:
        """The same GPU model and platform, anything else."""
        return Criteria(self.gpu_model, self.platform)

    def fits(self, *, gpus: int, country: str, verified: bool | None, datacenter: bool | None) -> bool:
        """Whether an offer belongs to it. What an offer does not tell fits only where nothing is asked."""
        return (
            (not self.size or size_of(gpus) == self.size)
            and (self.is_verified is None or verified is self.is_verified)
            and (self.is_datacenter is None or datacenter is self.is_datacenter)
            and (not self.region or self.region in (country, continent_of(country)))
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """What offers come to, each price weighed by its GPUs.

    Units: USD per GPU-hour; `rented_percentage` 0-100 of the GPUs whose offers tell it; `rented_price` is the mean
    price of rented GPUs.
    """

    rented_percentage: Decimal | None = None
    median: Decimal | None = None
    p10: Decimal | None = None
    p90: Decimal | None = None
    rented_price: Decimal | None = None


def summary(offers: Iterable[Weighed]) -> Summary:
    """The figures of `offers` in any order, as those of the market's own cells are made.

    Source: docs/economics.md, "Comp sets".
    """
    ordered = sorted(offers, key=itemgetter(0))
    if not ordered:
        return Summary()
    prices, gpus, rented = ([offer[n] for offer in ordered] for n in range(3))
    figures = stats.weighted_figures(prices, gpus, rented)  # type: ignore[arg-type]
    return Summary(figures.rented_percentage, figures.median, figures.p10, figures.p90, mean_rented(ordered))


def mean_rented(offers: Sequence[Weighed]) -> Decimal | None:
    """The mean list price of what is rented, weighed by rented GPUs; None where nothing is."""
    taken = sum(rented or 0 for _price, _gpus, rented in offers)
    paid = sum(price * (rented or 0) for price, _gpus, rented in offers)
    return stats.rounded(stats.usd(1) * paid / taken) if taken else None


@dataclass(slots=True)
class DayTally:
    """Adds up moments of one day: a machine weighs by its GPUs times the moments that it stood."""

    weights: Counter[tuple[int, bool | None]]
    seen: dict[str, int]
    moments: int = 0

    @classmethod
    def empty(cls) -> DayTally:
        return cls(Counter(), {})

    def add(self, offers: Sequence[tuple[str, Weighed]]) -> None:
        """One moment: every offer that stood then, by its id."""
        self.moments += 1
        for external_id, (price, gpus, rented) in offers:
            self.seen[external_id] = max(gpus, self.seen.get(external_id, 0))
            if rented is None:
                self.weights[price, None] += gpus
            else:
                self.weights[price, True] += rented
                self.weights[price, False] += gpus - rented

    def summary(self) -> Summary:
        """Of all moments together: GPU-hours where moments are hours."""
        weighed: list[Weighed] = []
        for (price, is_rented), count in self.weights.items():
            if count > 0:
                weighed.append((price, count, None if is_rented is None else count if is_rented else 0))
        return summary(weighed)
