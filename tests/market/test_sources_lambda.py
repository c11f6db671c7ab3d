"""Lambda's instance types: cents per instance (R-034)."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from market.catalog.files import read_catalog
from market.names import Match, NameIndex
from market.sources import SOURCES
from market.sources.base import Conditional, Observation, Rejection, SourceError
from tests.market.documents import NOON, document, recorded

D = Decimal
LAMBDA = SOURCES["lambda"]


def instance(name="gpu_8x_h100_sxm5", cents=3192, gpus=8, regions=("us-east-1",), **changes):
    kind = {
        "name": name,
        "description": "8x H100 (80 GB SXM5)",
        "gpu_description": "H100 (80 GB SXM5)",
        "price_cents_per_hour": cents,
        "specs": {"vcpus": 208, "gpus": gpus},
    } | changes
    return {name: {"instance_type": kind, "regions_with_capacity_available": [{"name": name} for name in regions]}}


def parse(*instances):
    data = {}
    for one in instances:
        data |= one
    parsed = list(LAMBDA.parse(document({"data": data})))
    return [r for r in parsed if isinstance(r, Observation)], [r for r in parsed if isinstance(r, Rejection)]


def test_the_price_list_as_recorded():
    """Fault 4 of the real data: cents per instance-hour become USD per GPU-hour."""
    body = recorded("composed/lambda_instance_types.json")
    rows = list(LAMBDA.parse(document(body)))
    assert len(rows) == len(json.loads(body)["data"])
    by_name = {row.external_id: row for row in rows}
    assert by_name["gpu_8x_a100_80gb_sxm4"] == Observation(
        source="lambda",
        platform="lambda",
        observed_at=NOON,
        gpu_raw="A100 (80 GB SXM4)",
        vram_gb=D(80),
        price_per_gpu_hour=D("2.7900"),  # 2,232 cents for eight
        pricing="on_demand",
        price_basis="list",
        external_id="gpu_8x_a100_80gb_sxm4",
        region_raw="global",
        stock="sold out",
        details={"instance_gpus": 8},
    )
    assert (by_name["gpu_1x_a10"].price_per_gpu_hour, by_name["gpu_1x_a10"].stock) == (
        D("1.2900"),
        "us-west-1, us-east-1",
    )
    catalog = read_catalog()
    names = NameIndex(catalog.aliases, catalog.refusals)
    assert all(isinstance(names.resolve(LAMBDA.spells_like, row.gpu_raw, row.vram_gb), Match) for row in rows)


def test_utilization_is_unknown():
    """R-017."""
    (row,), _refused = parse(instance())
    assert (row.gpus_rented, row.price_basis) == (None, "list")


@pytest.mark.parametrize(
    ("changes", "reason", "rule"),
    [
        ({"cents": 0}, "price is 0, a placeholder", "placeholder_price"),
        ({"cents": -3192}, "price is negative", "negative_price"),
        ({"cents": "3192"}, "price is not a number", "not_a_number"),
        ({"cents": float("nan")}, "price is not a number", "not_a_number"),
        ({"gpus": 0}, "an instance without a GPU", ""),
        ({"gpus": None}, "number of GPUs is not a count", ""),
        ({"gpus": 2.5}, "number of GPUs is not a count", ""),
        ({"specs": None}, "number of GPUs is not a count", ""),
    ],
)
def test_a_bad_instance_is_refused_alone_by_its_rule(changes, reason, rule):
    """R-037."""
    rows, refused = parse(instance("gpu_1x_a10", 129, 1), instance(**changes))
    assert [row.external_id for row in rows] == ["gpu_1x_a10"]
    assert [(row.reason, row.rule) for row in refused] == [(reason, rule)]


@pytest.mark.parametrize("row", [None, 7, "text", [], {"instance_type": None}])
def test_a_row_that_is_no_object_is_refused(row):
    rows, refused = parse(instance(), {"gpu_1x_x": row})
    assert (len(rows), len(refused)) == (1, 1)


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": None}, [], b"", b"<html>"])
def test_what_is_no_price_list_is_an_error_of_the_source(body):
    """Fault e24."""
    with pytest.raises(SourceError):
        list(LAMBDA.parse(document(body)))


def test_the_key_goes_along_and_nowhere_else(settings, monkeypatch):
    settings.LAMBDA_API_KEY = "secret"
    asked = []
    monkeypatch.setattr("market.sources.lambda_cloud.fetch_document", lambda url, **kwargs: asked.append((url, kwargs)))
    LAMBDA.fetch(Conditional(NOON))
    ((url, kwargs),) = asked
    assert kwargs["headers"] == {"Authorization": "Bearer secret"}
    assert "secret" not in url
