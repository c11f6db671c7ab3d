"""What every test may use."""

import pytest
from hypothesis import HealthCheck, settings

from tests.factories import UserFactory

# A busy machine is no finding: generated cases may take as long as they take.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


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
