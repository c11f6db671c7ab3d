from allauth.socialaccount.views import login_error
from django.contrib.auth.decorators import login_not_required
from django.urls import path, re_path

from . import token_views, views

login_not_required(login_error)  # who could not sign in by a provider reads why; allauth leaves it closed

app_name = "accounts"
urlpatterns = [
    path("settings/", views.settings, name="settings"),
    path("settings/tokens/", token_views.tokens, name="tokens"),
    path("settings/tokens/new/", token_views.create, name="tokens-create"),
    path("settings/tokens/<uuid:pk>/revoke/", token_views.revoke, name="token-revoke"),
    path("demo/", views.demo, name="demo"),
    # before allauth's own, which knows nothing of newer links
    re_path(r"^accounts/confirm-email/(?P<key>[-:\w]+)/$", views.ConfirmEmailView.as_view(), name="confirm-email"),
]
