"""The conversations of the demo host: asked and answered by the rules, with the figures of now."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, formats
from portfolios.suggestions.selectors import in_state

from . import answering, tokens
from .models import Answer, Conversation, Message


def refresh(user: User) -> None:
    """Ask and answer the samples anew, in the rows that they have; what else the user talked about stays."""
    for sample, (title, texts) in _samples(user).items():
        with transaction.atomic():
            conversation = _conversation(user, sample, title, len(texts))
            for text in texts:
                _ask(user, conversation, text)


def _samples(user: User) -> dict[str, tuple[str, list[str]]]:
    """Titles and questions; those about a rate are of what is suggested now."""
    week = [_("How am I doing?"), _("Why did that change against last week?"), _("Which GPU earns the least?")]
    price = [_("What should I charge?")]
    row = next((row for row in in_state(user)[:10] if row.gpu_configuration and row.to_rate), None)
    if row is not None and row.gpu_configuration is not None:
        gpu = row.gpu_configuration.custom_name or row.gpu_configuration.gpu_model.name
        words = {"gpu": gpu, "rate": formats.price(row.to_rate)}
        price += [_("What if I charge %(rate)s for %(gpu)s?") % words, _("Where would %(gpu)s earn more?") % words]
    else:
        price.append(_("What should I do next?"))
    return {"price": (_("What should I charge?"), price), "week": (_("How was the last week?"), week)}


def _conversation(user: User, sample: str, title: str, count: int) -> Conversation:
    """The sample's row, empty."""
    mine = Conversation.objects.visible_to(user).select_for_update()
    row = mine.filter(context_summary__sample=sample).first() or Conversation(user=user)
    if not row._state.adding:
        row.messages.all().delete()
    row.title = title
    row.context_summary = {"sample": sample, "titled": True}
    row.user_preferences = {}
    row.message_count = count
    row.last_message_at = clock.now()
    row.is_archived = False
    row.save()
    return row


def _ask(user: User, conversation: Conversation, text: str) -> None:
    """One question and its answer, here and now, in one transaction: no worker sees it waiting."""
    question = Message.objects.create(
        conversation=conversation, role=Message.Role.USER, content=text, token_count=tokens.estimate(text)
    )
    message = Message.objects.create(conversation=conversation, role=Message.Role.ASSISTANT)
    answer = Answer.objects.create(
        user=user, message=message, question=question, advisor=Answer.Advisor.RULES, asked_at=clock.now()
    )
    answering.work(answer.pk)
