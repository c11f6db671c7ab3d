from django.urls import path

from .views import gpu, home, index, strip

app_name = "market"
urlpatterns = [
    path("", home, name="home"),
    path("market/", index, name="index"),
    path("market/strip/", strip, name="strip"),
    path("market/<slug:slug>/", gpu, name="gpu"),
]
