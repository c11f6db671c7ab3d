from django.urls import path

from . import streaming, views

app_name = "chat"

urlpatterns = [
    path("", views.index, name="index"),
    path("ask/", views.ask, name="ask"),
    path("why/<slug:kind>/<path:key>/", views.why, name="why"),
    path("stream/<uuid:pk>/", streaming.stream, name="stream"),  # served by ASGI: gpuadvisor/asgi.py
    path("answers/<uuid:pk>/", views.answer, name="answer"),
    path("answers/<uuid:pk>/stop/", views.stop, name="stop"),
    path("answers/<uuid:pk>/retry/", views.retry, name="retry"),
    path("sources/<uuid:pk>/", views.sources, name="sources"),
    path("offers/<uuid:pk>/confirm/", views.offer_confirm, name="offer-confirm"),
    path("offers/<uuid:pk>/decline/", views.offer_decline, name="offer-decline"),
    path("messages/<uuid:pk>/delete/", views.message_delete, name="message-delete"),
    path("<uuid:pk>/", views.conversation, name="conversation"),
    path("<uuid:pk>/ask/", views.ask_in, name="ask-in"),
    path("<uuid:pk>/meter/", views.meter, name="meter"),
    path("<uuid:pk>/rename/", views.rename, name="rename"),
    path("<uuid:pk>/pin/", views.pin, name="pin"),
    path("<uuid:pk>/archive/", views.archive, name="archive"),
    path("<uuid:pk>/restore/", views.restore, name="restore"),
    path("<uuid:pk>/delete/", views.delete, name="delete"),
    path("<uuid:pk>/memory/", views.memory, name="memory"),
]
