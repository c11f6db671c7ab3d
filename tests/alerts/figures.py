"""Figures that alerts read."""

from datetime import timedelta

from portfolios.models import MetricSample
from tests.factories import NOON


def sample(gpu, *rented, until=NOON, platform="vast", listed=4, **more):
    """Quarter hours of `gpu` that end at `until`, oldest first."""
    MetricSample.objects.bulk_create(
        MetricSample(
            gpu_configuration=gpu,
            platform=platform,
            sampled_at=until - timedelta(minutes=15) * (len(rented) - n),
            listed_gpus=listed,
            rented_gpus=count,
            source="api",
            **{"is_online": True, **more},
        )
        for n, count in enumerate(rented)
    )
