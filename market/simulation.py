"""A market for where no source can be reached: the levels of a real one, invented in every single offer. No Django.

Deterministic: the same moment always gives the same document. Prices move with a slow random walk, renters with the
hour and the weekday; each machine reprices every day or three; cheap and dear machines stand in different countries.
Now and then a model runs short: the cheap machines go first, so what is left to rent grows dear although hardly
anybody reprices. Machines go off the market for a day, and a few stand there at a price that nobody shall pay.
Levels: Vast.ai on-demand as observed from 2026-06 to 2026-09 where known, else assumed; USD per GPU-hour. Clore.ai,
RunPod and Salad stand at assumed factors of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

# GPU: median, p10, p90, rented share in percent, machines
LEVELS: dict[str, tuple[float, float, float, int, int]] = {
    "RTX 4090": (0.64, 0.32, 0.87, 71, 64),
    "RTX 4090 48GB": (0.80, 0.62, 1.19, 64, 20),
    "RTX 5090": (0.87, 0.76, 1.41, 75, 48),
    "RTX 5080": (0.40, 0.19, 0.60, 74, 22),
    "RTX 5070 Ti": (0.33, 0.20, 0.45, 70, 22),
    "RTX 5070": (0.16, 0.10, 0.24, 70, 20),
    "RTX 5060 Ti 16GB": (0.21, 0.12, 0.37, 66, 26),
    "RTX 4080": (0.30, 0.18, 0.42, 70, 20),
    "RTX 4070 Ti": (0.18, 0.12, 0.27, 70, 18),
    "RTX 3090": (0.16, 0.11, 0.26, 72, 48),
    "RTX 3090 Ti": (0.27, 0.18, 0.40, 70, 18),
    "RTX 3080 Ti": (0.12, 0.08, 0.18, 70, 18),
    "RTX 3080": (0.12, 0.08, 0.18, 70, 22),
    "RTX 3070": (0.05, 0.04, 0.08, 65, 20),
    "RTX 3060": (0.07, 0.05, 0.10, 65, 26),
    "RTX A5000": (0.16, 0.12, 0.24, 75, 20),
    "RTX A4000": (0.17, 0.12, 0.25, 75, 20),
    "RTX A6000": (0.40, 0.37, 0.47, 90, 24),
    "RTX 6000 Ada": (0.84, 0.67, 1.20, 90, 20),
    "RTX 5000 Ada": (0.60, 0.44, 1.04, 85, 12),
    "RTX PRO 6000 WS": (1.27, 0.92, 1.73, 73, 28),
    "RTX PRO 6000 Server": (1.54, 1.15, 2.05, 70, 18),
    "RTX PRO 5000": (0.93, 0.87, 1.64, 67, 12),
    "Quadro RTX 8000": (0.25, 0.24, 0.76, 84, 12),
    "A100 SXM4 80GB": (0.91, 0.70, 1.00, 77, 24),
    "A100 PCIe 80GB": (0.88, 0.71, 1.53, 75, 20),
    "H100 SXM": (2.00, 1.43, 3.12, 75, 26),
    "H100 NVL": (2.67, 2.53, 2.80, 75, 12),
    "H200 SXM": (3.97, 3.85, 4.42, 80, 16),
    "B200": (6.76, 5.62, 6.93, 80, 12),
    "L40S": (0.67, 0.50, 0.75, 75, 20),
    "L40": (0.54, 0.52, 0.67, 75, 14),
    "A40": (0.35, 0.28, 0.45, 75, 16),
    "L4": (0.44, 0.35, 0.55, 75, 16),
}
# country: share of machines, and whether dear (above 0) or cheap machines stand there
COUNTRIES: dict[str, tuple[float, float]] = {
    "US": (30, 1.2),
    "CA": (8, 0.4),
    "GB": (6, 0.6),
    "DE": (7, 0.5),
    "SE": (6, -0.4),
    "CZ": (6, -0.3),
    "NO": (5, -0.6),
    "BG": (5, -1.2),
    "TW": (5, -0.8),
    "JP": (5, 2.5),
    "IN": (3, -0.5),
    "FI": (3, -0.4),
    "EE": (2, -2.5),
    "KR": (2, 0.8),
}
# of Vast.ai's levels: price, points of rented share, machines
CLORE = (0.85, 5, 0.45)
ON_CLORE = (
    *("RTX 4090", "RTX 5090", "RTX 5070 Ti", "RTX 4080", "RTX 4070 Ti", "RTX 3090", "RTX 3080 Ti", "RTX 3080"),
    *("RTX 3070", "RTX 3060", "RTX A5000", "RTX A4000"),
)
ON_RUNPOD = (  # a price list: secure and community cloud, no word about what is rented
    *("RTX 4090", "RTX 5090", "RTX 3090", "RTX A5000", "RTX A4000", "RTX A6000", "RTX 6000 Ada", "L4", "L40", "L40S"),
    *("A40", "A100 SXM4 80GB", "A100 PCIe 80GB", "H100 SXM", "H100 NVL", "H200 SXM", "B200"),
)
SECURE, COMMUNITY = 1.12, 0.92
ON_SALAD = ("RTX 5090", "RTX 5080", "RTX 4090", "RTX 4080", "RTX 3090", "RTX 3080", "RTX 3070", "RTX 3060")
NET_TO_HOST = 0.24  # of what a renter pays on Vast.ai
STOCK = ("Low", "Medium", "High")
SQUEEZE_SLOT, SQUEEZE_DAYS = 36, 6  # a model runs short for six days in six of ten stretches of 36
HOLDING = 0.02  # share of the machines of one GPU that stand at a price that nobody shall pay
AWAY = 0.02  # share of days that a machine is off the market
SIZES = (1, 1, 2, 4, 1, 8, 2, 1, 4, 2)
BIG_SIZES = (8, 8, 4, 8, 2, 8, 1, 8)
BIG = ("A100", "H100", "H200", "B200")


@dataclass(frozen=True, slots=True)
class Machine:
    """What stays the same of an invented machine: `cheapness` and `turn` are its places (0 to 1) in price and rent."""

    number: int
    platform: str
    gpu: str
    gpus: int
    cheapness: float
    turn: float
    country: str
    verified: bool
    datacenter: bool
    reliability: float
    reprices_after: timedelta


def _share(*parts: object) -> float:
    """A number from 0 to 1 that only `parts` decide."""
    digest = blake2b(":".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


@lru_cache(maxsize=16_384)
def _knot(key: str, position: int) -> float:
    return 2 * _share(key, position) - 1


def _walk(key: str, moment: datetime, days: float) -> float:
    """A smooth line between -1 and 1 with a new turn every `days`."""
    position = (moment - EPOCH) / timedelta(days=days)
    left = math.floor(position)
    part = position - left
    part = part * part * (3 - 2 * part)
    return _knot(key, left) * (1 - part) + _knot(key, left + 1) * part


def level(gpu: str, moment: datetime) -> float:
    """The factor on a model's usual prices at `moment`: its own slow walk and that of the whole market."""
    own = (
        0.10 * squeeze(gpu, moment)
        + 0.02 * _walk(f"{gpu}/2", moment, 2)
        + 0.035 * _walk(f"{gpu}/9", moment, 9)
        + 0.04 * _walk(f"{gpu}/31", moment, 31)
    )
    return math.exp(own + 0.03 * _walk("market", moment, 13))


