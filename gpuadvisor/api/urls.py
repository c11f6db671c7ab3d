"""Each version mounted once."""

from django.urls import include, path

from . import views
from .v1.api import api

pages = (
    [
        path("", views.home, name="home"),
        path("v1/", views.home, name="v1"),
        path("v1/openapi.json", views.openapi, name="openapi"),
        path("v1/docs", views.docs, name="docs"),
    ],
    "api",
)
urlpatterns = [
    path("", include(pages)),
    path("v1/", include((api.open_urls, "ninja"), namespace="api-v1")),
]
