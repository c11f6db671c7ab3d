from django.urls import path

from . import views

app_name = "market"
urlpatterns = [
    path("", views.home, name="home"),
    path("market/", views.index, name="index"),
    path("market/strip/", views.strip, name="strip"),
    path("market/<slug:slug>/", views.gpu, name="gpu"),
]
