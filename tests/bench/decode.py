"""A 12-megapixel JPEG through the confined decoder, against Pillow that decodes all of it and then resizes."""

import io
import os
from pathlib import Path

from PIL import Image

from api.settings import Settings
from api.vision.service import Eyes
from tests.bench import house
from tests.bench.measure import Outcome, by_turns_ms, rss_mb

SIZE, SECONDS = (3000, 4000), 6.0


def run() -> Outcome:
    data = house.jpeg(house.camera_photo(*SIZE))
    settings = Settings(datadir=Path("unused"))
    eyes = Eyes(settings.vision, settings.fetch.max_picture_bytes)
    try:
        seen = eyes.decode(data)
        if (seen.width, seen.height) != SIZE:
            raise RuntimeError(f"a picture of {SIZE} was seen as {seen.width}×{seen.height}")
        rows, columns = seen.pixels.shape[:2]

        def peer() -> Image.Image:
            return Image.open(io.BytesIO(data)).convert("RGB").resize((columns, rows), Image.Resampling.BILINEAR)

        ours_ms, peer_ms = by_turns_ms(lambda: eyes.decode(data), peer, SECONDS)
        children = rss_mb(os.getpid()) - _own_mb()
    finally:
        eyes.close()
    return Outcome(
        name="decode",
        what=f"a {SIZE[0]}×{SIZE[1]} JPEG of {len(data) / 1e6:.1f} MB to {max(seen.pixels.shape)} px",
        unit="ms",
        ours=ours_ms,
        peer=peer_ms,
        peer_is="Pillow, all pixels, then resized to the same",
        ratio=peer_ms / ours_ms,
        rss_mb=children,
        note="in a child with limits; memory of the children",
    )


def _own_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2
