"""One method per question about conversations; `visible_to(user)` first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db.models import Max, QuerySet

if TYPE_CHECKING:
    from gpuadvisor.accounts.models import User

    from .models import Answer, Conversation, Message, Offer  # noqa: F401 (in the quotes below)


class ConversationQuerySet(QuerySet["Conversation"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see."""
        return self.filter(user=user)

    def most_messages(self) -> int:
        """The user's own messages in the conversation that has most of them; 0 without one."""
        return self.aggregate(most=Max("message_count"))["most"] or 0


class MessageQuerySet(QuerySet["Message"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see: those of their conversations, deleted ones left out."""
        return self.filter(conversation__user=user, is_deleted=False)


class AnswerQuerySet(QuerySet["Answer"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see."""
        return self.filter(user=user, message__is_deleted=False)

    def running(self) -> Self:
        """Those that wait or are being worked on."""
        return self.filter(state__in=["waiting", "working"])


class OfferQuerySet(QuerySet["Offer"]):
    def visible_to(self, user: User) -> Self:
        """The rows this user may see."""
        return self.filter(user=user, message__is_deleted=False)
