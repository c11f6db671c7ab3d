"""A write that a read-only portfolio refuses, as a page: one sentence, and where it is opened again."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from gpuadvisor.core.http import render_page, wants_fragment

from .services import ReadOnly


class ReadOnlyMiddleware:
    """Answers for every view that lets `ReadOnly` rise; to htmx the portfolio's page with the sentence."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, ReadOnly):
            return None
        back = reverse("portfolios:detail", args=[exception.portfolio.pk])
        if wants_fragment(request):
            messages.warning(request, exception.user_message)
            return HttpResponseClientRedirect(back)
        context = {"portfolio": exception.portfolio, "text": exception.user_message, "back": back}
        return render_page(request, "portfolios/read_only.html", context, status=422)
