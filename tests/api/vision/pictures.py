"""Pictures of every awkward kind, made on the spot."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

RED, GREEN, BLUE, WHITE = (220, 20, 30), (20, 200, 40), (30, 40, 210), (255, 255, 255)


def quarters(width: int = 48, height: int = 32) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right: tells every turn and mirroring apart."""
    picture = Image.new("RGB", (width, height), WHITE)
    picture.paste(RED, (0, 0, width // 2, height // 2))
    picture.paste(GREEN, (width // 2, 0, width, height // 2))
    picture.paste(BLUE, (0, height // 2, width // 2, height))
    return picture


def noise(width: int = 400, height: int = 300) -> Image.Image:
    """Compresses badly, so that half of the file is half of the picture."""
    return Image.fromarray(np.random.default_rng(7).integers(0, 255, (height, width, 3), dtype=np.uint8))


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, compressed_rows: bytes, *, before: bytes = b"") -> bytes:
    """A PNG of our own hand: 8-bit RGB, whatever its header claims."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + _chunk(b"IDAT", compressed_rows) + _chunk(b"IEND", b"")


def black_png(width: int, height: int) -> bytes:
    """A bomb: a true PNG that is a thousand times smaller than its pixels."""
    deflate = zlib.compressobj(9)
    row = b"\0" * (3 * width + 1)
    return png(width, height, b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush())


def text_bomb() -> bytes:
    """A small PNG with a comment that unpacks to 200 MB."""
    comment = _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 200_000_000))
    return png(4, 4, zlib.compress(b"\0" * 52), before=comment)


def oriented_jpeg(orientation: int) -> bytes:
    """`quarters()` as a camera held in that way stores it: turned pixels and the EXIF tag that turns them back."""
    stored_as = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    picture = quarters()
    stored = picture if stored_as is None else picture.transpose(stored_as)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(stored, "JPEG", exif=exif, quality=95, subsampling=0)
