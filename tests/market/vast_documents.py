"""Small documents about Vast.ai in the shapes of 500.farm and of Vast.ai itself."""

from market.sources.base import Rejection
from tests.market.documents import document, gpu_stats


def parse(source, data, **kwargs):
    rows = list(source.parse(document(data, **kwargs)))
    return [row for row in rows if not isinstance(row, Rejection)], [row for row in rows if isinstance(row, Rejection)]


def leaf(count, median=0.5):
    return [{"count": count} | ({"price_median": median} if count else {})]


def category(*, size="1-3", gpus=10, rented=4, verified=True, datacenter=False, **changes):
    stats = {"rented": leaf(rented, 0.6), "available": leaf(gpus - rented, 0.7), "all": leaf(gpus, 0.65)}
    row = {"datacenter": datacenter, "gpu_count_range": size, "verified": verified, "stats": stats}
    return row | changes


def by_category(*categories, name="RTX 4090", **changes):
    total = sum(c["stats"]["all"][0]["count"] for c in categories if isinstance(c, dict))
    return gpu_stats({"name": name, "count": total, "categories": list(categories)} | changes)


def offer(number=1, **changes):
    ids = changes.pop("gpu_ids", [number * 100, number * 100 + 1])
    return {
        "id": number,
        "machine_id": 7,
        "host_id": 3,
        "gpu_name": "RTX 4090",
        "gpu_ram": 24564,
        "gpu_frac": 1.0,
        "gpu_ids": ids,
        "num_gpus": len(ids) or 2,
        "dph_base": 0.6 * (len(ids) or 2),
        "min_bid": 0.2 * (len(ids) or 2),
        "rentable": True,
        "rented": False,
        "verification": "verified",
        "hosting_type": 1,
        "geolocation": "Texas, US",
        "reliability2": 0.99,
    } | changes


def parts(*rows, label="RTX 4090", limit=1000, **changes):
    return {"parts": [{"label": label, "limit": limit, "count": len(rows), "offers": list(rows)} | changes]}


def gpu(name="RTX 5090", **changes):
    return {
        "gpu_name": name,
        "total": 100,
        "available": 20,
        "rented_verified": 70,
        "avail_verified": 15,
        "rented_unverified": 10,
        "avail_unverified": 5,
        "usage": 80.0,
        "usage_30d": 91.234,
        "price_p10": 0.4,
        "price_p25": 0.5,
        "price_median": 0.6,
        "price_p75": 0.7,
        "price_p90": 0.9,
    } | changes


def place(country="US", **changes):
    return {"country_code": country, "gpu_name": "RTX 5090", "rented": True, "num_gpus": 4, "city": "Austin"} | changes


def metrics(*gpus, places=()):
    return {
        "current": {"success": True, "gpus": list(gpus)},
        "locations": {"success": True, "locations": list(places)},
    }
