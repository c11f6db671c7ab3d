import pytest

from market.catalog.services import load_catalog


@pytest.fixture
def catalog(db):
    """The whole GPU catalog in the database, as every installation has it."""
    load_catalog()


@pytest.fixture
def only_live(settings):
    """No simulated market in between."""
    settings.MARKET_SIMULATION = False
