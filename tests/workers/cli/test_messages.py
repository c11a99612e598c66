"""What people are told when something is missing: one message, status 1, no traceback."""

from pathlib import Path

import pytest

from tests.running_demo import free_port
from tests.workers.cli.conftest import Shoplight


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.jpg"
    path.write_bytes(b"never sent")
    return path


@pytest.mark.parametrize("command", ["search", "analyze"])
def test_without_a_demo_it_says_how_to_start_one(shoplight: Shoplight, picture: Path, command: str) -> None:
    said = shoplight(command, picture, "--data-dir", picture.parent / "data")
    assert said.exit_code == 1
    assert "shoplight demo" in said.stderr
    assert said.stdout == ""


@pytest.mark.parametrize("command", ["search", "analyze"])
def test_a_server_that_is_not_there_is_named(shoplight: Shoplight, picture: Path, command: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    said = shoplight(command, picture, "--url", url, "--key", "sk_any")
    assert said.exit_code == 1
    assert url.removeprefix("http://") in said.stderr.replace("\n", "")
    assert "does not answer" in said.stderr


@pytest.mark.parametrize("command", ["search", "analyze"])
def test_a_missing_picture_is_named(shoplight: Shoplight, tmp_path: Path, command: str) -> None:
    said = shoplight(command, tmp_path / "gone.jpg", "--url", "http://127.0.0.1:9", "--key", "sk_any")
    assert said.exit_code == 1
    assert "gone.jpg" in said.stderr.replace("\n", "")


def test_a_missing_feed_is_a_mistake_in_the_command(shoplight: Shoplight, tmp_path: Path) -> None:
    said = shoplight("import", tmp_path / "gone.csv", "--catalog", "New")
    assert said.exit_code == 2
    assert "gone.csv" in said.stderr


def test_evaluating_a_folder_without_models_names_the_file(shoplight: Shoplight, tmp_path: Path) -> None:
    said = shoplight("evaluate", "--models", tmp_path)
    assert said.exit_code == 1
    assert "detector.onnx" in said.stderr.replace("\n", "")
