"""One module per platform; here their register by name."""

from __future__ import annotations

from .akash import Akash
from .base import Adapter
from .clore import Clore
from .farm500 import GpuStats, GpuStatsV2, Machines
from .gpurentalprices import GpuRentalPrices
from .lambda_cloud import LambdaCloud
from .runpod import RunPod
from .runpod_v2 import RunPodV2
from .salad import Salad
from .simulated import Simulated
from .vast_metrics import VastMetrics
from .vast_offers import VastOffers

_OF_ONE_PLATFORM: tuple[Adapter, ...] = (
    Machines(),
    GpuStats(),
    GpuStatsV2(),
    VastMetrics(),
    VastOffers(),
    RunPod(),
    RunPodV2(),
    Salad(),
    Clore(),
    Akash(),
    LambdaCloud(),
)
LIVE_PLATFORMS: tuple[str, ...] = tuple(dict.fromkeys(source.platform for source in _OF_ONE_PLATFORM))
SOURCES: dict[str, Adapter] = {
    source.name: source for source in (*_OF_ONE_PLATFORM, GpuRentalPrices(LIVE_PLATFORMS), Simulated())
}
SIMULATED = Simulated.name
