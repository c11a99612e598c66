"""The contract agrees with itself: examples fit their schemas, which let nothing else through; no call is missing."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.contract.http.contract import CALLS, PROBLEM, Call, definitions, faults

# the design's table of calls
TABLE = """
POST /v1/detect
POST /v1/search
GET /v1/products/{product_id}/similar
GET /v1/products/{product_id}/complements
POST /v1/videos
GET /v1/videos/{video_id}
GET /v1/videos/{video_id}/tags
GET /v1/videos/{video_id}/tags.vtt
POST /v1/catalogs
POST /v1/catalogs/{catalog_id}/imports
GET /v1/imports/{import_id}
GET /v1/products
GET /v1/products/{product_id}
PUT /v1/products/{product_id}
DELETE /v1/products/{product_id}
POST /v1/sites
GET /v1/media
PATCH /v1/tags/{tag_id}
POST /v1/campaigns
POST /v1/creatives
POST /v1/experiments
POST /v1/tags
POST /v1/events
POST /v1/feedback
GET /v1/feedback
POST /v1/search/feedback
GET /v1/search/feedback
DELETE /v1/search/feedback/{verdict_id}
GET /c/{token}
GET /i/{product_id}/{width}
GET /v1/reports/ctr
GET /v1/usage
GET /v1/invoices
POST /webhooks/stripe
GET /healthz
GET /readyz
GET /metrics
GET /openapi.json
"""
each_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)


def test_every_call_of_the_design_has_a_file() -> None:
    assert {call.file["call"] for call in CALLS} == set(TABLE.strip().splitlines())


def test_the_definitions_are_schemas() -> None:
    for schema in definitions()["$defs"].values():
        Draft202012Validator.check_schema(schema)


@each_call
def test_schemas_are_schemas_and_examples_fit_them(call: Call) -> None:
    request, answer = call.file["request"], call.file["answer"]
    Draft202012Validator.check_schema(request["schema"])
    assert faults(request["schema"], call.sample_request()) == []
    if "schema" in answer:
        Draft202012Validator.check_schema(answer["schema"])
        assert faults(answer["schema"], answer["example"]) == []


@each_call
def test_neither_side_may_add_a_field(call: Call) -> None:
    surprising: Any = call.sample_request() | {"surprise": 1}
    assert faults(call.file["request"]["schema"], surprising)
    answer = call.file["answer"]
    if call.name != "openapi" and isinstance(answer.get("example"), dict):
        assert faults(answer["schema"], answer["example"] | {"surprise": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time", "2026-11-20 12:00:00"),
        ("time", "2026-13-20T12:00:00Z"),
        ("time", "2026-11-20T12:00:00+01:00"),
        ("url", "javascript:alert(1)"),
        ("url", "https://a.example/<b>"),
        ("url", "/relative"),
        ("box", {"x": 0.1, "y": 0.1, "w": 1.2, "h": 0.1}),
        ("box", [0.1, 0.1, 0.2, 0.2]),
        ("currency", "eur"),
        ("micros", 1.5),
        ("label", "shirt"),
        ("problem", {"title": "Not Found", "status": 404}),
    ],
)
def test_the_definitions_refuse(name: str, value: Any) -> None:
    assert faults({"$ref": f"definitions.json#/$defs/{name}"}, value)


def test_a_problem_names_its_field() -> None:
    problem = {
        "type": "https://shoplight.dev/problems/invalid",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "?limit: too much",
        "code": "invalid",
        "errors": [{"pointer": "?limit", "detail": "too much"}],
    }
    assert faults(PROBLEM, problem) == []
    assert faults(PROBLEM, problem | {"errors": [{"pointer": "limit", "detail": "too much"}]})
