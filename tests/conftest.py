"""What every test may use."""

import pytest

from tests.factories import UserFactory


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
