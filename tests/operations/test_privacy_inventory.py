"""Promise 19: no table forgotten."""

import pytest
from django.apps import apps

from gpuadvisor.accounts.models import User
from gpuadvisor.operations.privacy import inventory
from gpuadvisor.operations.privacy.tables import OF_NOBODY, STRIPE_OF_NOBODY, TABLES
from tests.factories import UserFactory
from tests.operations import account


def test_every_model_and_every_column_is_classified():
    """A new table or column fails here until somebody says whose it is and who may have it."""
    assert inventory.unclassified() == []


def test_every_path_to_an_account_is_known():
    """By introspection: whatever refers to an account is a table of the inventory, and every such column is said."""
    said = {}
    for table in TABLES:
        paths = said.setdefault(table.label, set())
        paths |= {table.owner} if isinstance(table.owner, str) else set()
        paths |= set(table.staff.split()) | set(table.emptied.split())
    for label, columns in inventory.paths_to_users().items():
        if not label.startswith("djstripe."):
            assert columns <= said[label], label


def test_a_table_that_hangs_on_an_accounts_table_is_in_the_inventory():
    """Grandchildren too: a reference to a table that is deleted would stop the deletion, or outlive it."""
    ours = {one.model for one in inventory.held()}
    for model in inventory.all_models():
        if model in ours or model is User:
            continue
        hung = [column.related_model for column in model._meta.concrete_fields if column.related_model in ours]
        assert hung == [], model._meta.label


def test_what_is_of_nobody_exists_and_is_nowhere_else():
    labels = {table.label for table in TABLES}
    assert all(apps.get_model(label) for label in OF_NOBODY)
    assert labels & OF_NOBODY == set()
    assert len(labels) == len(TABLES)
    assert {model.__name__ for model in apps.get_app_config("djstripe").get_models()} >= STRIPE_OF_NOBODY


def test_each_copy_of_stripes_with_a_way_to_a_customer_is_found():
    names = {one.model.__name__ for one in inventory.held() if inventory.is_stripes(one)}
    for model in apps.get_app_config("djstripe").get_models(include_auto_created=True):
        if inventory.path_to_customer(model):
            assert model.__name__ in names


HARMLESS = {  # looked at: a number, a moment, or a reference
    "account.EmailConfirmation.email_address",
    "alerts.Channel.digest",
    "alerts.Channel.digest_sent_at",
    "chat.Ceiling.tokens_a_day",
    "chat.Message.token_count",
    "portfolios.IngestBatch.token",
    "portfolios.MetricImport.body_bytes",
}


def test_no_column_is_told_that_is_named_like_a_secret():
    words = ("password", "secret", "token", "digest", "session_key", "lease", "body", "address")
    told = {f"{one.table.label}.{column.name}" for one in inventory.held() for column in one.columns("told")}
    assert {name for name in told if any(word in name.rpartition(".")[2] for word in words)} == HARMLESS


@pytest.mark.slow
@pytest.mark.django_db
def test_the_tests_fill_every_table(client, host, settings, tmp_path):
    """Else what follows proves nothing about an empty one."""
    settings.DATA_DIR = tmp_path
    staff = UserFactory(is_staff=True)
    account.fill(client, host, staff=staff)
    account.of_staff(staff)
    owners = [inventory.owner_of(host), inventory.owner_of(staff)]
    empty = [one.table.label for one in inventory.held() if not any(one.rows(owner).exists() for owner in owners)]
    assert empty == []
