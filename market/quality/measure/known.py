"""The agreed list: rows of the recorded series that are wrong in themselves, each looked at by a person.

They are counted apart: a rule that finds one is right. The rules know nothing of this list: a wrong row that they do
not find leaves its level behind for the days after, and the honest rows it then speaks against count as held wrongly.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from market.sources.base import Observation

PER_GPU_SINCE = datetime(2026, 2, 19, 12, tzinfo=UTC)
PLACEHOLDER = Decimal("0.5")

# (platform, GPU, pricing, region, lowest and highest price): what hosts ask who do not want to rent out, or would take
ASKS = (
    ("vast.ai", "RTX_5090", "on_demand", "UA", "53", "54"),
    ("vast.ai", "RTX_5090", "spot", "UA", "4", "34"),
    ("vast.ai", "RTX_5090", "on_demand", "CA", "6.66", "6.67"),
    ("vast.ai", "RTX_5090", "on_demand", "TW", "8", "12"),
    ("vast.ai", "RTX_5090", "spot", "TW", "8", "12"),
    ("vast.ai", "RTX_4090", "on_demand", "NL", "4", "4.01"),
    ("vast.ai", "RTX_4090", "on_demand", "OM", "13", "14"),
    ("vast.ai", "A100_SXM_80GB", "spot", "CZ", "0.13", "0.16"),
    ("vast.ai", "A100_SXM_80GB", "spot", "JP", "0.13", "0.14"),
    ("vast.ai", "B200", "on_demand", "JP", "0.87", "0.88"),
    ("vast.ai", "H100_NVL", "spot", "CZ", "0.49", "0.49"),
    ("vast.ai", "H100_SXM", "spot", "IN", "0.6", "0.61"),
    ("vast.ai", "H200", "spot", "CZ", "0.46", "0.58"),
    ("vast.ai", "H200", "spot", "global", "0.06", "0.07"),
    ("vast.ai", "RTX_4090", "spot", "CA", "0.08", "0.09"),
    ("vast.ai", "RTX_4090", "spot", "NO", "0.06", "0.07"),
    ("vast", "RTX 6000Ada", "on_demand", "", "132", "132"),
)
_ASKS: dict[tuple[str, str, str, str], tuple[Decimal, Decimal]] = {
    (platform, gpu, pricing, region): (Decimal(low), Decimal(high))
    for platform, gpu, pricing, region, low, high in ASKS
}

# (platform, spelling): one word for boards of several sizes
MIXED = frozenset(
    {
        ("runpod", "a100-pcie-80"),
        ("runpod", "a40"),
        ("runpod", "rtx-pro-6000"),
        ("vast", "RTX 4090"),
        ("vast", "RTX 5060 Ti"),
    }
)


def known_fault(offer: Observation) -> str:
    """What is wrong with a recorded row, as a person would say it; empty for a clean one."""
    if offer.source == "getdeploying.com" and offer.gpu_count > 1 and offer.observed_at < PER_GPU_SINCE:
        return "price of the whole instance under the name of a GPU's"
    if offer.platform == "runpod" and offer.price_per_gpu_hour in (0, PLACEHOLDER) and offer.gpu_raw != "RTX_4090":
        return "placeholder"
    region = offer.region_raw if offer.platform != "vast" else ""
    low, high = _ASKS.get((offer.platform, offer.gpu_raw, offer.pricing, region), (Decimal(1), Decimal(0)))
    return "an ask that is no price" if low <= offer.price_per_gpu_hour <= high else ""
