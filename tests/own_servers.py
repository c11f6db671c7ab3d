"""pytest plugin: PostgreSQL and Redis of the run's own, gone with it, so a site on this checkout is not touched.

A plugin and not a conftest: pytest-django reads the settings before any conftest. Where DATABASE_URL is set, as in the
workers of xdist, nothing is started.
"""

import os
import secrets
import tempfile
from pathlib import Path

import pytest

from gpuadvisor.servers import attach
from gpuadvisor.servers.errors import Refused
from gpuadvisor.servers.places import settle

OURS = "GPA_TEST_SERVERS"  # tells the workers of xdist that the servers are ours


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config):
    if not os.environ.get("DATABASE_URL"):
        _start()
    if os.environ.get(OURS):
        _own_redis_database(os.environ.get("PYTEST_XDIST_WORKER", ""))
    return (yield)


def _start():
    names = list(attach.NAMES)
    data = Path(tempfile.mkdtemp(prefix="gpa-test-")).resolve()
    try:
        data.chmod(0o711)
        (data / "static").mkdir()
        places = settle(data, by_hand=True, is_temporary=True)
        attach.hold(places, names, by_hand=True)
    except Refused as refusal:
        pytest.exit(str(refusal), returncode=4)
    os.environ.update(attach.addresses(places, names) | {OURS: str(data), "DATA_DIR": str(data)})
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(64))


def _own_redis_database(worker):
    """gw0 takes database 0, gw1 takes 1: a worker that empties its cache empties nobody else's."""
    if number := worker.removeprefix("gw"):
        os.environ["REDIS_URL"] += f"?virtual_host={number}"
        os.environ["CACHE_URL"] += f"?db={number}"
