"""Public: the platforms, and what each tells."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from gpuadvisor.core.http import render_page
from market import selectors
from market.cache import kept
from market.models import GPUModel
from market.pages import platforms as page
from market.pages.common import old_words
from market.pages.previews import preview_of
from market.sheets import download
from market.sources import SOURCES

from .caching import public_page

PER_PAGE = 25


@public_page
def platforms(request: HttpRequest) -> HttpResponse:
    """Every platform: what it is to a host, and whether it tells anything now."""
    description = _("Where GPUs can be rented out: open to new hosts or not, who sets the price, the fee, how rented.")
    rows = page.platform_rows()
    context = {
        "rows": [row for row in rows if not row.facts.is_reference],
        "references": [row for row in rows if row.facts.is_reference],
        "preview": preview_of(request, title=_("Platforms to rent out GPUs on"), description=description),
    }
    return render_page(request, "market/platforms.html", context)


@public_page
def platform(request: HttpRequest, slug: str) -> HttpResponse:
    """One platform: what a host may do there, and its models now."""
    facts = page.platform_facts().get(slug)
    if facts is None:
        raise Http404("no such platform")
    told = page.models_on(slug)
    shown = Paginator(told, PER_PAGE).get_page(request.GET.get("page"))
    slugs = kept("catalog-slugs", lambda: dict(GPUModel.objects.values_list("name", "slug")))
    speaking = sorted({row.source for row in told})
    context = {
        "facts": facts,
        "page": shown,
        "models": [{"row": row, "slug": slugs[row.gpu_model]} for row in shown.object_list if row.gpu_model in slugs],
        "as_of": max((row.as_of for row in told), default=None),
        "is_simulated": any(row.is_simulated for row in told),
        "old_words": old_words(told),
        "csv_url": reverse("market:platform-csv", args=[slug]) if told else "",
        "bases": [page.basis_words(basis) for basis in sorted({row.price_basis for row in told})],
        "is_net": any(row.price_basis == "host_net" for row in told),
        "sources": [selectors.source_title(name) for name in speaking] or [page.source_of(slug, None)],
        "attributions": [
            SOURCES[name].attribution for name in speaking if name in SOURCES and SOURCES[name].attribution
        ],
        "prev_url": f"?page={shown.previous_page_number()}" if shown.has_previous() else "",
        "next_url": f"?page={shown.next_page_number()}" if shown.has_next() else "",
        "preview": preview_of(
            request,
            title=_("%(name)s for people who rent out GPUs") % {"name": facts.name},
            description=page.description_of(facts, len(told)),
        ),
    }
    return render_page(request, "market/platform.html", context, fragment="models")


CSV_COLUMNS = (
    *("gpu_model", "platform", "region", "price_basis", "price_usd_per_gpu_hour", "p10_usd_per_gpu_hour"),
    *("p90_usd_per_gpu_hour", "lowest_usd_per_gpu_hour", "highest_usd_per_gpu_hour", "rented_percentage"),
    *("gpus", "offers", "stock", "flags", "source", "origin", "as_of"),
)


@public_page
def platform_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """Every model of one platform's page, as CSV."""
    if slug not in page.platform_facts():
        raise Http404("no such platform")
    rows = [
        (
            *(row.gpu_model, row.platform, row.region, row.price_basis, row.price, row.p10, row.p90),
            *(row.minimum, row.maximum, row.rented_percentage, row.gpu_count, row.offer_count, row.stock_status),
            *(" ".join(row.flags), row.source, row.origin, row.as_of),
        )
        for row in page.models_on(slug)
    ]
    return download(f"{slug}-models", CSV_COLUMNS, rows)
