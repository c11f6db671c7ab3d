"""Channels with their health, and the log of what was told or held back."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, Prefetch, QuerySet

from gpuadvisor.accounts.models import User
from portfolios.paging import page_by_key

from ..models import AlertDelivery, AlertLog, Channel, DeliveryAttempt
from .badges import Badge

PAGE_SIZE = 25


def channels(user: User) -> QuerySet[Channel]:
    """The host's channels with the number of alerts that use each."""
    rows = Channel.objects.visible_to(user).defer("address", "secret", "old_secret")
    return rows.annotate(used=Count("alerts")).order_by("-created_at", "-pk")


def channel_state(channel: Channel) -> Badge:
    levels = {"active": "ok", "paused": "", "failed": "bad"}
    level = "warn" if channel.state == "active" and channel.failures_in_row else levels[channel.state]
    return Badge(channel.get_state_display(), level)


def log(user: User, after: str, *, alert: UUID | None = None, status: str = "") -> tuple[list[AlertLog], str]:
    """A page of what was told or held back, with deliveries and their attempts."""
    rows = AlertLog.objects.visible_to(user)
    if alert:
        rows = rows.filter(alert=alert)
    if status in AlertLog.Status.values:
        rows = rows.filter(delivery_status=status)
    return page_by_key(_with_deliveries(rows), after, PAGE_SIZE)


def log_entries(user: User) -> QuerySet[AlertLog]:
    return _with_deliveries(AlertLog.objects.visible_to(user))


def _with_deliveries(rows: QuerySet[AlertLog]) -> QuerySet[AlertLog]:
    tries = Prefetch("tries", DeliveryAttempt.objects.order_by("number", "pk"))
    sent = AlertDelivery.objects.select_related("channel").prefetch_related(tries).order_by("created_at", "pk")
    return rows.select_related("alert", "episode", "folded_into").prefetch_related(
        Prefetch("deliveries", sent), Prefetch("digests", sent)
    )
