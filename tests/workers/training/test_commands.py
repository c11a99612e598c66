"""`shoplight train` as people type it: what is said where PyTorch, pictures or sense are missing."""

import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.workers.training.conftest import Draw
from workers.cli import training
from workers.cli.main import app


def shoplight(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("model", ["classifier", "embedder", "detector"])
def test_training_on_ones_own_without_pytorch_says_how_to_get_it(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("workers.training.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    draw("own/a/1.jpg")
    said = shoplight("train", model, tmp_path / "own", "--out", tmp_path / "out")
    assert said.exit_code == 1
    assert "make train-env" in said.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ("classifier",),
        ("classifier", "x", "--epochs", "0"),
        ("classifier", "x", "--batch", "1"),
        ("embedder", "x", "--rate", "-1"),
        ("embedder", "x", "--loss", "no-such-loss"),
        ("embedder", "x", "--validation", "1.5"),
        ("detector", "x", "--image-size", "9"),
    ],
)
def test_senseless_options_are_refused_before_anything_starts(wrong: tuple[str, ...]) -> None:
    assert shoplight("train", *wrong).exit_code == 2


@pytest.mark.parametrize("given", ["resnet50", "resnet50=", "resnet50=/gone.pth"])
def test_weights_that_are_not_there_are_named(given: str, tmp_path: Path) -> None:
    said = shoplight("evaluate", tmp_path, "--weights", given)
    assert said.exit_code == 1
    assert f"--weights {given}" in " ".join(said.stderr.split())


def test_without_a_terminal_progress_is_plain_lines_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    from workers.training.own import progress

    teller = progress.Teller()
    teller.say("a path that is longer than a terminal is wide: " + "x" * 200)
    with teller.track("reading", 3) as tick:
        tick(1)
        tick(3, "done")
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == ["a path that is longer than a terminal is wide: " + "x" * 200]


def test_long_work_is_told_now_and_then(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.training.own import progress

    monkeypatch.setattr(progress, "QUIET_S", 0.0)
    with progress.Teller().track("epoch 1", 2) as tick:
        tick(1, "loss 0.500")
        tick(2)
    assert capfd.readouterr().err.splitlines() == ["epoch 1: 1 of 2 loss 0.500", "epoch 1: 2 of 2"]


@pytest.mark.parametrize("checkpoint", ["last.pt", "run/weights/resume.pt", None])
def test_who_stops_a_run_is_told_how_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], checkpoint: str | None
) -> None:
    """Where no epoch was finished there is nothing to go on with."""
    if checkpoint:
        (tmp_path / checkpoint).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / checkpoint).touch()
    with pytest.raises(KeyboardInterrupt), training.needing_pytorch(tmp_path):
        raise KeyboardInterrupt
    assert ("--resume" in capsys.readouterr().err) is (checkpoint is not None)
