"""Sixty real products of one catalog, seen by the shipped embedder: none hides another, and the nearest comes first."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from api.search.folding import Folding, Key
from api.search.index import Hit
from api.search.match import Look
from api.settings import VisionSettings
from api.vision.service import Eyes
from tests.api.search.made_up import product
from tests.api.search.test_finder import House

MAX_BYTES = 20_000_000
PHOTOS = 24
HERE = frozenset({"ctg_a"})


@pytest.fixture(scope="module")
def groceries(shared_data: Path) -> Path:
    return shared_data / "grocery"


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Eyes]:
    opened = Eyes(VisionSettings(), MAX_BYTES, tmp_path_factory.mktemp("models"))
    yield opened
    opened.close()


def embedded(eyes: Eyes, files: list[Path]) -> NDArray[np.float32]:
    return np.concatenate([eyes.embed(eyes.decode(file.read_bytes())) for file in files])


@pytest.fixture(scope="module")
def shelf(groceries: Path, eyes: Eyes) -> tuple[House, NDArray[np.float32]]:
    """A house with all of them in one catalog, and their vectors."""
    house = House(dim=eyes.dim)
    with (groceries / "catalog.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    vectors = embedded(eyes, [groceries / row["image"] for row in rows])
    for row, vector in zip(rows, vectors, strict=True):
        house.add(product(row["id"], title=row["title"], category=row["category"]), vector)
    assert len(rows) == 60
    return house, vectors


def test_each_finds_itself_first_and_hides_no_other(shelf: tuple[House, NDArray[np.float32]]) -> None:
    house, vectors = shelf
    names = [item.external_id for item in house.held.values()]
    lines = house.finder.match(vectors, catalog_ids=HERE, k=60)
    assert [line[0].product.external_id for line in lines] == names
    for line in lines:
        assert {match.product.external_id for match in line} == set(names)
        assert not any(match.offers for match in line)


def test_not_even_one_picture_for_all_makes_two_of_them_one(shelf: tuple[House, NDArray[np.float32]]) -> None:
    """A shop that has the same `picture follows` for everything, or an embedder that sees no difference."""
    house, _ = shelf

    def one_vector(keys: list[Key]) -> dict[Key, NDArray[np.float32]]:
        return {key: np.ones(1, np.float32) for key in keys}

    line = [Hit(item.id, item.catalog_id, 0.9) for item in house.held.values()]
    [groups] = Folding(one_vector, 0.9, 0.1).groups([line], house.held)  # type: ignore[arg-type]  # takes lists alone
    assert [len(group.hits) for group in groups] == [1] * 60


def test_a_phones_photo_finds_its_nearest_neighbour_first(
    shelf: tuple[House, NDArray[np.float32]], groceries: Path, eyes: Eyes
) -> None:
    house, vectors = shelf
    folders = sorted(folder for folder in (groceries / "val").iterdir() if folder.is_dir())[:PHOTOS]
    photos = embedded(eyes, [min(folder.glob("*.jpg")) for folder in folders])
    ids = list(house.held)
    looks = [Look((("red", 0.7), ("green", 0.3)), label="product")] * len(photos)
    lines = house.finder.match(photos, catalog_ids=HERE, k=5, looks=looks)
    assert [line[0].product.id for line in lines] == [ids[at] for at in (photos @ vectors.T).argmax(axis=1)]
