"""RunPod's two APIs: the price list that leads, and the newer catalog that checks it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.sources import SOURCES
from market.sources.base import Conditional, Rejection, SourceError
from tests.market.documents import NOON, document, gpu_type, gpu_types, recorded
from tests.market.json_far_side import json_far_side

D = Decimal
LIST, CATALOG = SOURCES["runpod"], SOURCES["runpod_v2"]


def parse(source, data):
    rows = list(source.parse(document(data)))
    return [row for row in rows if not isinstance(row, Rejection)], [row for row in rows if isinstance(row, Rejection)]


def told(rows):
    return [(row.external_id.rpartition(":")[2], row.pricing, str(row.price_per_gpu_hour)) for row in rows]


# -- The price list ----------------------------------------------------------------------------------------------------

BOTH = [("secure", "secure", "0.7400"), ("community", "community", "0.3400")]


@pytest.mark.parametrize(
    ("lowest", "extra"),
    [
        ({"minimumBidPrice": 0.34, "uninterruptablePrice": 0.34}, []),
        ({"minimumBidPrice": 0.2, "uninterruptablePrice": 0.34}, [("lowest", "spot", "0.2000")]),
        ({"minimumBidPrice": 0.4, "uninterruptablePrice": 0.34}, [("lowest", "spot", "0.4000")]),
        ({"minimumBidPrice": 0, "uninterruptablePrice": 0.34}, []),
        ({"minimumBidPrice": 0.2}, []),
        (None, []),
        ("sold out", []),
    ],
)
def test_a_bid_that_repeats_the_fixed_price_is_no_spot_price(lowest, extra):
    """market-sources.md 2c: the two were equal for all 24 types on 2026-09-12."""
    rows, refused = parse(LIST, gpu_types(gpu_type(lowestPrice=lowest)))
    assert refused == []
    assert told(rows) == BOTH + extra


@pytest.mark.parametrize(
    ("months", "extra", "rules"),
    [
        ({"oneMonthPrice": 0.69, "threeMonthPrice": 0.6, "sixMonthPrice": None}, ["1-month", "3-month"], []),
        ({"oneMonthPrice": 0}, [], []),
        ({"oneMonthPrice": 503.7}, [], ["unit_error"]),
        ({"oneMonthPrice": 0.1}, [], ["unit_error"]),
        ({"sixMonthPrice": "0.6"}, [], ["not_a_number"]),
    ],
)
def test_prices_for_months_are_reserved_prices_per_hour(months, extra, rules):
    """Fault 4: what lies far off the list price is a sum for the month, not a price per hour."""
    rows, refused = parse(LIST, gpu_types(gpu_type(**months)))
    reserved = [row for row in rows if row.pricing == "reserved"]
    assert [row.external_id.rpartition(":")[2] for row in reserved] == extra
    assert [row.rule for row in refused] == rules
    assert all(row.details["months"] == int(row.external_id.rpartition(":")[2][0]) for row in reserved)


@pytest.mark.parametrize(
    ("row", "rule", "rows_left"),
    [
        (gpu_type(communityPrice=0.5), "placeholder_price", 1),
        (gpu_type(securePrice=0), "placeholder_price", 1),
        (gpu_type(securePrice=-1), "negative_price", 1),
        (gpu_type(securePrice="0.74"), "not_a_number", 1),
        (gpu_type("unknown", securePrice=0, communityPrice=0), "placeholder_price", 0),
        (gpu_type(""), "", 0),
        (None, "", 0),
    ],
)
def test_a_refused_price_names_its_rule(row, rule, rows_left):
    """R-037, fault 3: 0.5, 0 and the type "unknown" are placeholders."""
    rows, refused = parse(LIST, gpu_types(row))
    assert (len(rows), [each.rule for each in refused]) == (rows_left, [rule])


def test_a_type_twice_is_refused():
    _rows, refused = parse(LIST, gpu_types(gpu_type(), gpu_type()))
    assert [row.rule for row in refused] == ["duplicate_offer"]


def test_the_question_is_put_again_without_the_months_where_they_are_unknown(monkeypatch):
    """A field that RunPod drops must not cost the whole price list."""

    def answer(asked):
        if "oneMonthPrice" in asked["json"]["query"]:
            return 400, {"errors": [{"message": 'Cannot query field "oneMonthPrice"'}]}, {}
        return gpu_types(gpu_type())

    with json_far_side(answer) as (address, asked):
        monkeypatch.setattr(LIST, "url", address)
        answered = LIST.fetch(Conditional(NOON))
    assert len(asked) == 2
    assert "authorization" not in asked[0]["headers"]
    assert told(list(LIST.parse(answered))) == BOTH


# -- The catalog -------------------------------------------------------------------------------------------------------


def card(name="NVIDIA GeForce RTX 4090", **changes):
    return {
        "id": name,
        "name": name,
        "manufacturer": "NVIDIA",
        "memory": 24,
        "secure": True,
        "community": True,
        "price": {"secure": 0.74, "community": 0.34, "serverless": 1.1},
        "maxCount": {"secure": 8, "community": 4},
        "availability": "HIGH",
        **changes,
    }


def test_the_catalog_as_the_vendor_prints_it():
    rows, refused = parse(CATALOG, recorded("raw/vendor_doc_runpod_v2_catalog_gpus.json"))
    assert refused == []
    assert told(rows) == [("secure", "secure", "0.4400"), ("community", "community", "0.3100")]
    assert [(row.vram_gb, row.stock, row.datacenter, row.price_basis) for row in rows] == [
        (D(24), "High", True, "list"),
        (D(24), "High", False, "list"),
    ]
    assert rows[0].details == {"data_centers": {"US-KS-2": "High"}, "max_gpus": 8}


@pytest.mark.parametrize(
    ("row", "kept", "rules"),
    [
        (card(secure=False), ["community"], []),
        (card(price={"secure": 0.5, "community": 0.34}), ["community"], ["placeholder_price"]),
        (card(price={"secure": None, "community": 0.34}), ["community"], []),
        (card(price=None), [], [""]),
        (card("unknown"), [], ["placeholder_price"]),
        (None, [], [""]),
    ],
)
def test_a_cloud_that_does_not_sell_it_has_no_price(row, kept, rules):
    rows, refused = parse(CATALOG, {"gpus": [row]})
    assert ([each.pricing for each in rows], [each.rule for each in refused]) == (kept, rules)


@pytest.mark.parametrize(
    ("word", "stock"), [("LOW", "Low"), ("medium", "Medium"), ("NONE", "None"), ("PLENTY", ""), (None, ""), (7, "")]
)
def test_stock_in_the_words_of_the_older_api(word, stock):
    rows, _refused = parse(CATALOG, {"gpus": [card(availability=word)]})
    assert {row.stock for row in rows} == {stock}


def test_the_catalog_only_checks():
    """R-017: one source leads per platform; prices carry the same ids, so a stand-in goes on with the same series."""
    assert CATALOG.stands_in_for == LIST.name
    listed, _refused = parse(LIST, gpu_types(gpu_type()))
    rows, _refused = parse(CATALOG, {"gpus": [card()]})
    assert [row.external_id for row in rows] == [row.external_id for row in listed]


def test_the_catalog_wants_a_key_and_says_when_it_is_refused(monkeypatch, settings):
    settings.RUNPOD_API_KEY = ""
    with pytest.raises(SourceError, match="RUNPOD_API_KEY is not set"):
        CATALOG.fetch(Conditional(NOON))
    settings.RUNPOD_API_KEY = "rp_test"
    with json_far_side(lambda asked: (401, {"title": "Unauthorized"}, {})) as (address, asked):
        monkeypatch.setattr(CATALOG, "url", address)
        with pytest.raises(SourceError, match="refused the key"):
            CATALOG.fetch(Conditional(NOON))
    assert asked[0]["headers"]["authorization"] == "Bearer rp_test"


def test_a_busy_catalog_is_asked_again_when_it_says(monkeypatch, settings):
    """Fault e22: Retry-After is respected."""
    settings.RUNPOD_API_KEY = "rp_test"
    with json_far_side(lambda asked: (429, {"title": "Too many"}, {"Retry-After": "90"})) as (address, _asked):
        monkeypatch.setattr(CATALOG, "url", address)
        with pytest.raises(SourceError) as caught:
            CATALOG.fetch(Conditional(NOON))
    assert caught.value.retry_at == NOON + timedelta(seconds=90)


# -- Whatever comes ----------------------------------------------------------------------------------------------------

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
LIST_ROW = st.fixed_dictionaries(
    {"id": st.sampled_from(["RTX", "unknown", ""]) | ANY},
    optional={
        key: ANY | st.floats(0, 3)
        for key in ("memoryInGb", "securePrice", "communityPrice", "secureSpotPrice", "oneMonthPrice", "lowestPrice")
    },
)
CATALOG_ROW = st.fixed_dictionaries(
    {"id": st.just("RTX") | ANY},
    optional={
        **dict.fromkeys(("memory", "secure", "maxCount", "availability"), ANY),
        "price": ANY | st.dictionaries(st.sampled_from(["secure", "community"]), ANY | st.floats(0, 3)),
        "dataCenters": ANY | st.lists(st.dictionaries(st.sampled_from(["id", "availability"]), ANY), max_size=3),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    listed=ANY | st.fixed_dictionaries({"gpuTypes": st.lists(LIST_ROW | ANY, max_size=4)}),
    cards=ANY | st.lists(CATALOG_ROW | ANY, max_size=4),
)
def test_no_document_of_the_right_frame_raises_anything_but_a_source_error(listed, cards):
    """Promise 26: whatever stands in a field, a row is used or refused."""
    for source, data in ((LIST, {"data": listed}), (CATALOG, {"gpus": cards})):
        with suppress(SourceError):
            list(source.parse(document(json.dumps(data).encode())))
