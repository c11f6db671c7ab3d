"""The steps of a deletion, in their order. Each may be broken off and run again, and says whether it is through."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.db import connection, models, transaction
from django.db.models import F, QuerySet
from djstripe.models import Customer
from redis.exceptions import RedisError

from alerts.models import AlertDelivery
from billing import client, sync
from billing.models import Invoice, PlanChange, StripeEvent, Subscription
from chat.live import key_of
from chat.models import Answer
from gpuadvisor.accounts.models import ApiToken, User
from gpuadvisor.core import audit, clock
from gpuadvisor.core.models import AuditEntry, QueuedMail
from gpuadvisor.core.partitions import existing_months, partitioned_models
from portfolios.imports import files as import_files

from ..models import Erasure, Export
from . import exporting, inventory, ledger, letters
from .inventory import Held
from .tables import Owner

log = logging.getLogger(__name__)
Step = Callable[[Erasure, float], bool]
BATCH = 5_000
STRIPE_SECONDS = 12.0
DRAIN_SECONDS = 10.0  # a page answers within 5, a delivery within 10


class NotYet(Exception):
    """Something outside is away: try again later. The text is a sentence for staff."""


# -- Nobody comes in any more ------------------------------------------------------------------------------------------
def close(row: Erasure, until: float) -> bool:
    """Sign everybody out, let no key open anything, send nothing more."""
    user = row.user
    if user is None:
        return True
    row.steps["customers"] = list(inventory.owner_of(user).customers)  # Stripe is asked when the account is gone
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(is_active=False, session_epoch=F("session_epoch") + 1)
        ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=clock.now())
        AlertDelivery.objects.filter(user=user, status=AlertDelivery.Status.PENDING).update(
            status=AlertDelivery.Status.CANCELLED, lease=None, lease_until=None, ended_at=clock.now()
        )
        Answer.objects.filter(user=user, state__in=("waiting", "working")).update(is_stop_asked=True)
        if "plan" not in row.steps:
            row.steps["plan"] = _end_plan(user)
        row.save(update_fields=["steps"])
    _end_sessions(user)
    return True


def _end_plan(user: User) -> str:
    """In the book of revenue the plan ends with the account; which plan it was."""
    plan = Subscription.objects.filter(user=user).first()
    if plan is None:
        return ""
    if plan.tier != "free":
        PlanChange.objects.create(
            user=user,
            before=plan.tier,
            after="free",
            price_before=sync.paying(plan),
            price_after=0,
            source=PlanChange.Source.PROGRAM,
            at=clock.now(),
        )
    return plan.tier


def _end_sessions(user: User) -> None:
    store = import_module(settings.SESSION_ENGINE).SessionStore
    keys = set(UserSession.objects.filter(user=user).values_list("session_key", flat=True))
    for session in Session.objects.exclude(session_key__in=keys).iterator(chunk_size=2_000):
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):  # one that no list of sessions names
            keys.add(session.session_key)
    for key in keys:
        store(key).delete()


def write_down(row: Erasure, until: float) -> bool:
    """The ledger first: a restore of this very moment must know it too."""
    ledger.add(row.account, row.due_at)
    return True


def drain(row: Erasure, until: float) -> bool:
    """What was under way when the doors closed ends first: a page that writes, a delivery, words of an answer."""
    if "again" not in row.steps:
        time.sleep(DRAIN_SECONDS)
    return True


# -- Files -------------------------------------------------------------------------------------------------------------
def files(row: Erasure, until: float) -> bool:
    """Exports and files of imports. A worker that makes one finds its row gone and leaves nothing."""
    for pk in list(Export.objects.filter(user=row.account).values_list("pk", flat=True)):
        Export.objects.filter(pk=pk).delete()
        exporting.discard(pk)
    folder = import_files.folder() / row.account.hex
    shutil.rmtree(folder, ignore_errors=True)
    return True


# -- Rows --------------------------------------------------------------------------------------------------------------
def rows(row: Erasure, until: float) -> bool:
    """All tables but the account's own row, in batches; those that are kept wait for `person`."""
    if row.user is None:
        return True
    owner = inventory.owner_of(row.user)
    for one in inventory.deletion_order():
        if one.table.is_kept or one.model is User:
            continue
        for _number in delete(one, owner):
            if time.monotonic() > until:
                return False
    return True


