"""Which rows are an account's: the tables of `tables.py` beside what the models themselves tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.db import models
from django.db.models import Q, QuerySet
from djstripe.models import Customer, Event

from billing.models import Invoice, Subscription
from gpuadvisor.accounts.models import User

from .tables import OF_NOBODY, STRIPE_OF_NOBODY, TABLES, Owner, Table

Model = type[models.Model]
STRIPE_APP = "djstripe"
STRIPE_TOLD = "id livemode created stripe_data"
FEW = 2_000  # owners of rows that are named one by one in a query


@dataclass(frozen=True)
class Held:
    """A table with its model."""

    table: Table
    model: Model

    @property
    def name(self) -> str:
        return str(self.model._meta.db_table)

    def columns(self, kind: str) -> list[Any]:
        """The model's columns of a kind: told, secret, inner, staff, emptied."""
        return [self.model._meta.get_field(name) for name in getattr(self.table, kind).split()]

    def rows(self, owner: Owner) -> QuerySet[Any]:
        """The rows of an account."""
        manager = self.model._base_manager
        path = self.table.owner
        if not isinstance(path, str):
            return manager.filter(path(owner))
        first, _, rest = path.partition("__")
        if not rest:
            return manager.filter(**{first: owner.pk})
        parents = _parent(self.model, first)._base_manager.filter(**{rest: owner.pk}).values_list("pk", flat=True)
        few = list(parents[: FEW + 1])  # named, so that the database takes the index that leads to them
        return manager.filter(**{f"{first}__in": few if len(few) <= FEW else parents})

    @property
    def order(self) -> tuple[str, ...]:
        """By what the rows are read: all of one owner's together, then by key."""
        if self.table.key:
            return self.table.key
        if isinstance(self.table.owner, str) and "__" in self.table.owner:
            return (f"{self.table.owner.partition('__')[0]}_id", "pk")
        return ("pk",)


def _parent(model: Model, name: str) -> Model:
    parent: Model = model._meta.get_field(name).related_model  # type: ignore[assignment] # a foreign key
    return parent


def all_models() -> Iterator[Model]:
    """Every table that Django knows of, those between two others too."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            yield model


@cache
def held() -> tuple[Held, ...]:
    """Every table that may hold rows of an account."""
    ours = [Held(table, apps.get_model(table.label)) for table in TABLES]
    return (*ours, *(Held(table, apps.get_model(table.label)) for table in stripe_tables()))


@cache
def stripe_tables() -> tuple[Table, ...]:
    """dj-stripe's copies: whatever names the customer, in a column, by another copy, or in what Stripe told."""
    found = []
    for model in all_models():
        if model._meta.app_label != STRIPE_APP or model.__name__ in STRIPE_OF_NOBODY:
            continue
        names = {field.name for field in model._meta.concrete_fields}
        if model._meta.auto_created and not any(path_to_customer(model)):
            continue
        told = [name for name in STRIPE_TOLD.split() if name in names]
        inner = sorted(names - set(told) - {"secret"})
        secret = "secret" if "secret" in names else ""
        found.append(
            Table(model._meta.label, _of_customer(model), " ".join(told), secret=secret, inner=" ".join(inner))
        )
    return tuple(found)


def _of_customer(model: Model) -> Any:
    def rows(owner: Owner) -> Q:
        if not owner.customers:
            return Q(pk__in=[])
        wanted = Q(pk__in=[])
        if model is Customer:
            wanted |= Q(id__in=owner.customers) | Q(subscriber=owner.pk)
        for path in path_to_customer(model):
            wanted |= Q(**{f"{path}__id__in": owner.customers})
        names = {field.name for field in model._meta.concrete_fields}
        if "stripe_data" in names:
            wanted |= Q(stripe_data__customer__in=owner.customers)
        if model is Event:
            wanted |= Q(data__object__customer__in=owner.customers) | Q(data__object__id__in=owner.customers)
            wanted |= Q(stripe_data__data__object__customer__in=owner.customers)
            wanted |= Q(stripe_data__data__object__id__in=owner.customers)
        if model.__name__ == "WebhookEventTrigger":
            for customer in owner.customers:
                wanted |= Q(body__contains=f'"{customer}"')
        return wanted

    return rows


