"""The child that decodes pictures: run as a script by decoding.py, and it imports Pillow and nothing of ours.

It is the only place that parses pictures of strangers, so it gives away what it could do harm with: memory, processor
time, and every further file and socket. It reads requests from descriptor 0 and answers there, until end of file.
"""

import copy
import encodings.ascii
import encodings.latin_1
import encodings.utf_16
import io
import resource
import socket
import struct
import sys
from typing import Final

from PIL import Image, ImageColor, ImageFile, ImageOps, ImagePalette, TiffTags, UnidentifiedImageError

# Pillow imports these when a picture first needs them; after `confine` it could not.
USED_LATE: Final = (copy, encodings, ImageColor, ImageOps, ImagePalette, TiffTags)
REQUEST: Final = struct.Struct("!IIQ")  # bytes of the picture, longest side wanted, most pixels allowed
ANSWER: Final = struct.Struct("!8sIIII")  # outcome, original width and height, width and height of the pixels
FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
ORIENTATION_TAG: Final = 0x0112
TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SWAPS_SIDES: Final = 5
SIXTEEN_BITS: Final = 65535
TIFF_MAGICS: Final = (b"II*\0", b"MM\0*")


class Refused(Exception):
    """The picture is not decoded; the argument is the outcome to answer."""


def confine(memory_bytes: int) -> None:
    """Give up everything a decoder does not need. Called after all imports: no file opens after it."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def allow_cpu_seconds(seconds: int) -> None:
    """Lets the kernel end a decode that spins, also when the parent is no longer there to do it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def eight_bit(image: Image.Image) -> Image.Image:
    """Deep grey to 8 bits. Pillow's own conversion clips at 255, which turns 16-bit pictures white."""
    if image.mode == "F":
        low, high = image.getextrema()
        span = (high - low) or 1.0  # type: ignore[operator]  # one band: two numbers
        return image.point(lambda value: value * (255 / span) - low * 255 / span).convert("L")  # type: ignore[operator]
    wide = image.convert("I")
    high = max(wide.getextrema()[1], SIXTEEN_BITS)
    return wide.point(lambda value: value * (255 / high)).convert("L")  # type: ignore[operator]


def plain(image: Image.Image) -> Image.Image:
    """RGB, or RGBA where something is transparent."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = eight_bit(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")


def on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, (255, 255, 255))
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def orientation_of(image: Image.Image) -> int:
    """Read after loading: Pillow turns TIFF and AVIF by itself and then drops the tag."""
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 - a broken EXIF block must not cost the picture
        return 1
    return value if isinstance(value, int) else 1


def decode(data: bytes, longest_side: int, max_pixels: int) -> tuple[int, int, Image.Image]:
    """Original upright width and height, and the upright picture, no longer than `longest_side`."""
    image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > max_pixels:
        raise Refused("large")
    image.draft("RGB" if image.mode == "RGB" else None, (longest_side, longest_side))
    image.load()
    orientation = orientation_of(image)
    image = plain(image)
    image.thumbnail((longest_side, longest_side), Image.Resampling.BILINEAR, reducing_gap=3.0)
    image = on_white(image)
    if orientation in TURNS:
        image = image.transpose(TURNS[orientation])
    return (height, width, image) if orientation >= SWAPS_SIDES else (width, height, image)


def ends_early(data: bytes) -> bool:
    """Whether the file is shorter than its own container says; for those that Pillow then merely fails to decode."""
    if data[:4] == b"RIFF":
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    if data[:4] in TIFF_MAGICS:  # the directory usually lies behind the pixels
        return len(data) <= int.from_bytes(data[4:8], "little" if data[:2] == b"II" else "big")
    if data[4:8] != b"ftyp":
        return False
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8:  # 0: to the end of the file; 1: a 64-bit size, which no picture of ours needs
            return False
        at += size
    return at != len(data)


def outcome_of(error: BaseException, data: bytes) -> str:
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, (MemoryError, Image.DecompressionBombError)):
        return "large"
    # Pillow tells a short file only by its words
    if "truncated" in str(error).lower() or ends_early(data):
        return "short"
    return "unknown" if isinstance(error, UnidentifiedImageError) else "corrupt"


def answer(data: bytes, longest_side: int, max_pixels: int) -> bytes:
    try:
        width, height, image = decode(data, longest_side, max_pixels)
        return ANSWER.pack(b"ok", width, height, *image.size) + image.tobytes()
    except Exception as error:  # noqa: BLE001 - whatever a hostile file provokes becomes one word
        return ANSWER.pack(outcome_of(error, data).encode(), 0, 0, 0, 0)


def read_exactly(line: socket.socket, count: int) -> bytes:
    buffer = bytearray(count)
    view = memoryview(buffer)
    while view:
        got = line.recv_into(view)
        if not got:
            sys.exit(0)
        view = view[got:]
    return bytes(buffer)


def main(memory_bytes: int, cpu_seconds: int) -> None:
    line = socket.socket(fileno=0)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.MAX_IMAGE_PIXELS = None  # the request carries the limit, and plain sizes are answered by it
    Image.init()
    confine(memory_bytes)
    while True:
        size, longest_side, max_pixels = REQUEST.unpack(read_exactly(line, REQUEST.size))
        data = read_exactly(line, size)
        allow_cpu_seconds(cpu_seconds)
        line.sendall(answer(data, longest_side, max_pixels))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
