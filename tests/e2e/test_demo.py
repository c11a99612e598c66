"""The demo command itself: its one line, its second run, its end."""

import json
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.patience import HANGS_S
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.slow
SCENES = Path(__file__).resolve().parents[2] / "infra" / "demo" / "scenes"
FIELDS = {
    "base_url", "publisher_page", "publishable_key", "developer_key", "brand_key", "publisher_secret_key", "logins",
}  # fmt: skip


def test_the_line_is_kept_and_told_again_also_on_another_port(tmp_path: Path) -> None:
    first = RunningDemo(tmp_path / "data")
    kept = tmp_path / "data" / "demo.json"
    assert set(first.line) == FIELDS
    assert json.loads(kept.read_text()) == first.line
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert first.stop() == 0

    with sqlite3.connect(tmp_path / "data" / "shoplight.db") as database:
        seen = database.execute("UPDATE product_vectors SET embedder_version = 'an older one'").rowcount
    database.close()
    second = RunningDemo(tmp_path / "data", port=first.port)
    assert second.line == first.line
    # A search is answered the moment the line is there, though the embedder had to look at everything anew.
    with (SCENES / "reading-corner.jpg").open("rb") as photo:
        answer = httpx2.post(
            f"{second.base_url}/v1/search", files={"image": photo}, headers=second.bearer("developer_key"), timeout=60
        )
    assert answer.json()["objects"]
    assert all(item["matches"] for item in answer.json()["objects"])
    assert f"products looked at anew: all {seen}" in second.log_path.read_text()
    assert second.stop() == 0

    moved = RunningDemo(tmp_path / "data")
    try:
        same = FIELDS - {"base_url", "publisher_page"}
        assert {name: moved.line[name] for name in same} == {name: first.line[name] for name in same}
        assert moved.base_url.endswith(str(moved.port))
        assert httpx2.get(moved.line["publisher_page"], timeout=60).status_code == 200
        products = httpx2.get(f"{moved.base_url}/v1/products", headers=moved.bearer("brand_key"), timeout=60).json()[
            "items"
        ]
        assert products
        assert all(product["url"].startswith(moved.base_url) for product in products)
    finally:
        moved.kill()


def test_the_pages_pictures_are_tagged_with_the_products_they_show(demo: RunningDemo) -> None:
    """Against what the renderer knows: where each product stands in each scene."""
    truth = json.loads((SCENES / "boxes.json").read_text())
    shown = right = tagged = 0
    for file, items in truth.items():
        answer = analysed(demo, f"{demo.base_url}/demo/media/scenes/{Path(file).name}")
        wanted = {item["external_id"] for item in items}
        found = [tag["products"][0]["external_id"] for tag in answer["tags"]]
        shown += len(wanted)
        tagged += len(found)
        right += len(wanted & set(found))
    told = f"{right} of {shown} products tagged right, {tagged} tags"
    assert right >= 0.7 * tagged, told
    assert right >= 0.5 * shown, told


def analysed(demo: RunningDemo, url: str) -> dict[str, Any]:
    """The answer for a picture once it has been looked at: one publisher's pictures are new to the other's site."""
    body = {
        "key": demo.line["publishable_key"],
        "page": {"url": demo.line["publisher_page"]},
        "media": [{"url": url, "kind": "image"}],
    }
    deadline = time.monotonic() + HANGS_S
    while time.monotonic() < deadline:
        answer = httpx2.post(f"{demo.base_url}/v1/tags", json=body, headers={"Origin": demo.base_url}, timeout=60)
        found: dict[str, Any] = answer.json()["media"][0]
        if found["status"] != "pending":
            return found
        time.sleep(0.3)
    raise AssertionError(f"{url} was never analysed")
