"""Which pictures train and which judge: fixed by file name, so that every run and every machine agree.

Reads the data folder only; writes nothing.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

LABELS = (
    "top",
    "outerwear",
    "dress",
    "pants",
    "shorts",
    "skirt",
    "footwear",
    "bag",
    "eyewear",
    "headwear",
    "belt",
    "scarf",
    "product",
)
PRODUCT = LABELS.index("product")
VALIDATION_PERCENT = 15
# Grocery products that no embedder training sees: every retrieval figure for "new" products comes from these.
HELD_OUT_PERCENT = 30


def bucket(name: str) -> int:
    """A number 0..99 that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 100


def is_validation(name: str) -> bool:
    return bucket(name) < VALIDATION_PERCENT


def is_held_out(product: str) -> bool:
    return bucket("product:" + product) < HELD_OUT_PERCENT


def streetstyle(shared: Path) -> tuple[list[Path], list[Path]]:
    """Training and validation photos of the street-fashion set."""
    return divide(sorted((shared / "streetstyle" / "images").glob("*.jpg")))


def divide(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    train: list[Path] = []
    validation: list[Path] = []
    for path in paths:
        (validation if is_validation(path.name) else train).append(path)
    return train, validation
