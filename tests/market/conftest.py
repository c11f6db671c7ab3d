import pytest

from market.catalog.services import load_catalog
from tests.market.far_side import far_side


@pytest.fixture
def catalog(db):
    """The whole GPU catalog in the database, as every installation has it."""
    load_catalog()


@pytest.fixture
def only_live(settings):
    """No simulated market in between."""
    settings.MARKET_SIMULATION = False


@pytest.fixture
def serve():
    """`serve(handler)` is the address of a server that lets `handler(request, socket)` write what it likes."""
    with far_side() as start:
        yield start
