"""A process that puts and removes rows until it is killed: `python -m tests.api.search.killed_writer FOLDER SEED`."""

import sys
from pathlib import Path

import numpy as np

from api.search.exact import ExactIndex
from api.search.index import IndexRow

CATALOG, DIM, SPACE = "ctg_a", 32, "an-embedder"
VARIANTS = 1000  # a product's vector and columns follow from its number and its stamp, below this


def version(number: int, stamp: int) -> IndexRow:
    vector = np.random.default_rng(number * VARIANTS + stamp).standard_normal(DIM).astype(np.float32)
    return IndexRow(
        product_id=f"prd_{number:04}",
        vector=vector / np.linalg.norm(vector),
        brand=f"brand {stamp}",
        category=f"Home > {number}",
        price_micros=number * VARIANTS + stamp,
        colours=(f"colour {stamp % 3}", "white"),
        pattern="plain" if stamp % 2 else None,
        stamp=stamp,
    )


def main() -> None:
    index, numbers, stamp = ExactIndex(DIM, Path(sys.argv[1]), SPACE), np.random.default_rng(int(sys.argv[2])), 0
    print("writes", flush=True)  # noqa: T201 - the signal that it may be killed
    while True:
        stamp = (stamp + 1) % 900
        index.put(CATALOG, [version(n, stamp) for n in numbers.choice(300, 40, replace=False).tolist()])
        index.remove(CATALOG, [f"prd_{n:04}" for n in numbers.choice(300, 10, replace=False).tolist()])


if __name__ == "__main__":
    main()