@lru_cache(maxsize=65_536)
def squeeze(gpu: str, moment: datetime) -> float:
    """How short a model is at `moment`, 0 to 1: rising and falling within some days."""
    days = (moment - EPOCH) / timedelta(days=1)
    slot = math.floor(days / SQUEEZE_SLOT)
    if _share(gpu, slot, "squeeze") > 0.6:
        return 0.0
    start = slot * SQUEEZE_SLOT + _share(gpu, slot, "start") * (SQUEEZE_SLOT - SQUEEZE_DAYS)
    part = (days - start) / SQUEEZE_DAYS
    return math.sin(part * math.pi) ** 2 if 0 < part < 1 else 0.0


def rented_share(gpu: str, moment: datetime) -> float:
    """The rented part, 0 to 1: usual share, hour of the day, weekend, slow walk, shortage."""
    hour = moment.hour + moment.minute / 60
    share = LEVELS[gpu][3] / 100 + 0.03 * math.sin((hour - 12) / 24 * math.tau)
    share += -0.025 if moment.weekday() >= 5 else 0.01
    share += 0.03 * _walk(f"{gpu}/rent", moment, 6)
    share += max(0.0, 0.975 - share) * squeeze(gpu, moment)
    return min(0.98, max(0.05, share))


def _price_at(gpu: str, place: float) -> float:
    """The price below which `place` of a model's GPUs stand: through p10, median and p90, straight in its logarithm."""
    median, low, high, _rented, _machines = LEVELS[gpu]
    places, prices = (0.0, 0.1, 0.5, 0.9, 1.0), (low * 0.85, low, median, high, high * 1.15)
    for (a, b), (x, y) in zip(pairwise(places), pairwise(prices), strict=True):
        if place <= b:
            return math.exp(math.log(x) + (place - a) / (b - a) * (math.log(y) - math.log(x)))
    return prices[-1]


