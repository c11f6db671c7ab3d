"""What goes to the language model with a question, within a budget of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .models import Answer, Message

PROMPT = "system-1.txt"


def messages_for(answer: Answer) -> list[dict[str, Any]]:
    """The messages of one request, the system's first and the question last."""
    system = (Path(__file__).parent / "prompts" / PROMPT).read_text(encoding="utf-8")
    earlier = (
        Message.objects.visible_to(answer.user)
        .filter(conversation=answer.question.conversation_id, role__in=["user", "assistant"])
        .filter(created_at__lt=answer.question.created_at)
        .exclude(content="")
        .order_by("-created_at")[:12]
    )
    told = [{"role": message.role, "content": message.content} for message in reversed(earlier)]
    return [
        {"role": "system", "content": system},
        *told,
        {"role": "user", "content": answer.question.content},
    ]
