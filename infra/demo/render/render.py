"""Command line of the demo's renders: catalog pictures, article scenes, training pictures, feeds."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from catalog import Product, write_feed
from products_home import HOME
from products_wear import WEAR

DEMO = Path(__file__).resolve().parent.parent
BRANDS = {"loam-and-linden": ("Loam & Linden", "24", HOME), "corso-minore": ("Corso Minore", "27", WEAR)}
PRODUCTS: dict[str, Product] = {p.id: p for _name, _prefix, products in BRANDS.values() for p in products}


def feeds() -> None:
    for slug, (name, prefix, products) in BRANDS.items():
        write_feed(DEMO / "catalogs" / slug / "feed.csv", name, prefix, products)


def catalog(only: list[str], size: int, samples: int) -> None:
    """Studio pictures, one a product."""
    import shapes
    import studio

    for slug, (_name, _prefix, products) in BRANDS.items():
        for product in products:
            if only and product.id not in only:
                continue
            start = time.monotonic()
            studio.fresh(samples, size, size)
            studio.frame_product(shapes.build(product), *product.view)
            studio.render(DEMO / "catalogs" / slug / "pictures" / f"{product.id}.jpg")
            print(f"{product.id} {time.monotonic() - start:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("feeds", help="write catalogs/*/feed.csv")
    for name, size, samples in (("catalog", 560, 16), ("scenes", 960, 16), ("train", 400, 6)):
        command = commands.add_parser(name)
        command.add_argument("only", nargs="*", help="ids of products or names of scenes; all when left out")
        command.add_argument("--size", type=int, default=size, help="longest side in pixels")
        command.add_argument("--samples", type=int, default=samples)
        if name == "train":
            command.add_argument("--out", type=Path, required=True)
            command.add_argument("--count", type=int, default=100)
            command.add_argument(
                "--first", type=int, default=0, help="number of the first picture; it is also its seed"
            )
    args = parser.parse_args()
    if args.command == "feeds":
        feeds()
    elif args.command == "catalog":
        catalog(args.only, args.size, args.samples)
    elif args.command == "scenes":
        import scenes

        scenes.render_all(DEMO, PRODUCTS, args.only, args.size, args.samples)
    else:
        import training

        training.render_all(args.out, list(PRODUCTS.values()), args.first, args.count, args.size, args.samples)


if __name__ == "__main__":
    main()
