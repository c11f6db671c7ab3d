from django.urls import path

from . import mailbox, views

app_name = "core"
urlpatterns = [
    path("health/live", views.health_live, name="health-live"),
    path("health/ready", views.health_ready, name="health-ready"),
    path("offline/", views.offline, name="offline"),
    path("sw.js", views.service_worker, name="service-worker"),
    path("mailbox/", mailbox.index, name="mailbox"),
    path("mailbox/<uuid:pk>/", mailbox.detail, name="mailbox-mail"),
    path("mailbox/<uuid:pk>/html/", mailbox.html, name="mailbox-html"),
]
