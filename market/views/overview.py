"""Public: the landing page, the overview of the market and its CSV."""

from __future__ import annotations

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from gpuadvisor.core.http import render_page
from market.pages import landing, overview
from market.pages.common import old_words, platform_names, region_words
from market.pages.overview import Filter, ModelRow
from market.pages.previews import preview_of
from market.pages.status import overall
from market.sheets import download

from .caching import public_page, public_page_about

PER_PAGE = 25


@public_page
def home(request: HttpRequest) -> HttpResponse:
    """The landing page: what this is, and the market as it stands now."""
    shown = landing.strip()
    about = _("What people who rent out GPUs earn with each card, what it costs to run, and what the market pays now.")
    context = shown | {
        "proofs": landing.proofs(overview.strip_rows()),
        "preview": preview_of(request, title=_("What your GPUs could earn"), description=about),
    }
    return render_page(request, "market/home.html", context, fragment="strip")


@public_page
def strip(request: HttpRequest) -> HttpResponse:
    """The market strip alone, for the landing page to poll."""
    return render_page(request, "market/home.html#strip", landing.strip())


@public_page_about(overall)
def index(request: HttpRequest) -> HttpResponse:
    """Every model with its market now; the address searches, filters, sorts, says the period and turns pages."""
    wanted, unknown = overview.read_filter(request.GET)
    every = overview.rows_of(wanted.platform, wanted.region, wanted.days)
    found = overview.ordered(overview.matching(every, wanted), wanted.sort)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    places = overview.places_now()
    names = platform_names()
    about = _("What GPUs are rented out for now: median, band, rented share and demand of each model, with its source.")
    context = {
        "preview": preview_of(request, title=_("GPU rental market"), description=about),
        "page": page,
        "wanted": wanted,
        "unknown": unknown,
        "columns": _columns(wanted),
        "prev_url": _page_url(wanted, page, -1),
        "next_url": _page_url(wanted, page, 1),
        "csv_url": wanted.url(),
        "has_models": bool(every),
        "as_of": overview.newest(found) or overview.newest(every),
        "old_words": old_words(row.now for row in page.object_list),
        "sorts": _sorts(wanted),
        "origin": overview.origin_of(every),
        "overall": overall(),
        "platforms": names,
        "makers": overview.makers(),
        "memories": overview.MEMORIES,
        "periods": [(name, words, wanted.url(period=name)) for name, words in _period_words().items()],
        "platform_choices": sorted(((names.get(slug, slug), slug) for slug in places.platforms), key=_folded),
        "region_choices": sorted(((region_words(code), code) for code in places.regions), key=_folded),
        "region_words": region_words(wanted.region) if wanted.region else "",
    }
    response = render_page(request, "market/index.html", context, fragment="models")
    if request.headers.get("HX-Request"):  # the address that is shown says only what is not usual
        response.headers["HX-Push-Url"] = f"{request.path}{wanted.url(page=page.number)}".removesuffix("?")
    return response


@public_page
def table(request: HttpRequest) -> HttpResponse:
    """The rows of the overview, of the same filter and in the same order, as CSV."""
    wanted, _unknown = overview.read_filter(request.GET)
    rows = overview.rows_of(wanted.platform, wanted.region, wanted.days)
    found = overview.ordered(overview.matching(rows, wanted), wanted.sort)
    return download("gpu-market", overview.CSV_COLUMNS, overview.csv_rows(found, wanted.days))


def _period_words() -> dict[str, str]:
    return {"7d": _("7 days"), "30d": _("30 days")}


def _folded(choice: tuple[str, str]) -> str:
    return choice[0].casefold()


def _columns(wanted: Filter) -> list[dict[str, object]]:
    """The columns that sort: their words, the address that sorts by them (once more: the other way), their state."""
    move = _("30-day move") if wanted.days == overview.PERIODS["30d"] else _("7-day move")
    words = {
        "name": _("GPU"),
        "memory": _("Memory"),
        "median": _("Median per GPU-hour"),
        "rented": _("Rented"),
        "gpus": _("GPUs counted"),
        "move": move,
        "demand": _("Demand"),
    }
    columns: list[dict[str, object]] = []
    for name, label in words.items():
        down = overview.SORTS[name][1] != wanted.sort.startswith("-")
        is_sorted = wanted.sort.removeprefix("-") == name
        columns.append(
            {
                "name": name,
                "label": label,
                "url": wanted.url(sort=f"-{name}" if wanted.sort == name else name),
                "state": ("descending" if down else "ascending") if is_sorted else "",
            }
        )
    return columns


def _sorts(wanted: Filter) -> list[tuple[str, str, bool]]:
    """The same for a phone, whose table has no heads: each column the way round that comes first, then the other."""
    choices = []
    for column in _columns(wanted):
        name = str(column["name"])
        down = overview.SORTS[name][1]
        for value, is_down in ((name, down), (f"-{name}", not down)):
            words = {"column": column["label"], "arrow": "↓" if is_down else "↑"}
            choices.append((value, _("%(column)s %(arrow)s") % words, value == wanted.sort))
    return choices


def _page_url(wanted: Filter, page: Page[ModelRow], step: int) -> str:
    number = page.number + step
    return wanted.url(page=number) if 1 <= number <= page.paginator.num_pages else ""
