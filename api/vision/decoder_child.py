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
from typing import Any, Final

from PIL import (
    Image,
    ImageCms,
    ImageColor,
    ImageFile,
    ImageOps,
    ImagePalette,
    PngImagePlugin,
    TiffTags,
    UnidentifiedImageError,
)

# Pillow imports these when a picture first needs them; after `confine` it could not.
USED_LATE: Final = (copy, encodings, ImageColor, ImageOps, ImagePalette, TiffTags)
REQUEST: Final = struct.Struct("!IIQ")  # bytes of the picture, side to keep, most pixels allowed
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
JPEG_SHRINKS: Final = (8, 4, 2)  # what the inverse cosine transform can leave out, nearly for free
JPEG_START: Final = b"\xff\xd8"
START_OF_SCAN: Final = b"\xff\xda"
SEQUENTIAL: Final = (0xC0, 0xC1, 0xC9)  # start of a frame that is not progressive
# Each scan goes over the whole picture again: thousands of them, a small file, keep a core busy for minutes.
MOST_SCANS: Final = 100  # encoders make 12
MOST_SCANNED_PIXELS: Final = 2_000_000_000
LARGEST_PROFILE: Final = 4 * 1024**2
PROFILE_SPACES: Final = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
RECEIVED_AT_ONCE: Final = 2**18
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
    """RGB, L or CMYK, whose profile is still to be followed; RGBA where something is transparent."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = eight_bit(image)
        image.info.pop("transparency", None)  # a 16-bit grey, which says nothing of 8 bits
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in PROFILE_SPACES else image.convert("RGB")


def on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, (255, 255, 255))
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """RGB as a screen shows it. A profile that is broken, huge or of another kind of picture is passed over."""
    if isinstance(profile, bytes) and len(profile) <= LARGEST_PROFILE:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            fits = source.profile.xcolor_space.strip() == PROFILE_SPACES[image.mode]
            if fits and "srgb" not in (source.profile.profile_description or "").lower():
                return ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB") or image
        except Exception:  # noqa: BLE001, S110 - the colours stay as they are, which is what most viewers show
            pass
    return image if image.mode == "RGB" else image.convert("RGB")


def orientation_of(image: Image.Image) -> int:
    """Read after loading: Pillow turns TIFF and AVIF by itself and then drops the tag."""
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 - a broken EXIF block must not cost the picture
        return 1
    return value if isinstance(value, int) else 1


def scans_of(jpeg: bytes) -> int:
    """How often the first picture of the file goes over its pixels."""
    scans, at = 0, len(JPEG_START)
    while (at := jpeg.find(b"\xff", at)) >= 0 and at + 4 <= len(jpeg):
        marker = jpeg[at + 1]
        if marker == 0xD9:  # the end; behind it may lie anything
            break
        if marker == 0xFF:
            at += 1
        elif marker <= 0x01 or 0xD0 <= marker <= 0xD7:  # inside of a scan: a stuffed byte, or a restart
            at += 2
        else:
            scans += marker == START_OF_SCAN[1]
            at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return scans


def in_one_scan(jpeg: bytes) -> bool:
    """Whether the first scan has all components of a picture that is not progressive: then nobody reads a second."""
    components, at = 0, len(JPEG_START)
    while (at := jpeg.find(b"\xff", at)) >= 0 and at + 10 <= len(jpeg):
        marker = jpeg[at + 1]
        if marker == START_OF_SCAN[1]:
            return 0 < components == jpeg[at + 4]
        if marker in (0xD8, 0xD9):
            break
        if marker in SEQUENTIAL:
            components = jpeg[at + 9]
        if marker == 0xFF:
            at += 1
        elif marker <= 0x01 or 0xD0 <= marker <= 0xD7:
            at += 2
        else:
            at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return False


def refuse_many_scans(data: bytes, pixels: int) -> None:
    if not data.startswith(JPEG_START) or in_one_scan(data):
        return
    most = min(MOST_SCANS, max(MOST_SCANNED_PIXELS // pixels, 1))
    # counting alone is faster (2 ms for a camera's file) and never counts too few
    if data.count(START_OF_SCAN) > most and scans_of(data) > most:
        raise Refused("scans")


def shrink_while_loading(image: Image.Image, side: int) -> None:
    width, height = image.size
    for shrink in JPEG_SHRINKS:
        if max(width, height) >= side * shrink:
            image.draft("RGB" if image.mode == "RGB" else None, (max(width // shrink, 1), max(height // shrink, 1)))
            return


def decode(data: bytes, side: int, max_pixels: int) -> tuple[int, int, Image.Image]:
    """Original upright width and height, and the upright picture. A longest side of twice `side` or more is divided by
    a whole number, which costs a tenth of resampling, and stays at `side` or more."""
    image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > max_pixels:
        raise Refused("large")
    refuse_many_scans(data, width * height)
    profile = image.info.get("icc_profile")
    shrink_while_loading(image, side)
    image.load()
    orientation = orientation_of(image)
    image = plain(image)
    if (factor := max(image.size) // side) > 1:
        image = image.reduce(factor)
    image = in_srgb(on_white(image), profile)
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


def answer(data: bytes, side: int, max_pixels: int) -> tuple[bytes, bytes]:
    """The outcome with its sizes, and the pixels."""
    try:
        width, height, image = decode(data, side, max_pixels)
        return ANSWER.pack(b"ok", width, height, *image.size), image.tobytes()
    except Exception as error:  # noqa: BLE001 - whatever a hostile file provokes becomes one word
        return ANSWER.pack(outcome_of(error, data).encode(), 0, 0, 0, 0), b""


def read_exactly(line: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = line.recv(min(count, RECEIVED_AT_ONCE))
        if not part:
            sys.exit(0)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def pass_over_bombs() -> None:
    """Text and profiles of a PNG that unpack to more than Pillow takes are passed over: the picture is what counts."""

    def bounded(read: Any) -> Any:
        def chunk(stream: Any, pos: int, length: int) -> bytes:
            try:
                return bytes(read(stream, pos, length))
            except ValueError:
                stream.fp.seek(pos)
                return bytes(stream.fp.read(length))

        return chunk

    for name in ("chunk_iCCP", "chunk_zTXt", "chunk_iTXt", "chunk_tEXt"):
        setattr(PngImagePlugin.PngStream, name, bounded(getattr(PngImagePlugin.PngStream, name)))


def main(memory_bytes: int, cpu_seconds: int) -> None:
    line = socket.socket(fileno=0)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.MAX_IMAGE_PIXELS = None  # the request carries the limit, and plain sizes are answered by it
    Image.init()
    pass_over_bombs()
    confine(memory_bytes)
    while True:
        size, side, max_pixels = REQUEST.unpack(read_exactly(line, REQUEST.size))
        data = read_exactly(line, size)
        allow_cpu_seconds(cpu_seconds)
        for part in answer(data, side, max_pixels):
            line.sendall(part)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
