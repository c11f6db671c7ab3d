from django.urls import path

from . import views

app_name = "privacy"
urlpatterns = [
    path("settings/privacy/", views.index, name="index"),
    path("settings/privacy/export/", views.export, name="export"),
    path("settings/privacy/delete/", views.delete, name="delete"),
    path("settings/privacy/undo/", views.undo, name="undo"),
    path("settings/privacy/consent/", views.consent, name="consent"),
    path("settings/privacy/consent/end/", views.consent_end, name="consent-end"),
    path("settings/privacy/keep/<str:token>/", views.keep, name="keep"),
    path("files/exports/<uuid:pk>/", views.download, name="download"),
]
