"""Public: the landing page and the overview of the market."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from gpuadvisor.core.http import render_page
from market import pages, selectors

PER_PAGE = 25


@login_not_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The landing page: what this is, and the market as it stands now."""
    return render_page(request, "market/home.html", _strip(), fragment="strip")


@login_not_required
@require_safe
def strip(request: HttpRequest) -> HttpResponse:
    """The market strip alone, for the landing page to poll."""
    return render_page(request, "market/home.html#strip", _strip())


def _strip() -> dict[str, object]:
    rows = pages.strip_rows()
    return {
        "rows": rows,
        "as_of": pages.newest(rows),
        "is_stale": any(row.now and row.now.is_stale for row in rows),
        "origin": selectors.current_origin(),
    }


@login_not_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Every model with its market now; `q` searches, `sort` orders, `page` turns."""
    query = " ".join(request.GET.get("q", "")[: pages.MAX_QUERY].split())
    sort = request.GET.get("sort", pages.DEFAULT_SORT)
    if sort.lstrip("-") not in pages.SORTS or sort.startswith("--"):
        sort = pages.DEFAULT_SORT
    every = pages.model_rows()
    found = pages.ordered(pages.matching(every, query), sort)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "query": query,
        "sort": sort,
        "sorts": {name: _sort_url(query, sort, name) for name in pages.SORTS},
        "prev_url": _page_url(query, sort, page, -1),
        "next_url": _page_url(query, sort, page, 1),
        "has_models": bool(every),
        "as_of": pages.newest(every),
        "is_stale": any(row.now and row.now.is_stale for row in page.object_list),
        "origin": selectors.current_origin(),
        "sources": pages.source_states(),
        "platforms": pages.platform_names(),
    }
    return render_page(request, "market/index.html", context, fragment="models")


def _sort_url(query: str, current: str, name: str) -> str:
    """The address that sorts by `name`; once more on it turns it round."""
    return _url(query, f"-{name}" if current == name else name)


def _page_url(query: str, sort: str, page: Page[pages.ModelRow], step: int) -> str:
    number = page.number + step
    return _url(query, sort, number) if 1 <= number <= page.paginator.num_pages else ""


def _url(query: str, sort: str, page: int = 1) -> str:
    wanted = {
        "q": query,
        "sort": sort if sort != pages.DEFAULT_SORT else "",
        "page": str(page) if page > 1 else "",
    }
    return f"?{urlencode({key: value for key, value in wanted.items() if value})}"
