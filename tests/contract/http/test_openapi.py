"""The app's own description of itself has every call of the contract, with its parameters, bodies and answers."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from api.main import create_app
from api.ports import open_ports
from api.settings import Settings
from tests.contract.http.contract import CALLS, Call, formats

BODIES = {"json": "application/json", "files": "multipart/form-data", "text": "text/plain"}
UNDESCRIBED = {"openapi", "stripe_webhook"}  # the description itself; a body that is Stripe's to define
each_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)


class _NoQueue:
    def send(self, name: str, **kwargs: Any) -> None:
        """Describing the interface sets nothing to work."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """`/openapi.json`, asked for once."""
    ports = open_ports(Settings(datadir=tmp_path_factory.mktemp("described")), _NoQueue())
    try:
        with TestClient(create_app(ports)) as client:
            answer = client.get("/openapi.json")
        assert answer.status_code == 200
        described: dict[str, Any] = answer.json()
        return described
    finally:
        ports.close()


def operation(api: dict[str, Any], call: Call) -> dict[str, Any]:
    methods = api["paths"].get(call.path)
    assert methods, f"{call.path} is not there"
    found: dict[str, Any] | None = methods.get(call.method.lower())
    assert found is not None, f"{call.path} knows no {call.method}"
    return found


def resolved(api: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "components": api["components"]}


@each_call
def test_the_call_is_there_with_its_options(api: dict[str, Any], call: Call) -> None:
    if call.name == "openapi":
        return
    described = {
        parameter["name"]: parameter
        for parameter in operation(api, call).get("parameters", [])
        if parameter["in"] == "query"
    }
    wanted = call.file["request"]["schema"]["properties"].get("query", {})
    for name, schema in wanted.get("properties", {}).items():
        assert name in described, f"{call.file['call']} has no ?{name}"
        assert not described[name].get("required"), f"?{name} is an option"
        if "default" in schema:
            assert described[name]["schema"]["default"] == schema["default"]
    assert described.keys() >= wanted.get("properties", {}).keys()


@each_call
def test_the_call_takes_the_body_of_the_contract(api: dict[str, Any], call: Call) -> None:
    if call.name in UNDESCRIBED:
        return
    example = call.sample_request()
    for part, media_type in BODIES.items():
        if part not in example:
            continue
        content = operation(api, call)["requestBody"]["content"]
        assert media_type in content
        schema = resolved(api, content[media_type]["schema"])
        body = dict.fromkeys(example["files"], "bytes") if part == "files" else example[part]
        found = Draft202012Validator(schema, format_checker=formats).iter_errors(body)
        assert [error.message for error in found] == []


@each_call
def test_the_answer_of_the_contract_fits_the_described_one(api: dict[str, Any], call: Call) -> None:
    answer = call.file["answer"]
    if call.name in UNDESCRIBED:
        return
    responses = operation(api, call)["responses"]
    assert str(answer["status"]) in responses
    content = responses[str(answer["status"])].get("content", {}).get("application/json", {})
    if answer.get("content_type") == "application/json" and content.get("schema"):
        schema = resolved(api, content["schema"])
        assert [error.message for error in Draft202012Validator(schema).iter_errors(answer["example"])] == []
