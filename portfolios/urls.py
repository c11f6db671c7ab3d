"""Addresses of the host's own pages."""

from django.urls import path

from .views import calculator, dashboard, gpus, insights, kpis, metrics, portfolios

app_name = "portfolios"

urlpatterns = [
    path("portfolios/", portfolios.list_portfolios, name="list"),
    path("portfolios/new/", portfolios.create, name="create"),
    path("portfolios/import/", metrics.upload, name="metric-import"),
    path("portfolios/import/example.csv", metrics.example, name="metric-import-example"),
    path("portfolios/import/<uuid:token>/", metrics.preview, name="metric-import-preview"),
    path("portfolios/import/<uuid:token>/refused.csv", metrics.refused_rows, name="metric-import-refused"),
    path("portfolios/import/<uuid:token>/discard/", metrics.discard, name="metric-import-discard"),
    path("portfolios/gpus/search/", gpus.search, name="gpu-search"),
    path("portfolios/gpus/<uuid:pk>/", gpus.detail, name="gpu"),
    path("portfolios/gpus/<uuid:pk>/edit/", gpus.edit, name="gpu-edit"),
    path("portfolios/gpus/<uuid:pk>/move/", gpus.move, name="gpu-move"),
    path("portfolios/gpus/<uuid:pk>/remove/", gpus.remove, name="gpu-remove"),
    path("portfolios/gpus/<uuid:pk>/metrics/add/", metrics.add, name="metric-add"),
    path("portfolios/metrics/<uuid:pk>/edit/", metrics.edit, name="metric-edit"),
    path("portfolios/metrics/<uuid:pk>/delete/", metrics.delete, name="metric-delete"),
    path("portfolios/<uuid:pk>/", portfolios.detail, name="detail"),
    path("portfolios/<uuid:pk>/edit/", portfolios.edit, name="edit"),
    path("portfolios/<uuid:pk>/deactivate/", portfolios.deactivate, name="deactivate"),
    path("portfolios/<uuid:pk>/restore/", portfolios.restore, name="restore"),
    path("portfolios/<uuid:pk>/gpus/add/", gpus.add, name="gpu-add"),
    path("calculator/", calculator.calculator, name="calculator"),
    path("dashboard/", dashboard.dashboard, name="dashboard"),
    path("dashboard/index/", dashboard.index, name="dashboard-index"),
    path("kpis/", kpis.kpis, name="kpis"),
    path("kpis/kpis.csv", kpis.kpis_csv, name="kpis-csv"),
    path("insights/", insights.insights, name="insights"),
    path("insights/panel/", insights.panel, name="insights-panel"),
    path("insights/history/", insights.history, name="insights-history"),
    path("insights/insights.csv", insights.insights_csv, name="insights-csv"),
    path("insights/<uuid:pk>/dismiss/", insights.dismiss, name="insight-dismiss"),
    path("check-up/", insights.checkup, name="checkup"),
]
