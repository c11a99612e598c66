"""The training loop, with PyTorch: killed and resumed it ends where an unbroken run ends. Skipped where there is none.

CI has no PyTorch (2 GB); whoever changes the loop runs these after `make train-env`.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.workers.training.conftest import Draw

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make train-env")

from tests.workers.training import tiny  # noqa: E402 - it needs PyTorch
from workers.training.own import checkpoints, zoo  # noqa: E402 - the same
from workers.training.own.problem import DataProblem  # noqa: E402 - the same
from workers.training.own.vector_network import VectorNetwork, layer_rates  # noqa: E402 - the same

REPO = Path(__file__).resolve().parents[3]
PROGRAM = [sys.executable, str(REPO / "tests/workers/training/tiny.py")]
KILLED_WITHIN_S = 120


@pytest.fixture
def data(draw: Draw, tmp_path: Path) -> Path:
    for number in range(8):
        draw(f"data/red/{number}.png", colour=(200, 40, 40))
        draw(f"data/green/{number}.png", colour=(40, 180, 60))
    return tmp_path / "data"


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def start(data: Path, run: Path, *more: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    return subprocess.Popen([*PROGRAM, str(data), str(run), *more], env=environment, stderr=subprocess.DEVNULL)


def test_killed_by_minus_nine_and_resumed_it_ends_as_if_nothing_had_happened(data: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(data, whole).wait(KILLED_WITHIN_S) == 0
    victim = start(data, broken)
    until = time.monotonic() + KILLED_WITHIN_S
    while not ((broken / "history.csv").exists() and len(history(broken)) >= 2):
        assert victim.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    done = len(history(broken))
    assert done < 6
    assert start(data, broken, "--resume").wait(KILLED_WITHIN_S) == 0
    assert history(broken) == history(whole)
    first, second = (checkpoints.read(run / "last.pt")["network"] for run in (whole, broken))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns_and_stops_early_with_the_best_epoch_in_hand(data: Path, tmp_path: Path) -> None:
    fitting = tiny.fitting(data, tmp_path / "run", epochs=40, patience=3, resume=False)
    state = tiny.fit(fitting, resume=False)
    assert state.best == 1.0
    assert len(state.history) == state.best_epoch + 3
    best = checkpoints.read(tmp_path / "run" / "best.pt")["network"]
    assert all(torch.equal(value, best[name]) for name, value in fitting.network.state_dict().items())
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "best.pt", "last.pt", "run.json", "history.csv", "loss.svg", "metric.svg", "rate.svg",
    }  # fmt: skip


def test_the_range_test_leaves_everything_as_it_was(data: Path, tmp_path: Path) -> None:
    fitting = tiny.fitting(data, tmp_path / "run", epochs=3, patience=3, resume=False)
    before = {name: value.clone() for name, value in fitting.network.state_dict().items()}
    rates_before = [group["lr"] for group in fitting.optimizer.param_groups]
    random_before = torch.get_rng_state()
    tried, found = fitting.range_test(tiny.Teller(), steps=12)
    assert 3 <= len(tried) == len(found) <= 12
    assert all(torch.equal(value, before[name]) for name, value in fitting.network.state_dict().items())
    assert [group["lr"] for group in fitting.optimizer.param_groups] == rates_before
    assert not fitting.optimizer.state_dict()["state"]
    assert torch.equal(torch.get_rng_state(), random_before)


def test_a_loss_that_overflows_ends_with_advice(data: Path, tmp_path: Path) -> None:
    fitting = tiny.fitting(data, tmp_path / "run", epochs=5, patience=5, resume=False, rate=1e30)
    with pytest.raises(DataProblem, match="lower --rate"):
        tiny.fit(fitting, resume=False)


def test_a_run_is_not_written_over_nor_resumed_as_another(data: Path, tmp_path: Path) -> None:
    tiny.fit(tiny.fitting(data, tmp_path / "run", epochs=1, patience=1, resume=False), resume=False)
    with pytest.raises(DataProblem, match="holds a run; continue it with --resume"):
        tiny.fitting(data, tmp_path / "run", epochs=1, patience=1, resume=False)
    with pytest.raises(DataProblem, match="was started with epochs 1, not 9"):
        tiny.fitting(data, tmp_path / "run", epochs=9, patience=1, resume=True)
    with pytest.raises(DataProblem, match="holds no run to resume"):
        tiny.fitting(data, tmp_path / "other", epochs=1, patience=1, resume=True)
    (tmp_path / "run" / "last.pt").write_bytes(b"half a checkpoint")
    with pytest.raises(DataProblem, match=r"last\.pt is no checkpoint"):
        tiny.fit(tiny.fitting(data, tmp_path / "run", epochs=1, patience=1, resume=True), resume=True)


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'sprung'}",)

    torch.save({"network": Trap()}, tmp_path / "last.pt")
    with pytest.raises(DataProblem):
        checkpoints.read(tmp_path / "last.pt")
    with pytest.raises(DataProblem):
        zoo.read_weights(tmp_path / "last.pt")
    assert not (tmp_path / "sprung").exists()


def test_earlier_layers_learn_slower_and_every_parameter_learns_once() -> None:
    network = VectorNetwork(tiny.backbone(), 3, still_statistics=True)
    groups = layer_rates(network, 1e-2, 0.5)
    found = [float(str(group["lr"])) for group in groups]
    assert found == sorted(found)
    assert found[0] < found[-1] == 1e-2
    named = [id(parameter) for group in groups for parameter in group["params"]]  # type: ignore[attr-defined]
    assert sorted(named) == sorted(id(parameter) for parameter in network.parameters())


def test_what_is_exported_serves_as_it_was_trained(data: Path, tmp_path: Path) -> None:
    from api.vision.embedder import Embedder
    from api.vision.picture import Picture
    from workers.training.own import exporting
    from workers.training.own.samples import load
    from workers.training.retrieval import Threshold

    network = VectorNetwork(tiny.backbone(), 2, still_statistics=True).eval()
    given = tiny.samples(data)
    files = exporting.export(network, "classifier", tmp_path, 32, given, tiny.NAMES)
    vectors, probabilities = exporting.outputs(files.fp32, given, 32)
    with torch.no_grad():
        found = network(torch.from_numpy(np.concatenate(exporting.fed(given, 32))))
        chances = network.logits(found).softmax(1)
    assert np.abs(vectors - found.numpy()).max() < 5e-3
    assert np.abs(probabilities - chances.numpy()).max() < 5e-3
    exact = Threshold(0.8, 0.95, 0.4, 16)
    card = exporting.write_card(
        files,
        32,
        {"fp32": {"top1": 1.0}, "int8": {"top1": 1.0}},
        {"fp32": exact, "int8": exact},
        "int8",
        labels=["a", "b"],
    )
    assert json.loads(card.read_text())["labels"] == ["a", "b"]
    for precision in ("fp32", "int8"):
        served = Embedder(files.fp32, 1, precision)
        pixels = load(given[0], 32)
        vector = served.embed(Picture(pixels.shape[1], pixels.shape[0], pixels), None)[0]
        # The service reads the same card and the same files; int8 may turn a vector by a little.
        assert float(vector @ vectors[0]) > (0.9999 if precision == "fp32" else 0.97)
        assert served.card.exact_threshold == 0.8
