"""Addresses of the host's own pages."""

from django.urls import path
from django.views.generic import RedirectView

from .views import calculator, costs, dashboard, gpus, imports, insights, kpis, metrics, plan, portfolios, welcome

app_name = "portfolios"

urlpatterns = [
    path("portfolios/", portfolios.list_portfolios, name="list"),
    path("portfolios/new/", portfolios.create, name="create"),
    path("portfolios/imports/", imports.imports, name="metric-imports"),
    path("portfolios/imports/new/", imports.upload, name="metric-import"),
    path("portfolios/imports/example.csv", imports.example, name="metric-import-example"),
    path("portfolios/imports/<uuid:token>/", imports.preview, name="metric-import-preview"),
    path("portfolios/imports/<uuid:token>/columns/", imports.columns, name="metric-import-columns"),
    path("portfolios/imports/<uuid:token>/refused.csv", imports.refused_rows, name="metric-import-refused"),
    path("portfolios/imports/<uuid:token>/discard/", imports.discard, name="metric-import-discard"),
    path("portfolios/imports/<uuid:token>/undo/", imports.undo, name="metric-import-undo"),
    path("portfolios/import/", RedirectView.as_view(pattern_name="portfolios:metric-import")),  # as it was called
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
    path("portfolios/<uuid:pk>/costs/", costs.portfolio_costs, name="costs"),
    path("portfolios/gpus/<uuid:pk>/costs/", costs.gpu_costs, name="gpu-costs"),
    path("settings/fees/", costs.fees, name="fees"),
    path("settings/fees/<uuid:pk>/delete/", costs.fee_delete, name="fee-delete"),
    path("portfolios/<uuid:pk>/activate/", plan.activate, name="plan-activate"),
    path("portfolios/<uuid:pk>/delete/", plan.delete, name="plan-delete"),
    path("plan/", plan.plan, name="plan"),
    path("welcome/", welcome.gpus, name="welcome"),
    path("welcome/power/", welcome.power, name="welcome-power"),
    path("welcome/platform/", welcome.platform, name="welcome-platform"),
    path("welcome/goal/", welcome.goal, name="welcome-goal"),
    path("welcome/leave/", welcome.leave, name="welcome-leave"),
    path("calculator/", calculator.calculator, name="calculator"),
    path("calculator/save/", calculator.save, name="calculator-save"),
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
