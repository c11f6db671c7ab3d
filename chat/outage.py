"""Whether the language model is out: read from the answers themselves, so that it needs no Redis and no counter."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from .failures import OF_PROVIDER
from .models import Answer

FAILURES_IN_A_ROW = 5
WITHIN = timedelta(seconds=60)


def is_out() -> bool:
    """The last five answers of the model failed within a minute, all by the provider's doing.

    It lasts until the first of them is a minute old: then one answer tries again.
    """
    ended = Answer.objects.filter(
        ended_at__gte=Now() - WITHIN,
        advisor=Answer.Advisor.MODEL,
        state__in=[Answer.State.FINISHED, Answer.State.FAILED],
    )
    newest = ended.order_by("-ended_at").values_list("state", "error")[:FAILURES_IN_A_ROW]
    failed = [error in OF_PROVIDER for state, error in newest if state == Answer.State.FAILED]
    return len(failed) == FAILURES_IN_A_ROW and all(failed)
