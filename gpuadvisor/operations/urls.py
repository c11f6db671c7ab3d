"""Addresses of staff at work, outside the administration."""

from django.urls import path

from . import views

app_name = "operations"
urlpatterns = [
    path("staff/leave/", views.leave, name="leave"),
]
