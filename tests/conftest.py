"""What every test may use."""

import pytest
from django.db import connections, transaction
from django.test import TransactionTestCase
from hypothesis import HealthCheck, settings

from tests.factories import UserFactory

# A busy machine is no finding: generated cases may take as long as they take.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

STAY = {"django_content_type", "auth_permission"}  # Django's own flush makes these anew


def _empty_the_tables(case):
    """After a test that commits: delete from the few tables that have rows. To truncate all takes a second."""
    for alias in case._databases_names(include_mirrors=False):
        connection = connections[alias]
        tables = [name for name in connection.introspection.django_table_names(only_existing=True) if name not in STAY]
        asked = " union all ".join(f"select '{name}' where exists (select from {name})" for name in tables)
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            cursor.execute("set constraints all deferred")
            cursor.execute(asked)
            for (name,) in cursor.fetchall():
                cursor.execute(f"delete from {name}")


TransactionTestCase._fixture_teardown = _empty_the_tables


@pytest.fixture(autouse=True)
def _quiet_caches(settings):
    """Each test starts with empty caches; without a database nothing is in the table of limits anyway."""
    from django.core.cache import caches

    for name in ("sessions", "pages"):
        caches[name].clear()


@pytest.fixture
def host(db):
    """A verified host on the free plan."""
    return UserFactory()


@pytest.fixture
def stranger(db):
    """Another host, who must never see the first one's rows."""
    return UserFactory()


@pytest.fixture
def host_client(client, host):
    """The host, signed in."""
    client.force_login(host)
    return client


@pytest.fixture
def world(host, settings, tmp_path):
    """One row of each kind, the host's own."""
    from tests.world import one_of_each

    settings.DATA_DIR = tmp_path
    return one_of_each(host)
