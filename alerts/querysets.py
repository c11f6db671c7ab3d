"""One method per question about alerts; `visible_to(user)` first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db.models import QuerySet

if TYPE_CHECKING:
    from gpuadvisor.accounts.models import User

    from .models import Alert, AlertDelivery, AlertLog, Channel, Episode, Inbox, Throttle  # noqa: F401 (in the quotes below)


class AlertQuerySet(QuerySet["Alert"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see."""
        return self.filter(user=user)

    def watching(self) -> Self:
        """Those that look: their host has them on, and their plan holds them."""
        return self.filter(is_active=True, closed_by_plan_at=None)


class AlertLogQuerySet(QuerySet["AlertLog"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see: those of their alerts."""
        return self.filter(alert__user=user)


class ThrottleQuerySet(QuerySet["Throttle"]):
    """`claim` stands with its writer, the trigger service."""


class ChannelQuerySet(QuerySet["Channel"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see."""
        return self.filter(user=user)


class EpisodeQuerySet(QuerySet["Episode"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see."""
        return self.filter(user=user)


class InboxQuerySet(QuerySet["Inbox"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see."""
        return self.filter(user=user)


class AlertDeliveryQuerySet(QuerySet["AlertDelivery"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see."""
        return self.filter(user=user)
