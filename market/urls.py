from django.urls import path

from .views import cards, compare, crawlers, model, overview, platforms, status

app_name = "market"
urlpatterns = [
    path("", overview.home, name="home"),
    path("robots.txt", crawlers.robots, name="robots"),
    path("sitemap.xml", crawlers.sitemap, name="sitemap"),
    path("market.csv", overview.table, name="csv"),
    path("market/", overview.index, name="index"),
    path("market/strip/", overview.strip, name="strip"),
    path("market/compare/", compare.compare, name="compare"),
    path("market/compare.csv", compare.compare_csv, name="compare-csv"),
    path("market/platforms/", platforms.platforms, name="platforms"),
    path("market/platforms/<slug:slug>/", platforms.platform, name="platform"),
    path("market/platforms/<slug:slug>/models.csv", platforms.platform_csv, name="platform-csv"),
    path("market/method/", status.method, name="method"),
    path("market/status/", status.status, name="status"),
    path("market/card.png", cards.card, name="card"),
    path("market/<slug:slug>/", model.gpu, name="gpu"),
    path("market/<slug:slug>/history.csv", model.gpu_csv, name="gpu-csv"),
    path("market/<slug:slug>/card.png", cards.card, name="gpu-card"),
]
