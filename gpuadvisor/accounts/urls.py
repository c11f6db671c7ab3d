from django.urls import path, re_path

from . import views

app_name = "accounts"
urlpatterns = [
    path("settings/", views.settings, name="settings"),
    path("demo/", views.demo, name="demo"),
    # before allauth's own, which knows nothing of newer links
    re_path(r"^accounts/confirm-email/(?P<key>[-:\w]+)/$", views.ConfirmEmailView.as_view(), name="confirm-email"),
]
