from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from gpuadvisor.urls import handler400 as handler400
from gpuadvisor.urls import handler500 as handler500
from gpuadvisor.urls import urlpatterns as site


def empty(request: HttpRequest) -> HttpResponse:
    """A signed-in page of the same shell with nothing in it."""
    return render(request, "bench/empty.html")


urlpatterns = [path("bench/empty/", empty), *site]
