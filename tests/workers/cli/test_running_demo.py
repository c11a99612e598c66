"""The commands that talk to a running demo, as its users type them."""

import csv
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.patience import HANGS_S
from tests.running_demo import REPO, RunningDemo
from tests.workers.cli.conftest import Shoplight

pytestmark = pytest.mark.slow
FIELDS = ("id", "title", "link", "image_link", "price", "availability", "brand")


@pytest.fixture
def feed(tmp_path: Path, shared_data: Path) -> Path:
    """A folder with a feed and one picture; its second row has no price."""
    folder = tmp_path / "spring"
    (folder / "pictures").mkdir(parents=True)
    shutil.copy(shared_data / "streetstyle" / "images" / "0001.jpg", folder / "pictures" / "coat.jpg")
    with (folder / "feed.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(FIELDS)
        page = "https://shop.example/coat"
        rows.writerow(("coat-1", "A coat", page, "pictures/coat.jpg", "19.90 EUR", "in_stock", "Spring"))
        rows.writerow(("coat-2", "No price", page, "pictures/coat.jpg", "", "in_stock", "Spring"))
    return folder


def answered(shoplight: Shoplight, *arguments: object) -> dict[str, Any]:
    said = shoplight(*arguments, "--json")
    assert said.exit_code == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def stocked(demo: RunningDemo) -> int:
    """Products of the feeds that the demo imports."""
    feeds = (REPO / "infra" / "demo" / "catalogs").glob("*/feed.csv")
    return sum(len(list(csv.DictReader(feed.read_text().splitlines()))) for feed in feeds)


def test_import_then_search_then_analyze(shoplight: Shoplight, demo: RunningDemo, feed: Path) -> None:
    here = ("--data-dir", demo.data_dir)
    state = answered(shoplight, "import", feed, "--catalog", "Typed at a prompt", *here)
    counts = state["counts"]
    assert (state["state"], counts["read"], counts["created"], counts["indexed"], counts["failed"]) == (
        "done", 2, 1, 1, 1,
    )  # fmt: skip
    assert [error["field"] for error in state["errors"]] == ["price"]

    picture = feed / "pictures" / "coat.jpg"
    mine = answered(shoplight, "search", picture, "--no-detect", "--key", demo.line["brand_key"], *here)
    best = mine["objects"][0]["matches"][0]
    assert (best["product"]["external_id"], best["match_type"]) == ("coat-1", "exact")
    others = answered(shoplight, "search", picture, "--no-detect", "--limit", "50", *here)
    found = {match["product"]["external_id"] for match in others["objects"][0]["matches"]}
    assert "coat-1" not in found, "the catalog is not listed, and the developer is not its brand"

    seen = answered(shoplight, "analyze", picture, *here)
    assert seen["image"]["width"] > 0
    assert {"label", "score", "box"} <= seen["detections"][0].keys()


def test_the_operations_go_through_the_process_that_holds_the_data(shoplight: Shoplight, demo: RunningDemo) -> None:
    here = ("--data-dir", demo.data_dir)
    products = answered(shoplight, "reindex", *here)["products"]
    assert products >= stocked(demo), "the demo's two catalogs"
    rolled_up = answered(shoplight, "rollup", *here)["events"]
    deadline = time.monotonic() + HANGS_S
    while (found := json.loads(shoplight("reconcile", *here, "--json").stdout))["waiting"]:
        assert time.monotonic() < deadline, "the sink stands still"
        time.sleep(0.2)
    assert found["differences"] == []
    assert found["store"]["rolled_up"] >= rolled_up


def test_a_problem_of_the_server_is_told_in_its_words(shoplight: Shoplight, demo: RunningDemo, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_bytes(b"not a picture")
    said = shoplight("search", tmp_path / "text.jpg", "--data-dir", demo.data_dir)
    assert said.exit_code == 1
    assert "422: Not a picture in a known format" in " ".join(said.stderr.split())
