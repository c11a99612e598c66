"""`python -m tests.bench [photo|search|indexing|decode|video|index|events|scale-out …] [--json]`, is `make bench`."""

import argparse
import json
import os
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from tests.bench import decode, events, index, indexing, photo, scale_out, search, video
from tests.bench.measure import Outcome

ALL = {
    "photo": photo.run,
    "search": search.run,
    "indexing": indexing.run,
    "decode": decode.run,
    "video": video.run,
    "index": index.run,
    "events": events.run,
    "scale-out": scale_out.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*ALL, "all"], default="all", help="which; all without any")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    asked = parser.parse_args()
    progress = Console(stderr=True, quiet=asked.json)
    outcomes = []
    for name in ALL if "all" in asked.names else asked.names:
        progress.print(f"{name} …")
        outcomes.append(ALL[name]())
    if asked.json:
        print(json.dumps({"cpus": os.cpu_count(), "outcomes": [asdict(outcome) for outcome in outcomes]}))  # noqa: T201
    else:
        Console().print(table(outcomes))
    return 0


def table(outcomes: list[Outcome]) -> Table:
    shown = Table(title=f"{os.cpu_count()} CPUs; a ratio above 1: we do more, or wait less", title_justify="left")
    for column in ("what", "ours", "peer", "ratio", "memory"):
        shown.add_column(column)
    for one in outcomes:
        ours = f"{one.ours:,.4g} {one.unit}\n{one.note}".strip()
        peer = f"{one.peer:,.4g} {one.unit}\n{one.peer_is}"
        shown.add_row(one.what, ours, peer, f"{one.ratio:.2f}", f"{one.rss_mb:.0f} MB")
    return shown


if __name__ == "__main__":
    sys.exit(main())
