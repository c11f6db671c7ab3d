"""R-037: what is refused once is refused again, what is believed once stays believed, and releases hold."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gpuadvisor.core import clock
from market import ingest
from market.models import Quarantine
from tests.market.documents import document, recorded

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("catalog")]
QUARTER = timedelta(minutes=15)


def replay(name, data, **kwargs):
    return ingest.refresh(name, document=document(data, now=clock.now(), **kwargs))


@pytest.fixture
def start():
    return ingest.bucket(clock.now()) - timedelta(hours=2)


# -- The same document again -------------------------------------------------------------------------------------------


def test_an_unchanged_price_list_refuses_nothing_new_a_quarter_of_an_hour_later(start):
    """R-037: a secure price is compared with the secure price before it, not with the median of both clouds."""
    body = recorded("raw/runpod_graphql_gpuTypes.json")
    first = replay("runpod", body, observed_at=start)
    refused = set(Quarantine.objects.values_list("rule", "subject", "price"))
    again = replay("runpod", body, observed_at=start + QUARTER)
    assert set(Quarantine.objects.values_list("rule", "subject", "price")) == refused
    assert (again.status, again.refused) == ("ok", first.refused)
