"""`shoplight evaluate` on real photos and the models that ship: without PyTorch, as served, into one safe file."""

import contextlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from api.settings import MODELS_DIR
from api.vision.picture import WHOLE, Box
from api.vision.service import Eyes
from tests.workers.training.conftest import Draw
from workers.cli.main import app
from workers.training.judging import ranking
from workers.training.judging.seeing import Item, Models, as_it_comes, as_served, see

MODELS = Models(MODELS_DIR / "detector.onnx", MODELS_DIR / "embedder.onnx", threads=1)


@pytest.fixture(scope="module")
def eyes() -> Iterator[Eyes]:
    with contextlib.closing(MODELS.eyes()) as opened:
        yield opened


def test_vectors_are_those_that_the_service_gives(eyes: Eyes, shared_data: Path) -> None:
    paths = sorted((shared_data / "streetstyle/images").glob("*.jpg"))[:2]
    half = Box(0.2, 0.1, 0.5, 0.6)
    items = [Item(paths[0], "a"), Item(paths[1], "b", half), Item(paths[0].with_name("gone.jpg"), "c")]
    seen = see(eyes, items, as_served(eyes), colours=True)
    served = [
        eyes.embed(eyes.decode(item.path.read_bytes()), None if item.box is WHOLE else [item.box])[0]
        for item in items[:2]
    ]
    assert np.abs(ranking.unit(seen.vectors) - np.stack(served)).max() < 1e-3
    assert [item.name for item, _ in seen.unread] == ["c"]


def test_a_network_that_does_not_serve_is_fed_the_crop_alone(eyes: Eyes, shared_data: Path, tmp_path: Path) -> None:
    path = sorted((shared_data / "streetstyle/images").glob("*.jpg"))[0]
    pixels = eyes.decode(path.read_bytes()).pixels
    half = Box(0.25, 0.0, 0.5, 0.5)
    left, top, right, bottom = half.within(pixels.shape[1], pixels.shape[0])
    Image.fromarray(pixels[top:bottom, left:right]).save(tmp_path / "crop.png")
    items = [Item(path, "a", half), Item(tmp_path / "crop.png", "b"), Item(path, "c")]
    box, crop, whole = see(eyes, items, as_it_comes(MODELS_DIR / "embedder.onnx", 1)).vectors
    assert np.allclose(box, crop, atol=1e-5)
    assert float(box @ whole) < 0.95