def delete(one: Held, owner: Owner) -> Iterator[int]:
    """Delete an account's rows of a table in batches, each its own transaction; the number of each."""
    _forget_in_admin(one, owner)
    found = one.rows(owner)
    for field in one.model._meta.concrete_fields:
        if field.related_model is one.model:
            found.filter(**{f"{field.name}__isnull": False}).update(**{field.name: None})
    if one.model in partitioned_models():
        yield from _delete_by_month(one, owner)
    while pks := list(found.order_by().values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            number = _raw_delete(one.model._base_manager.filter(pk__in=pks))
        yield number


def _delete_by_month(one: Held, owner: Owner) -> Iterator[int]:
    """Month after month by the rows' places, since no index leads from a batch of keys to the months."""
    gpus = list(_gpus(owner))
    if not gpus:
        return
    for table in existing_months(one.model).values():
        while True:
            with transaction.atomic(), connection.cursor() as cursor:
                name = connection.ops.quote_name(table)
                cursor.execute(
                    f"delete from {name} where ctid = any(array(select ctid from {name}"  # noqa: S608 - our own names
                    " where gpu_configuration_id = any(%s) limit %s))",
                    [gpus, BATCH],
                )
                number = cursor.rowcount
            if not number:
                break
            yield number


def _gpus(owner: Owner) -> QuerySet[Any, UUID]:
    from portfolios.models import GPUConfiguration

    return GPUConfiguration._base_manager.filter(portfolio__user=owner.pk).values_list("pk", flat=True)


def _raw_delete(found: QuerySet[Any]) -> int:
    """Without asking each row what hangs on it: the order of the tables has seen to that."""
    return int(found._raw_delete(found.db))


def _forget_in_admin(one: Held, owner: Owner) -> None:
    """The admin's history says what staff did, with the name of what they did it to: the name goes."""
    history = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(one.model))
    named = list(history.exclude(object_repr="").values_list("object_id", flat=True).distinct()[: BATCH * 10])
    keys: list[Any] = []
    for text in named:
        with suppress(Exception):
            keys.append(one.model._meta.pk.to_python(text))
    if keys:
        mine = [str(pk) for pk in one.rows(owner).filter(pk__in=keys).values_list("pk", flat=True)]
        history.filter(object_id__in=mine).update(object_repr="", change_message="")


# -- The account itself ------------------------------------------------------------------------------------------------
def person(row: Erasure, until: float) -> bool:
    """In one transaction: what is kept loses the name, what came in meanwhile goes too, then the account's own row."""
    if row.user is None:
        return True
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=row.account).first()  # no row can be hung on it any more
        if user is None:
            return True
        owner = inventory.owner_of(user)
        _keep_without_name(user, owner)
        for one in inventory.deletion_order():
            if not one.table.is_kept and one.model is not User:
                for _number in delete(one, owner):
                    pass
        _delete_stripe_copies(owner)
        _leave_no_name(user)
        _forget_in_admin(next(one for one in inventory.held() if one.model is User), owner)
        sent = [] if "again" in row.steps else letters.erasure_done(user)
        audit.record(user=None, action="privacy.account-deleted", details={"account": str(user.pk)})
        _raw_delete(User.objects.filter(pk=user.pk))
        row.user = None
        row.steps["customers"] = sorted({*row.steps.get("customers", []), *owner.customers})
        row.steps["mails"] = [str(pk) for pk in sent]
        row.save(update_fields=["user", "steps"])
    return True


def _keep_without_name(user: User, owner: Owner) -> None:
    for one in inventory.held():
        if not one.table.is_kept:
            continue
        if one.model is AuditEntry:
            _keep_deeds(user, one.rows(owner))
            continue
        one.rows(owner).update(**{column.name: _nothing(column) for column in one.columns("emptied")})


def _keep_deeds(user: User, deeds: QuerySet[Any]) -> None:
    """What a host did goes; what staff did stays, of what it was done to only the key."""
    if not user.is_staff:
        deeds.filter(user=user).delete()
    others = deeds.exclude(user=user)
    others.update(details={"account": str(user.pk)})
    deeds.filter(user=user).update(user=None)


def _nothing(column: Any) -> Any:
    if column.null:
        return None
    return {} if isinstance(column, models.JSONField) else ""


