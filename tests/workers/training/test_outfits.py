"""What is worn together: learnt on made-up people with a taste, and of no use on people without."""

from pathlib import Path

import numpy as np
import pytest

from api.search.outfits import Slot
from api.search.worn_together import load_worn_together
from workers.training.outfits import Worn, judge, kept_back, learn, pairs, save

DIM, PEOPLE = 12, 240


def people(*, taste: bool) -> Worn:
    """A dress, shoes, and a bag for every second one. Who has taste wears along axis 1 what the dress has along axis 0;
    plain likeness does not see it."""
    rng = np.random.default_rng(4)
    vectors, boxes, slots, photos = [], [], [], []
    for person in range(PEOPLE):
        style = rng.normal()
        for place, slot in enumerate(("dress", "footwear", "bag")[: 3 - person % 2]):
            vector = rng.normal(size=DIM) * 0.4
            vector[1 if place else 0] += 2 * (style if taste else rng.normal())
            vectors.append(vector / np.linalg.norm(vector))
            boxes.append((0.3 * place, 0.0, 0.25, 1.0))
            slots.append(slot)
            photos.append(f"{person:04d}")
    return Worn(np.array(vectors, np.float32), np.array(boxes, np.float32), np.array(slots), np.array(photos))


def test_taste_is_learnt_and_found_on_other_people() -> None:
    worn = people(taste=True)
    back = kept_back(worn.photos)
    learnt, plain = judge(worn.rows(back), learn(worn.rows(~back))), judge(worn.rows(back), None)
    assert learnt.low > 0.6 > plain.auc
    assert learnt.low <= learnt.auc <= learnt.high


def test_nothing_is_learnt_where_there_is_nothing() -> None:
    worn = people(taste=False)
    back = kept_back(worn.photos)
    assert judge(worn.rows(back), learn(worn.rows(~back))).low < 0.53


def test_things_that_overlap_on_the_picture_are_no_pair() -> None:
    worn = people(taste=True)
    worn.boxes[worn.slots == "footwear"] = (0.1, 0, 0.25, 1)
    found = {frozenset(worn.slots[row]) for row in pairs(worn)}
    assert found == {frozenset({"dress", "bag"}), frozenset({"footwear", "bag"})}


def test_the_file_serves_its_own_embedder_alone(tmp_path: Path) -> None:
    worn, file = people(taste=True), tmp_path / "worn.npz"
    save(learn(worn), "embedder-a", file)
    assert file.stat().st_size < 300_000
    loaded = load_worn_together("embedder-a", DIM, file)
    assert loaded.share(Slot.dress, Slot.footwear) == pytest.approx(1, abs=1e-3)
    assert loaded.share(Slot.dress, Slot.bag) == pytest.approx(0.5, abs=1e-3)
    assert loaded.share(Slot.dress, Slot.jewellery) == 0.02
    dress = worn.vectors[0]
    beside = loaded.beside(dress, Slot.dress)
    assert np.linalg.norm(beside) == pytest.approx(1, abs=1e-5)
    assert abs(beside @ dress) < 0.95
    other = load_worn_together("embedder-b", DIM, file)
    assert other.beside(dress, Slot.dress) is dress
    assert other.share(Slot.dress, Slot.bag) == pytest.approx(0.5, abs=1e-3)
    assert load_worn_together("embedder-a", DIM, tmp_path / "none").beside(dress, Slot.dress) is dress
