"""Addresses of billing. dj-stripe's own are not mounted: its webhook keeps what is not signed."""

from django.urls import path

from . import views, views_keep, webhooks

app_name = "billing"

urlpatterns = [
    path("pricing/", views.pricing, name="pricing"),
    path("settings/plan/", views.plan, name="plan"),
    path("settings/plan/keep/", views_keep.keep, name="keep"),
    path("settings/plan/checkout/", views.buy, name="buy"),
    path("settings/plan/portal/", views.portal, name="portal"),
    path("settings/plan/trial/", views.trial, name="trial"),
    path("settings/plan/visits/<uuid:pk>/", views.visit, name="visit"),
    path("settings/plan/return/", views.back, name="return"),
    path("settings/plan/left/", views.left, name="left"),
    path("billing/webhook/", webhooks.receive, name="webhook"),
]
