"""Fitting of the pattern model: the small network itself, its views of a crop, and labels that keep judges apart."""

from pathlib import Path

import numpy as np

from api.vision import pattern_model
from api.vision.crops import Context
from workers.training.attributes import MODEL, rows_in, views, written
from workers.training.small_network import certainty, fitted, scaled
from workers.training.split import is_validation

LABELS = Path(__file__).resolve().parents[2] / "api" / "vision"


def test_what_no_line_divides_is_learnt() -> None:
    random = np.random.default_rng(1)
    measures = random.uniform(-1, 1, (300, 2))
    kinds = (measures[:, 0] * measures[:, 1] > 0).astype(np.intp)
    inputs = scaled(measures, measures.mean(axis=0), measures.std(axis=0))
    layers = fitted(inputs, kinds, np.ones(300))
    sure = certainty(inputs, layers)
    assert np.allclose(sure.sum(axis=1), 1)
    assert (sure.argmax(axis=1) == kinds).mean() > 0.85
    assert all(
        np.array_equal(one, other) for one, other in zip(layers, fitted(inputs, kinds, np.ones(300)), strict=True)
    )


def test_the_shipped_model_is_what_is_written() -> None:
    numbers = pattern_model.MEANS, pattern_model.SPREADS, (pattern_model.HIDDEN, pattern_model.WEIGHTS)
    assert written(*numbers) == MODEL.read_text()


def test_what_weighs_nothing_teaches_nothing() -> None:
    measures = np.r_[np.full((40, 1), -1.0), np.full((40, 1), 1.0), np.full((200, 1), 1.0)]
    kinds = np.r_[np.zeros(40), np.ones(40), np.zeros(200)].astype(np.intp)
    weights = np.r_[np.ones(80), np.zeros(200)]
    inputs = scaled(measures, np.zeros(1), np.ones(1))
    assert certainty(inputs[40:41], fitted(inputs, kinds, weights))[0].argmax() == 1


def test_views_keep_the_object_in_its_box() -> None:
    pixels = np.zeros((100, 80, 3), np.uint8)
    pixels[20:60, 10:40] = 200
    for seen, context in views(pixels, Context((10, 20, 40, 60), ((10, 20, 20, 30),), worn=True)):
        left, top, right, bottom = context.inner
        inside = np.zeros(seen.shape[:2], bool)
        inside[top:bottom, left:right] = True
        bright = seen[..., 0] > 140
        assert (bright == inside).mean() > 0.98
        assert context.worn
        assert len(context.others) == 1


def test_what_judges_is_never_fitted_to() -> None:
    rows = [row for name in ("looks.json", "patterns.json") for row in rows_in(LABELS / name)]
    things = [(row["picture"], row.get("object")) for row in rows]
    assert len(things) == len(set(things)) > 1800
    held = {row["picture"] for row in rows_in(LABELS / "patterns.json") if row["held"]}
    fitted_to = {row["picture"] for row in rows_in(LABELS / "patterns.json") if not row["held"]}
    assert not held & fitted_to
    assert not {row["picture"] for row in rows_in(LABELS / "looks.json") if row["held"]} & fitted_to
    assert all(is_validation(Path(name).name) for name in held if name.startswith("streetstyle/"))
    assert all(name.startswith(("clothing/validation/", "streetstyle/")) for name in held)
    assert not [name for name in fitted_to if name.startswith("clothing/validation/")]
    assert not [name for name in fitted_to if name.startswith("streetstyle/") and is_validation(Path(name).name)]