def path_to_customer(model: Model) -> list[str]:
    """The paths of foreign keys that lead from a copy to a customer, at most three steps long, the short ones first."""
    paths: list[str] = []
    steps: list[tuple[str, Model]] = [("", model)]
    for _depth in range(3):
        nearer: list[tuple[str, Model]] = []
        for prefix, at in steps:
            for one in at._meta.concrete_fields:
                to = one.related_model
                if not isinstance(to, type) or to._meta.app_label != STRIPE_APP or to is at or to is model:
                    continue
                path = f"{prefix}{one.name}"
                if to is Customer:
                    paths.append(path)
                elif to.__name__ not in STRIPE_OF_NOBODY:
                    nearer.append((f"{path}__", to))
        if paths:
            return paths
        steps = nearer
    return paths


@cache
def deletion_order() -> tuple[Held, ...]:
    """Our tables, each before those that it refers to, so that no batch leaves a reference behind.

    dj-stripe's refer to each other in circles: they go together, in one transaction.
    """
    by_model = {one.model: one for one in held() if not is_stripes(one)}
    by_label = {one.table.label: one for one in by_model.values()}
    sorter: TopologicalSorter[Held] = TopologicalSorter()
    for one in by_model.values():
        sorter.add(one)
        for target in references(one.model):
            if target is not one.model and target in by_model:
                sorter.add(by_model[target], one)
        for label in one.table.before:
            sorter.add(by_label[label], one)
    return tuple(sorter.static_order())


def references(model: Model) -> Iterator[Model]:
    """The models that a model refers to."""
    for one in model._meta.concrete_fields:
        if isinstance(one.related_model, type):
            yield one.related_model


def is_stripes(one: Held) -> bool:
    """Whether it is a copy of dj-stripe's."""
    return bool(one.model._meta.app_label == STRIPE_APP)


def owner_of(user: User) -> Owner:
    """The account, its addresses, its customers at Stripe and its sessions."""
    addresses = {user.email, *EmailAddress.objects.filter(user=user).values_list("email", flat=True)}
    customers: set[str] = {
        *Subscription.objects.filter(user=user).values_list("stripe_customer_id", flat=True),
        *Invoice.objects.filter(user=user).values_list("customer", flat=True),
        *Customer.objects.filter(subscriber=user).values_list("id", flat=True),
    } - {None, ""}
    sessions = UserSession.objects.filter(user=user).values_list("session_key", flat=True)
    return Owner(user.pk, tuple(sorted(addresses)), tuple(sorted(customers)), tuple(sessions))


def unclassified() -> list[str]:
    """What nobody has said of: models, and columns of models. Empty where all is said."""
    said = {one.table.label: one for one in held()}
    missing = []
    for model in all_models():
        label = model._meta.label
        is_of_nobody = label in OF_NOBODY or (
            model._meta.app_label == STRIPE_APP and (model.__name__ in STRIPE_OF_NOBODY or model._meta.auto_created)
        )
        if label not in said:
            if not is_of_nobody:
                missing.append(label)
            continue
        table = said[label].table
        named = " ".join((table.told, table.secret, table.inner, table.staff)).split()
        columns = {one.name for one in model._meta.concrete_fields}
        missing += [f"{label}.{name}" for name in sorted(columns - set(named))]
        missing += [f"{label}.{name} (gone)" for name in sorted(set(named) - columns)]
        missing += [f"{label}.{name} (twice)" for name in sorted({name for name in named if named.count(name) > 1})]
    return missing


def paths_to_users() -> dict[str, set[str]]:
    """For each model with a foreign key to an account its names: what the models say, beside what `tables.py` says."""
    found: dict[str, set[str]] = {}
    for model in all_models():
        for one in model._meta.concrete_fields:
            if one.related_model is User:
                found.setdefault(model._meta.label, set()).add(one.name)
    return found


def account_of(pk: UUID | str) -> User | None:
    return User.objects.filter(pk=pk).first()
