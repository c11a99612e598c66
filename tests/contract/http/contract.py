"""The contract as files: one call each, with the JSON Schemas of its request and answer and an example of both.

A file: `call`, `key` (which key of the demo's line makes it; empty for none), `placeholders` (a sample, and where the
real value comes from), `request` and `answer` (schema, example), `after` and `until` (what to call before, and wait
for), `errors` (a change to the example, and the problem it must end in). Shared parts lie in definitions.json.
"""

import json
import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

FOLDER = Path(__file__).parent
PLACEHOLDER = re.compile(r"\{(\w+)\}")
# what the demo's line says of itself; samples for the static checks
LINE_SAMPLES = {
    "base_url": "http://127.0.0.1:8000",
    "publishable_key": "pk_sample",
    "publisher_page": "http://127.0.0.1:8000/demo/a/b",
}
formats = FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or ("T" in value and datetime.fromisoformat(value).tzinfo is not None)


@formats.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or bool(len(value) == 10 and date.fromisoformat(value))


@formats.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    if not isinstance(value, str):
        return True
    parts = urlsplit(value)
    return bool(parts.scheme and parts.netloc) and not re.search(r"[\s<>\"{}|\\^`]", value)


@dataclass(frozen=True)
class Call:
    """One file of the contract."""

    name: str
    file: dict[str, Any]

    @property
    def method(self) -> str:
        return str(self.file["call"].split()[0])

    @property
    def path(self) -> str:
        return str(self.file["call"].split()[1])

    def sample_request(self) -> Any:
        """The request's example with samples for its placeholders."""
        samples = {name: given["sample"] for name, given in self.file.get("placeholders", {}).items()}
        return filled(self.file["request"]["example"], LINE_SAMPLES | samples)


def filled(value: Any, values: dict[str, Any]) -> Any:
    """`value` with each `{name}` in its texts replaced."""
    if isinstance(value, dict):
        return {name: filled(item, values) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, values) for item in value]
    return PLACEHOLDER.sub(lambda found: str(values[found[1]]), value) if isinstance(value, str) else value


@cache
def definitions() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((FOLDER / "definitions.json").read_text())
    return parsed


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Checks against a schema of these files, formats included."""
    registry = Registry().with_resource("definitions.json", Resource.from_contents(definitions()))
    return Draft202012Validator(schema, registry=registry, format_checker=formats)


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with `value`, each with its place."""
    found = validator(schema).iter_errors(value)
    return [f"{error.json_path}: {error.message[:300]}" for error in found]


PROBLEM: dict[str, Any] = {"$ref": "definitions.json#/$defs/problem"}
CALLS = [
    Call(path.stem, json.loads(path.read_text()))
    for path in sorted(FOLDER.glob("*.json"))
    if path.stem != "definitions"
]
