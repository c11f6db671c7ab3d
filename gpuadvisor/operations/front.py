"""The front page of the administration: what is red first, each with a figure and a link to where it is put right.

What `/health` checks is here; beside it boxes with a figure, one function each. A box asks the same number of queries
however many rows there are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise

from alerts.models import AlertDelivery
from billing.models import StripeEvent, Subscription
from billing.reconciling.comparing import open_drifts
from chat.models import Ceiling, TokenDay
from gpuadvisor.core import clock, formats, health
from market.models import Quarantine

from . import checks, running, waiting
from .models import Backup, Erasure, RestoreCheck

log = logging.getLogger(__name__)
RED, AMBER, OK = "red", "amber", "ok"
NEARLY = 0.8  # of the day's ceiling


@dataclass(frozen=True)
class Box:
    """One thing that staff look after. `figure` is what the eye catches, `sentence` what it means."""

    title: StrOrPromise
    level: str
    figure: str
    sentence: StrOrPromise
    url: str


Maker = Callable[[datetime], Box]
_boxes: dict[str, tuple[Maker, str]] = {}


def register(name: str, maker: Maker, *, permission: str = "") -> None:
    """Show this box to who has `permission`."""
    _boxes[name] = (maker, permission)


def boxes(user: Any) -> list[Box]:
    """All that this member of staff may see: red, amber, then what is well; one that fails is red and says so."""
    now = clock.now()
    made = [*_of_health()]
    for name, (maker, permission) in _boxes.items():
        if permission and not user.has_perm(permission):
            continue
        try:
            with transaction.atomic():
                made.append(maker(now))
        except Exception:  # whatever it meets, the others are shown
            log.exception("the box %s of the front page", name)
            made.append(Box(name, RED, "?", _("This could not be asked: the log says why."), reverse("admin:index")))
    return sorted(made, key=lambda box: (RED, AMBER, OK).index(box.level))


def _list(name: str, **query: str) -> str:
    return reverse(f"admin:{name}_changelist") + (f"?{urlencode(query)}" if query else "")


# -- What /health checks -----------------------------------------------------------------------------------------------
PAGES = {
    "sources": "market_sourcerun",
    "mails": "core_queuedmail",
    "outboxes": "alerts_alertdelivery",
    "backup": "operations_backup",
    "archive": "operations_backup",
    "restore-check": "operations_restorecheck",
    "privacy": "operations_erasure",
    "beat": "core_heartbeat",
    "worker": "core_heartbeat",
    "queues": "core_heartbeat",
    "clock": "core_heartbeat",
}

TOLD_BELOW = frozenset({"outboxes", "mails"})  # by a box with a figure


def _of_health() -> Iterable[Box]:
    found = health.check()
    for name, said in found.checks.items():
        if name in TOLD_BELOW:
            continue
        level = RED if name in (*found.red, *found.alarms) else AMBER if name in found.amber else OK
        title = name.replace("-", " ").capitalize()
        sentence = _("All is well.") if said == "ok" else said[:1].upper() + said[1:] + "."
        yield Box(title, level, "", sentence, _list(PAGES.get(name, "core_jobstate")))


# -- Figures -----------------------------------------------------------------------------------------------------------
def _age(now: datetime, moment: datetime | None) -> str:
    return running.age((now - moment).total_seconds()) if moment else "–"


def queue(now: datetime) -> Box:
    """How long the oldest row of all outboxes has been due."""
    found = max(waiting.outboxes(), key=lambda box: box.seconds)
    pages = {"mails": "core_queuedmail", "answers": "chat_answer", "payments": "billing_stripeevent"}
    level = found.level
    said = _("%(rows)d in “%(name)s”, which waits longest") % {"rows": found.rows, "name": found.outbox.name}
    url = _list(pages.get(found.outbox.name, "alerts_alertdelivery"))
    return Box(_("Age of the queue"), level, running.age(found.seconds), said + ".", url)


def deliveries(now: datetime) -> Box:
    """Alerts that were given up in the last day."""
    since = now - timedelta(days=1)
    dead = AlertDelivery.objects.filter(pk__gte=waiting.floor(86_400), created_at__gt=since, status="dead").count()
    said = _("Given up in the last 24 hours: their receivers did not take them.")
    return Box(
        _("Deliveries given up"),
        AMBER if dead else OK,
        str(dead),
        said,
        _list("alerts_alertdelivery", status__exact="dead"),
    )


def payments(now: datetime) -> Box:
    """Accounts whose payment failed."""
    number = Subscription.objects.filter(status=Subscription.Status.PAST_DUE).count()
    said = _("Accounts whose payment failed; they are written to by themselves.")
    return Box(
        _("Failed payments"), AMBER if number else OK, str(number), said, _list("billing_subscription", now="past_due")
    )


def drift(now: datetime) -> Box:
    """What differs from Stripe, and events that were given up."""
    number, dead = open_drifts().count(), StripeEvent.objects.filter(state=StripeEvent.State.DEAD).count()
    said = _("Differences from Stripe that are open; %(dead)d events were given up.") % {"dead": dead}
    url = (
        _list("billing_stripeevent", state__exact="dead")
        if dead and not number
        else _list("billing_drift", state="open")
    )
    return Box(_("Drift from Stripe"), RED if number or dead else OK, str(number + dead), said, url)


def mails(now: datetime) -> Box:
    """Mails that could not be sent."""
    failed, sent = checks.mail_counts()
    said = _("Could not be sent in the last 24 hours; %(sent)s were.") % {"sent": formats.number(sent, 0)}
    return Box(
        _("Mails failed"), AMBER if failed else OK, str(failed), said, _list("core_queuedmail", status__exact="failed")
    )


def advisor(now: datetime) -> Box:
    """What the language model has cost today, against the ceiling of all accounts."""
    spent = TokenDay.objects.filter(day=now.date()).aggregate(sum=Sum("cost_usd"))["sum"] or 0
    ceiling = Ceiling.objects.filter(user=None).values_list("usd_a_day", flat=True).first()
    level = OK
    if ceiling is not None:
        level = RED if spent >= ceiling else AMBER if float(spent) >= NEARLY * float(ceiling) else OK
    said = (
        _("Spent since midnight UTC; the ceiling is %(ceiling)s.") % {"ceiling": formats.money(ceiling)}
        if ceiling is not None
        else _("Spent since midnight UTC; there is no ceiling for all accounts together.")
    )
    return Box(_("Advisor today"), level, formats.money(spent), said, _list("chat_tokenday"))


def backup(now: datetime) -> Box:
    """How old the newest backup is; whether that is too old stands in the box of the check."""
    newest = Backup.objects.filter(state=Backup.State.DONE).order_by("-started_at").first()
    said = _("Since the newest backup began.") if newest else _("There is no backup yet.")
    return Box(
        _("Age of the backup"), OK, _age(now, newest.started_at if newest else None), said, _list("operations_backup")
    )


def restored(now: datetime) -> Box:
    """When the backups were last proven."""
    last = RestoreCheck.objects.exclude(finished_at=None).order_by("-started_at").first()
    level = RED if last and not last.is_ok else OK
    said = _("Since backups were last restored for a test.") if last else _("Nobody has tried to restore one yet.")
    return Box(
        _("Restore check"), level, _age(now, last.started_at if last else None), said, _list("operations_restorecheck")
    )


def held(now: datetime) -> Box:
    """Market batches that wait for a decision of staff."""
    number = Quarantine.objects.filter(decision="open", scope="batch").count()
    said = _("Documents of sources that were put aside whole: release or confirm them.")
    return Box(
        _("Held batches"),
        RED if number else OK,
        str(number),
        said,
        _list("market_quarantine", decision__exact="open", scope__exact="batch"),
    )


def erasures(now: datetime) -> Box:
    """Deletions of accounts that hang."""
    due = Q(state__in=["asked", "working"], due_at__lt=now)
    found = Erasure.objects.aggregate(
        hang=Count("pk", filter=due & (Q(due_at__lt=now - timedelta(hours=1)) | ~Q(error=""))),
        asked=Count("pk", filter=Q(state="asked")),
    )
    said = _("Deletions of accounts that should be done; %(asked)d are asked for.") % {"asked": found["asked"]}
    return Box(
        _("Erasures that hang"), RED if found["hang"] else OK, str(found["hang"]), said, _list("operations_erasure")
    )


def register_all() -> None:
    """The boxes of all apps, in the order in which equals are shown."""
    register("queue", queue)
    register("deliveries", deliveries, permission="alerts.view_alertdelivery")
    register("payments", payments, permission="billing.view_subscription")
    register("drift", drift, permission="billing.view_drift")
    register("mails", mails, permission="core.view_queuedmail")
    register("advisor", advisor, permission="chat.view_tokenday")
    register("backup", backup, permission="operations.view_backup")
    register("restored", restored, permission="operations.view_restorecheck")
    register("held", held, permission="market.view_quarantine")
    register("erasures", erasures, permission="operations.view_erasure")


register_all()
