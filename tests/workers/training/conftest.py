"""Pictures and folders as users have them, made small."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """`draw("shoes/a.jpg", size=(40, 30), colour=(200, 10, 10))` writes a noisy picture under tmp_path."""

    def make(name: str, *, size: tuple[int, int] = (40, 30), colour: tuple[int, int, int] = (120, 90, 60)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(len(name) + sum(map(ord, name)))
        pixels = np.clip(np.array(colour) + rng.normal(0, 20, (size[1], size[0], 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return make