@lru_cache(maxsize=128)
def machines(gpu: str, platform: str = "vast") -> tuple[Machine, ...]:
    """The invented machines of one model; weighted by GPUs they stand evenly from cheap to dear."""
    key = gpu if platform == "vast" else f"{platform}/{gpu}"
    number_of = LEVELS[gpu][4] if platform == "vast" else max(4, round(LEVELS[gpu][4] * CLORE[2]))
    sizes = BIG_SIZES if gpu.startswith(BIG) else SIZES
    gpus = [sizes[int(_share(key, i, "size") * len(sizes))] for i in range(number_of)]
    total = sum(gpus)

    def places(order: str) -> dict[int, float]:
        """The middle of each machine's stretch when all GPUs are laid out in one line in a shuffled order."""
        laid, found = 0, {}
        for i in sorted(range(number_of), key=lambda i: _share(key, i, order)):
            found[i] = (laid + gpus[i] / 2) / total
            laid += gpus[i]
        return found

    cheapness, turn = places("price"), places("turn")
    first = (900_000_000 if platform == "vast" else 950_000_000) + list(LEVELS).index(gpu) * 1000
    return tuple(
        Machine(
            number=first + i,
            platform=platform,
            gpu=gpu,
            gpus=gpus[i],
            cheapness=cheapness[i],
            turn=turn[i],
            country=_country(key, i, cheapness[i]),
            verified=_share(key, i, "verified") < 0.7,
            datacenter=_share(key, i, "datacenter") < (0.7 if gpu.startswith(BIG) else 0.25),
            reliability=round(0.93 + 0.069 * _share(key, i, "reliability"), 3),
            reprices_after=timedelta(hours=18 + round(60 * _share(key, i, "reprices"))),
        )
        for i in range(number_of)
    )


def _country(gpu: str, i: int, place: float) -> str:
    weights = {country: share * math.exp(tilt * (place - 0.5) * 2) for country, (share, tilt) in COUNTRIES.items()}
    target = _share(gpu, i, "country") * sum(weights.values())
    for country, weight in weights.items():
        target -= weight
        if target <= 0:
            return country
    return "US"


def _is_away(machine: Machine, moment: datetime) -> bool:
    day = math.floor((moment - EPOCH) / timedelta(days=1) + _share(machine.number, "away"))
    return _share(machine.number, day, "gone") < AWAY


def _as_row(machine: Machine, moment: datetime, share: float) -> dict[str, object]:
    """The machine at `moment`, at the price of its last repricing; rented in turn; by price while it runs short."""
    offset = timedelta(hours=_share(machine.number, "offset") * 78)
    since = EPOCH + offset + (moment - EPOCH - offset) // machine.reprices_after * machine.reprices_after
    price = _price_at(machine.gpu, machine.cheapness) * level(machine.gpu, since)
    is_holding = machine.gpus == 1 and _share(machine.number, "holding") < HOLDING
    short = squeeze(machine.gpu, moment)
    place = (machine.turn + (moment - EPOCH) / timedelta(days=25)) % 1 * (1 - short) + machine.cheapness * short
    if machine.platform != "vast":
        price, share = price * CLORE[0], min(0.98, share + CLORE[1] / 100)
    return {
        "platform": machine.platform,
        "machine_id": machine.number,
        "gpu_name": machine.gpu,
        "num_gpus": machine.gpus,
        "num_gpus_rented": machine.gpus if place < share and not is_holding else 0,
        "price_per_gpu_hour": round(price * (40 if is_holding else 1), 4),
        "country": machine.country,
        "verified": machine.verified,
        "datacenter": machine.datacenter,
        "reliability": machine.reliability,
    }


def machine_rows(moment: datetime) -> list[dict[str, object]]:
    rows = []
    for gpu in LEVELS:
        share = rented_share(gpu, moment)
        for platform in ("vast", "clore") if gpu in ON_CLORE else ("vast",):
            rows += [_as_row(m, moment, share) for m in machines(gpu, platform) if not _is_away(m, moment)]
    return rows


def list_rows(moment: datetime) -> list[dict[str, object]]:
    """A price list that changes every other week."""
    since = EPOCH + (moment - EPOCH) // timedelta(days=14) * timedelta(days=14)
    return [
        {
            "gpu_name": gpu,
            "secure": round(LEVELS[gpu][0] * level(gpu, since) * SECURE, 2),
            "community": round(LEVELS[gpu][0] * level(gpu, since) * COMMUNITY, 2),
            "stock": STOCK[2 - min(2, int(rented_share(gpu, moment) ** 6 * 3))],
        }
        for gpu in ON_RUNPOD
    ]


def net_rows(moment: datetime) -> list[dict[str, object]]:
    """What hosts get each hour where the platform sets the rates and tells the share."""
    return [
        {
            "gpu_name": gpu,
            "average": round(LEVELS[gpu][0] * level(gpu, moment) * NET_TO_HOST, 4),
            "lowest": round(LEVELS[gpu][0] * NET_TO_HOST * 0.6, 4),
            "highest": round(LEVELS[gpu][0] * NET_TO_HOST * 1.6, 4),
            "rented_percentage": round(100 * rented_share(gpu, moment) - 12, 1),
        }
        for gpu in ON_SALAD
    ]
