"""Small documents in the shapes of the sources, and where the recorded ones lie."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from market.sources.base import RawDocument

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "market"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def recorded(name):
    """The bytes of a recorded document; the test is skipped where the data does not lie beside the checkout."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"recorded data is absent: {name}")
    return path.read_bytes()


def document(data, *, now=NOON, **kwargs):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return RawDocument(body, 200, now, **kwargs)


def machine(number=1, **changes):
    return {
        "machine_id": number,
        "gpu_name": "RTX 4090",
        "gpu_ram": 24564,
        "num_gpus": 2,
        "num_gpus_rented": 1,
        "dph_base": 1.2,
        "min_bid": 0.4,
        "verification": "verified",
        "hosting_type": 0,
        "reliability2": 0.9912,
        "location": {"country": "US"},
    } | changes


def machines(*rows, at=NOON):
    return {"url": "/machines", "timestamp": at.isoformat(), "count": len(rows), "offers": list(rows)}


def gpu_stats(*models, at=NOON):
    return {"url": "/gpu-stats", "timestamp": at.isoformat(), "models": list(models)}


def model_stats(name="RTX 4090", *, total=1663, rented=1171, median=0.66, low=0.37, high=1.0, vram=24.0):
    def leaf(count):
        prices = {"price_median": median, "price_10th_percentile": low, "price_90th_percentile": high}
        return [{"count": count} | (prices if count else {})]

    return {
        "name": name,
        "stats": {
            "rented": {"verified": leaf(rented), "unverified": leaf(0), "all": leaf(rented)},
            "available": {"verified": leaf(total - rented), "unverified": leaf(0), "all": leaf(total - rented)},
            "all": {"verified": leaf(total), "unverified": leaf(0), "all": leaf(total)},
        },
        "info": {"vram": vram},
    }


def gpu_types(*rows):
    return {"data": {"gpuTypes": list(rows)}}


def gpu_type(name="NVIDIA GeForce RTX 4090", **changes):
    return {"id": name, "displayName": name, "memoryInGb": 24, "securePrice": 0.74, "communityPrice": 0.34} | changes
