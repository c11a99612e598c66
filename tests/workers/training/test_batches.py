"""What a batch is made of: repeatable, fair to rare classes, several of a product together."""

from collections import Counter
from pathlib import Path

import numpy as np

from tests.workers.training.conftest import Draw
from workers.training.own.batches import EACH, Feeder, altered, balanced_order, grouped_order
from workers.training.own.samples import Sample


def test_rare_classes_are_drawn_by_the_root_of_their_size() -> None:
    labels = np.repeat([0, 1], [9900, 100])
    drawn = Counter(labels[balanced_order(labels, np.random.default_rng(0))].tolist())
    # sqrt(9900) : sqrt(100) is 9.95 : 1, where the pictures are 99 : 1
    assert sum(drawn.values()) == 10_000
    assert 8.5 < drawn[0] / drawn[1] < 11.5


def test_grouped_order_has_every_row_once_and_runs_of_one_label() -> None:
    labels = np.repeat([0, 1, 2], [9, 8, 3])
    order = grouped_order(labels, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(20))
    runs = labels[order]
    changes = int((runs[1:] != runs[:-1]).sum())
    # 3 + 2 + 1 runs of at most EACH
    assert EACH == 4
    assert changes <= 5


def test_an_epoch_is_the_same_again_and_the_next_one_another(draw: Draw, tmp_path: Path) -> None:
    samples = [Sample(draw(f"{label}/{n}.jpg"), label) for label in "ab" for n in range(3)]
    feeder = Feeder(["a", "b"], side=32, size=4, seed=7)
    first = list(feeder.training(samples, 1, grouped=False))
    again = list(feeder.training(samples, 1, grouped=False))
    other = list(feeder.training(samples, 2, grouped=False))
    assert [batch.images.shape for batch in first] == [(4, 3, 32, 32), (2, 3, 32, 32)]
    assert feeder.steps(samples) == 2
    assert all((one.images == two.images).all() for one, two in zip(first, again, strict=True))
    assert not all((one.images == two.images).all() for one, two in zip(first, other, strict=True))
    assert first[0].images.min() >= 0
    assert first[0].images.max() <= 1


def test_a_lone_picture_at_the_end_makes_no_batch(draw: Draw) -> None:
    samples = [Sample(draw(f"{n}.jpg"), "a") for n in range(5)]
    feeder = Feeder(["a"], side=32, size=4, seed=1)
    assert len(list(feeder.training(samples, 1, grouped=True))) == feeder.steps(samples) == 1


def test_judging_alters_nothing_and_keeps_the_order(draw: Draw) -> None:
    samples = [Sample(draw(f"{n}.png", colour=(n * 40, 0, 0)), "ab"[n % 2]) for n in range(5)]
    feeder = Feeder(["a", "b"], side=32, size=2, seed=1)
    batches = list(feeder.judging(samples))
    assert np.concatenate([batch.labels for batch in batches]).tolist() == [0, 1, 0, 1, 0]
    # 40 x 30 on a white square: rows above and below the picture are white
    assert (batches[0].images[:, :, 0, :] == 1).all()


def test_an_altered_picture_keeps_its_likeness_and_its_type() -> None:
    pixels = np.full((1, 1, 3), 90, np.uint8)
    assert altered(pixels, np.random.default_rng(0)).shape == (1, 1, 3)
    pixels = np.random.default_rng(0).integers(0, 255, (80, 60, 3), np.uint8)
    for seed in range(20):
        found = altered(pixels, np.random.default_rng(seed))
        assert found.dtype == np.uint8
        assert 0.6 * 80 - 1 <= found.shape[0] <= 80
        assert 0.6 * 60 - 1 <= found.shape[1] <= 60
