"""Addresses of staff at work, outside the administration."""

from django.urls import path

from . import status_views, views

app_name = "operations"
urlpatterns = [
    path("status/", status_views.page, name="status"),
    path("staff/leave/", views.leave, name="leave"),
]
