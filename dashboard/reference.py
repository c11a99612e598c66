"""The API reference, drawn from the API's own description: no script and nothing from another host."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dashboard.rendering import render

router = APIRouter(include_in_schema=False)
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of a body. `about` is its description and bounds, in words."""

    name: str
    kind: str
    required: bool
    about: str


@dataclass(frozen=True)
class Call:
    """One call of the API."""

    method: str
    path: str
    summary: str
    parameters: list[Field]
    bodies: dict[str, list[Field]]
    answers: list[str]


@router.get("/docs")
def reference(request: Request) -> Response:
    """Every call by subject."""
    description = request.app.openapi()
    return render(
        request, "reference.html", groups=_groups(description), base=request.app.state.ports.settings.base_url
    )


def _groups(description: dict[str, Any]) -> dict[str, list[Call]]:
    groups: dict[str, list[Call]] = {}
    for path, methods in description["paths"].items():
        for method in METHODS:
            if method in methods:
                call = methods[method]
                subject = call.get("tags", ["other"])[0]
                groups.setdefault(subject, []).append(_call(method, path, call, description))
    return groups


def _call(method: str, path: str, call: dict[str, Any], description: dict[str, Any]) -> Call:
    parameters = [
        Field(f"{item['name']}", _kind(item.get("schema", {})), item.get("required", False), _about(item))
        for item in call.get("parameters", [])
    ]
    content = call.get("requestBody", {}).get("content", {})
    return Call(
        method=method.upper(),
        path=path,
        summary=call.get("description") or call.get("summary", ""),
        parameters=parameters,
        bodies={kind: _fields(_resolved(item.get("schema", {}), description)) for kind, item in content.items()},
        answers=sorted(call.get("responses", {})),
    )


def _resolved(schema: dict[str, Any], description: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = description["components"]["schemas"].get(name, schema) if name else schema
    return found


def _fields(schema: dict[str, Any]) -> list[Field]:
    required = schema.get("required", [])
    return [
        Field(name, _kind(item), name in required, _about(item)) for name, item in schema.get("properties", {}).items()
    ]


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(item) for item in schema["anyOf"]))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("const", schema.get("format", schema.get("type", "any"))))


def _about(item: dict[str, Any]) -> str:
    schema = item.get("schema", item)
    words = [str(item.get("description", schema.get("description", "")))]
    if schema.get("default") not in (None, "", [], {}):
        words.append(f"Default {schema['default']}.")
    if "minimum" in schema or "maximum" in schema:
        words.append(f"{schema.get('minimum', '…')} to {schema.get('maximum', '…')}.")
    return " ".join(word for word in words if word)
