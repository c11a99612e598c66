"""A 12-megapixel JPEG through the confined decoder, against Pillow that decodes all of it and then resizes.

The picture: street photos side by side, saved at quality 90 with halved colours: 1.8 bits a pixel, 2.7 MB, where phones
write 2 to 4 MB. Most of our time goes into reading its codes, bit after bit on one core: no decoder can leave any out,
however small the result (tried: libjpeg-turbo through Pillow and OpenCV, FFmpeg). The note says how long that alone
takes, as an eighth of the size in grey, which is all that a JPEG can be spared; the rest is a quarter of the size in
colour, and two ways through a socket. 11 ms would be a file of at most 1.3 MB.
"""

import io
import os
from pathlib import Path

from PIL import Image

from api.settings import Settings
from api.vision.service import Eyes
from tests.bench import house
from tests.bench.measure import Outcome, by_turns_ms, median_ms, rss_mb

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
        codes_ms = median_ms(lambda: codes_of(data), SECONDS / 6)
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
        note=f"in a child with limits; reading the codes alone {codes_ms:.1f} ms; memory of the children",
    )


def codes_of(data: bytes) -> Image.Image:
    """Decoded with next to nothing done to what was read."""
    picture = Image.open(io.BytesIO(data))
    picture.draft("L", (SIZE[0] // 8, SIZE[1] // 8))
    picture.load()
    return picture


def _own_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2
