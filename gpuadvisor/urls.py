"""Each app mounted once."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("gpuadvisor.core.urls")),
    path("", include("gpuadvisor.accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("billing.urls")),
    path("", include("market.urls")),
    path("", include("portfolios.urls")),
    path("", include("gpuadvisor.operations.privacy.urls")),
    path("", include("gpuadvisor.operations.urls")),
    path("chat/", include("chat.urls")),
    path("alerts/", include("alerts.urls")),
    path("api/", include("gpuadvisor.api.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "gpuadvisor.core.views.bad_request"
handler500 = "gpuadvisor.core.views.server_error"
