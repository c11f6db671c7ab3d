"""Addresses of alerts, under /alerts/."""

from django.urls import path

from .views import channels, episodes, incoming, log, quiet, rules, unsubscribe

app_name = "alerts"

urlpatterns = [
    path("", episodes.index, name="index"),
    path("resolved/", episodes.resolved, name="resolved"),
    path("recent/", episodes.recent, name="recent"),
    path("episodes/<uuid:pk>/", episodes.episode, name="episode"),
    path("episodes/<uuid:pk>/snooze/", episodes.snooze, name="episode-snooze"),
    path("episodes/<uuid:pk>/wake/", episodes.wake, name="episode-wake"),
    path("episodes/<uuid:pk>/act/", episodes.act, name="episode-act"),
    path("rules/", rules.rules, name="rules"),
    path("rules/new/", rules.new, name="new"),
    path("rules/preview/", rules.preview, name="preview"),
    path("rules/recommended/", rules.recommend, name="recommend"),
    path("rules/<uuid:pk>/", rules.edit, name="edit"),
    path("rules/<uuid:pk>/pause/", rules.pause, name="pause"),
    path("rules/<uuid:pk>/resume/", rules.resume, name="resume"),
    path("rules/<uuid:pk>/delete/", rules.delete, name="delete"),
    path("channels/", channels.channels, name="channels"),
    path("channels/new/", channels.new, name="channel-new"),
    path("channels/<uuid:pk>/", channels.channel, name="channel"),
    path("channels/<uuid:pk>/test/", channels.test, name="channel-test"),
    path("channels/<uuid:pk>/secret/", channels.rotate, name="channel-rotate"),
    path("channels/<uuid:pk>/pause/", channels.pause, name="channel-pause"),
    path("channels/<uuid:pk>/resume/", channels.resume, name="channel-resume"),
    path("channels/<uuid:pk>/delete/", channels.delete, name="channel-delete"),
    path("incoming/", incoming.incoming, name="incoming"),
    path("incoming/on/", incoming.switch_on, name="incoming-on"),
    path("incoming/renew/", incoming.renew, name="incoming-renew"),
    path("incoming/off/", incoming.switch_off, name="incoming-off"),
    path("in/<str:token>", incoming.receive, name="receive"),
    path("log/", log.log, name="log"),
    path("log/<uuid:pk>/", log.entry, name="log-entry"),
    path("deliveries/<uuid:pk>/resend/", log.resend, name="resend"),
    path("unsubscribe/<str:token>/", unsubscribe.stop, name="unsubscribe"),
    path("quiet/", quiet.quiet, name="quiet"),
    path("quiet/off/", quiet.off, name="quiet-off"),
    path("quiet/windows/add/", quiet.window_add, name="window-add"),
    path("quiet/windows/<uuid:pk>/delete/", quiet.window_delete, name="window-delete"),
]
