"""Pictures of products looked at as the catalog does it (decode, embed, measure colours), against a bare loop of the
same models over pictures that are decoded already: what the way around the models costs."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from api.settings import Settings
from api.vision.picture import WHOLE, Picture
from api.vision.service import Eyes
from tests.bench import house
from tests.bench.measure import Outcome, rss_mb_of_self

LOOKING, SECONDS = 2, 6.0  # as many at once as api/catalog/indexing.py looks at


def run() -> Outcome:
    settings = Settings(datadir=Path("unused"))
    eyes = Eyes(settings.vision, settings.fetch.max_picture_bytes)
    photos = list(itertools.islice(house.product_photos(), 64))
    try:
        eyes.load()
        decoded = [eyes.decode(photo) for photo in photos]
        ours = rate(lambda n: look(eyes, eyes.decode(photos[n % len(photos)])))
        peer = rate(lambda n: eyes.embed(decoded[n % len(decoded)]))
        memory = rss_mb_of_self()
    finally:
        eyes.close()
    return Outcome(
        name="indexing",
        what=f"product pictures of {decoded[0].width}×{decoded[0].height} px decoded, embedded, their colours measured",
        unit="pictures/s",
        ours=ours,
        peer=peer,
        peer_is="the embedder alone",
        ratio=ours / peer,
        rss_mb=memory,
        note=f"{LOOKING} at once",
    )


def look(eyes: Eyes, picture: Picture) -> None:
    eyes.embed(picture)
    eyes.attributes(picture, [WHOLE], [None])


def rate(work: object) -> float:
    """How often a second, on `LOOKING` threads."""
    numbers, end = itertools.count(), time.perf_counter() + SECONDS

    def repeat() -> int:
        done = 0
        while time.perf_counter() < end:
            work(next(numbers))  # type: ignore[operator]  # either of two calls
            done += 1
        return done

    with ThreadPoolExecutor(LOOKING) as threads:
        return sum(future.result() for future in [threads.submit(repeat) for _ in range(LOOKING)]) / SECONDS
