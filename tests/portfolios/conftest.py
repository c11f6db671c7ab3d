"""Rows that the tests of a host's fleet share."""

import pytest

from tests.factories import GPUConfigurationFactory, GPUModelFactory, PlatformFactory, PortfolioFactory

MACHINE_ID = {
    "key": "machine_id",
    "label": "Machine ID",
    "pattern": "[1-9][0-9]{0,9}",
    "example": "38941",
    "help": "The number on the Machines page.",
}


@pytest.fixture
def vast(db):
    return PlatformFactory(mapping_schema=MACHINE_ID)


@pytest.fixture
def model(db):
    return GPUModelFactory()


@pytest.fixture
def portfolio(host):
    return PortfolioFactory(user=host, name="Garage")


@pytest.fixture
def gpu(portfolio, model, vast):
    return GPUConfigurationFactory(portfolio=portfolio, gpu_model=model, custom_name="Rack 1")


@pytest.fixture
def foreign_gpu(stranger, vast):
    return GPUConfigurationFactory(portfolio=PortfolioFactory(user=stranger))
