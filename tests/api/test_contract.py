"""Version 1 keeps what it promised (R-061)."""

import copy
import json

import pytest
from django.core.management import CommandError, call_command

from gpuadvisor.api import contract


def test_the_committed_contract_is_the_one_that_the_code_has():
    """R-061"""
    assert contract.committed() == contract.live(), "run `manage.py export_openapi` and commit docs/api/openapi-v1.json"


def test_nothing_that_was_promised_is_gone():
    assert contract.removed(contract.committed(), contract.live()) == []


def test_the_schema_is_served_as_committed(client, db):
    response = client.get("/api/v1/openapi.json")
    assert json.loads(response.content) == contract.committed()
    assert response["Access-Control-Allow-Origin"] == "*"


MARKET = "/api/v1/market"


def without_a_field(schema):
    del schema["components"]["schemas"]["MarketOut"]["properties"]["median"]


def without_a_path(schema):
    del schema["paths"][MARKET]


def without_a_parameter(schema):
    schema["paths"][MARKET]["get"]["parameters"].pop(0)


def with_another_type(schema):
    schema["components"]["schemas"]["MarketOut"]["properties"]["gpu"]["type"] = "integer"


def with_one_more_duty(schema):
    schema["paths"][MARKET]["get"]["parameters"].append({"in": "query", "name": "x", "required": True, "schema": {}})


def without_a_promise(schema):
    schema["components"]["schemas"]["MarketOut"]["required"].remove("gpu")


def without_a_value(schema):
    schema["components"]["schemas"]["SourceOut"]["properties"]["state"]["enum"].remove("late")


@pytest.mark.parametrize(
    "change",
    [
        without_a_field,
        without_a_path,
        without_a_parameter,
        with_another_type,
        with_one_more_duty,
        without_a_promise,
        without_a_value,
    ],
)
def test_taking_back_is_seen(change, monkeypatch):
    changed = copy.deepcopy(contract.live())
    change(changed)
    assert contract.removed(contract.committed(), changed) != []
    monkeypatch.setattr(contract, "live", lambda: changed)
    before = contract.FILE.read_text()
    with pytest.raises(CommandError):
        call_command("export_openapi")
    assert contract.FILE.read_text() == before


def test_adding_is_allowed():
    changed = copy.deepcopy(contract.live())
    changed["components"]["schemas"]["MarketOut"]["properties"]["new"] = {"type": "string"}
    changed["components"]["schemas"]["MarketOut"]["required"].append("new")
    changed["paths"]["/api/v1/new"] = {"get": {}}
    changed["paths"][MARKET]["get"]["parameters"].append({"in": "query", "name": "x", "required": False, "schema": {}})
    changed["info"]["description"] = "Other words."
    assert contract.removed(contract.committed(), changed) == []


def test_every_answer_fits_the_contract(ask, small_market):
    """What is sent has exactly the promised fields."""
    schema = contract.committed()
    for path, operation in schema["paths"].items():
        if "get" not in operation or operation["get"]["security"][:1] != [{}]:
            continue  # a host's own: tests/api/test_ingest.py
        answer = operation["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        body = ask(path.replace("{slug}", "rtx-4090").removeprefix("/api/v1")).json()
        fits(schema, answer, body, path)


def fits(schema, part, value, at):
    while "$ref" in part:
        part = schema["components"]["schemas"][part["$ref"].rsplit("/", 1)[-1]]
    if "anyOf" in part:
        part = next(one for one in part["anyOf"] if (one.get("type") == "null") == (value is None))
        return fits(schema, part, value, at)
    if "properties" in part:
        assert set(value) == set(part["properties"]), at
        for name, inner in part["properties"].items():
            fits(schema, inner, value[name], f"{at}.{name}")
    elif part.get("type") == "array":
        for one in value:
            fits(schema, part["items"], one, f"{at}[]")
    elif "type" in part:
        kinds = {
            "string": str,
            "integer": int,
            "number": (int, float),
            "boolean": bool,
            "null": type(None),
            "object": dict,
        }
        assert isinstance(value, kinds[part["type"]]), f"{at}: {value!r}"
    return None
