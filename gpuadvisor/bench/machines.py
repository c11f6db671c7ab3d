"""A made-up `/machines` document of 500.farm in full size: 5,500 machines, 25 MB. The same turn makes the same one."""

from __future__ import annotations

import json
import random
from datetime import datetime
from typing import Any

MACHINES = 5_500
BYTES = 25_000_000
# GPU as Vast.ai spells it, MiB, usual price of the renter in USD per GPU-hour, share of machines
MODELS = (
    *(("RTX 4090", 24564, 0.64, 22), ("RTX 4090", 49140, 0.80, 4), ("RTX 5090", 32607, 0.87, 14)),
    *(("RTX 3090", 24576, 0.16, 12), ("RTX 5060 Ti", 16311, 0.21, 5), ("RTX 5080", 16303, 0.40, 4)),
    *(("RTX 3060", 12288, 0.07, 4), ("RTX 3070", 8192, 0.05, 3), ("RTX 3080", 10240, 0.12, 3)),
    *(("RTX 4080", 16376, 0.30, 3), ("RTX 4070 Ti", 12282, 0.18, 2), ("RTX A6000", 49140, 0.40, 3)),
    *(("RTX A5000", 24564, 0.16, 2), ("RTX A4000", 16376, 0.17, 3), ("RTX 6000Ada", 49140, 0.84, 2)),
    *(("RTX PRO 6000 WS", 97887, 1.27, 3), ("A100 SXM4", 81920, 0.91, 3), ("A100 PCIE", 81920, 0.88, 2)),
    *(("H100 SXM", 81559, 2.00, 3), ("H200", 143771, 3.97, 1), ("B200", 183359, 6.76, 1), ("L40S", 46068, 0.67, 1)),
)
COUNTRIES = (
    *("US", "US", "US", "CA", "GB", "DE", "DE", "SE", "NO", "FI", "CZ", "BG", "PL", "FR", "NL", "ES", "IT", "EE"),
    *("UA", "JP", "KR", "TW", "IN", "SG", "VN", "TH", "AE", "AU", "NZ", "BR", "AR", "ZA"),
)
PADDING = "x" * 2200  # what the real one says of each machine beside this, in bytes


def body(at: datetime, turn: int = 0) -> bytes:
    """The document as of `at`; each `turn` every machine has another price."""
    fixed, moving = random.Random(5), random.Random(turn)  # noqa: S311 - an example, no secret
    shares = [model[3] for model in MODELS]
    offers = [
        _machine(number, fixed.choices(MODELS, shares)[0], fixed, 1 + moving.uniform(-0.05, 0.05), moving.random())
        for number in range(1, MACHINES + 1)
    ]
    data = {"url": "/machines", "timestamp": at.isoformat(), "count": len(offers), "notes": [], "offers": offers}
    return json.dumps(data, indent=1).encode()


def _machine(
    number: int, model: tuple[str, int, float, int], fixed: random.Random, factor: float, taken: float
) -> dict[str, Any]:
    name, memory, price, _share = model
    gpus = fixed.choice((1, 1, 1, 2, 2, 4, 4, 8, 8))
    rate, rented = price * fixed.lognormvariate(0, 0.3) * factor, round(gpus * taken)
    chunks = [
        {"size": 1, "offerId": number * 100 + i, "rentable": i >= rented, "gpu_ids": [number * 10 + i]}
        for i in range(gpus)
    ]
    return {
        "machine_id": number,
        "host_id": number // 4 + 1,
        "gpu_name": name,
        "gpu_ram": memory,
        "gpu_total_ram": memory * gpus,
        "num_gpus": gpus,
        "num_gpus_rented": rented,
        "dph_base": rate * gpus,
        "min_bid": rate * gpus * 0.4,
        "verification": fixed.choice(("verified", "verified", "unverified", "deverified")),
        "hosting_type": fixed.choice((0, 0, 0, 1)),
        "reliability2": fixed.uniform(0.9, 0.9999),
        "storage_cost": 0.15,
        "inet_up_cost": 0.002,
        "inet_down_cost": 0.002,
        "inet_up": fixed.uniform(100, 9000),
        "inet_down": fixed.uniform(100, 9000),
        "disk_space": fixed.uniform(100, 9000),
        "duration": fixed.uniform(1e5, 1e7),
        "end_date": 1_890_000_000.0 + number,
        "cpu_name": "AMD EPYC 9J14 96-Core Processor",
        "cpu_cores": 96,
        "cpu_ram": 515_000,
        "driver_version": "575.64.03",
        "cuda_max_good": 12.9,
        "direct_port_count": 199,
        "gpu_max_power": 450.0,
        "credit_discount_max": 0.1,
        "geolocation": "Somewhere, US",
        "min_chunk": 1,
        "chunks": chunks,
        "gpu_ids": [number * 10 + i for i in range(gpus)],
        "location": {"country": fixed.choice(COUNTRIES), "lat": 50.0883, "long": 14.4124, "accuracy": 20},
        **{f"score_{i}": fixed.random() * 1000 for i in range(30)},
        "mobo_name": PADDING[: fixed.randrange(2000, 2200)],
    }
