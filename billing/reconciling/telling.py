"""What staff hear of a comparison: a mail in nights in which they have something to do or to know."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from gpuadvisor.accounts.models import User
from gpuadvisor.core import clock, mail

from ..models import Reconciliation
from .comparing import open_drifts

HANDFUL = 5  # differences that were put right and are told of in the admin alone
SHOWN = 20
ONCE_IN = timedelta(hours=20)
RIGHT = "view_drift"


def staff() -> list[User]:
    """Who may look at differences."""
    holds = Q(user_permissions__codename=RIGHT) | Q(groups__permissions__codename=RIGHT)
    may = User.objects.filter(Q(is_superuser=True) | holds, is_staff=True, is_active=True, is_demo=False)
    return list(may.distinct().order_by("pk"))


@transaction.atomic
def tell(run: Reconciliation) -> bool:
    """Mail staff where differences are open, were more than a handful, or the comparison stopped; once a night."""
    drifts, now = open_drifts(), clock.now()
    count = drifts.count()
    if not count and run.found <= HANDFUL and not run.error:
        return False
    if Reconciliation.objects.filter(mailed_at__gt=now - ONCE_IN).exists():
        return False
    with translation.override(settings.LANGUAGE_CODE):
        context = {
            "run": run,
            "count": count,
            "drifts": drifts.select_related("user").order_by("-found_at")[:SHOWN],
            "more": max(0, count - SHOWN),
            "url": settings.SITE_URL + reverse("admin:billing_drift_changelist"),
        }
        subject = " ".join(render_to_string("billing/email/drift_subject.txt", context).split())
        text = render_to_string("billing/email/drift_mail.txt", context)
    for one in staff():
        mail.queue(EmailMessage(subject, text, to=[one.email]))
    run.mailed_at = now
    Reconciliation.objects.filter(pk=run.pk).update(mailed_at=now)
    return True
