"""What a page says about itself to search engines and to whoever shows a preview of its link."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

# What others append to an address to count their readers: the page is the same.
MARKS = re.compile(r"utm_\w+|gclid|fbclid|msclkid|mc_[ce]id|ref", re.ASCII)


@dataclass(frozen=True, slots=True)
class Preview:
    """Absolute addresses, and words of ours alone: nothing that a visitor typed stands in them."""

    title: str
    description: str
    url: str
    image: str
    image_alt: str
    is_indexed: bool


def absolute(path: str) -> str:
    """`path` as the world sees it."""
    return f"{settings.SITE_URL.rstrip('/')}{path}"


def preview_of(
    request: HttpRequest, *, title: str = "", description: str = "", image: str = "", image_alt: str = ""
) -> Preview:
    """The preview of the page at `request`'s path; a variant by its query string is not indexed.

    The canonical address is the path without any query: a filter, a sort, a page or a campaign's mark is noise.
    A mark alone makes no variant.
    """
    return Preview(
        title=title,
        description=description,
        url=absolute(request.path),
        image=absolute(image or reverse("market:card")),
        image_alt=image_alt or settings.SITE_NAME,
        is_indexed=all(MARKS.fullmatch(name) for name in request.GET),
    )
