"""One offer of a document in the two shapes that it is used in: as it counts in figures, and as it is kept."""

from __future__ import annotations

from typing import Any

from . import storage
from .cells import Counted, bucket
from .places import GLOBAL
from .sources.base import Adapter, Observation


def counted(offer: Observation, units: int, country: str) -> Counted:
    return Counted(
        external_id=offer.external_id,
        units=units,
        gpus=offer.gpu_count,
        rented=offer.gpus_rented,
        country=country,
        pricing=offer.pricing,
        basis=offer.price_basis,
        verified=offer.verified,
        datacenter=offer.datacenter,
        stock=offer.stock,
    )


def snapshot(
    adapter: Adapter, platform: str, gpu: str, offer: Observation, country: str, mark: tuple[str, str] | None
) -> storage.SnapshotRow:
    """The offer as it is kept: enough to compute its figures again (market.recompute), and its details."""
    is_list = offer.price_basis == "list"
    features: dict[str, Any] = dict(offer.details)
    if not is_list:
        features["gpus"] = offer.gpu_count
    if offer.gpus_rented is not None:
        features["rented"] = offer.gpus_rented
    if offer.verified is not None:
        features["verified"] = offer.verified
    if offer.datacenter is not None:
        features["datacenter"] = offer.datacenter
    if offer.reliability is not None:
        features["reliability"] = round(float(offer.reliability), 3)
    if offer.floor_per_gpu_hour is not None:
        features["floor"] = str(offer.floor_per_gpu_hour)
    if offer.pricing in ("secure", "community"):
        features["cloud"] = offer.pricing
    elif offer.pricing == "reserved":
        features["reserved"] = True
    if offer.price_basis != "ask":
        features["basis"] = offer.price_basis
    if offer.stock:
        features["stock"] = offer.stock
    if not adapter.platform:
        features["platform"] = platform
    if mark is not None:
        features[mark[0]] = mark[1]
    return storage.SnapshotRow(
        gpu_model=gpu,
        platform=platform,
        region=GLOBAL,  # the one cell that every offer of a model lies in
        moment=bucket(offer.observed_at),
        source=adapter.name,
        external_id=offer.external_id,
        price=offer.price_per_gpu_hour,
        at=offer.observed_at,
        instance_type=gpu if is_list else f"{offer.gpu_count}x {gpu}",
        zone=country,
        is_spot=offer.pricing == "spot",
        features=features,
    )
