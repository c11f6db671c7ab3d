"""Addresses of billing. dj-stripe's own are not mounted: its webhook keeps what is not signed."""

from django.urls import path

from . import views, webhooks

app_name = "billing"

urlpatterns = [
    path("pricing/", views.pricing, name="pricing"),
    path("settings/plan/", views.plan, name="plan"),
    path("billing/webhook/", webhooks.receive, name="webhook"),
]
