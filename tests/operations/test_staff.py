"""What staff see in the administration: every entity, no secret, no talk without consent (R-067, J9)."""

import datetime
import uuid

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat.models import Conversation, Message, Offer
from gpuadvisor.accounts import consents
from gpuadvisor.core.models import AuditEntry
from gpuadvisor.operations.privacy.tables import TABLES
from tests.factories import UserFactory
from tests.operations import account

# Not for people: rights are chosen on a user's page, the others are Django's own and hold sessions and links.
NOT_SHOWN = {"auth.Permission", "contenttypes.ContentType", "sessions.Session", "account.EmailConfirmation"}


@pytest.fixture
def root(db):
    client = Client()
    client.force_login(UserFactory(email="root@example.com", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def full(client, host, settings, tmp_path, stranger):
    """A host with a row in every table."""
    settings.DATA_DIR = tmp_path
    staff = UserFactory(is_staff=True)
    keys = account.fill(client, host, staff=staff)
    account.of_staff(staff)
    return keys


def shown():
    return {model: page for model, page in admin.site._registry.items() if model._meta.app_label != "djstripe"}


def list_url(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def row_url(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def test_every_entity_is_registered():
    """R-067: the ERD's sixteen and all that stands beside them."""
    ours = {model for model in apps.get_models() if model._meta.app_label != "djstripe"}
    assert {model._meta.label for model in ours - set(admin.site._registry)} == NOT_SHOWN


def test_every_list_can_be_searched_or_is_short():
    """With search and sensible columns; lists that grow are never counted to the end."""
    from gpuadvisor.core.admin import UncountedPaginator

    short = {
        "JobState",
        "SiteMode",
        "Heartbeat",
        "SocialApp",
        "Group",
        "CurrencyRate",
        "PlatformFee",
        "Ceiling",
        "Platform",
    }
    for model, page in shown().items():
        name = model.__name__
        if name not in short and not page.search_fields and not page.list_filter:
            pytest.fail(f"{name} can be neither searched nor filtered")
    for name in ("users", "audit_entries", "messages", "performance_metrics", "alert_logs", "market_data"):
        page = next(page for model, page in shown().items() if model._meta.db_table == name)
        assert issubclass(page.paginator, UncountedPaginator), name


@pytest.mark.slow
def test_every_list_and_every_row_opens(root, full):
    """R-067: none is 500, with a row in every table."""
    for model, page in shown().items():
        listed = root.get(list_url(model), follow=True)
        assert listed.status_code == 200, model
        if page.search_fields:
            assert root.get(list_url(model), {"q": "host@example.com"}).status_code == 200, model
        row = model._default_manager.order_by("pk").first()
        if row is not None:
            for url in (row_url(row), row_url(row).replace("/change/", "/history/")):
                assert root.get(url).status_code == 200, url


def mark(host):
    """Write a marker into every column that is called a secret; the markers by column."""
    marks = {}
    for table in TABLES:
        if not table.secret or table.label in ("sessions.Session",):
            continue
        model = apps.get_model(table.label)
        rows = model._base_manager.exclude(pk=host.pk) if table.label == "accounts.User" else model._base_manager.all()
        rows = model._base_manager.filter(pk=host.pk) if table.label == "accounts.User" else rows
        for name in table.secret.split():
            column = model._meta.get_field(name)
            said = f"zq{uuid.uuid4().hex}"[: getattr(column, "max_length", None) or 40]
            kind = column.get_internal_type()
            row = rows.order_by("pk").first()
            if row is not None:
                kept = getattr(row, name) if kind == "JSONField" else None
                value = said.encode() if kind == "BinaryField" else {**kept, "secret": said} if kept else said
                rows.filter(pk=row.pk).update(**{name: value})
                marks[f"{table.label}.{name}"] = said
    return marks


@pytest.mark.slow
def test_no_page_shows_a_secret(root, host, full):
    """J9, step 3: passwords, keys, tokens, addresses of channels, links, sealed mails."""
    marks = mark(host)
    assert len(marks) > 12
    for model in shown():
        pages = [list_url(model)]
        pages += [row_url(row) for row in model._default_manager.order_by("pk")[:20]]
        for url in pages:
            body = root.get(url).content.decode()
            assert [name for name, said in marks.items() if said in body] == [], url


def test_talk_is_the_hosts_alone_until_they_let_staff_read(root, host, full):
    """J9, step 3"""
    Conversation.objects.update(title="Wolframite", context_summary={"text": "Wolframite"})
    Message.objects.update(content="Wolframite", metadata={"subject": "Wolframite"})
    Offer.objects.update(title="Wolframite", lines=[["Wolframite", "1"]], result="Wolframite")
    rows = [*Conversation.objects.all(), *Message.objects.all(), *Offer.objects.all()]
    pages = [list_url(model) for model in (Conversation, Message, Offer)] + [row_url(row) for row in rows]
    for url in pages:
        assert "Wolframite" not in root.get(url).content.decode(), url
    assert root.get(list_url(Conversation), {"q": "Wolframite"}).context["cl"].result_count == 0, "nor guessed"
    assert not AuditEntry.objects.filter(action="chat.read-by-staff").exists()

    consents.give(host)
    mine = Message.objects.filter(conversation__user=host).first()
    assert "Wolframite" in root.get(row_url(mine)).content.decode()
    assert "Wolframite" not in root.get(list_url(Message)).content.decode()
    assert AuditEntry.objects.filter(action="chat.read-by-staff", details__account=str(host.pk)).exists()
    consents.take_back(host)
    assert "Wolframite" not in root.get(row_url(mine)).content.decode()


@pytest.mark.slow
def test_a_host_leads_to_all_that_hangs_together(root, host, full):
    """R-067: each link of a user's page finds that user's rows."""
    page = root.get(row_url(host)).content.decode()
    for _label, name, field in admin.site._registry[type(host)].lists:
        url = reverse(f"admin:{name}_changelist", query={field: host.email if field == "q" else str(host.pk)})
        assert url.replace("&", "&amp;") in page
        listed = root.get(url)
        assert listed.status_code == 200, url
        assert listed.context["cl"].result_count >= 1, url


@pytest.mark.slow
def test_a_list_of_many_rows_asks_as_often_as_one_of_few(root, full):
    """Constant queries: rows are copied until each list has a page full of them."""
    grew = []
    for model, _page in shown().items():
        url = list_url(model)
        root.get(url)
        with CaptureQueriesContext(
            connection,
        ) as few:
            root.get(url)
        if not copies(model):
            continue
        root.get(url)
        with CaptureQueriesContext(connection) as many:
            root.get(url)
        if len(many) > len(few):
            grew.append((model._meta.label, len(few), len(many)))
    assert grew == []


def copies(model, number=30):
    """Copies of the first row, with other keys; 0 where the table holds each row once."""
    from django.db import DatabaseError, transaction

    row = model._base_manager.order_by("pk").first()
    made = 0
    if row is None or row._meta.pk.get_internal_type() not in ("UUIDField", "BigAutoField", "AutoField"):
        return 0
    unique = [field for field in row._meta.concrete_fields if field.unique and not field.primary_key]
    for number_ in range(number):
        row.pk = uuid.uuid4() if row._meta.pk.get_internal_type() == "UUIDField" else None
        row._state.adding = True
        for field in unique:
            if field.is_relation:
                return 0
            setattr(row, field.attname, f"{number_}{getattr(row, field.attname)}"[: field.max_length or 50])
        for field in row._meta.concrete_fields:
            if field.get_internal_type() == "DateField" and getattr(row, field.attname):
                setattr(row, field.attname, getattr(row, field.attname) - datetime.timedelta(days=1))
        try:
            with transaction.atomic():
                row.save_base(raw=True, force_insert=True)
            made += 1
        except (DatabaseError, TypeError, ValueError):
            return made
    return made


def test_staff_without_rights_see_nothing(full):
    """A member of staff has what the groups give, no more."""
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    caches["pages"].clear()
    for model in shown():
        assert client.get(list_url(model)).status_code == 403, model
