"""Addresses of staff at work, outside the administration."""

from django.urls import path

from . import status_views, views

app_name = "operations"
urlpatterns = [
    path("status/", status_views.page, name="status"),
    path("metrics", status_views.metrics, name="metrics"),
    path("staff/leave/", views.leave, name="leave"),
]
