"""Answers in the states that streams and pages meet."""

from chat.models import Answer, Conversation, Message
from gpuadvisor.core import clock


def an_answer(user, state="working", text="", question="How am I doing?", **fields):
    """A conversation of one question, and its answer."""
    now = clock.now()
    conversation = Conversation.objects.create(user=user, title="Today", message_count=1, last_message_at=now)
    asked = Message.objects.create(conversation=conversation, role="user", content=question)
    message = Message.objects.create(
        conversation=conversation, role="assistant", content=text, metadata=fields.pop("metadata", {})
    )
    return Answer.objects.create(
        user=user, message=message, question=asked, state=state, advisor="model", asked_at=now, **fields
    )


def finish(answer, text, state="finished"):
    """What the worker commits at the end."""
    Message.objects.filter(pk=answer.message_id).update(content=text)
    Answer.objects.filter(pk=answer.pk).update(state=state)
