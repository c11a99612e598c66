"""Every call of the contract against a running house of either shape: answers fit their schema, mistakes a problem."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.http.contract import CALLS, PROBLEM, Call, faults
from tests.contract.http.player import Player, pointed
from tests.running_demo import RunningDemo
from tests.running_scale_out import RunningScaleOut

pytestmark = pytest.mark.slow
MISTAKES = [(call, error) for call in CALLS for error in call.file.get("errors", [])]


@pytest.fixture(scope="module")
def player(house: RunningDemo | RunningScaleOut, shared_data: Path) -> Iterator[Player]:
    opened = Player(house.line, shared_data)
    yield opened
    opened.close()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_the_answer_fits_its_schema(player: Player, call: Call) -> None:
    wanted = call.file["answer"]
    answer = player.answer(call.name)
    assert answer.status_code == wanted["status"], answer.text[:1000]
    for name, start in wanted.get("headers", {}).items():
        assert answer.headers[name].startswith(start)
    if "schema" not in wanted:
        return
    assert answer.headers["content-type"].partition(";")[0] == wanted["content_type"]
    is_json = wanted["content_type"].endswith("json")
    assert faults(wanted["schema"], answer.json() if is_json else answer.content.decode("latin-1")) == []
    for pointer, awaited in call.file.get("until", {}).items():
        assert faults(awaited, pointed(answer.json(), pointer)) == []


@pytest.mark.parametrize(("call", "error"), MISTAKES, ids=[f"{call.name}-{error['why']}" for call, error in MISTAKES])
def test_a_mistake_ends_in_its_problem(player: Player, call: Call, error: dict[str, Any]) -> None:
    answer = player.changed(call, error["change"])
    assert answer.status_code == error["status"], answer.text[:1000]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert faults(PROBLEM, problem) == []
    assert (problem["status"], problem["code"]) == (error["status"], error["code"]), problem
    if "pointer" in error:
        assert error["pointer"] in [item["pointer"] for item in problem["errors"]]
