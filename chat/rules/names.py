"""Who may be meant in a question: the host's own GPUs and portfolios, and the models of the market."""

from __future__ import annotations

from gpuadvisor.accounts.models import User
from market.models import GPUModel
from portfolios.models import GPUConfiguration, Portfolio

from .naming import Named

MOST = 500


def names_of(user: User) -> list[Named]:
    """Names, in three queries. GPUs and portfolios are those in use."""
    gpus = (
        GPUConfiguration.objects.visible_to(user)
        .active()
        .filter(portfolio__is_active=True)
        .order_by("pk")
        .values_list("pk", "custom_name", "gpu_model__name")[:MOST]
    )
    portfolios = (
        Portfolio.objects.visible_to(user).filter(is_active=True).order_by("pk").values_list("pk", "name")[:MOST]
    )
    return [
        *(Named("gpu", str(pk), name or model, model) for pk, name, model in gpus),
        *(Named("portfolio", str(pk), name) for pk, name in portfolios),
        *(
            Named("model", slug, name, name)
            for name, slug in GPUModel.objects.order_by("name").values_list("name", "slug")
        ),
    ]
