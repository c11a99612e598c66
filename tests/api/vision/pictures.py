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


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    width: int, height: int, compressed_rows: bytes, *, before: bytes = b"", depth: int = 8, interlaced: bool = False
) -> bytes:
    """A PNG of our own hand: RGB, whatever its header claims."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", compressed_rows) + chunk(b"IEND", b"")


def black_png(width: int, height: int) -> bytes:
    """A bomb: a true PNG that is a thousand times smaller than its pixels."""
    deflate = zlib.compressobj(9)
    row = b"\0" * (3 * width + 1)
    return png(width, height, b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush())


def with_chunk(name: bytes, body: bytes) -> bytes:
    """`quarters()` as a PNG with one chunk more before its pixels."""
    data = encoded(quarters(), "PNG")
    return data[:33] + chunk(name, body) + data[33:]


def deep_png() -> bytes:
    """`quarters()` in 16 bits a channel."""
    rows = np.asarray(quarters()).astype(">u2") * 257
    return png(48, 32, zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)), depth=16)


def interlaced_png() -> bytes:
    """`quarters()` in the seven passes of Adam7."""
    pixels, lines = np.asarray(quarters()), b""
    for top, left, down, right in (
        (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1),
    ):  # fmt: skip
        lines += b"".join(b"\0" + row.tobytes() for row in pixels[top::down, left::right])
    return png(48, 32, zlib.compress(lines), interlaced=True)


def many_scans(side: int, scans: int) -> bytes:
    """A small progressive JPEG of one grey that asks to go over its pixels `scans` times."""

    def segment(marker: int, body: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

    blocks = (side // 8) ** 2
    one_code = bytes([1] + [0] * 15)
    frame = struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0"
    head = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC2, frame)
    head += segment(0xC4, b"\0" + one_code + b"\0") + segment(0xC4, b"\x10" + one_code + b"\xe0")
    first = segment(0xDA, b"\1\1\0\0\0\0") + b"\0" * -(-blocks // 8)
    bits = ("0" + "1" * 14) * -(-blocks // 32767)  # runs of blocks that have nothing more
    run = int(bits + "1" * (-len(bits) % 8), 2).to_bytes(-(-len(bits) // 8), "big").replace(b"\xff", b"\xff\0")
    return b"\xff\xd8" + head + first + (segment(0xDA, b"\1\1\0\1\x3f\0") + run) * (scans - 1) + b"\xff\xd9"


def with_scans(jpeg: bytes, scans: int, *, components: int) -> bytes:
    """A sequential JPEG whose first scan has so many of its components, with as many empty scans behind it."""
    at = jpeg.index(b"\xff\xda")
    body = jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") : -2]
    parts = bytes([components]) + jpeg[at + 5 : at + 5 + 2 * components] + b"\0\x3f\0"
    scan = b"\xff\xda" + struct.pack(">H", len(parts) + 2) + parts
    return jpeg[:at] + scan + body + scan * scans + b"\xff\xd9"


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