def _leave_no_name(user: User) -> None:
    """Columns anywhere that name the account as who did something."""
    said = {one.table.label: one for one in inventory.held()}
    for label, names in inventory.paths_to_users().items():
        for name in names:
            column = said[label].model._meta.get_field(name)
            if column.null:
                said[label].model._base_manager.filter(**{name: user.pk}).update(**{name: None})


# -- Stripe ------------------------------------------------------------------------------------------------------------
def stripe(row: Erasure, until: float) -> bool:
    """End what the account pays for, and let Stripe forget the person.

    Raises: NotYet.
    """
    customers = list(row.steps.get("customers", []))
    if not customers:
        return True
    if not settings.BILLING_ENABLED:
        raise NotYet(f"Billing is off, so nobody told Stripe: delete {', '.join(customers)} there by hand.")
    try:
        with client.within(STRIPE_SECONDS):
            for customer in customers:
                client.delete_customer(customer)
    except client.StripeAway as away:
        raise NotYet(f"{away} The plan of this account still runs there: {', '.join(customers)}.") from away
    except client.StripeRefused as refused:
        raise NotYet(f"{refused} Delete {', '.join(customers)} there by hand.") from refused
    forget_stripe(tuple(customers))
    return True


def forget_stripe(customers: tuple[str, ...]) -> int:
    """Delete what Stripe told of these customers; events of their end come in for a while."""
    if not customers:
        return 0
    owner = Owner(UUID(int=0), customers=customers)
    with transaction.atomic():
        gone = StripeEvent.objects.filter(customer__in=customers).exclude(state=StripeEvent.State.DUE).delete()[0]
        Invoice.objects.filter(customer__in=customers, user=None).exclude(url="").update(url="")
        return gone + _delete_stripe_copies(owner)


def _delete_stripe_copies(owner: Owner) -> int:
    """All together: they refer to each other in circles, and the database looks when the transaction ends."""
    if not owner.customers and not Customer.objects.filter(subscriber=owner.pk).exists():
        return 0
    copies = [one for one in inventory.held() if inventory.is_stripes(one)]
    found = {one.model: list(one.rows(owner).values_list("pk", flat=True)) for one in copies}
    return sum(_raw_delete(model._base_manager.filter(pk__in=pks)) for model, pks in found.items() if pks)


# -- What is left ------------------------------------------------------------------------------------------------------
def cached(row: Erasure, until: float) -> bool:
    """Copies that would vanish by themselves within minutes, and a file that was on its way up."""
    shutil.rmtree(import_files.folder() / row.account.hex, ignore_errors=True)
    with suppress(RedisError, OSError):
        cache: Any = caches["pages"]
        server = cache._cache.get_client(None, write=True)
        for key in server.scan_iter(match=f"*{row.account}*", count=1_000):
            server.delete(key)
    table = connection.ops.quote_name(caches["default"]._table)  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute(f"delete from {table} where cache_key like %s", [f"%{row.account}%"])  # noqa: S608 - our setting
    return True


def words(row: Erasure, until: float) -> bool:
    """Words of answers that browsers still hear."""
    with suppress(RedisError, OSError):
        cache: Any = caches["pages"]
        server = cache._cache.get_client(None, write=True)
        lately = Answer.objects.filter(user=row.account).order_by("-asked_at").values_list("pk", flat=True)[:100]
        if keys := [key_of(pk) for pk in lately]:
            server.delete(*keys)
    return True


def last_mail(row: Erasure, until: float) -> bool:
    """The address goes with the mail that said goodbye.

    Raises: NotYet while it waits to be sent.
    """
    mails = QueuedMail.objects.filter(pk__in=row.steps.get("mails", []))
    if mails.filter(status=QueuedMail.Status.PENDING).exists():
        raise NotYet("The last mail is not sent yet.")
    if not settings.MAILBOX_ENABLED:  # a development server shows it for a day
        mails.delete()
    return True


STEPS: tuple[tuple[str, Step], ...] = (
    ("closed", close),
    ("ledger", write_down),
    ("drained", drain),
    ("files", files),
    ("words", words),
    ("rows", rows),
    ("person", person),
    ("cached", cached),
    ("mail", last_mail),
    ("stripe", stripe),
)