class Reader(HTMLParser):
    """What a browser would load or run, and which pictures say nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.mute = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]
        self.mute += tag == "img" and not told.get("alt")


@pytest.fixture(scope="module")
def evaluated(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], str]:
    """What the command prints on three photos a task, and its report."""
    report = tmp_path_factory.mktemp("evaluated") / "report.html"
    said = CliRunner().invoke(
        app,
        ["evaluate", "--data", str(shared_data), "--most", "3", "--threads", "1", "--report", str(report),
         "--backbones", "no-such-net", "--json"],
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    return json.loads(said.stdout), report.read_text()


def test_the_command_gives_every_figure_with_its_interval(evaluated: tuple[dict[str, object], str]) -> None:
    found, _ = evaluated
    detector = found["detector"]
    assert isinstance(detector, dict)
    assert detector["pictures"] == 3
    assert detector["mAP50"]["low"] <= detector["mAP50"]["value"] <= 1
    for line in detector["labels"].values():
        for figure in ("AP50", "AP50-95", "recall", "precision"):
            assert 0 <= line[figure]["low"] <= line[figure]["high"] <= 1
    for name, line in detector["labels"].items():
        missed = sum(detector["missed"][name].values())
        assert line["recall"]["value"] == pytest.approx((line["objects"] - missed) / line["objects"])
    retrieval = found["retrieval"]
    assert isinstance(retrieval, dict)
    assert len(retrieval) == 3
    for judged in retrieval.values():
        for distance in ("cosine", "euclidean"):
            assert {"top-1", "top-3", "top-5", "precision@10", "recall@10", "mAP@10"} <= set(judged[distance])
            assert judged[distance]["queries"] <= 3
        # Vectors that are served have unit length: both distances agree.
        assert judged["cosine"]["top-1"] == judged["euclidean"]["top-1"]
    exact = retrieval["Shop photo to studio picture"]["exact"]
    assert exact["recall"]["low"] <= exact["recall"]["value"] <= exact["recall"]["high"]
    backbones = found["backbones"]
    assert isinstance(backbones, dict)
    assert re.search("PyTorch|no backbone", backbones["no-such-net"]["problem"])


def test_the_report_is_one_file_that_loads_and_runs_nothing(evaluated: tuple[dict[str, object], str]) -> None:
    _, text = evaluated
    reader = Reader()
    reader.feed(text)
    assert "script" not in reader.tags
    assert reader.mute == 0
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in reader.links)
    assert reader.tags.count("img") >= 18
    assert reader.tags.count("image") == 3
    assert "default-src 'none'" in text
    anchors = {link[1:] for link in reader.links if link.startswith("#")}
    assert anchors <= set(re.findall(r'id="([^"]+)"', text))


def test_names_of_folders_that_are_markup_stay_text(draw: Draw, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    for name in (hostile, "jar"):
        for number in range(2):
            draw(f"own/{name}/{number}.jpg")
    report = tmp_path / "report.html"
    said = CliRunner().invoke(app, ["evaluate", str(tmp_path / "own"), "--threads", "1", "--report", str(report)])
    assert said.exit_code == 0, said.output
    assert hostile not in report.read_text()
    assert "&lt;img src=x onerror" in report.read_text()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ((), "has no folder with pictures"),
        (("mug/a.jpg",), "0 of 1 products have two pictures"),
        (("loose.jpg",), "has no folder with pictures"),
    ],
)
def test_a_folder_that_cannot_be_judged_is_a_problem_not_a_crash(
    draw: Draw, tmp_path: Path, make: tuple[str, ...], said: str
) -> None:
    (tmp_path / "own").mkdir()
    for name in make:
        draw(f"own/{name}")
    found = CliRunner().invoke(app, ["evaluate", str(tmp_path / "own"), "--report", str(tmp_path / "r.html")])
    assert found.exit_code == 1
    assert said in " ".join(found.stderr.split())
    assert not (tmp_path / "r.html").exists()


def test_labels_that_the_detector_does_not_know_are_named(draw: Draw, tmp_path: Path) -> None:
    draw("own/images/a.jpg")
    (tmp_path / "own/labels").mkdir()
    (tmp_path / "own/labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "own/classes.txt").write_text("spaceship\n")
    found = CliRunner().invoke(app, ["evaluate", str(tmp_path / "own")])
    assert found.exit_code == 1
    assert "does not know spaceship" in " ".join(found.stderr.split())


def test_a_detector_is_judged_on_ones_own_labels(shared_data: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    for folder, suffix in (("images", "jpg"), ("labels", "txt")):
        (own / folder).mkdir(parents=True)
        for path in sorted((shared_data / "streetstyle" / folder).glob(f"*.{suffix}"))[:3]:
            (own / folder / path.name).write_bytes(path.read_bytes())
    # Their numbers mean something else than ours: bag and top have changed places.
    names = ["bag", "outerwear", "dress", "pants", "shorts", "skirt", "footwear", "top", "eyewear", "headwear", "belt"]
    names.append("scarf")
    (own / "classes.txt").write_text("\n".join(names))
    said = CliRunner().invoke(app, ["evaluate", str(own), "--json", "--report", str(tmp_path / "r.html")])
    assert said.exit_code == 0, said.output
    labels = json.loads(said.stdout)["detector"]["labels"]
    assert labels["footwear"]["recall"]["value"] > 0
    assert labels["bag"]["AP50"]["value"] < 0.2
