"""One module per platform; here their register by name."""

from __future__ import annotations

from .base import Adapter
from .farm500 import GpuStats, Machines
from .runpod import RunPod
from .simulated import Simulated

SOURCES: dict[str, Adapter] = {source.name: source for source in (Machines(), GpuStats(), RunPod(), Simulated())}
SIMULATED = Simulated.name
LIVE_PLATFORMS: tuple[str, ...] = tuple(dict.fromkeys(source.platform for source in SOURCES.values()))
