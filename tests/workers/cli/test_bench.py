"""`shoplight bench` runs what it is asked for and says it in figures."""

import json

import pytest

from tests.workers.cli.conftest import Shoplight


@pytest.mark.slow
def test_one_benchmark_answers_as_json_alone(shoplight: Shoplight, capfd: pytest.CaptureFixture[str]) -> None:
    assert shoplight("bench", "decode", "--json").exit_code == 0
    (outcome,) = json.loads(capfd.readouterr().out)["outcomes"]
    assert outcome["name"] == "decode"
    assert outcome["ratio"] == pytest.approx(outcome["peer"] / outcome["ours"])
    assert outcome["rss_mb"] > 1


def test_an_unknown_benchmark_is_a_mistake_in_the_command(
    shoplight: Shoplight, capfd: pytest.CaptureFixture[str]
) -> None:
    assert shoplight("bench", "nonsense").exit_code == 2
    assert "'events'" in capfd.readouterr().err
