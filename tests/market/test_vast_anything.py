"""Documents about Vast.ai with anything in their fields."""

from __future__ import annotations

import json
from contextlib import suppress

import hypothesis
import pytest
from hypothesis import strategies as st

from market.sources import SOURCES
from market.sources.base import Observation, Rejection, SourceError, Summary
from tests.market.documents import NOON, document, machine, model_stats
from tests.market.vast_documents import category, gpu, offer, place

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def broken(sample):
    """Rows like `sample` with up to four of its fields replaced by anything."""
    return st.dictionaries(st.sampled_from(sorted(sample)), ANY, max_size=4).map(lambda changes: sample | changes)


MACHINE_ROW = broken(
    machine() | {"end_date": 1.8e9, "duration": 5.0, "disk_space": 9.9, "host_id": 3, "verified": True}
)
CATEGORY = broken(category()) | ANY
FRAMES = {
    "500farm_machines": st.fixed_dictionaries({"offers": st.lists(MACHINE_ROW | ANY, max_size=4)}),
    "500farm_gpu_stats": st.fixed_dictionaries({"models": st.lists(broken(model_stats()) | ANY, max_size=3)}),
    "500farm_gpu_stats_v2": st.fixed_dictionaries(
        {
            "models": st.lists(
                ANY
                | st.fixed_dictionaries(
                    {"name": st.just("RTX 5090") | ANY, "categories": ANY | st.lists(CATEGORY, max_size=3)},
                    optional={"count": ANY},
                ),
                max_size=3,
            )
        }
    ),
    "vast_offers": st.fixed_dictionaries(
        {
            "parts": ANY
            | st.lists(
                st.fixed_dictionaries(
                    {"offers": ANY | st.lists(broken(offer(end_date=1.8e9)) | ANY, max_size=4)},
                    optional={"limit": ANY, "count": ANY, "label": ANY},
                )
                | ANY,
                max_size=3,
            )
        }
    )
    | st.fixed_dictionaries({"offers": ANY}),
    "vast_metrics": st.fixed_dictionaries(
        {
            "current": ANY | st.fixed_dictionaries({"gpus": ANY | st.lists(broken(gpu()) | ANY, max_size=3)}),
            "locations": ANY | st.fixed_dictionaries({"locations": ANY | st.lists(broken(place()) | ANY, max_size=3)}),
        }
    ),
}


@pytest.mark.parametrize("name", sorted(FRAMES))
@hypothesis.settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(data=st.data())
def test_no_document_of_the_right_frame_raises_anything_but_a_source_error(name, data):
    """Promise 26: whatever stands in a field, a row is used or refused."""
    body = json.dumps({"timestamp": NOON.isoformat()} | data.draw(FRAMES[name])).encode()
    with suppress(SourceError):
        for row in SOURCES[name].parse(document(body)):
            assert isinstance(row, Observation | Summary | Rejection)
